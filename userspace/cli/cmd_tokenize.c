// SPDX-License-Identifier: MIT
/* dseek tokenize: text to token ids by a model's vocabulary, and back. */
#include "cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../model/gguf.h"
#include "../model/tokenizer.h"
#include "cli_model.h"

struct tokenize {
	struct cli_common common;
	const char *model;
	int decode, add, plain, pieces;
};

static char *read_all(FILE *f, size_t *ret_size)
{
	size_t size = 0, room = 0, n;
	char *text = NULL, *more;

	do {
		if (room - size < 2) {
			room = room ? 2 * room : 65536;
			more = realloc(text, room);
			if (!more) {
				free(text);
				errno = ENOMEM;
				return NULL;
			}
			text = more;
		}
		n = fread(text + size, 1, room - size - 1, f);
		size += n;
	} while (n);
	if (ferror(f)) {
		free(text);
		return NULL;
	}
	text[size] = 0;
	*ret_size = size;
	return text;
}

static void print_json(const struct tokenizer *t, const int32_t *ids, size_t n)
{
	cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "ids"), *pieces = cJSON_AddArrayToObject(root, "tokens");
	char *out;

	for (size_t i = 0; i < n; i++) {
		struct gguf_str name = tokenizer_name(t, ids[i]);
		char *copy = strndup(name.data, name.size);

		cJSON_AddItemToArray(list, cJSON_CreateNumber(ids[i]));
		cJSON_AddItemToArray(pieces, cJSON_CreateString(copy ? copy : ""));
		free(copy);
	}
	out = cJSON_PrintUnformatted(root);
	puts(out ? out : "{}");
	free(out);
	cJSON_Delete(root);
}

static int encode(const struct tokenize *o, const struct tokenizer *t, const char *text,
		  size_t size)
{
	unsigned int flags = (o->add ? TOKENIZER_ADD : 0) | (o->plain ? 0 : TOKENIZER_SPECIAL);
	int32_t *ids;
	size_t n;
	int r = tokenizer_encode(t, text, size, flags, &ids, &n);

	if (r) {
		cli_log(CLI_ERROR, "the text can't be tokenized: %s", strerror(-r));
		return r;
	}
	if (o->common.json) {
		print_json(t, ids, n);
	} else {
		for (size_t i = 0; i < n; i++) {
			struct gguf_str name = tokenizer_name(t, ids[i]);

			if (o->pieces)
				printf("%d\t%.*s\n", ids[i], (int)name.size, name.data);
			else
				printf("%s%d", i ? "," : "", ids[i]);
		}
		if (!o->pieces)
			putchar('\n');
	}
	free(ids);
	return 0;
}

static int decode(const struct tokenizer *t, const char *list)
{
	int32_t *ids = NULL;
	uint32_t n = 0;
	size_t size;
	char *text;
	int r = *list ? cli_read_tokens(list, &ids, &n) : 0;

	if (r)
		return r;
	r = tokenizer_decode(t, ids, n, TOKENIZER_SPECIAL, &text, &size);
	for (uint32_t i = 0; r == -ERANGE && i < n; i++)
		if (ids[i] < 0 || (uint32_t)ids[i] >= tokenizer_n_vocab(t)) {
			cli_log(CLI_ERROR, "there is no token %d; the vocabulary has %u", ids[i],
				tokenizer_n_vocab(t));
			break;
		}
	if (!r) {
		fwrite(text, 1, size, stdout);
		free(text);
	}
	free(ids);
	return r;
}

int cmd_tokenize(int argc, char **argv)
{
	struct tokenize o = { .common = CLI_COMMON_DEFAULTS };
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &o.model, "FILE", "GGUF file" },
		{ "decode", 'D', CLI_FLAG, &o.decode, NULL, "the other way: ids (1,2,3, or a file of them) to text, nothing added" },
		{ "add", 'a', CLI_FLAG, &o.add, NULL, "add beginning and end of sequence if the file says so" },
		{ "plain", 0, CLI_FLAG, &o.plain, NULL, "control tokens written in the text are text" },
		{ "pieces", 'p', CLI_FLAG, &o.pieces, NULL, "one line a token: id and name" },
		CLI_OPTION_NO_DEVICE(&o.common),
		CLI_OPTION_JSON(&o.common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek tokenize",
		"-m MODEL [TEXT]", "Token ids of a text, by a model's vocabulary, and back.",
		"Without TEXT, standard input.\n", 0, 1,
	};
	struct tokenizer *t = NULL;
	struct gguf *g = NULL;
	char err[512], *input = NULL;
	const char *text;
	size_t size;
	int first, r;

	first = cli_parse(&usage, options, argc, argv);
	if (!o.model)
		return cli_usage_error(&usage, "--model is needed");
	if (o.decode && (o.add || o.plain || o.pieces || o.common.json))
		return cli_usage_error(&usage,
				       "--decode takes none of --add, --plain, --pieces and --json");
	if (o.pieces && o.common.json)
		return cli_usage_error(&usage, "--pieces and --json exclude each other");
	r = gguf_open(o.model, &g, err, sizeof(err));
	if (!r)
		r = tokenizer_create(g, &t, err, sizeof(err));
	if (r) {
		cli_log(CLI_ERROR, "%s", err);
		goto out;
	}
	if (first < argc) {
		text = argv[first];
		size = strlen(text);
	} else {
		text = input = read_all(stdin, &size);
		if (!input) {
			cli_log(CLI_ERROR, "standard input: %s", strerror(errno));
			r = -errno;
			goto out;
		}
	}
	r = o.decode ? decode(t, text) : encode(&o, t, text, size);
out:
	free(input);
	tokenizer_destroy(t);
	gguf_close(g);
	return r ? CLI_FAILED : CLI_OK;
}

// SPDX-License-Identifier: MIT
#include "cli_model.h"

#include "../model/model.h"

#include <ctype.h>
#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void show(void *arg, uint64_t done, uint64_t total)
{
	cli_progress_update(arg, done);
}

static int kv_type(struct dsk_session_params *p, const char *name)
{
	for (uint32_t type = 0; type < DSEEK_DTYPE_COUNT; type++)
		if (!strcasecmp(name, dseek_dtype_name(type)) && (type == DSEEK_Q8_0 || (type != DSEEK_I32 && dseek_dtype_block(type) == 1))) {
			p->kv_type = type;
			p->kv_type_set = true;
			return 0;
		}
	cli_log(CLI_ERROR, "--kv-type %s: it is none of f32, f16, bf16, q8_0", name);
	return -EINVAL;
}

static int amend(struct dsk_session_params *p, const struct cli_model_options *o)
{
	const struct { uint64_t value; uint32_t *to; const char *name; } numbers[] = {
		{ o->n_ctx, &p->n_ctx, "ctx" }, { o->chunk, &p->chunk, "chunk" },
		{ o->window, &p->window, "window" }, { o->experts, &p->n_expert_used, "experts" },
	};

	for (unsigned int i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].value > INT32_MAX) {
			cli_log(CLI_ERROR, "--%s is too large", numbers[i].name);
			return -EINVAL;
		}
		if (numbers[i].value)
			*numbers[i].to = numbers[i].value;
	}
	if (p->chunk && p->logit_rows > p->chunk)
		p->logit_rows = p->chunk;
	p->precise = p->precise || o->precise;
	p->window_set = p->window_set || o->window || o->full;
	return o->kv_type ? kv_type(p, o->kv_type) : 0;
}

int cli_model_load(struct cli_model *m, const struct cli_model_options *options, const struct cli_common *common)
{
	struct cli_progress progress;
	struct dsk_load_params load = { .numa_node = -1, .progress = show, .progress_arg = &progress };
	char err[512];
	int rc;

	rc = dsk_model_open(options->path, &m->model, err, sizeof(err));
	if (rc) {
		cli_log(CLI_ERROR, "%s", err);
		return rc;
	}
	rc = dseek_open(common->device, NULL, &m->dev);
	if (rc) {
		cli_log(CLI_ERROR, "device %s: %s", common->device, dseek_strerror_detail());
		return rc;
	}
	cli_progress_start(&progress, "load", dsk_model_shape(m->model)->weight_bytes, common->quiet);
	rc = dsk_model_load(m->model, m->dev, &load, err, sizeof(err));
	cli_progress_end(&progress, rc ? 0 : dsk_model_shape(m->model)->weight_bytes);
	if (rc)
		cli_log(CLI_ERROR, "%s", err);
	return rc;
}

int cli_model_session(struct cli_model *m, const struct cli_model_options *options, struct dsk_session_params *params)
{
	char err[512];
	int rc = amend(params, options);

	if (rc)
		return rc;
	rc = dsk_session_create(m->model, params, &m->session, err, sizeof(err));
	if (rc)
		cli_log(CLI_ERROR, "%s", err);
	else if (*dsk_session_precision(m->session))
		cli_log(CLI_INFO, "precision %s", dsk_session_precision(m->session));
	return rc;
}

int cli_model_open(struct cli_model *m, const struct cli_model_options *options, const struct cli_common *common,
		   struct dsk_session_params *params)
{
	int rc = cli_model_load(m, options, common);

	return rc ? rc : cli_model_session(m, options, params);
}

void cli_model_close(struct cli_model *m)
{
	dsk_session_destroy(m->session);
	dsk_model_close(m->model);
	dseek_close(m->dev);
	*m = (struct cli_model){};
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f || getdelim(&text, &size, 0, f) < 0) {
		cli_log(CLI_ERROR, "%s: %s", path, f && !ferror(f) ? "it is empty" : strerror(errno));
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

int cli_read_tokens(const char *list, int32_t **ret_tokens, uint32_t *ret_n)
{
	size_t digits = strspn(list, "0123456789, []");
	char *text = list[digits] ? read_file(list) : strdup(list), *p = text;
	int32_t *tokens;
	uint32_t n = 0;

	if (!text)
		return -errno;
	tokens = malloc((strlen(text) / 2 + 1) * sizeof(*tokens));
	while (tokens) {
		char *end;
		long id;

		p += strspn(p, ", \t\r\n[]");
		if (!*p)
			break;
		errno = 0;
		id = strtol(p, &end, 10);
		if (end == p || errno || id < 0 || id > INT32_MAX) {
			cli_log(CLI_ERROR, "\"%.12s\" is not a token id", p);
			free(tokens);
			free(text);
			return -EINVAL;
		}
		tokens[n++] = id;
		p = end;
	}
	free(text);
	if (!tokens || !n) {
		cli_log(CLI_ERROR, "%s", tokens ? "there are no token ids" : "no memory");
		free(tokens);
		return -EINVAL;
	}
	*ret_tokens = tokens;
	*ret_n = n;
	return 0;
}

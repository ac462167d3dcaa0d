// SPDX-License-Identifier: MIT
/* dseek generate: a prompt's continuation, streamed to standard output. */
#include "cli_model.h"

#include "../model/channel.h"
#include "../model/chat.h"
#include "../model/generate.h"
#include "../model/model.h"
#include "../model/sampler.h"
#include "../model/tokenizer.h"

#include <cjson/cJSON.h>
#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct generate {
	struct cli_common common;
	struct cli_model_options options;
	const char *prompt, *tokens, *system, *reasoning;
	uint64_t n, top_k, seed;
	double temperature, top_p;
	int chat, raw, ignore_end, ids_only, all_channels;

	struct cli_model m;
	struct tokenizer *tokenizer;
	int32_t *ids;
	uint32_t n_ids;
	cJSON *json_ids, *json_margins;
	char *text;
	size_t text_size;

	/* An answer in channels: the user is shown "final", all others where asked for, in JSON apart. */
	bool in_channels, any_final;
	struct channel_reader reader;
	char channel[sizeof(((struct channel_reader *)0)->name)];	/* of what was printed last */
	cJSON *json_channels;
};

static int encode_chat(struct generate *g, char *err, size_t err_size)
{
	struct chat_message messages[2] = { { "system", g->system }, { "user", g->prompt } };
	const struct chat_settings settings = { .reasoning = g->reasoning };
	struct chat *chat;
	size_t n = 0;
	int rc = chat_create(dsk_model_gguf(g->m.model), g->tokenizer, &chat, err, err_size);

	if (rc)
		return rc;
	g->in_channels = chat_has_channels(chat);
	if (g->in_channels)
		rc = channel_reader_init(&g->reader, g->tokenizer, err, err_size);
	if (!rc && g->reasoning)
		rc = chat_set(chat, &settings, err, err_size);
	if (rc) {
		chat_destroy(chat);
		return rc == -ENOENT ? -EINVAL : rc;	/* there is a template: no going on without */
	}
	rc = chat_encode(chat, g->system ? messages : messages + 1, g->system ? 2 : 1, &g->ids, &n, err, err_size);
	g->n_ids = n;
	chat_destroy(chat);
	return rc;
}

/* --tokens as they are; --raw as text with control tokens; else as the chat template has it, if there is one. */
static int encode(struct generate *g)
{
	char err[512] = "";
	size_t n = 0;
	int rc;

	if (g->tokens)
		return cli_read_tokens(g->tokens, &g->ids, &g->n_ids);
	if (!g->raw) {
		rc = encode_chat(g, err, sizeof(err));
		if (!rc || g->chat || g->system || g->reasoning || (rc != -ENOENT && rc != -ENOTSUP)) {
			if (rc)
				cli_log(CLI_ERROR, "%s", err);
			return rc;
		}
	}
	rc = tokenizer_encode(g->tokenizer, g->prompt, strlen(g->prompt), TOKENIZER_ADD | TOKENIZER_SPECIAL, &g->ids, &n);
	g->n_ids = n;
	if (!rc && !n) {
		cli_log(CLI_ERROR, "the prompt has no tokens");
		return -EINVAL;
	}
	if (rc)
		cli_log(CLI_ERROR, "the prompt can't be tokenized: %s", strerror(-rc));
	return rc;
}

/* Text for the user; of other channels than the last one's, a line says so first. */
static void print_text(struct generate *g, const struct dsk_token *t, const char *channel)
{
	if (g->in_channels && g->all_channels && strcmp(channel, g->channel)) {
		printf("%s[%s]\n", *g->channel ? "\n" : "", channel);
		snprintf(g->channel, sizeof(g->channel), "%s", channel);
	}
	fwrite(t->text, 1, t->text_size, stdout);
}

static int keep_text(char **text, size_t *size, const struct dsk_token *t)
{
	char *more = realloc(*text, *size + t->text_size + 1);

	if (!more)
		return 1;
	memcpy(more + *size, t->text, t->text_size);
	*text = more;
	*size += t->text_size;
	more[*size] = 0;
	return 0;
}

static int keep_channel(struct generate *g, const struct dsk_token *t, const char *channel)
{
	cJSON *old = cJSON_GetObjectItemCaseSensitive(g->json_channels, channel);
	char *text = strdup(old ? cJSON_GetStringValue(old) : "");
	size_t size = text ? strlen(text) : 0;
	int rc = !text || keep_text(&text, &size, t);

	if (!rc && old)
		rc = !cJSON_SetValuestring(old, text);
	else if (!rc)
		rc = !cJSON_AddStringToObject(g->json_channels, channel, text);
	free(text);
	return rc;
}

static int on_token(void *arg, const struct dsk_token *t)
{
	struct generate *g = arg;
	const char *channel = g->in_channels ? channel_reader_push(&g->reader, t->id) : CHANNEL_FINAL;
	bool final = channel && !strcmp(channel, CHANNEL_FINAL);

	g->any_final |= final;
	if (!g->common.json) {
		if (g->ids_only)
			printf("%s%d", t->index ? "," : "", t->id);
		else if (final || (channel && g->all_channels))
			print_text(g, t, channel);
		return fflush(stdout) ? 1 : 0;	/* nobody reads any more: stop */
	}
	cJSON_AddItemToArray(g->json_ids, cJSON_CreateNumber(t->id));
	cJSON_AddItemToArray(g->json_margins, cJSON_CreateNumber((double)t->margin));
	if (g->in_channels && channel && keep_channel(g, t, channel))
		return 1;
	return final ? keep_text(&g->text, &g->text_size, t) : 0;
}

static void print_json(struct generate *g, const struct dsk_generated *r)
{
	static const char *const stops[DSK_STOP_COUNT] = { "length", "end", "context", "caller" };
	double prompt_s = (r->first_ns - r->start_ns) * 1e-9, decode_s = (r->end_ns - r->first_ns) * 1e-9;
	struct dseek_queue_stats stats = {};
	cJSON *root = cJSON_CreateObject(), *prompt = cJSON_AddArrayToObject(root, "prompt_ids");
	char *out;

	for (uint32_t i = 0; i < g->n_ids; i++)
		cJSON_AddItemToArray(prompt, cJSON_CreateNumber(g->ids[i]));
	cJSON_AddItemToObject(root, "ids", g->json_ids);
	cJSON_AddStringToObject(root, "text", g->text ? g->text : "");
	if (g->json_channels)
		cJSON_AddItemToObject(root, "channels", g->json_channels);
	cJSON_AddItemToObject(root, "margin", g->json_margins);
	cJSON_AddStringToObject(root, "stop", stops[r->stop]);
	cJSON_AddStringToObject(root, "transport", dseek_transport(g->m.dev));
	cJSON_AddNumberToObject(root, "prompt_seconds", prompt_s);
	cJSON_AddNumberToObject(root, "prompt_tokens_per_second", prompt_s > 0 ? r->n_prompt / prompt_s : 0);
	cJSON_AddNumberToObject(root, "decode_seconds", decode_s);
	cJSON_AddNumberToObject(root, "decode_tokens_per_second", decode_s > 0 ? (r->n_tokens - 1) / decode_s : 0);
	if (!dsk_session_stats(g->m.session, &stats)) {
		cJSON_AddNumberToObject(root, "engine_seconds", stats.engine_ns * 1e-9);
		cJSON_AddNumberToObject(root, "queued_seconds", stats.queued_ns * 1e-9);
		cJSON_AddNumberToObject(root, "preemptions", stats.preemptions);
	}
	out = cJSON_Print(root);
	puts(out ? out : "{}");
	free(out);
	cJSON_Delete(root);
	g->json_ids = g->json_margins = g->json_channels = NULL;
}

static int run(struct generate *g)
{
	struct sampler_params sampler = {
		.temperature = g->temperature, .top_k = g->top_k, .top_p = g->top_p, .repeat_penalty = 1, .seed = g->seed,
	};
	struct dsk_generate_params params = {
		.sampler = &sampler, .max_tokens = g->n, .ignore_end = g->ignore_end, .token = on_token, .arg = g,
	};
	struct dsk_session_params session = { .sched_class = DSEEK_CLASS_INTERACTIVE };
	struct dsk_generated result;
	char err[512] = "";
	int rc;

	rc = cli_model_load(&g->m, &g->options, &g->common);
	if (rc)
		return rc;
	rc = tokenizer_create(dsk_model_gguf(g->m.model), &g->tokenizer, err, sizeof(err));
	if (rc) {
		cli_log(CLI_ERROR, "%s", err);
		return rc;
	}
	rc = encode(g);
	if (rc)
		return rc;
	session.n_ctx = g->n_ids + g->n < 1u << 24 ? g->n_ids + g->n : 1u << 24;
	rc = cli_model_session(&g->m, &g->options, &session);
	if (rc)
		return rc;
	if (g->common.json) {
		g->json_ids = cJSON_CreateArray();
		g->json_margins = cJSON_CreateArray();
		g->json_channels = g->in_channels ? cJSON_CreateObject() : NULL;
	}
	rc = dsk_generate(g->m.session, g->tokenizer, g->ids, g->n_ids, &params, &result, err, sizeof(err));
	if (rc) {
		cli_log(CLI_ERROR, "%s", err);
		return rc;
	}
	if (g->in_channels && !g->any_final)
		cli_log(CLI_WARN, "all %u tokens were for other channels than the final one, which shows the answer: --number, --all-channels",
			result.n_tokens);
	if (g->common.json) {
		print_json(g, &result);
		return 0;
	}
	putchar('\n');
	fflush(stdout);
	if (result.stop == DSK_STOP_CONTEXT)
		cli_log(CLI_WARN, "stopped: the context of %u tokens is full", dsk_session_n_ctx(g->m.session));
	cli_log(CLI_DEBUG, "%u prompt tokens in %.3f s, %u tokens after the first in %.3f s", result.n_prompt,
		(result.first_ns - result.start_ns) * 1e-9, result.n_tokens - 1, (result.end_ns - result.first_ns) * 1e-9);
	return 0;
}

int cmd_generate(int argc, char **argv)
{
	struct generate g = { .common = CLI_COMMON_DEFAULTS, .n = 128, .top_p = 1.0, .temperature = 0.0 };
	const struct cli_option options[] = {
		CLI_OPTIONS_MODEL(&g.options),
		{ "prompt", 'p', CLI_STRING, &g.prompt, "TEXT", "what the user says" },
		{ "system", 0, CLI_STRING, &g.system, "TEXT", "the system message of a chat" },
		{ "reasoning", 0, CLI_STRING, &g.reasoning, "LEVEL", "low, medium or high, where the model's format has it (gpt-oss)" },
		{ "all-channels", 0, CLI_FLAG, &g.all_channels, NULL, "show all channels of the answer, not the final one only (gpt-oss)" },
		{ "tokens", 't', CLI_STRING, &g.tokens, "IDS|FILE", "the prompt as token ids, instead of text" },
		{ "number", 'n', CLI_UINT, &g.n, "N", "tokens at most (default 128)" },
		{ "chat", 0, CLI_FLAG, &g.chat, NULL, "insist on the file's chat template (default: where there is one)" },
		{ "raw", 0, CLI_FLAG, &g.raw, NULL, "the prompt as it stands, control tokens in it included" },
		{ "temp", 0, CLI_DOUBLE, &g.temperature, "T", "temperature (default 0: greedy)" },
		{ "top-k", 0, CLI_UINT, &g.top_k, "K", "draw from the K likeliest tokens (default 0: all)" },
		{ "top-p", 0, CLI_DOUBLE, &g.top_p, "P", "draw from the likeliest that sum up to P (default 1: all)" },
		{ "seed", 's', CLI_UINT, &g.seed, "S", "of the draw (default 0)" },
		{ "ignore-end", 0, CLI_FLAG, &g.ignore_end, NULL, "go on after the model's end token" },
		{ "ids", 0, CLI_FLAG, &g.ids_only, NULL, "print token ids instead of text" },
		CLI_OPTION_DEVICE(&g.common), CLI_OPTION_JSON(&g.common), CLI_OPTION_QUIET(&g.common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek generate", "-m MODEL -p TEXT [-n N]", "Continue a prompt, streamed to standard output.",
	};
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (!g.options.path || (!g.prompt && !g.tokens))
		return cli_usage_error(&usage, "--model and --prompt (or --tokens) are needed");
	if (g.prompt && g.tokens)
		return cli_usage_error(&usage, "--prompt and --tokens exclude each other");
	if (g.reasoning && (g.raw || g.tokens))
		return cli_usage_error(&usage, "--reasoning is for a chat: not with --raw, nor --tokens");
	if (g.chat && g.raw)
		return cli_usage_error(&usage, "--chat and --raw exclude each other");
	if (!g.n || g.n > 1u << 24)
		return cli_usage_error(&usage, "--number is not in 1..2^24");
	if (g.top_k > INT32_MAX)
		return cli_usage_error(&usage, "--top-k is too large");
	if (g.common.quiet)
		cli_log_limit(CLI_ERROR);
	rc = run(&g);
	cJSON_Delete(g.json_ids);
	cJSON_Delete(g.json_margins);
	cJSON_Delete(g.json_channels);
	tokenizer_destroy(g.tokenizer);
	cli_model_close(&g.m);
	free(g.ids);
	free(g.text);
	return rc ? CLI_FAILED : CLI_OK;
}

// SPDX-License-Identifier: MIT
/* dseek bench model: tokens/s of prefill and of decode, the same quantities as llama-bench's ppN and tgN. */
#include "cli_model.h"

#include "../model/model.h"

#include <cjson/cJSON.h>
#include <dseek.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct series {
	double sum, squares, best;
	uint64_t n;
};

static void add(struct series *s, double value)
{
	s->sum += value;
	s->squares += value * value;
	s->best = fmax(s->best, value);
	s->n++;
}

static double mean(const struct series *s)
{
	return s->n ? s->sum / s->n : 0;
}

static double spread(const struct series *s)
{
	return s->n > 1 ? sqrt(fmax(0, (s->squares - s->sum * s->sum / s->n) / (s->n - 1))) : 0;
}

/* Tokens/s of one run from an empty context: of the whole, submission and waiting included. */
static int once(struct dsk_session *session, const int32_t *tokens, uint32_t n, int one_by_one, double *ret_speed)
{
	uint64_t start;
	int rc = dsk_session_rewind(session, 0);

	start = cli_now_ns();
	if (!one_by_one)
		rc = dsk_session_eval(session, tokens, n);
	for (uint32_t i = 0; one_by_one && !rc && i < n; i++)
		rc = dsk_session_eval(session, &tokens[i], 1);
	*ret_speed = n / ((cli_now_ns() - start) * 1e-9);
	if (rc)
		cli_log(CLI_ERROR, "%s", dsk_session_error(session));
	return rc;
}

static void print(const struct cli_common *common, const char *what, uint64_t n, const struct series *s, cJSON *json)
{
	cJSON *row;

	if (!s->n)
		return;
	if (!common->json) {
		printf("%-8s %6llu tokens %10.1f tokens/s +- %.1f (best %.1f of %llu)\n", what, (unsigned long long)n, mean(s),
		       spread(s), s->best, (unsigned long long)s->n);
		return;
	}
	row = cJSON_AddObjectToObject(json, what);
	cJSON_AddNumberToObject(row, "tokens", n);
	cJSON_AddNumberToObject(row, "tokens_per_second", mean(s));
	cJSON_AddNumberToObject(row, "deviation", spread(s));
	cJSON_AddNumberToObject(row, "best", s->best);
	cJSON_AddNumberToObject(row, "repetitions", s->n);
}

int bench_model_main(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct cli_model_options model = { .chunk = 512 };
	uint64_t prompt = 512, number = 64, repetitions = 3;
	const struct cli_option options[] = {
		CLI_OPTIONS_MODEL(&model),
		{ "prompt", 'p', CLI_UINT, &prompt, "N", "tokens of prefill (default 512; 0: leave it out)" },
		{ "number", 'n', CLI_UINT, &number, "N", "tokens of decode (default 64; 0: leave it out)" },
		{ "repetitions", 'r', CLI_UINT, &repetitions, "N", "of each, interleaved (default 3)" },
		CLI_OPTION_DEVICE(&common), CLI_OPTION_JSON(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek bench model", "-m MODEL [-p N] [-n N]", "Tokens per second of prefill and of decode.",
	};
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH };
	struct series prefill = {}, decode = {};
	struct cli_model m = {};
	int32_t *tokens = NULL;
	uint64_t most;
	cJSON *json;
	char *out;
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (!model.path)
		return cli_usage_error(&usage, "--model is needed");
	most = prompt > number ? prompt : number;
	if (!most || most > 1 << 20 || !repetitions || repetitions > 1000)
		return cli_usage_error(&usage, "--prompt, --number or --repetitions is out of range");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	if (!model.n_ctx)
		params.n_ctx = most;
	rc = cli_model_open(&m, &model, &common, &params);
	tokens = malloc(most * sizeof(*tokens));
	if (!rc && !tokens)
		rc = -1;
	for (uint64_t i = 0; !rc && i < most; i++)
		tokens[i] = (i * 2654435761u >> 7) % dsk_model_shape(m.model)->n_vocab;
	for (uint64_t r = 0; !rc && r <= repetitions; r++) {	/* the first of each warms up */
		double speed;

		if (prompt) {
			rc = once(m.session, tokens, prompt, 0, &speed);
			if (r)
				add(&prefill, speed);
		}
		if (!rc && number) {
			rc = once(m.session, tokens, r ? number : 1, 1, &speed);
			if (r)
				add(&decode, speed);
		}
	}
	if (!rc) {
		json = cJSON_CreateObject();
		cJSON_AddStringToObject(json, "model", dsk_model_shape(m.model)->name);
		cJSON_AddStringToObject(json, "transport", dseek_transport(m.dev));
		print(&common, "prefill", prompt, &prefill, json);
		print(&common, "decode", number, &decode, json);
		out = common.json ? cJSON_Print(json) : NULL;
		if (out)
			puts(out);
		free(out);
		cJSON_Delete(json);
	}
	free(tokens);
	cli_model_close(&m);
	return rc ? CLI_FAILED : CLI_OK;
}

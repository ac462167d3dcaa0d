// SPDX-License-Identifier: MIT
/*
 * dseek bench quality: perplexity on the second half of the shipped text (the first half is what moefy calibrates with),
 * for several numbers of selected experts. Windows of 512 tokens, of each the second half is scored.
 */
#include "cli_model.h"

#include "../model/model.h"
#include "../model/sample_text.h"
#include "../model/tokenizer.h"

#include <cjson/cJSON.h>
#include <dseek.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW	512
#define SCORED	(WINDOW / 2)

struct score {
	const int32_t *tokens;		/* tokens[i + 1] is what follows row i */
	uint32_t n_vocab, rows;
	double sum, squares;
};

static int score_row(void *arg, uint32_t token, const float *logits)
{
	struct score *s = arg;
	float max = logits[0];
	double sum = 0, loss;

	for (uint32_t i = 1; i < s->n_vocab; i++)
		max = fmaxf(max, logits[i]);
	for (uint32_t i = 0; i < s->n_vocab; i++)
		sum += expf(logits[i] - max);
	loss = log(sum) + max - logits[s->tokens[token + 1]];
	s->sum += loss;
	s->squares += loss * loss;
	s->rows++;
	return 0;
}

static int measure(struct dsk_session *session, const int32_t *tokens, uint32_t n, int bos, struct score *s)
{
	int32_t window[WINDOW + 1];
	int rc;

	for (uint32_t at = 0; at + WINDOW < n; at += WINDOW) {
		memcpy(window, tokens + at, sizeof(window));
		if (bos >= 0)
			window[0] = bos;
		dsk_session_rewind(session, 0);
		rc = dsk_session_eval(session, window, SCORED);
		if (!rc) {
			s->tokens = window + SCORED;
			rc = dsk_session_eval_all(session, window + SCORED, WINDOW - SCORED, score_row, s);
		}
		if (rc) {
			cli_log(CLI_ERROR, "%s", dsk_session_error(session));
			return rc;
		}
	}
	return 0;
}

/* "8,4,2"; without it all, three quarters, half and a quarter of the model's. */
static int read_experts(const char *list, uint32_t have, uint32_t *counts, unsigned int *ret_n)
{
	int32_t *ids;
	uint32_t n;
	int rc;

	if (!list) {
		for (int quarter = 4; quarter >= 1 && have; quarter--)
			counts[(*ret_n)++] = (have * quarter + 3) / 4;
		if (!have)
			counts[(*ret_n)++] = 0;
		return 0;
	}
	rc = cli_read_tokens(list, &ids, &n);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n && i < 64; i++) {
		if (ids[i] < 1 || (uint32_t)ids[i] > have) {
			cli_log(CLI_ERROR, "%d experts, the model has %u", ids[i], have);
			rc = -EINVAL;
		}
		counts[(*ret_n)++] = ids[i];
	}
	free(ids);
	return rc;
}

int bench_quality_main(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct cli_model_options model = {};
	const char *list = NULL;
	uint64_t most = 4096;
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &model.path, "FILE", "GGUF file" },
		{ "experts", 'x', CLI_STRING, &list, "N,N...", "experts selected (default: all, 3/4, 1/2, 1/4 of them)" },
		{ "tokens", 't', CLI_UINT, &most, "N", "of the text at most (default 4096)" },
		{ "window", 0, CLI_UINT, &model.window, "N", "sliding window of attention" },
		{ "precise", 0, CLI_FLAG, &model.precise, NULL, "activations and KV cache stay float32" },
		CLI_OPTION_DEVICE(&common), CLI_OPTION_JSON(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek bench quality", "-m MODEL [--experts N,N...]", "Perplexity on the shipped text.",
	};
	struct tokenizer *tokenizer = NULL;
	struct cli_model m = {};
	uint32_t counts[64 + 4];
	unsigned int n_counts = 0;
	int32_t *tokens = NULL;
	cJSON *rows;
	char err[512], *json;
	size_t size, n = 0;
	const char *text;
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (!model.path)
		return cli_usage_error(&usage, "--model is needed");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	rows = cJSON_CreateArray();
	rc = cli_model_load(&m, &model, &common);
	if (!rc)
		rc = read_experts(list, dsk_model_shape(m.model)->n_expert, counts, &n_counts);
	if (!rc) {
		rc = tokenizer_create(dsk_model_gguf(m.model), &tokenizer, err, sizeof(err));
		if (rc)
			cli_log(CLI_ERROR, "%s", err);
	}
	if (!rc) {
		text = sample_text(&size);
		while (size / 2 < size && (text[size / 2] & 0xc0) == 0x80)	/* a character's middle */
			text++, size--;
		rc = tokenizer_encode(tokenizer, text + size / 2, size - size / 2, 0, &tokens, &n);
		n = n < most ? n : most;
		if (!rc && n <= WINDOW)
			rc = -EINVAL;
		if (rc)
			cli_log(CLI_ERROR, "the text has %zu tokens, at least %d are needed", n, WINDOW + 1);
	}
	if (!rc && !common.json)
		printf("%8s %12s %8s %8s %10s\n", "experts", "perplexity", "+-", "tokens", "tokens/s");
	for (unsigned int i = 0; !rc && i < n_counts; i++) {
		struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = WINDOW, .logit_rows = 64,
						     .n_expert_used = counts[i] };
		struct score s = { .n_vocab = dsk_model_shape(m.model)->n_vocab };
		uint64_t start = cli_now_ns();
		double mean, error, speed;
		cJSON *row;

		rc = cli_model_session(&m, &model, &params);
		if (!rc)
			rc = measure(m.session, tokens, n,
				     tokenizer_adds_bos(tokenizer) ? tokenizer_bos(tokenizer) : -1, &s);
		dsk_session_destroy(m.session);
		m.session = NULL;
		if (rc)
			break;
		mean = s.sum / s.rows;
		error = sqrt(fmax(0, s.squares / s.rows - mean * mean) / s.rows) * exp(mean);
		speed = s.rows * 2 / ((cli_now_ns() - start) * 1e-9);
		if (!common.json) {
			printf("%8u %12.4f %8.4f %8u %10.1f\n", counts[i], exp(mean), error, s.rows, speed);
			fflush(stdout);
		}
		row = cJSON_CreateObject();
		cJSON_AddNumberToObject(row, "experts", counts[i]);
		cJSON_AddNumberToObject(row, "perplexity", exp(mean));
		cJSON_AddNumberToObject(row, "standard_error", error);
		cJSON_AddNumberToObject(row, "tokens", s.rows);
		cJSON_AddNumberToObject(row, "tokens_per_second", speed);
		cJSON_AddItemToArray(rows, row);
	}
	if (!rc && common.json) {
		json = cJSON_Print(rows);
		puts(json ? json : "[]");
		free(json);
	}
	cJSON_Delete(rows);
	tokenizer_destroy(tokenizer);
	free(tokens);
	cli_model_close(&m);
	return rc ? CLI_FAILED : CLI_OK;
}

// SPDX-License-Identifier: MIT
/* dseek model moefy: a dense model as a mixture of experts. */
#include "cli_model.h"

#include "../model/model.h"
#include "../model/moefy.h"
#include "../model/sample_text.h"
#include "../model/tokenizer.h"

#include <dseek.h>
#include <stdlib.h>
#include <string.h>

static void show(void *arg, uint64_t done, uint64_t total)
{
	cli_progress_update(arg, done);
}

/* The first half of the shipped text; the second half is what quality is measured on. */
static int calibration_text(struct dsk_model *m, uint64_t most, int32_t **ret_tokens, uint32_t *ret_n)
{
	struct tokenizer *tokenizer;
	char err[512];
	size_t size, n;
	const char *text = sample_text(&size);
	int rc = tokenizer_create(dsk_model_gguf(m), &tokenizer, err, sizeof(err));

	if (rc) {
		cli_log(CLI_ERROR, "%s", err);
		return rc;
	}
	rc = tokenizer_encode(tokenizer, text, size / 2, TOKENIZER_ADD, ret_tokens, &n);
	tokenizer_destroy(tokenizer);
	if (rc)
		cli_log(CLI_ERROR, "the calibration text can't be tokenized: %s", strerror(-rc));
	else
		*ret_n = n < most ? n : most;
	return rc;
}

int cmd_model_moefy(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct cli_model_options model = {};
	uint64_t experts = 8, used = 0, n_tokens = 2048;
	const char *out = NULL;
	int contiguous = 0;
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &model.path, "FILE", "GGUF file of a dense model" },
		{ "out", 'o', CLI_STRING, &out, "FILE", "the file to write" },
		{ "experts", 'x', CLI_UINT, &experts, "N", "experts of each layer, a divisor of its neurons (default 8)" },
		{ "used", 'u', CLI_UINT, &used, "N", "experts selected for each token (default: half of them)" },
		{ "contiguous", 0, CLI_FLAG, &contiguous, NULL, "neurons as they lie (default: clustered by use together)" },
		{ "tokens", 't', CLI_UINT, &n_tokens, "N", "of the shipped text, to calibrate with (default 2048)" },
		CLI_OPTION_DEVICE(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek model moefy", "-m DENSE -o FILE [--experts N]",
		"Split each feed-forward layer of a dense model into experts, with a router.",
	};
	struct cli_progress progress;
	struct dsk_moefy_params params = { .progress = show, .progress_arg = &progress };
	struct cli_model m = {};
	int32_t *tokens = NULL;
	char err[512];
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (!model.path || !out)
		return cli_usage_error(&usage, "--model and --out are needed");
	if (experts > 64 || used > 64)
		return cli_usage_error(&usage, "at most 64 experts");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	rc = cli_model_load(&m, &model, &common);
	if (!rc)
		rc = calibration_text(m.model, n_tokens, &tokens, &params.n_tokens);
	if (!rc) {
		params.experts = experts;
		params.used = used ? used : (experts + 1) / 2;
		params.split = contiguous ? DSK_SPLIT_CONTIGUOUS : DSK_SPLIT_CLUSTERED;
		params.tokens = tokens;
		cli_progress_start(&progress, "split", dsk_model_shape(m.model)->n_layer, common.quiet);
		rc = dsk_moefy(m.model, out, &params, err, sizeof(err));
		cli_progress_end(&progress, rc ? 0 : dsk_model_shape(m.model)->n_layer);
		if (rc)
			cli_log(CLI_ERROR, "%s", err);
	}
	free(tokens);
	cli_model_close(&m);
	return rc ? CLI_FAILED : CLI_OK;
}

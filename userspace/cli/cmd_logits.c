// SPDX-License-Identifier: MIT
/* dseek logits: the logits of every token of a sequence, as float32, tokens x vocabulary. */
#include "cli.h"

#include "../model/model.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_model.h"

struct sink {
	FILE *file;
	uint32_t n_vocab;
};

static int write_row(void *arg, uint32_t token, const float *logits)
{
	struct sink *s = arg;

	return fwrite(logits, sizeof(float), s->n_vocab, s->file) == s->n_vocab ? 0 : -EIO;
}

int cmd_logits(int argc, char **argv)
{
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct cli_model_options model = {};
	const char *list = NULL, *out = NULL;
	const struct cli_option options[] = {
		CLI_OPTIONS_MODEL(&model),
		{ "tokens", 't', CLI_STRING, &list, "IDS|FILE", "token ids 1,2,3, or a file with ids" },
		{ "out", 'o', CLI_STRING, &out, "FILE", "where to write: float32, tokens x vocabulary, row-major" },
		CLI_OPTION_DEVICE(&common), CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek logits", "-m MODEL -t IDS|FILE -o FILE", "Write the logits of every token of a sequence.",
	};
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .chunk = 64, .logit_rows = 64 };
	struct cli_model m = {};
	struct sink sink = {};
	int32_t *tokens = NULL;
	uint32_t n;
	int rc;

	cli_parse(&usage, options, argc, argv);
	if (!model.path || !list || !out)
		return cli_usage_error(&usage, "--model, --tokens and --out are needed");
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	if (cli_read_tokens(list, &tokens, &n))
		return CLI_FAILED;
	if (!model.n_ctx)
		params.n_ctx = n;
	rc = cli_model_open(&m, &model, &common, &params);
	if (!rc) {
		sink.n_vocab = dsk_model_shape(m.model)->n_vocab;
		sink.file = fopen(out, "wb");
		if (!sink.file) {
			cli_log(CLI_ERROR, "%s: %s", out, strerror(errno));
			rc = -errno;
		}
	}
	if (!rc) {
		rc = dsk_session_eval_all(m.session, tokens, n, write_row, &sink);
		if (rc == -EIO)
			cli_log(CLI_ERROR, "%s: it can't be written", out);
		else if (rc)
			cli_log(CLI_ERROR, "%s", dsk_session_error(m.session));
		if (fclose(sink.file) && !rc) {
			cli_log(CLI_ERROR, "%s: it can't be written", out);
			rc = -EIO;
		}
		if (rc)
			remove(out);	/* nothing half-made */
	}
	cli_model_close(&m);
	free(tokens);
	return rc ? CLI_FAILED : CLI_OK;
}

/* SPDX-License-Identifier: MIT */
/* What sub-commands that run a model share: options, opening with progress, lists of tokens. */
#ifndef DSEEK_CLI_MODEL_H
#define DSEEK_CLI_MODEL_H

#include "cli.h"

#include <stdbool.h>

struct dseek_device;
struct dsk_model;
struct dsk_session;
struct dsk_session_params;

struct cli_model_options {
	const char *path;
	uint64_t n_ctx, chunk, window, experts;	/* 0: defaults */
	int precise, full;
	const char *kv_type;
};

#define CLI_OPTIONS_MODEL(m) \
	{ "model", 'm', CLI_STRING, &(m)->path, "FILE", "GGUF file" }, \
	{ "ctx", 0, CLI_UINT, &(m)->n_ctx, "N", "tokens of context (default: what is needed)" }, \
	{ "chunk", 0, CLI_UINT, &(m)->chunk, "N", "tokens of one prefill job" }, \
	{ "window", 0, CLI_UINT, &(m)->window, "N", "sliding window of attention (default: the model's)" }, \
	{ "full", 0, CLI_FLAG, &(m)->full, NULL, "full attention, whatever the model's window" }, \
	{ "kv-type", 0, CLI_STRING, &(m)->kv_type, "TYPE", "of the KV cache, where no window bounds it: f32, f16 (default), bf16, q8_0" }, \
	{ "experts", 0, CLI_UINT, &(m)->experts, "N", "experts selected for each token (default: the model's)" }, \
	{ "precise", 0, CLI_FLAG, &(m)->precise, NULL, "activations and KV cache stay float32: the form to compare with references" }

struct cli_model {
	struct dseek_device *dev;
	struct dsk_model *model;
	struct dsk_session *session;
};

/*
 * Open the device and load the model; make a session by @params, which the options amend; or both in one.
 * Errors are said on stderr. 0 or -errno; cli_model_close() in either case.
 */
int cli_model_load(struct cli_model *m, const struct cli_model_options *options, const struct cli_common *common);
int cli_model_session(struct cli_model *m, const struct cli_model_options *options, struct dsk_session_params *params);
int cli_model_open(struct cli_model *m, const struct cli_model_options *options, const struct cli_common *common,
		   struct dsk_session_params *params);
void cli_model_close(struct cli_model *m);

/* "1,2,3", or a file with ids between blanks, commas or brackets. Errors are said on stderr. *ret_tokens: free(). */
int cli_read_tokens(const char *list, int32_t **ret_tokens, uint32_t *ret_n);

#endif /* DSEEK_CLI_MODEL_H */

// SPDX-License-Identifier: MIT
/* dseek model synth: a small model with random weights, the same on every machine. */
#include "cli.h"

#include <dseek_program.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../model/synth.h"

static int find_type(const char *name)
{
	for (int d = 0; d < DSEEK_DTYPE_COUNT; d++)
		if (!strcasecmp(dseek_dtype_name(d), name))
			return d;
	return -1;
}

/* A size from the command line over the preset's. */
static int put_size(const struct cli_usage *usage, const char *name, uint64_t given, uint32_t *size)
{
	if (given == UINT64_MAX)
		return 0;
	if (given > UINT32_MAX)
		return cli_usage_error(usage, "--%s is too large", name);
	*size = given;
	return 0;
}

int cmd_model_synth(int argc, char **argv)
{
	enum { EMBD, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FF, EXPERTS, USED, VOCAB, CTX, WINDOW, SIZES };
	struct cli_common common = CLI_COMMON_DEFAULTS;
	const char *preset = "tiny-llama", *type = "f32", *vocabulary = NULL;
	uint64_t sizes[SIZES], seed = 1;
	const struct cli_option options[] = {
		{ "preset", 'p', CLI_STRING, &preset, "NAME", "tiny-llama (default), tiny-mixtral, tiny-qwen3moe, tiny-dsv2lite, tiny-dsv3, tiny-gptoss" },
		{ "type", 't', CLI_STRING, &type, "TYPE", "of the matrices: f32 (default), f16, bf16, q8_0, q4_0, q4_1, mxfp4" },
		{ "seed", 's', CLI_UINT, &seed, "S", "of the weights (default 1)" },
		{ "layers", 0, CLI_UINT, &sizes[LAYERS], "N", "layers" },
		{ "embd", 0, CLI_UINT, &sizes[EMBD], "N", "embedding width" },
		{ "heads", 0, CLI_UINT, &sizes[HEADS], "N", "query heads" },
		{ "kv-heads", 0, CLI_UINT, &sizes[KV_HEADS], "N", "key and value heads" },
		{ "head-dim", 0, CLI_UINT, &sizes[HEAD_DIM], "N", "dimension of a head" },
		{ "ff", 0, CLI_UINT, &sizes[FF], "N", "feed-forward width, of each expert" },
		{ "experts", 0, CLI_UINT, &sizes[EXPERTS], "N", "experts (0: dense)" },
		{ "used", 0, CLI_UINT, &sizes[USED], "N", "experts used for each token" },
		{ "vocab", 0, CLI_UINT, &sizes[VOCAB], "N", "tokens in the vocabulary (at least 300)" },
		{ "ctx", 0, CLI_UINT, &sizes[CTX], "N", "context length stated in the file" },
		{ "window", 0, CLI_UINT, &sizes[WINDOW], "N", "sliding window of attention (0: full)" },
		{ "vocabulary", 0, CLI_STRING, &vocabulary, "KIND", "spm, bpe or harmony (bpe with gpt-oss's conversations)" },
		CLI_OPTION_NO_DEVICE(&common),
		CLI_OPTION_QUIET(&common), CLI_OPTIONS_END,
	};
	static const struct cli_usage usage = {
		"dseek model synth",
		"[-p PRESET] [-t TYPE] FILE", "Write a small model with random weights, the same on every machine.", NULL, 1, 1,
	};
	struct synth_params p;
	struct stat st;
	char err[512];
	int first, r;

	memset(sizes, 0xff, sizeof(sizes));
	first = cli_parse(&usage, options, argc, argv);
	if (synth_preset(preset, &p, err, sizeof(err)))
		return cli_usage_error(&usage, "%s", err);
	if ((r = put_size(&usage, "layers", sizes[LAYERS], &p.n_layer)) ||
	    (r = put_size(&usage, "embd", sizes[EMBD], &p.n_embd)) ||
	    (r = put_size(&usage, "heads", sizes[HEADS], &p.n_head)) || (r = put_size(&usage, "kv-heads", sizes[KV_HEADS], &p.n_head_kv)) ||
	    (r = put_size(&usage, "head-dim", sizes[HEAD_DIM],
			  &p.head_dim)) || (r = put_size(&usage, "ff", sizes[FF], &p.n_ff)) ||
	    (r = put_size(&usage, "experts", sizes[EXPERTS], &p.n_expert)) || (r = put_size(&usage, "used", sizes[USED], &p.n_expert_used)) ||
	    (r = put_size(&usage, "vocab", sizes[VOCAB], &p.n_vocab)) || (r = put_size(&usage, "ctx", sizes[CTX], &p.n_ctx)) ||
	    (r = put_size(&usage, "window", sizes[WINDOW], &p.window)))
		return r;
	if (!p.n_expert)
		p.n_expert_used = 0;
	p.dtype = find_type(type);
	p.seed = seed;
	if (vocabulary && strcmp(vocabulary, "spm") && strcmp(vocabulary, "bpe") && strcmp(vocabulary, "harmony"))
		return cli_usage_error(&usage, "--vocabulary is none of spm, bpe, harmony");
	if (vocabulary) {
		p.spm = !strcmp(vocabulary, "spm");
		p.harmony = !strcmp(vocabulary, "harmony");
	}
	if (common.quiet)
		cli_log_limit(CLI_ERROR);
	if (synth_write(&p, argv[first], err, sizeof(err))) {
		cli_log(CLI_ERROR, "%s", err);
		return CLI_FAILED;
	}
	if (!stat(argv[first], &st))
		cli_log(CLI_INFO, "%s: %s, %lld bytes", argv[first], p.preset,
			(long long)st.st_size);
	return CLI_OK;
}

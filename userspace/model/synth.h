/* SPDX-License-Identifier: MIT */
/*
 * Small models with random weights, for tests and demonstrations: the same parameters give the same
 * file, byte for byte, on every machine. Each tensor has its own stream of random numbers, seeded
 * by the seed and its name, so that files that differ in type or number of layers share their
 * values. Weights are sums of twelve uniform numbers (nearly normal, and no libm), with the
 * deviations that keep activations near 1; router, norms and biases are float32, as converters
 * write them. The vocabulary is trained on the shipped text (sample_text.h) by byte-pair encoding,
 * so that ids decode to readable syllables.
 */
#ifndef DSEEK_SYNTH_H
#define DSEEK_SYNTH_H

#include <stddef.h>
#include <stdint.h>

struct gguf_writer;

struct synth_params {
	const char *preset, *arch;	/* general.name, general.architecture: "llama", "qwen3moe", "deepseek2" or "gpt-oss" */
	uint32_t n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff, n_expert, n_expert_used, n_vocab, n_ctx;
	uint32_t window;		/* of attention; 0: full */
	float rope_base, eps;
	int dtype;			/* enum dseek_dtype of the matrices: F32, F16, BF16, Q8_0, Q4_0, Q4_1 */
	int spm;			/* SentencePiece vocabulary, else byte-level BPE */
	int harmony;			/* that with gpt-oss's control tokens and conversations, not ChatML's */
	uint64_t seed;
	/* deepseek2: heads of head_dim, n_rot of it rotated, values of head_v; the first n_dense layers have no experts, but n_ff_dense */
	uint32_t kv_rank, q_rank, n_rot, head_v;	/* q_rank 0: full queries */
	uint32_t n_dense, n_ff_dense, n_shared, n_group, n_group_used;
	int sigmoid;			/* gates, with a selection bias, normalised; else softmax */
	float expert_scale, yarn, yarn_log_mul;
};

#define SYNTH_MIN_VOCAB	300	/* 256 bytes, special tokens and some letters */

/*
 * Presets: "tiny-llama" (dense), "tiny-mixtral" (8 experts, 2 used), "tiny-qwen3moe", "tiny-dsv2lite" and
 * "tiny-dsv3" (latent attention), "tiny-gptoss" (a window of 32 in every other layer, sinks, biases, YaRN). -ENOENT, and
 * @err names them.
 */
int synth_preset(const char *name, struct synth_params *ret_params, char *err, size_t err_size);

/* -EINVAL and one sentence for parameters that make no model; else what writing ends in. */
int synth_write(const struct synth_params *p, const char *path, char *err, size_t err_size);

/* The vocabulary alone (synth_vocab.c): keys tokenizer.ggml.*. 0 or -ENOMEM. */
int synth_vocabulary(struct gguf_writer *w, uint32_t n_vocab, int spm, int harmony);

#endif /* DSEEK_SYNTH_H */

/* SPDX-License-Identifier: MIT */
/* Small models with random weights, written as GGUF files for tests. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define TINY_VOCAB	300	/* 0 <unk>, 1 <s>, 2 </s>, 3..258 bytes, then 41 pieces */

struct tiny_model {
	const char *label, *arch;
	uint32_t layers, embd, heads, kv_heads, head;	/* head 0: embd / heads, and no key in the file */
	uint32_t ff, experts, used, expert_ff;		/* experts 0: dense */
	int dtype;			/* of the matrices */
	uint32_t seed;
	uint32_t rope_dims;		/* 0: no key */
	uint32_t gating;		/* expert_gating_func, 0: no key */
	float rope_linear;		/* 0: none */
	float yarn;			/* its factor, 0: none */
	float yarn_log_mul, yarn_attn, yarn_ext;	/* keys of it; 0: none */
	uint32_t yarn_trained;		/* original context, 0: no key */
	uint32_t window;		/* 0: no key */
	bool gpt_oss;			/* sinks, biases and names of its tensors */
	bool tied, bias, qk_norm, rope_freqs, router_bias;
	/* Latent attention (deepseek2): heads of @head dimensions, rope_dims of them rotated, values of head_v. */
	uint32_t kv_rank, q_rank, head_v;	/* q_rank 0: full queries */
	uint32_t dense, shared;			/* leading layers, experts; with keys */
	uint32_t groups, groups_used;		/* 0: no keys */
	float expert_scale;			/* 0: no key */
	bool expert_norm;			/* false: no key */
	bool old;				/* keys and values' matrices are one, attn_kv_b */
	/* Faults, for tests of refusals. */
	const char *omit;		/* this tensor is not there */
	const char *misshape;		/* this one has one row more */
	const char *omit_key, *rope_scaling;
	const char *set_key;		/* this one is there, and is set_value */
	uint32_t set_value;
};

/* 0 or -errno, with the sentence on stderr. */
int tiny_model_write(const char *path, const struct tiny_model *t);

#endif /* TINY_MODEL_H */

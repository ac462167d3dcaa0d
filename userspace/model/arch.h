/* SPDX-License-Identifier: MIT */
/* Architectures as tables: which tensors a file must have, in which shapes, and what differs in the graph. */
#ifndef DSEEK_ARCH_H
#define DSEEK_ARCH_H

#include "model.h"

#include <dseek_program.h>

/* File value of .expert_gating_func that means DSEEK_GATE_UNIT; others have 1 softmax, 2 sigmoid, 3 softmax of the selected. */
#define DSK_GATING_UNIT		64

enum dsk_weight {
	/* of the model */
	DSK_TOKEN_EMBD, DSK_OUTPUT_NORM, DSK_OUTPUT, DSK_ROPE_FREQS,
	/* of each layer */
	DSK_ATTN_NORM, DSK_Q, DSK_K, DSK_V, DSK_O, DSK_Q_BIAS, DSK_K_BIAS, DSK_V_BIAS, DSK_Q_NORM, DSK_K_NORM,
	DSK_FFN_NORM, DSK_GATE, DSK_UP, DSK_DOWN,
	DSK_ROUTER, DSK_ROUTER_BIAS, DSK_GATE_EXPS, DSK_UP_EXPS, DSK_DOWN_EXPS,
	/* latent attention, shared experts */
	DSK_Q_A, DSK_Q_A_NORM, DSK_Q_B, DSK_KV_A, DSK_KV_A_NORM, DSK_K_B, DSK_V_B, DSK_K_TURNED,
	DSK_GATE_SHARED, DSK_UP_SHARED, DSK_DOWN_SHARED,
	/* gpt-oss's */
	DSK_SINKS, DSK_O_BIAS, DSK_LOGIT_BIAS, DSK_GATE_EXPS_BIAS, DSK_UP_EXPS_BIAS, DSK_DOWN_EXPS_BIAS,
	DSK_WEIGHT_COUNT,
};
#define DSK_FIRST_OF_LAYER	DSK_ATTN_NORM

enum dsk_need {
	DSK_MUST, DSK_MAY, DSK_DENSE, DSK_EXPERTS, DSK_QK_NORM,
	DSK_HEADS,	/* attention with keys and values of their own */
	DSK_LATENT, DSK_Q_FULL, DSK_Q_LATENT, DSK_SHARED,
	DSK_GPT_OSS,
	DSK_MADE,	/* of other tensors: no file has it */
};

struct dsk_rule {
	const char *name;	/* without "blk.N." */
	/*
	 * A letter a dimension: E n_embd, V n_vocab, Q n_head*head_k, K n_head_kv*head_k, U n_head_kv*head_v,
	 * O n_head*head_v, D head_k, H n_head, F n_ff, M n_ff_expert, X n_expert, P rope_dims/2. Latent attention: v head_v, N what of
	 * head_k is not rotated, R kv_rank, C that and rope_dims, L q_rank, B n_head*(N + v); S n_ff_shared.
	 */
	const char *shape;
	enum dsk_need need;
	const char *gpt_oss;	/* gpt-oss's name for it, if another (dsk_weight_name()) */
	bool vectors;		/* of each expert: F32 in rows, not a matrix */
};

#define DSK_ARCH_QK_NORM	(1u << 0)	/* RMS norm on each head of q and k */
#define DSK_ARCH_LATENT		(1u << 1)	/* multi-head latent attention; leading layers may be dense, experts shared and in groups */
/*
 * gpt-oss (OpenAI 2025, the model card's section 2, and its reference): attention sinks, every other layer windowed, biases of all
 * products, clamped SwiGLU, softmax over the selected experts' logits.
 */
#define DSK_ARCH_GPT_OSS	(1u << 2)

struct dsk_arch {
	const char *name;
	enum dseek_rope rope;
	uint32_t features;	/* DSK_ARCH_* */
	const char *expert_ff_key;	/* where the experts' width is */
};

extern const struct dsk_rule dsk_rules[DSK_WEIGHT_COUNT];

/*
 * Files from before May 2025 have key and value matrices of all heads as one, kv_rank x n_head * (N + v): a head's rows of keys, then those
 * of values. DSK_K_B and DSK_V_B are made of it (weights.c). DSK_K_TURNED, whose products
 * are keys, where DSK_K_B's are queries in the latent space, is made of either form.
 */
#define DSK_KV_B_NAME		"attn_kv_b.weight"

/* -ENOTSUP, naming those known. */
int dsk_arch_find(const char *name, const struct dsk_arch **ret_arch, char *err, size_t err_size);

/* Keys of @g into @ret_shape (all but n_params and weight_bytes), checked for sense. */
int dsk_shape_read(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *ret_shape, char *err, size_t err_size);

/* Those of rotary embedding, which the function above asks for when it has head_k and n_ctx (rope.c). */
int dsk_rope_read(const struct gguf *g, const struct dsk_arch *arch, struct dsk_shape *shape, char *err, size_t err_size);

/* YaRN's frequency factors [rope_dims/2], times those of the @file, NULL if it has none. */
void dsk_rope_factors(const struct dsk_shape *shape, const float *file, float *ret_factors);

uint32_t dsk_extent(const struct dsk_shape *shape, char letter);

/* What files of @arch call it, without "blk.N.". */
const char *dsk_weight_name(const struct dsk_arch *arch, enum dsk_weight w);

/* Has layer @layer, with or without @experts, a weight that this is the need of? */
bool dsk_needs(const struct dsk_arch *arch, const struct dsk_shape *shape, bool experts, enum dsk_need need);

#endif /* DSEEK_ARCH_H */

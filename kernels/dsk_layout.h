/* SPDX-License-Identifier: MIT */
/*
 * What the host and kernels tell each other: one struct of parameters a kernel, by value, and the constants in them. Only
 * 32-bit members, no padding; more than 16 bytes, as some hosts pass smaller structs in registers. Extents and strides
 * are in elements unless they say bytes; a row of T tokens is what the program format calls [E,T].
 */
#ifndef DSK_LAYOUT_H
#define DSK_LAYOUT_H

#define DSK_SIZE(type, size)	typedef char dsk_size_of_##type[sizeof(struct type) == (size) && (size) > 16 ? 1 : -1]

enum dsk_type { DSK_F32, DSK_F16, DSK_BF16, DSK_I8 };		/* I8: with a float scale for each row */

/* ---- norm.c: y = act((x - mean) * w / sqrt(var + eps) + b), a row a group */

enum dsk_act { DSK_ACT_NONE, DSK_ACT_SILU, DSK_ACT_GELU_TANH, DSK_ACT_RELU };

#define DSK_NORM_MEAN	1	/* LayerNorm; without: RMSNorm, var is the mean of squares and nothing is subtracted */
#define DSK_NORM_WEIGHT	2	/* w is given, float [n] */
#define DSK_NORM_BIAS	4	/* b is given, float [n] */

struct dsk_norm_params {
	int n;			/* elements of a row */
	int x_stride, y_stride;
	int x_type;		/* enum dsk_type, not I8 */
	int y_type;		/* I8: y = round(v / scale), scale = max |v| / 127 goes to scales[row] */
	int flags, act;
	float eps;
};
DSK_SIZE(dsk_norm_params, 32);

/* ---- rope.c: pairs of a head turned by position * frequency, in place */

enum dsk_rope_order { DSK_ROPE_INTERLEAVED, DSK_ROPE_NEOX };	/* pairs (2i, 2i+1); (i, i + n/2) */

struct dsk_rope_params {
	int heads, head_stride, token_stride;	/* of x */
	int n;			/* dimensions turned, even, the first of each head */
	int order;		/* enum dsk_rope_order */
	int type;		/* enum dsk_type, not I8 */
	float scale;		/* of the result (YaRN's attention factor); 1: none */
	int pad;
};
DSK_SIZE(dsk_rope_params, 32);

struct dsk_turns_params {
	int pairs;
	int pad[5];
};
DSK_SIZE(dsk_turns_params, 24);

/* ---- embed.c: out[t] = scale * table[id[t]] */

struct dsk_embed_params {
	int n;			/* elements of a row */
	int rows;		/* of the table: an id outside it gives zeros and sets *fault */
	int table_type, out_type;	/* enum dsk_type, not I8 */
	int out_stride;
	float scale;
};
DSK_SIZE(dsk_embed_params, 24);

/* ---- route.c: which experts a token goes to */

#define DSK_MAX_EXPERTS	512
#define DSK_MAX_TOP_K	16
#define DSK_MAX_GROUPS	32

/* UNIT: the largest logits are selected, each weighs 1. */
enum dsk_gate { DSK_GATE_SOFTMAX, DSK_GATE_SIGMOID, DSK_GATE_UNIT };

#define DSK_ROUTE_BIAS		1	/* bias[e] is added to what is compared, not to weights (DeepSeek-V3, 2.1.2) */
#define DSK_ROUTE_NORMALISE	2	/* weights are divided by their sum, at least least_sum */
#define DSK_ROUTE_GROUP_SUM2	4	/* a group of experts counts as the sum of its two best; without: its best */

struct dsk_route_params {
	int experts, top_k;
	int gate, flags;
	int groups, top_groups;	/* experts are in equal groups, of which only the best are looked at; 1, 1: no groups */
	int logits_stride;
	float scale;		/* of the weights, last */
	float least_sum;
	int pad;
};
DSK_SIZE(dsk_route_params, 40);

/* ---- permute.c: (token, choice) pairs in the order of their experts */

struct dsk_place_params {
	int pairs;		/* token * top_k + choice */
	int experts;
	int capacity;		/* pairs an expert takes, the first in order; more are dropped; 0: all */
	int pad[3];
};
DSK_SIZE(dsk_place_params, 24);

struct dsk_gather_params {
	int n;			/* elements of a row */
	int rows;
	int divisor;		/* row r of the result is row index[r] / divisor of the source (top_k: pairs to tokens) */
	int type;		/* enum dsk_type, not I8 */
	int in_stride, out_stride;
};
DSK_SIZE(dsk_gather_params, 24);

struct dsk_combine_params {
	int n;
	int top_k;
	int in_type, out_type;
	int in_stride, out_stride;
};
DSK_SIZE(dsk_combine_params, 24);

/* ---- attn_decode.c, attn_prefill.c: attention over paged keys and values */

/*
 * K and V caches are pages of DSK_PAGE tokens: element d of head h of token i in page p is at ((p * DSK_PAGE + i) *
 * kv_heads + h) * D + d. Token t of sequence s is in page pages[s * max_pages + t / DSK_PAGE].
 * Query head h reads kv head h / (q_heads / kv_heads). A query at position i sees tokens i - window < t <= i, with
 * window 0 all up to i, and of those only where the mask, if there is one, has its bit set. Logits are scale * q.k, soft-capped to
 * cap * tanh(logit / cap) if cap > 0; a sink is one more logit of each head, without a value. What sees nothing is 0.
 */
#define DSK_PAGE	16

#define DSK_ATTN_SINKS	1	/* sinks is given, float [q_heads], in the logits' units */
#define DSK_ATTN_MASK	2	/* mask is given (attn_prefill.c) */
#define DSK_ATTN_ALL	4	/* queries see what comes after them, too: no causal mask, window 0 (attn_prefill.c) */

struct dsk_attn_params {
	int q_heads, kv_heads;
	int max_pages, n_pages;	/* of a sequence; in the caches: what points past them is as if masked */
	int window;
	int kv_type;		/* F16, BF16, or I8 with float scales [page][token][kv head] */
	int flags;
	int splits;		/* decode: parts a sequence is split in, each a group */
	int mask_stride;	/* prefill: 32-bit words of the mask a query */
	float scale, cap;
	int pad;
};
DSK_SIZE(dsk_attn_params, 48);

/* ---- dense.c: layers on weights of programs */

/* Element types of weights and their blocks, as in GGUF files; numbers of our own. */
enum dsk_weight_type { DSK_W_F32, DSK_W_F16, DSK_W_BF16, DSK_W_Q8_0, DSK_W_Q4_0, DSK_W_Q4_1, DSK_W_Q4_K, DSK_W_Q6_K };

struct dsk_matrix {
	int type;		/* enum dsk_weight_type */
	int packed;		/* rows interleaved by 16 (weight.h) */
	int k;			/* elements of a row */
	int row_bytes;		/* to the next row; packed: of a row by itself */
};

#define DSK_LINEAR_BIAS		1	/* bias is given, float [rows] */
#define DSK_LINEAR_ACCUMULATE	2	/* add to y */

struct dsk_linear_params {
	struct dsk_matrix w;
	int rows;
	int x_stride, y_stride;
	int flags;
};
DSK_SIZE(dsk_linear_params, 32);

struct dsk_glu_params {
	struct dsk_matrix gate, up;
	int rows;
	int x_stride, y_stride;
	int act;		/* enum dsk_act */
};
DSK_SIZE(dsk_glu_params, 48);

struct dsk_lookup_params {
	struct dsk_matrix table;
	int rows;		/* of the table: an id outside it gives zeros and sets *fault */
	int out_stride;
	float scale;
	int pad;
};
DSK_SIZE(dsk_lookup_params, 32);

/* ---- moe_dense.c: experts on weights of programs */

#define DSK_MOE_CHOICES	64	/* experts a token, at most */

struct dsk_moe_glu_params {
	struct dsk_matrix gate, up;	/* of one expert */
	int gate_stride, up_stride;	/* from one expert's to the next's, in units of 2 bytes */
	int rows, experts, choices;
	int x_stride, ids_stride;	/* between tokens */
	int h_stride, h_token_stride;	/* between choices, between tokens */
	int act;			/* enum dsk_act */
};
DSK_SIZE(dsk_moe_glu_params, 72);

struct dsk_moe_down_params {
	struct dsk_matrix down;
	int down_stride;
	int rows, experts, choices;
	int h_stride, h_token_stride;
	int ids_stride, weights_stride, out_stride;
	int pad;
};
DSK_SIZE(dsk_moe_down_params, 56);

/* ---- elementwise.c */

enum dsk_elementwise { DSK_COPY, DSK_ADD, DSK_MUL };

struct dsk_elementwise_params {
	int op;			/* enum dsk_elementwise; ADD, MUL: b is float */
	int a_type, out_type;	/* enum dsk_type, not I8 */
	int n, ne1, ne2;	/* elements, extents */
	int a_stride[3], b_stride[3], out_stride[3];
	int pad;
};
DSK_SIZE(dsk_elementwise_params, 64);

/* ---- argmax.c */

struct dsk_argmax_params {
	int n, x_stride;
	int pad[4];
};
DSK_SIZE(dsk_argmax_params, 24);

/* ---- slots.c: keys and values by slots */

#define DSK_SLOT_HEAD	1024	/* elements of a head, at most */
#define DSK_SLOT_SINKS	1	/* sinks is given, float [q_heads], in the logits' units */

struct dsk_slot_store_params {
	int n, slots;
	int type;		/* of the cache: enum dsk_type, not I8 */
	int x_head_stride, x_token_stride;
	int head_stride, slot_stride;
	int pad;
};
DSK_SIZE(dsk_slot_store_params, 32);

struct dsk_slot_attend_params {
	int q_heads, kv_heads, slots;
	int k_n, v_n;
	int k_type, v_type;	/* enum dsk_type, not I8 */
	int window;		/* 0: all up to the position */
	int flags;
	int q_head_stride, q_token_stride;
	int k_head_stride, k_slot_stride;
	int v_head_stride, v_slot_stride;
	int out_head_stride, out_token_stride;
	float scale, cap;	/* cap 0: none */
	int pad;
};
DSK_SIZE(dsk_slot_attend_params, 80);

#endif /* DSK_LAYOUT_H */

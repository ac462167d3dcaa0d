/* SPDX-License-Identifier: MIT */
/*
 * What the host and kernels tell each other: one struct of parameters a kernel, by value, and the constants in them. Only
 * 32-bit members, no padding; more than 16 bytes, as some hosts pass smaller structs in registers. Extents and strides
 * are in elements unless they say bytes; a row of T tokens is what the program format calls [E,T].
 */
#ifndef DSK_LAYOUT_H
#define DSK_LAYOUT_H

#define DSK_SIZE(type, size)	typedef char dsk_size_of_##type[sizeof(struct type) == (size) && (size) > 16 ? 1 : -1]

/* I8, F8 (E4M3, f8.h): with a float scale for each row; I4: of weights only, see expert.c */
enum dsk_type { DSK_F32, DSK_F16, DSK_BF16, DSK_I8, DSK_I4, DSK_F8 };

/* ---- norm.c: y = act((x - mean) * w / sqrt(var + eps) + b), a row a group */

enum dsk_act { DSK_ACT_NONE, DSK_ACT_SILU, DSK_ACT_GELU_TANH, DSK_ACT_RELU, DSK_ACT_SWIGLU_CLAMPED };	/* the last: of glu only */

#define DSK_NORM_MEAN	1	/* LayerNorm; without: RMSNorm, var is the mean of squares and nothing is subtracted */
#define DSK_NORM_WEIGHT	2	/* w is given, float [n] */
#define DSK_NORM_BIAS	4	/* b is given, float [n] */

struct dsk_norm_params {
	int n;			/* elements of a row */
	int x_stride, y_stride;
	int x_type;		/* enum dsk_type, not I8 */
	int y_type;		/* I8: y = round(v / scale), scale = max |v| / 127 goes to scales[row]; F8: max |v| / 448, at least 2^-126 */
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

#define DSK_PLACE_FAULT	1	/* fault is given: an id that is no expert's sets it */

struct dsk_place_params {
	int pairs;		/* token * top_k + choice */
	int experts;
	int capacity;		/* pairs an expert takes, the first in order; more are dropped; 0: all */
	int flags;
	int pad[2];
};
DSK_SIZE(dsk_place_params, 24);

struct dsk_gather_params {
	int n;			/* elements of a row */
	int rows;
	int divisor;		/* row r of the result is row index[r] / divisor of the source (top_k: pairs to tokens) */
	int type;		/* enum dsk_type, not I8 */
	int in_stride, out_stride;
	int in_rows;		/* of the source: what would be past them is a row of zeros */
	int pad;
};
DSK_SIZE(dsk_gather_params, 32);

struct dsk_combine_params {
	int n;
	int top_k;
	int rows;		/* of in: a pair whose row is none of them counts as dropped */
	int in_type, out_type;
	int in_stride, out_stride;
	int pad;
};
DSK_SIZE(dsk_combine_params, 32);

/* ---- expert.c, expert_mma.c, expert_few.c: rows in the order of their experts times their expert's matrix */

/*
 * y[r][c] = sum over i of x[r][i] * w[e][c][i], + bias[e][c]; offsets[e] <= r < offsets[e + 1] as dsk_place makes them. Rows of x and of w
 * begin at multiples of 16 bytes: strides are padded, what is past element k is not looked at.
 *
 *	BF16	x bf16, w bf16
 *	I8	x int8 with a float scale a row, w int8 with a float scale for each (expert, column); k up to 2^17
 *	I4	x bf16, w in halves of bytes, the low one first: (q - zero) * scale with an f16 scale and, if given, a byte of zero, else
 *		8, for each (expert, column, 64 elements)
 *	F8	x E4M3 with a float scale a row, w E4M3 with a float scale for each (expert, column)
 *
 * Row r of x is its row r, or the one of its pair's token, row_pair[r] / divisor: no rows have to be gathered then. A pair that is
 * negative or of no token is a row of zeros. Offsets that don't rise or are past rows are those of no rows.
 */
#define DSK_EXPERT_GROUP	64	/* elements with one scale, I4 */
#define DSK_EXPERT_TILE		64	/* rows of a tile of expert_mma.c */
#define DSK_EXPERT_FEW		16	/* of expert_few.c */
#define DSK_EXPERT_COLUMNS	128	/* columns of a group's tile, both kernels; of one with GLU half as many */
#define DSK_EXPERT_TILES(rows, experts, tile)	((rows) / (tile) + ((rows) < (experts) ? (rows) : (experts)))	/* no order has more */

#define DSK_EXPERT_BIAS		1	/* bias is given, float [n, experts] */
#define DSK_EXPERT_ZEROS	2	/* zeros are given (I4) */

struct dsk_expert_params {
	int rows, tokens;	/* of the order, of x */
	int experts, n, k;
	int x_stride, w_stride;	/* bytes, multiples of 16 */
	int y_stride, y_type;	/* F32, F16 or BF16 */
	int w_type;		/* of dsk_expert: the others are of one type */
	int divisor;		/* 0: row r is row r */
	int flags;
	int act;		/* GLU: enum dsk_act */
	float alpha, limit;	/* of SWIGLU_CLAMPED; gpt-oss: 1.702, 7 */
	int pad;
};
DSK_SIZE(dsk_expert_params, 64);

/* tiles [3, .]: expert, first row, rows; expert -1: a tile of nothing */
struct dsk_expert_plan_params {
	int rows, experts;
	int tile;		/* rows a tile: DSK_EXPERT_TILE, DSK_EXPERT_FEW */
	int tiles;		/* DSK_EXPERT_TILES: what else there would be is left out */
	int pad[2];
};
DSK_SIZE(dsk_expert_plan_params, 24);

/* y = act(gate) * up, a row a group; with act NONE and no up: conversion, or quantisation to I8 or F8 as norm.c's */
struct dsk_glu_params {
	int n;
	int x_stride, y_stride;
	int x_type, y_type;	/* x: gate and up */
	int act;
	float alpha, limit;
	int flags;
	int pad;
};
#define DSK_GLU_UP	1	/* up is given */
DSK_SIZE(dsk_glu_params, 40);

/* ---- sample.c: the next token, each sequence by its own parameters */

struct dsk_sample_row {
	float temperature;		/* 0: the largest logit, the lowest id of equals; else 1e-3 to 1000 */
	int top_k;			/* 0: all */
	float top_p;			/* above 0, to 1: all */
	float min_p;			/* 0: all, to 1 */
	unsigned int seed_low, seed_high;
	unsigned int position;		/* of the token that is drawn, in its sequence: with the seed it says the random numbers */
	unsigned int pad;
};
DSK_SIZE(dsk_sample_row, 32);
#define DSK_SAMPLE_WORDS	8

/* Parameters out of range, a NaN or +infinity, or nothing but -infinity: the id is -1 and *fault is set. */
struct dsk_sample_params {
	int n;			/* logits of a row, to 2^24 */
	int logits_stride;	/* 0: rows share them */
	int pad[4];
};
DSK_SIZE(dsk_sample_params, 24);

/* ---- kv_copy.c: pages of a cache moved */

#define DSK_KV_COPY_WORDS	1024	/* of a page, a group */

struct dsk_kv_copy_params {
	int pages;		/* of the cache */
	int page_words;		/* 32-bit words of a page, of K or of V or of scales: a launch each */
	int pad[4];
};
DSK_SIZE(dsk_kv_copy_params, 24);

/* ---- scrub.c */

struct dsk_scrub_params {
	unsigned int pattern;
	int pad[5];
};
DSK_SIZE(dsk_scrub_params, 24);

/* ---- reroute.c: what is over an expert's capacity goes to others */

/*
 * Each token has choices, best first, of which the first top_k are its pairs. First all pairs, in order of token and then of choice, take
 * their expert if it has had fewer than capacity. Then, in each of so many tries, tokens in order: one that has a pair without an expert
 * looks at its choice top_k + try (from 0), and its first such pair goes there if there is room. Ids that are no expert have none.
 */
struct dsk_reroute_params {
	int tokens, experts;
	int top_k, choices;	/* choices >= top_k + tries */
	int capacity, tries;
};
DSK_SIZE(dsk_reroute_params, 24);

/* ---- similarity.c: texts and images in one space (Radford et al. 2021, figure 3) */

struct dsk_project_params {
	int n, d;		/* elements of a row of x, of the space */
	int x_stride;
	int x_type, w_type;	/* enum dsk_type, F32, F16 or BF16 */
	int pad;
};
DSK_SIZE(dsk_project_params, 24);

struct dsk_similarity_params {
	int images;
	int d;
	int out_stride;
	float scale;		/* exp of the learned logit scale */
	int pad[2];
};
DSK_SIZE(dsk_similarity_params, 24);

/* ---- attn_decode.c, attn_prefill.c: attention over paged keys and values */

/*
 * K and V caches are pages of DSK_PAGE tokens: element d of head h of token i in page p is at ((p * DSK_PAGE + i) *
 * kv_heads + h) * D + d. Token t of sequence s is in page pages[s * max_pages + t / DSK_PAGE].
 * Query head h reads kv head h / (q_heads / kv_heads). A query at position i sees tokens i - window < t <= i, with
 * window 0 all up to i, and of those only where the mask, if there is one, has its bit set. Logits are scale * q.k, soft-capped to
 * cap * tanh(logit / cap) if cap > 0; a sink is one more logit of each head, without a value. What sees nothing is 0.
 */
#define DSK_PAGE	16

/*
 * Multi-head latent attention (DeepSeek-V2, section 2.1; V3): the cache has a row a token, latent c [LATENT] and then k_rope [ROPE], for all
 * heads. Head h's key is [k_nope = UK_h c | k_rope], NOPE + ROPE elements, its value UV_h c, VALUE elements.
 *
 * Decode, absorbed: q.k = (UK_h^T q_nope).c + q_rope.k_rope and sum w UV_h c = UV_h sum w c, so the query that dsk_mla_decode takes is
 * [UK_h^T q_nope | q_rope], the row is its key, the latent its value, kv_heads is 1, and UV_h is the host's. int8 rows have two scales,
 * of the latent and of k_rope. Prefill takes keys and values as they are, in caches of this prefill's.
 */
#define DSK_MLA_LATENT	512
#define DSK_MLA_NOPE	128
#define DSK_MLA_ROPE	64
#define DSK_MLA_VALUE	128

#define DSK_DECODE_PACK	8	/* attn_decode_packed.c: query heads of a KV head that share a group */
#define DSK_MLA_PACK	4

#define DSK_ATTN_SINKS	1	/* sinks is given, float [q_heads], in the logits' units */
#define DSK_ATTN_MASK	2	/* mask is given (attn_prefill.c) */
#define DSK_ATTN_ALL	4	/* queries see what comes after them, too: no causal mask, window 0 (attn_prefill.c) */

struct dsk_attn_params {
	int q_heads, kv_heads;
	int max_pages, n_pages;	/* of a sequence; in the caches: what points past them is as if masked */
	int window;
	int kv_type;		/* F16, BF16, or I8 with float scales [page][token][kv head], MLA: [page][token][2] */
	int flags;
	int splits;		/* decode: parts a sequence is split in, each a group */
	int mask_stride;	/* prefill: 32-bit words of the mask a query */
	float scale, cap;
	int block_stride, query_blocks;	/* dsk_attn_sparse: as of dsk_gate_params */
	int reach[3];		/* dsk_pyramid */
	int queries;		/* prefill: Q; a sequence whose starts don't rise, or are past it, has no queries */
	int pad;
};
DSK_SIZE(dsk_attn_params, 72);

/* ---- attn_pyramid.c, dsk_pyramid_decode, dsk_pyramid_prefill: near tokens one by one, farther ones by 2, 4 and 8 */

/*
 * Of a sequence of n tokens up to the query, its own counted, level l = 0..3 has those from b_{l+1} up to b_l, in pools of 2^l:
 *
 *	b_0 = n		b_l = DSK_PAGE * floor(max(n - r_l, 0) / DSK_PAGE), l = 1..3		b_4 = 0
 *	r_l = max(0, reach[0], .. reach[l - 1])
 *	K_l[m] = mean of K[t], V_l[m] = mean of V[t], over m 2^l <= t < (m + 1) 2^l
 *	logit_l[m] = cap(scale * q.K_l[m]) + l ln 2
 *	out = sum w V_l[m] / sum w, w = exp(logit_l[m]), over all l and b_{l+1} <= m 2^l < b_l
 *
 * So every token is seen once, a pool counts as the 2^l tokens that it stands for, and where keys of a pool are equal the result is that of
 * full attention; with reach[0] >= n it is that anyway. What is pooled is in full pages, whose pools never change: those of page p are at
 * ((p * DSK_POOLS + first_l + i) * kv_heads + h) * D + d, i = 0..(16 >> l) - 1, first_1 = 0, first_2 = 8, first_3 = 12, rounded to the
 * cache's type, F16 or BF16. No window.
 */
#define DSK_LEVELS	4
#define DSK_POOLS	14		/* of a page: 8 of two tokens, 4 of four, 2 of eight */

/* ---- persist.c: one launch that takes work from a ring until it is told to stop */

/*
 * An item is what would be a launch: an op and its groups, here tiles. Items are numbered in the order of posting, by unsigned numbers that
 * begin anywhere and wrap: of two that lie less than 2^31 apart the later one is known. Item n is in slot n % slots. Whoever posts is trusted (the executor): offsets are not checked.
 *
 *	post n:	wait until item n - slots is complete; claims[slot] = (n & 0xffff) << 16; then, with release, items[slot] and done[slot] = 0;
 *		then, with release, control[DSK_RING_POSTED] = n + 1
 *
 * Claims first: who is still looking at the item before swaps against them, and must not take a tile that only the new item has.
 *
 * A group claims a tile, item by item in order and tile by tile, with one compare-and-swap of claims[slot], whose low half counts tiles that
 * are claimed; runs it; adds one to done[slot] with release. An item is complete when done[slot] is its number of tiles. Before each
 * claim, and only then, it looks at control[DSK_RING_PREEMPT]: set, the group leaves. So when the launch has ended every claimed tile is
 * done, and the same launch again goes on with the next: nothing is lost, nothing done twice, whatever stopped it.
 *
 * An item may wait for an earlier one. That can't hang: tiles are claimed in order, so all tiles before are done or with a group that
 * runs. (This needs groups that run to make progress while others wait, which they do on GPUs.)
 */
enum dsk_ring {
	DSK_RING_PREEMPT,	/* the host sets it: leave at the next tile */
	DSK_RING_POSTED,	/* the number that the next item will have */
	DSK_RING_FIRST,		/* an item that is not complete, or POSTED; the host's, before a launch: where groups begin to look */
	DSK_RING_TILES,		/* tiles done, ever */
	DSK_RING_FAULT,		/* n + 1, or 1 for 0, of the latest item whose op is unknown: its tiles are counted and do nothing; 0: none */
	DSK_RING_WORDS = 8
};

#define DSK_ITEM_TILES	0xffff	/* of an item, at most */

enum dsk_item_op {
	DSK_ITEM_DECODE_64, DSK_ITEM_DECODE_128,	/* dsk_attn_decode_D: x heads, y sequences, z splits */
	DSK_ITEM_MERGE_64, DSK_ITEM_MERGE_128,		/* dsk_attn_merge_D: x heads, y sequences */
	DSK_ITEM_COUNT
};

struct dsk_item {
	int op;			/* enum dsk_item_op */
	int x, y, z;		/* tiles: x * y * z of them, 1 to DSK_ITEM_TILES */
	int params;		/* index of its struct dsk_attn_params */
	int after;		/* waits for the item so many before it to be complete; 0: for none */
	unsigned int at[10];	/* of the op's kernel the buffers, in its order: where in memory, in units of 16 bytes; 0: not given */
};

struct dsk_persist_params {
	int slots;		/* a power of two */
	int quota;		/* tiles a group takes before it leaves; 0: any number */
	int looks;		/* at a ring without work, before a group leaves; at least 1 */
	int pad[3];
};
DSK_SIZE(dsk_persist_params, 24);
DSK_SIZE(dsk_item, 64);

/* ---- attn_gate.c, attn_prefill.c's dsk_attn_sparse: attention over blocks of keys that a learned gate selects */

/*
 * After SeerAttention (Gao et al. 2024, equations 2 and 3). Tokens of a sequence are in blocks of DSK_BLOCK; so are its queries, counted
 * from the first of this launch. For query block i and key block j of a head, with weights Wq [D, G, q_heads], Wk [D, G, kv_heads],
 *
 *	a_i = Wq mean(queries of i)	b_j = Wk mean(keys of j)	s_ij = scale * a_i.b_j
 *	gate_ij = exp(s_ij) / sum over visible j' of exp(s_ij')
 *
 * Block j is visible to i unless all its tokens come after all queries of i. Of those,
 *
 *	always seen:	the first `sinks` and each that has a token of i's own queries (the diagonal)
 *	selected:	of the rest, the top_k of greatest s_ij (of equals the earlier), those with gate_ij >= threshold
 *
 * s_ij that is no number counts as less than any other.
 */
#define DSK_BLOCK	64
#define DSK_MAX_BLOCKS	4096		/* of keys of a sequence */
#define DSK_GATE_MAX_D	256

#define DSK_GATE_PROBABILITIES	1	/* gates is given: float [key_blocks, q_heads, query_blocks, S], 0 where not visible */

struct dsk_gate_params {
	int q_heads, kv_heads;
	int max_pages, n_pages;		/* as of dsk_attn_params */
	int kv_type;
	int d, g;			/* elements of a head, at most DSK_GATE_MAX_D, and of its a and b */
	int query_blocks, key_blocks;	/* of a sequence, in buffers: of the longest; key_blocks at most DSK_MAX_BLOCKS */
	int block_stride;		/* 32-bit words of selected blocks a query block */
	int top_k, sinks;
	int flags;
	float threshold, scale;
	int queries;			/* as of dsk_attn_params */
};
DSK_SIZE(dsk_gate_params, 64);

/* ---- dense.c: layers on weights of programs */

/* Element types of weights and their blocks, as in GGUF files; numbers of our own. */
enum dsk_weight_type { DSK_W_F32, DSK_W_F16, DSK_W_BF16, DSK_W_Q8_0, DSK_W_Q4_0, DSK_W_Q4_1, DSK_W_Q4_K, DSK_W_Q6_K, DSK_W_MXFP4,
		       DSK_W_F8_E4M3 };

struct dsk_matrix {
	int type;		/* enum dsk_weight_type */
	int packed;		/* rows interleaved by 16 (weight.h) */
	int k;			/* elements of a row */
	int row_bytes;		/* to the next row; packed: of a row by itself */
};

#define DSK_DENSE_FEW		16	/* tokens of a group of dense_mma.c's kernels */
#define DSK_DENSE_MANY		64
#define DSK_DENSE_LANES		128

#define DSK_LINEAR_BIAS		1	/* bias is given, float [rows] */
#define DSK_LINEAR_ACCUMULATE	2	/* add to y */

struct dsk_linear_params {
	struct dsk_matrix w;
	int rows;
	int x_stride, y_stride;
	int flags;
	int tokens;		/* T, of dense_mma.c */
	int pad;
};
DSK_SIZE(dsk_linear_params, 40);

struct dsk_linear_glu_params {
	struct dsk_matrix gate, up;
	int rows;
	int x_stride, y_stride;
	int act;		/* enum dsk_act */
	int tokens;		/* T, of dense_mma.c */
	int pad;
};
DSK_SIZE(dsk_linear_glu_params, 56);

struct dsk_lookup_params {
	struct dsk_matrix table;
	int rows;		/* of the table: an id outside it gives zeros and sets *fault */
	int out_stride;
	float scale;
	int pad;
};
DSK_SIZE(dsk_lookup_params, 32);

/* of dsk_head_linear */
struct dsk_head_linear_params {
	struct dsk_matrix w;	/* of one head */
	int w_stride;		/* from one head's to the next's, in units of 2 bytes */
	int rows, heads;
	int x_head_stride, x_token_stride;
	int y_head_stride, y_token_stride;
	int tokens;		/* T, of dense_mma.c */
};
DSK_SIZE(dsk_head_linear_params, 48);

/* ---- moe_dense.c, moe_mma.c: experts on weights of programs */

#define DSK_MOE_CHOICES	64	/* experts a token, at most */

#define DSK_SWIGLU_ALPHA	1.702f	/* of SWIGLU_CLAMPED, where a kernel's parameters don't say */
#define DSK_SWIGLU_LIMIT	7.0f

#define DSK_MOE_GATE_BIAS	1	/* gate_bias is given, float [rows, experts] */
#define DSK_MOE_UP_BIAS		2
#define DSK_MOE_DOWN_BIAS	4	/* down_bias is given */

struct dsk_moe_glu_params {
	struct dsk_matrix gate, up;	/* of one expert */
	int gate_stride, up_stride;	/* from one expert's to the next's, in units of 2 bytes */
	int rows, experts, choices;
	int x_stride, ids_stride;	/* between tokens */
	int h_stride, h_token_stride;	/* between choices, between tokens */
	int act;			/* enum dsk_act */
	int flags;			/* DSK_MOE_* */
	int gate_bias_stride, up_bias_stride;	/* between experts */
	int tokens;			/* T, of moe_mma.c */
};
DSK_SIZE(dsk_moe_glu_params, 88);

struct dsk_moe_down_params {
	struct dsk_matrix down;
	int down_stride;
	int rows, experts, choices;
	int h_stride, h_token_stride;
	int ids_stride, weights_stride, out_stride;
	int flags;			/* DSK_MOE_* */
	int bias_stride;		/* between experts */
	int tokens;			/* T, of moe_mma.c */
};
DSK_SIZE(dsk_moe_down_params, 64);

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
#define DSK_SLOT_ROWS	4096	/* by lanes of a wave: rows of a group of slots_mma.c */
#define DSK_SLOT_SINKS	1	/* sinks is given, float [q_heads], in the logits' units */
#define DSK_SLOT_RING	2	/* position p, below DSK_RING_POSITIONS, is in slot p modulo slots */
#define DSK_RING_POSITIONS	(1 << 30)
#define DSK_SLOT_Q8_0	8	/* a type of caches: blocks of 32 as in GGUF files (weight.h); strides in blocks */

struct dsk_slot_store_params {
	int n, slots;
	int type;		/* of the cache: enum dsk_type, not I8, or DSK_SLOT_Q8_0 */
	int x_head_stride, x_token_stride;
	int head_stride, slot_stride;
	int flags;		/* DSK_SLOT_RING */
};
DSK_SIZE(dsk_slot_store_params, 32);

struct dsk_slot_attend_params {
	int q_heads, kv_heads, slots;
	int k_n, v_n;
	int k_type, v_type;	/* enum dsk_type, not I8, or DSK_SLOT_Q8_0 */
	int window;		/* 0: all up to the position */
	int flags;		/* DSK_SLOT_* */
	int q_head_stride, q_token_stride;
	int k_head_stride, k_slot_stride;
	int v_head_stride, v_slot_stride;
	int out_head_stride, out_token_stride;
	float scale, cap;	/* cap 0: none */
	int tokens, splits;	/* slots_mma.c: T; parts that what a token sees is split in, each a group, 1 or more */
	int pad;
};
DSK_SIZE(dsk_slot_attend_params, 88);

#endif /* DSK_LAYOUT_H */

/* SPDX-License-Identifier: MIT */
/*
 * Prefill: many queries a sequence. Tiles of keys and values pass through LDS before a tile of queries, with an online softmax
 * (Milakov and Gimelshein 2018; Dao et al. 2022, algorithm 1). The plain version: fp32, no matrix instructions.
 *
 * A row of 16 lanes has a query: of each tile of keys two logits, of the result every sixteenth element.
 */
#include "attn.h"

#define LANES	256
#define ROW	16			/* lanes a query */
#define QUERIES	(LANES / ROW)
#define KEYS	(2 * ROW)
#define MAX_PER_LANE	(128 / ROW)

/*
 * D: size of a key, V: of a value. @selected: of this group's block of queries (load_selected()), or NULL: all blocks are seen. With @pyramid far
 * tokens by rows of k_pools and v_pools, level by level.
 */
K_DEV void prefill(K_WAVE_PARAM int D, int V, int pyramid, K_LOCAL float *qs, K_LOCAL float *ks, K_LOCAL float *vs, K_LOCAL float *ps, K_LOCAL int *there,
		   K_LOCAL int *shared,
		   K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const void *v,
		   K_GLOBAL const void *k_pools, K_GLOBAL const void *v_pools, K_GLOBAL const float *k_scales,
		   K_GLOBAL const float *v_scales, K_GLOBAL const int *pages, K_GLOBAL const int *lengths, K_GLOBAL const int *starts,
		   K_GLOBAL const k_u32 *mask, K_GLOBAL const float *sinks, K_LOCAL const k_u32 *selected, struct dsk_attn_params p)
{
	int head = k_group_y(), sequence = k_group_z(), kv_head = head / (p.q_heads / p.kv_heads);
	struct prefill_range range = prefill_range(shared, lengths, starts, sequence, p);
	int start = range.start, n_queries = range.queries, length = range.length, first = k_group_x() * QUERIES, row = k_tid() / ROW, col = k_tid() % ROW, n = V / ROW;
	int stride = D + 1, v_stride = V + 1;	/* of a tile's rows: neighbouring keys in different banks */
	int before = length - n_queries, position = before + first + row, low = 0, high = length, tiles;
	long query = start + first + row;
	float top = K_NEG_BIG, sum = 0, acc[MAX_PER_LANE];

	if (first >= n_queries)		/* the group's queries are past the sequence's: all of it leaves */
		return;
	if (p.window > 0 && before + first - p.window + 1 > 0)
		low = (before + first - p.window + 1) / KEYS * KEYS;
	if (!(p.flags & DSK_ATTN_ALL) && before + first + QUERIES < length)
		high = before + first + QUERIES;
	for (int i = 0; i < n; i++)
		acc[i] = 0;
	K_UNROLL(2)
	for (int i = k_tid(); i < QUERIES * D; i += LANES)
		qs[i / D * stride + i % D] = first + i / D < n_queries ? q[((start + first + i / D) * (long)p.q_heads + head) * D + i % D] : 0;

	tiles = pyramid ? pyramid_tiles(before + first + 1, high, KEYS, p) : (high - low + KEYS - 1) / KEYS;
	for (int step = 0; step < tiles; step++) {
		int level = 0, to = high, tile = pyramid ? pyramid_tile(step, before + first + 1, high, KEYS, &level, &to, p) : low + step * KEYS;
		K_GLOBAL const void *keys = level ? k_pools : k, *values = level ? v_pools : v;
		float logit[2], weight[2], rise, fade;

		if (selected && !seen(selected, tile / DSK_BLOCK))	/* the whole group's: no lane waits for another */
			continue;
		K_UNROLL(2)
		for (int i = k_tid(); i < KEYS * D; i += LANES) {
			int token = tile + (i / D << level);
			long at = token < to ? pool_row(pages, sequence, token, kv_head, level, p) : -1;

			ks[i / D * stride + i % D] = at < 0 ? 0 : kv_load(keys, at * D + i % D, p.kv_type) * kv_scale(k_scales, at, p.kv_type);
			if (i % D < V)
				vs[i / D * v_stride + i % D] = at < 0 ? 0 :
					kv_load(values, at * V + i % D, p.kv_type) * kv_scale(v_scales, at, p.kv_type);
			if (i % D == 0)
				there[i / D] = at >= 0;
		}
		k_sync();
		for (int j = 0; j < 2; j++) {
			int key = col + j * ROW, token = tile + (key << level);
			float dot = 0;

			K_UNROLL(8)
			for (int d = 0; d < D; d++)
				dot = k_fma(qs[row * stride + d], ks[key * stride + d], dot);
			logit[j] = first + row < n_queries && there[key] && (pyramid ? sees_pool(position, token, level, p) :
				sees(position, query, token, mask, p)) ? logit2(dot, p) + (pyramid ? (float)level : 0) : 2 * K_NEG_BIG;
		}
		rise = k_max(top, max16(K_WAVE_PASS k_max(logit[0], logit[1])));
		fade = k_exp2(top - rise);
		for (int j = 0; j < 2; j++) {
			weight[j] = k_exp2(logit[j] - rise);
			ps[row * (KEYS + 1) + col + j * ROW] = weight[j];
		}
		top = rise;
		sum = k_fma(sum, fade, sum16(K_WAVE_PASS weight[0] + weight[1]));
		k_wave_sync();		/* a row's weights stay in its wave */
		for (int i = 0; i < n; i++) {
			acc[i] *= fade;
			K_UNROLL(4)
			for (int key = 0; key < KEYS; key++)
				acc[i] = k_fma(ps[row * (KEYS + 1) + key], vs[key * v_stride + col + i * ROW], acc[i]);
		}
		k_sync();
	}
	if (p.flags & DSK_ATTN_SINKS) {
		float sink = sinks[head] * K_LOG2E, rise = k_max(top, sink), fade = k_exp2(top - rise);

		sum = k_fma(sum, fade, k_exp2(sink - rise));
		for (int i = 0; i < n; i++)
			acc[i] *= fade;
	}
	if (first + row < n_queries)
		for (int i = 0; i < n; i++)
			out[(query * p.q_heads + head) * V + col + i * ROW] = sum > 0 ? acc[i] / sum : 0;
}

/*
 * out [V, q_heads, Q], q [D, q_heads, Q]; k, v caches; their scales if int8; pages [max_pages, S]; lengths [S], the queries'
 * tokens counted: they are the last; starts [S + 1]: first query of each sequence; mask [mask_stride, Q], bit t % 32 of word t / 32
 * is token t; sinks [q_heads]. Groups: ceil(most queries of a sequence / 16), q_heads, S.
 */
#define NONE_SELECTED	((K_LOCAL const k_u32 *)0)

#define PREFILL(D, V, name)										\
K_KERNEL(LANES) name(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const void *v, \
		     K_GLOBAL const float *k_scales, K_GLOBAL const float *v_scales, K_GLOBAL const int *pages, \
		     K_GLOBAL const int *lengths, K_GLOBAL const int *starts, K_GLOBAL const k_u32 *mask, \
		     K_GLOBAL const float *sinks, struct dsk_attn_params p)				\
{													\
	K_LDS(float, qs, QUERIES * (D + 1));								\
	K_LDS(float, ks, KEYS * (D + 1));								\
	K_LDS(float, vs, KEYS * (V + 1));								\
	K_LDS(float, ps, QUERIES * (KEYS + 1));								\
	K_LDS(int, there, KEYS);									\
	K_LDS(int, shared, 3);										\
	K_COLLECTIVES;											\
	prefill(K_WAVE_PASS D, V, 0, qs, ks, vs, ps, there, shared, out, q, k, v, k, v, k_scales, v_scales, pages, lengths, \
		starts, mask, sinks, NONE_SELECTED, p);					\
}
PREFILL(64, 64, dsk_attn_prefill_64)
PREFILL(128, 128, dsk_attn_prefill_128)
PREFILL(DSK_MLA_NOPE + DSK_MLA_ROPE, DSK_MLA_VALUE, dsk_mla_prefill)

/*
 * Only blocks that are selected: blocks [block_stride, q_heads, query_blocks, S], bit j % 32 of word j / 32 is key block j
 * (attn_gate.c). The other buffers, groups and results as of dsk_attn_prefill; no mask.
 */
#define SPARSE(D)											\
K_KERNEL(LANES) dsk_attn_sparse_##D(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const void *v, \
				    K_GLOBAL const float *k_scales, K_GLOBAL const float *v_scales, K_GLOBAL const int *pages, \
				    K_GLOBAL const int *lengths, K_GLOBAL const int *starts, K_GLOBAL const k_u32 *blocks, \
				    K_GLOBAL const float *sinks, struct dsk_attn_params p)		\
{													\
	K_LDS(float, qs, QUERIES * (D + 1));								\
	K_LDS(float, ks, KEYS * (D + 1));								\
	K_LDS(float, vs, KEYS * (D + 1));								\
	K_LDS(float, ps, QUERIES * (KEYS + 1));								\
	K_LDS(int, there, KEYS);									\
	K_LDS(int, shared, 3);										\
	K_COLLECTIVES;											\
	K_LDS(k_u32, selected, BLOCK_WORDS);								\
													\
	p.flags &= ~DSK_ATTN_MASK;									\
	load_selected(selected, 1, LANES, blocks, k_group_z(), k_group_x() * QUERIES / DSK_BLOCK, k_group_y(), p); \
	prefill(K_WAVE_PASS D, D, 0, qs, ks, vs, ps, there, shared, out, q, k, v, k, v, k_scales, v_scales, pages, lengths, starts, \
		(K_GLOBAL const k_u32 *)0, sinks, selected, p);						\
}
SPARSE(64)
SPARSE(128)

/*
 * Over the pyramid: each query sees what dsk_pyramid_decode would, were it the last. k_pools, v_pools: of dsk_pyramid_pool, of every page that
 * is full. The other buffers and groups as of dsk_attn_prefill; no mask.
 */
#define PYRAMID(D)											\
K_KERNEL(LANES) dsk_pyramid_prefill_##D(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const void *v, \
					K_GLOBAL const void *k_pools, K_GLOBAL const void *v_pools, K_GLOBAL const int *pages, \
					K_GLOBAL const int *lengths, K_GLOBAL const int *starts, K_GLOBAL const float *sinks, \
					struct dsk_attn_params p)					\
{													\
	K_LDS(float, qs, QUERIES * (D + 1));								\
	K_LDS(float, ks, KEYS * (D + 1));								\
	K_LDS(float, vs, KEYS * (D + 1));								\
	K_LDS(float, ps, QUERIES * (KEYS + 1));								\
	K_LDS(int, there, KEYS);									\
	K_LDS(int, shared, 3);										\
	K_COLLECTIVES;											\
													\
	p.flags &= DSK_ATTN_SINKS;									\
	p.kv_type = p.kv_type == DSK_F16 ? DSK_F16 : DSK_BF16;		/* there are no others */	\
	prefill(K_WAVE_PASS D, D, 1, qs, ks, vs, ps, there, shared, out, q, k, v, k_pools, v_pools, (K_GLOBAL const float *)0, \
		(K_GLOBAL const float *)0, pages, lengths, starts, (K_GLOBAL const k_u32 *)0, sinks, NONE_SELECTED, p); \
}
PYRAMID(64)
PYRAMID(128)

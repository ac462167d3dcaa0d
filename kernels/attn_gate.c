/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of keys a block of queries looks at: gates from pooled queries and keys through learned weights (dsk_layout.h has the
 * formula). dsk_gate_keys' rows of full blocks stay what they are as the sequence grows.
 */
#include "attn.h"

#define LANES	256

/* What kv_row and kv_length look at. */
K_DEV struct dsk_attn_params cache_of(struct dsk_gate_params p)
{
	struct dsk_attn_params cache;

	cache.max_pages = p.max_pages;
	cache.n_pages = p.n_pages;
	cache.kv_heads = p.kv_heads;
	return cache;
}

/* out [g] = W [d, g] mean, of one block and head. */
K_DEV void project(K_LOCAL const float *mean, K_GLOBAL float *out, K_GLOBAL const float *w, struct dsk_gate_params p)
{
	for (int i = k_tid(); i < p.g; i += LANES) {
		float sum = 0;

		for (int d = 0; d < p.d; d++)
			sum = k_fma(w[(long)i * p.d + d], mean[d], sum);
		out[i] = sum;
	}
}

/* a [g, q_heads, query_blocks, S], q [d, q_heads, Q], starts [S + 1], w [d, g, q_heads]. Groups: query_blocks, q_heads, S. */
K_KERNEL(LANES) dsk_gate_queries(K_GLOBAL float *a, K_GLOBAL const float *q, K_GLOBAL const int *starts, K_GLOBAL const float *w,
				 struct dsk_gate_params p)
{
	K_LDS(float, mean, DSK_GATE_MAX_D);
	int block = k_group_x(), head = k_group_y(), start, n_queries = queries_of(starts, k_group_z(), p.queries, &start);
	int first = block * DSK_BLOCK, n = n_queries - first < DSK_BLOCK ? n_queries - first : DSK_BLOCK;

	for (int d = k_tid(); d < p.d; d += LANES) {
		float sum = 0;

		for (int i = 0; i < n; i++)
			sum += q[((long)(start + first + i) * p.q_heads + head) * p.d + d];
		mean[d] = n > 0 ? sum / n : 0;
	}
	k_sync();
	project(mean, a + (((long)k_group_z() * p.query_blocks + block) * p.q_heads + head) * p.g, w + (long)head * p.g * p.d, p);
}

/* b [g, kv_heads, key_blocks, S]; k a cache, its scales if int8; pages, lengths; w [d, g, kv_heads]. Groups: key_blocks, kv_heads, S. */
K_KERNEL(LANES) dsk_gate_keys(K_GLOBAL float *b, K_GLOBAL const void *k, K_GLOBAL const float *k_scales, K_GLOBAL const int *pages,
			      K_GLOBAL const int *lengths, K_GLOBAL const float *w, struct dsk_gate_params p)
{
	K_LDS(float, mean, DSK_GATE_MAX_D);
	struct dsk_attn_params cache = cache_of(p);
	int block = k_group_x(), head = k_group_y(), sequence = k_group_z(), length = kv_length(lengths, sequence, cache);

	for (int d = k_tid(); d < p.d; d += LANES) {
		float sum = 0;
		int n = 0;

		for (int token = block * DSK_BLOCK; token < length && token < (block + 1) * DSK_BLOCK; token++) {
			long row = kv_row(pages, sequence, token, head, cache);

			if (row < 0)
				continue;
			sum = k_fma(kv_load(k, row * p.d + d, p.kv_type), kv_scale(k_scales, row, p.kv_type), sum);
			n++;
		}
		mean[d] = n > 0 ? sum / n : 0;
	}
	k_sync();
	project(mean, b + (((long)sequence * p.key_blocks + block) * p.kv_heads + head) * p.g, w + (long)head * p.g * p.d, p);
}

/* A key of which unsigned comparison is that of floats, and then, among equals, the earlier block first. */
K_DEV unsigned long rank_key(float s, int block)
{
	k_u32 u = k_as_u32(s + 0.0f);		/* -0 is 0 */

	u = u >> 31 ? ~u : u | 0x80000000u;
	return (unsigned long)u * DSK_MAX_BLOCKS + (unsigned long)(DSK_MAX_BLOCKS - 1 - block);
}

/*
 * blocks [block_stride, q_heads, query_blocks, S] and counts [2, q_heads, query_blocks, S]: skipped, visible; gates if asked for; a, b of the
 * kernels above; starts [S + 1], lengths [S]. Groups: query_blocks, q_heads, S.
 */
K_KERNEL(LANES) dsk_gate_select(K_GLOBAL k_u32 *blocks, K_GLOBAL int *counts, K_GLOBAL float *gates, K_GLOBAL const float *a,
				K_GLOBAL const float *b, K_GLOBAL const int *starts, K_GLOBAL const int *lengths, struct dsk_gate_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_LDS(float, score, DSK_MAX_BLOCKS);
	K_COLLECTIVES;
	int block = k_group_x(), head = k_group_y(), sequence = k_group_z(), kv_head = head / (p.q_heads / p.kv_heads);
	int start, n_queries = queries_of(starts, sequence, p.queries, &start), first = block * DSK_BLOCK;
	int before = kv_length(lengths, sequence, cache_of(p)) - n_queries;
	int last = first + DSK_BLOCK < n_queries ? first + DSK_BLOCK : n_queries;	/* this and after it: not of this block */
	int visible = (before + last + DSK_BLOCK - 1) / DSK_BLOCK, diagonal = (before + first) / DSK_BLOCK, chosen = 0;
	long at = ((long)sequence * p.query_blocks + block) * p.q_heads + head;
	float top = K_NEG_BIG, sum = 0, factor;
	unsigned long bound = 0;

	if (first >= n_queries || visible < 0)	/* no such queries, or no keys */
		visible = 0;
	if (visible > p.key_blocks)
		visible = p.key_blocks;
	for (int j = k_tid(); j < visible; j += LANES) {
		float dot = 0;

		for (int i = 0; i < p.g; i++)
			dot = k_fma(a[at * p.g + i], b[(((long)sequence * p.key_blocks + j) * p.kv_heads + kv_head) * p.g + i], dot);
		dot *= p.scale;
		score[j] = dot == dot ? k_min(k_max(dot, K_NEG_BIG), -K_NEG_BIG) : 2 * K_NEG_BIG;
		top = k_max(top, score[j]);
	}
	top = k_group_max(K_WAVE_PASS red, LANES, top);
	for (int j = k_tid(); j < visible; j += LANES)
		sum += k_exp2((score[j] - top) * K_LOG2E);
	sum = k_group_sum(K_WAVE_PASS red, LANES, sum);
	factor = sum > 0 ? 1 / sum : 0;

	/* the greatest bound that top_k keys reach, bit by bit: no sorting, and the same for every order of lanes */
	for (int bit = 43; bit >= 0; bit--) {
		unsigned long higher = bound | 1ul << bit;
		float reach = 0;

		for (int j = k_tid(); j < visible; j += LANES)
			reach += j >= p.sinks && j < diagonal && rank_key(score[j], j) >= higher ? 1 : 0;
		reach = k_group_sum(K_WAVE_PASS red, LANES, reach);
		if (reach >= (float)p.top_k)
			bound = higher;
	}
	for (int word = k_tid(); word < p.block_stride; word += LANES) {
		k_u32 bits = 0;

		for (int j = word * 32; j < word * 32 + 32 && j < visible; j++) {
			int always = j < p.sinks || j >= diagonal;
			int select = rank_key(score[j], j) >= bound && k_exp2((score[j] - top) * K_LOG2E) * factor >= p.threshold;

			if (always || select) {
				bits |= 1u << (j - word * 32);
				chosen++;
			}
		}
		blocks[at * p.block_stride + word] = bits;
	}
	chosen = (int)k_group_sum(K_WAVE_PASS red, LANES, (float)chosen);
	if (k_tid() == 0) {
		counts[at * 2] = visible - chosen;
		counts[at * 2 + 1] = visible;
	}
	if (p.flags & DSK_GATE_PROBABILITIES)
		for (int j = k_tid(); j < p.key_blocks; j += LANES)
			gates[at * p.key_blocks + j] = j < visible ? k_exp2((score[j] - top) * K_LOG2E) * factor : 0;
}

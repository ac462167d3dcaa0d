/* SPDX-License-Identifier: MIT */
/*
 * Decode with the queries of a KV head packed: a group has up to PACK of them, and what its waves load of a key and a value
 * serves them all. The rest is attn_decode.c's, in the same order, so acc and ml are the same bits.
 */
#include "attn.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define MAX_PER_LANE	(DSK_MLA_LATENT / 32)
#define MAX_REST	(DSK_MLA_ROPE / 32)
#define MAX_PACK	8

/* As attn_decode.c's decode(); PACK is a constant, too. */
K_DEV void decode(K_WAVE_PARAM int D, int R, int PACK, K_LOCAL float *part, K_LOCAL float *tops, K_LOCAL float *sums,
		  K_GLOBAL float *acc_out, K_GLOBAL float *ml_out, K_GLOBAL const float *q, K_GLOBAL const void *k,
		  K_GLOBAL const void *v, K_GLOBAL const float *k_scales, K_GLOBAL const float *v_scales,
		  K_GLOBAL const int *pages, K_GLOBAL const int *lengths, struct dsk_attn_params p)
{
	int of_head = p.q_heads / p.kv_heads, packs = (of_head + PACK - 1) / PACK;
	int kv_head = k_group_x() / packs, first_query = k_group_x() % packs * PACK;
	int queries = of_head - first_query;	/* from here on; this group has PACK of them or all */
	int sequence = k_group_y(), split = k_group_z(), n = D / K_WAVE, rest = R / K_WAVE;
	int length = kv_length(lengths, sequence, p), low = p.window > 0 && length > p.window ? length - p.window : 0;
	int each = (length - low + p.splits - 1) / p.splits, first = low + split * each;
	int last = first + each < length ? first + each : length, at = k_lane() * n, at_rest = D + k_lane() * rest;
	long row_q = (long)sequence * p.q_heads + (long)kv_head * of_head + first_query;
	float top[MAX_PACK], sum[MAX_PACK], qs[MAX_PACK][MAX_PER_LANE], qs_rest[MAX_PACK][MAX_REST], acc[MAX_PACK][MAX_PER_LANE];

	K_UNROLL(8)
	for (int j = 0; j < PACK; j++) {
		/* past the last query that one again: nobody looks at what comes of it */
		long from = (row_q + (j < queries ? j : queries - 1)) * (D + R);

		top[j] = K_NEG_BIG;
		sum[j] = 0;
		for (int i = 0; i < n; i++) {
			qs[j][i] = q[from + at + i];
			acc[j][i] = 0;
		}
		for (int i = 0; i < rest; i++)
			qs_rest[j][i] = q[from + at_rest + i];
	}
	for (int step = 0; step < (last - first + WAVES - 1) / WAVES; step++) {
		int token = first + step * WAVES + k_wave(), real = token < last;
		long row = kv_row(pages, sequence, real ? token : first, kv_head, p), from = row < 0 ? 0 : row;
		float key[MAX_PER_LANE], key_rest[MAX_REST], value[MAX_PER_LANE];
		float k_scale = kv_scale(k_scales, R ? from * 2 : from, p.kv_type), rest_scale = 1;
		float v_scale = R ? k_scale : kv_scale(v_scales, from, p.kv_type);

		real = real && row >= 0;
		if (R)
			rest_scale = kv_scale(k_scales, from * 2 + 1, p.kv_type);
		for (int i = 0; i < n; i++) {
			key[i] = kv_load(k, from * (D + R) + at + i, p.kv_type);
			/* a weight of 0 is no mask: what isn't ours may be a NaN */
			value[i] = !real ? 0 : R ? key[i] : kv_load(v, from * D + at + i, p.kv_type);
		}
		for (int i = 0; i < rest; i++)
			key_rest[i] = kv_load(k, from * (D + R) + at_rest + i, p.kv_type);
		K_UNROLL(8)
		for (int j = 0; j < PACK; j++) {
			float dot = 0, dot_rest = 0, logit, weight, fade, rise;

			for (int i = 0; i < n; i++)
				dot = k_fma(qs[j][i], key[i], dot);
			for (int i = 0; i < rest; i++)
				dot_rest = k_fma(qs_rest[j][i], key_rest[i], dot_rest);
			if (R)
				dot = dot * k_scale + dot_rest * rest_scale;
			dot = k_wave_sum(K_WAVE_PASS dot);
			logit = real ? logit2(R ? dot : dot * k_scale, p) : 2 * K_NEG_BIG;
			rise = k_max(top[j], logit);
			fade = k_exp2(top[j] - rise);
			weight = k_exp2(logit - rise);
			top[j] = rise;
			sum[j] = k_fma(sum[j], fade, weight);
			weight *= real ? v_scale : 0;
			for (int i = 0; i < n; i++)
				acc[j][i] = k_fma(weight, value[i], acc[j][i] * fade);
		}
	}
	K_UNROLL(8)
	for (int j = 0; j < PACK; j++) {
		long row_out = (row_q + j) * p.splits + split;
		float most = K_NEG_BIG;

		for (int i = 0; i < n; i++)
			part[k_wave() * D + at + i] = acc[j][i];
		if (k_lane() == 0) {
			tops[k_wave()] = top[j];
			sums[k_wave()] = sum[j];
		}
		k_sync();
		for (int w = 0; w < WAVES; w++)
			most = k_max(most, tops[w]);
		for (int d = k_tid(); j < queries && d < D; d += LANES) {
			float total = 0;

			for (int w = 0; w < WAVES; w++)
				total = k_fma(part[w * D + d], k_exp2(tops[w] - most), total);
			acc_out[row_out * D + d] = total;
		}
		if (j < queries && k_tid() == 0) {
			float total = 0;

			for (int w = 0; w < WAVES; w++)
				total = k_fma(sums[w], k_exp2(tops[w] - most), total);
			ml_out[row_out * 2] = most;
			ml_out[row_out * 2 + 1] = total;
		}
		k_sync();
	}
}

/* Buffers as of dsk_attn_decode. Groups: kv_heads * ceil(q_heads / kv_heads / DSK_DECODE_PACK), S, splits. */
#define DECODE(D)											\
K_KERNEL(LANES) dsk_attn_decode_packed_##D(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, \
					   K_GLOBAL const void *k, K_GLOBAL const void *v,		\
					   K_GLOBAL const float *k_scales, K_GLOBAL const float *v_scales, \
					   K_GLOBAL const int *pages, K_GLOBAL const int *lengths,	\
					   struct dsk_attn_params p)					\
{													\
	K_LDS(float, part, WAVES * D);									\
	K_LDS(float, tops, WAVES);									\
	K_LDS(float, sums, WAVES);									\
	K_COLLECTIVES;											\
	decode(K_WAVE_PASS D, 0, DSK_DECODE_PACK, part, tops, sums, acc, ml, q, k, v, k_scales, v_scales, pages, \
	       lengths, p);										\
}
DECODE(64)
DECODE(128)

/* Buffers as of dsk_mla_decode. Groups: ceil(q_heads / DSK_MLA_PACK), S, splits. */
K_KERNEL(LANES) dsk_mla_decode_packed(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, K_GLOBAL const void *cache,
				      K_GLOBAL const float *scales, K_GLOBAL const int *pages, K_GLOBAL const int *lengths,
				      struct dsk_attn_params p)
{
	K_LDS(float, part, WAVES * DSK_MLA_LATENT);
	K_LDS(float, tops, WAVES);
	K_LDS(float, sums, WAVES);
	K_COLLECTIVES;
	decode(K_WAVE_PASS DSK_MLA_LATENT, DSK_MLA_ROPE, DSK_MLA_PACK, part, tops, sums, acc, ml, q, cache, cache, scales, scales, pages,
	       lengths, p);
}

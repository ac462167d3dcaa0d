/* SPDX-License-Identifier: MIT */
/* Decode of one head, sequence and part, and the merge of parts, by a group: of attn_decode.c's launches or of persist.c's tiles. */
#ifndef ATTN_DECODE_H
#define ATTN_DECODE_H

#include "attn.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define MAX_PER_LANE	(DSK_MLA_LATENT / 32)
#define MAX_REST	(DSK_MLA_ROPE / 32)

/*
 * With @pyramid rows of k_pools and v_pools stand for the far tokens. Keys are D + R elements. With R they are those of MLA: their first D are the values, too, and the two parts have an int8 scale each. D
 * and R are constants once this is inlined, and so are the arrays' sizes.
 */
K_DEV void decode(K_WAVE_PARAM int D, int R, int pyramid, int head, int sequence, int split, K_LOCAL float *part, K_LOCAL float *tops, K_LOCAL float *sums, K_GLOBAL float *acc_out,
		  K_GLOBAL float *ml_out, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const void *v,
		  K_GLOBAL const void *k_pools, K_GLOBAL const void *v_pools, K_GLOBAL const float *k_scales,
		  K_GLOBAL const float *v_scales, K_GLOBAL const int *pages, K_GLOBAL const int *lengths, struct dsk_attn_params p)
{
	int kv_head = head / (p.q_heads / p.kv_heads), n = D / K_WAVE, rest = R / K_WAVE;
	int tokens = kv_length(lengths, sequence, p), length = pyramid ? pyramid_rows(tokens, p) : tokens, low = !pyramid && p.window > 0 && length > p.window ? length - p.window : 0;
	int each = (length - low + p.splits - 1) / p.splits, first = low + split * each;
	int last = first + each < length ? first + each : length, at = k_lane() * n;
	int at_rest = D + k_lane() * rest;
	float top = K_NEG_BIG, sum = 0, qs[MAX_PER_LANE], qs_rest[MAX_REST], acc[MAX_PER_LANE], key[MAX_PER_LANE];
	long row_q = (long)sequence * p.q_heads + head, row_out = row_q * p.splits + split;

	for (int i = 0; i < n; i++) {
		qs[i] = q[row_q * (D + R) + at + i];
		acc[i] = 0;
	}
	for (int i = 0; i < rest; i++)
		qs_rest[i] = q[row_q * (D + R) + at_rest + i];
	/* one trip count for the group: past the end a wave repeats the first token and throws it away */
	for (int step = 0; step < (last - first + WAVES - 1) / WAVES; step++) {
		int token = first + step * WAVES + k_wave(), real = token < last, level = 0;
		long row = pyramid ? pyramid_row(pages, sequence, real ? token : first, kv_head, tokens, &level, p) :
			kv_row(pages, sequence, real ? token : first, kv_head, p), from = row < 0 ? 0 : row;
		K_GLOBAL const void *keys = level ? k_pools : k, *values = level ? v_pools : v;
		float dot = 0, dot_rest = 0, logit, weight, fade, rise;

		real = real && row >= 0;
		for (int i = 0; i < n; i++) {
			key[i] = kv_load(keys, from * (D + R) + at + i, p.kv_type);
			dot = k_fma(qs[i], key[i], dot);
		}
		for (int i = 0; i < rest; i++)
			dot_rest = k_fma(qs_rest[i], kv_load(keys, from * (D + R) + at_rest + i, p.kv_type), dot_rest);
		if (R)
			dot = dot * kv_scale(k_scales, from * 2, p.kv_type) + dot_rest * kv_scale(k_scales, from * 2 + 1, p.kv_type);
		dot = k_wave_sum(K_WAVE_PASS dot);
		logit = real ? logit2(R ? dot : dot * kv_scale(k_scales, row, p.kv_type), p) : 2 * K_NEG_BIG;
		if (pyramid)
			logit += (float)level;
		rise = k_max(top, logit);
		fade = k_exp2(top - rise);
		weight = k_exp2(logit - rise);
		top = rise;
		sum = k_fma(sum, fade, weight);
		weight *= real ? kv_scale(v_scales, R ? row * 2 : row, p.kv_type) : 0;
		for (int i = 0; i < n; i++) {	/* a weight of 0 is no mask: what isn't ours may be a NaN */
			float value = R ? key[i] : kv_load(values, from * D + at + i, p.kv_type);

			acc[i] = k_fma(weight, real ? value : 0, acc[i] * fade);
		}
	}
	for (int i = 0; i < n; i++)
		part[k_wave() * D + at + i] = acc[i];
	if (k_lane() == 0) {
		tops[k_wave()] = top;
		sums[k_wave()] = sum;
	}
	k_sync();
	top = K_NEG_BIG;
	for (int w = 0; w < WAVES; w++)
		top = k_max(top, tops[w]);
	for (int d = k_tid(); d < D; d += LANES) {
		float total = 0;

		for (int w = 0; w < WAVES; w++)
			total = k_fma(part[w * D + d], k_exp2(tops[w] - top), total);
		acc_out[row_out * D + d] = total;
	}
	if (k_tid() == 0) {
		sum = 0;
		for (int w = 0; w < WAVES; w++)
			sum = k_fma(sums[w], k_exp2(tops[w] - top), sum);
		ml_out[row_out * 2] = top;
		ml_out[row_out * 2 + 1] = sum;
	}
}

K_DEV void merge(int D, int lanes, int head, int sequence, K_GLOBAL float *out, K_GLOBAL const float *acc, K_GLOBAL const float *ml,
		 K_GLOBAL const float *sinks, struct dsk_attn_params p)
{
	long row = (long)sequence * p.q_heads + head, part = row * p.splits;
	float top = p.flags & DSK_ATTN_SINKS ? sinks[head] * K_LOG2E : K_NEG_BIG, sum, factor;

	for (int i = 0; i < p.splits; i++)
		top = k_max(top, ml[(part + i) * 2]);
	sum = p.flags & DSK_ATTN_SINKS ? k_exp2(sinks[head] * K_LOG2E - top) : 0;
	for (int i = 0; i < p.splits; i++)
		sum = k_fma(ml[(part + i) * 2 + 1], k_exp2(ml[(part + i) * 2] - top), sum);
	factor = sum > 0 ? 1 / sum : 0;
	for (int d = k_tid(); d < D; d += lanes) {
		float total = 0;

		for (int i = 0; i < p.splits; i++)
			total = k_fma(acc[(part + i) * D + d], k_exp2(ml[(part + i) * 2] - top), total);
		out[row * D + d] = total * factor;
	}
}

#endif /* ATTN_DECODE_H */

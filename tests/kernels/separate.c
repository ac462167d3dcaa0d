/* SPDX-License-Identifier: MIT */
/*
 * Attention in three kernels through memory, as it is done where nothing is fused: what tests/kernels/fusion.c compares dsk_slot_attend with, for
 * the harness only. Parameters and operands are dsk_slot_attend's, without sinks, window or cap.
 */
#include "element.h"

#define LANES	64

/* logits [slots, q_heads, T] = scale q k, far below zero after the position; groups: q_heads, T */
K_KERNEL(LANES) separate_scores(K_GLOBAL float *logits, K_GLOBAL const float *q, K_GLOBAL const void *k, K_GLOBAL const int *position,
				struct dsk_slot_attend_params p)
{
	int head = k_group_x(), kv_head = head / (p.q_heads / p.kv_heads);
	long q_at = (long)head * p.q_head_stride + (long)k_group_y() * p.q_token_stride;

	for (int s = k_tid(); s < p.slots; s += LANES) {
		long at = (long)kv_head * p.k_head_stride + (long)s * p.k_slot_stride;
		float sum = 0;

		for (int i = 0; i < p.k_n && s <= position[k_group_y()]; i++)
			sum = k_fma(q[q_at + i], load_element(k, at + i, p.k_type), sum);
		logits[((long)k_group_y() * p.q_heads + head) * p.slots + s] = s <= position[k_group_y()] ? sum * p.scale : K_NEG_BIG;
	}
}

/* rows of logits to weights, in place; groups: q_heads, T */
K_KERNEL(LANES) separate_softmax(K_GLOBAL float *logits, struct dsk_slot_attend_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_COLLECTIVES;
	K_GLOBAL float *row = logits + ((long)k_group_y() * p.q_heads + k_group_x()) * p.slots;
	float top = K_NEG_BIG, sum = 0;

	for (int s = k_tid(); s < p.slots; s += LANES)
		top = k_max(top, row[s]);
	top = k_group_max(K_WAVE_PASS red, LANES, top);
	for (int s = k_tid(); s < p.slots; s += LANES)
		sum += k_exp2((row[s] - top) * K_LOG2E);
	sum = k_group_sum(K_WAVE_PASS red, LANES, sum);
	for (int s = k_tid(); s < p.slots; s += LANES)
		row[s] = k_exp2((row[s] - top) * K_LOG2E) / sum;
}

/* out [v_n, q_heads, T] = weights v; groups: q_heads, T */
K_KERNEL(LANES) separate_values(K_GLOBAL float *out, K_GLOBAL const float *weights, K_GLOBAL const void *v, K_GLOBAL const int *position,
				struct dsk_slot_attend_params p)
{
	int head = k_group_x(), kv_head = head / (p.q_heads / p.kv_heads);
	K_GLOBAL const float *row = weights + ((long)k_group_y() * p.q_heads + head) * p.slots;

	for (int i = k_tid(); i < p.v_n; i += LANES) {
		float sum = 0;

		for (int s = 0; s < p.slots && s <= position[k_group_y()]; s++)
			sum = k_fma(row[s], load_element(v, (long)kv_head * p.v_head_stride + (long)s * p.v_slot_stride + i, p.v_type), sum);
		out[(long)head * p.out_head_stride + (long)k_group_y() * p.out_token_stride + i] = sum;
	}
}

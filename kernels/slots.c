/* SPDX-License-Identifier: MIT */
/*
 * A cache of keys or values by slots, with strides, as programs have it, and attention over it; plain. Positions and slots are the
 * tenant's memory: read once, and those out of range set *fault and touch nothing.
 */
#include "element.h"

#define LANES		64
#define BLOCK		32	/* of Q8_0: a scale in half precision, then bytes */
#define BLOCK_BYTES	34

/* Element @i of the row at @at. */
K_DEV float slot_load(K_GLOBAL const void *cache, long at, int i, int type)
{
	K_GLOBAL const char *block = (K_GLOBAL const char *)cache + (at + i / BLOCK) * BLOCK_BYTES;

	if (type != DSK_SLOT_Q8_0)
		return load_element(cache, at + i, type);
	return k_f16_to_f32(*(K_GLOBAL const k_u16 *)block) * (float)(signed char)block[2 + i % BLOCK];
}

/* As userspace/lib/dtype.c: the largest becomes 127; halves are rounded away from 0. */
K_DEV void store_block(K_GLOBAL void *cache, long at, K_GLOBAL const float *x)
{
	K_GLOBAL char *block = (K_GLOBAL char *)cache + at * BLOCK_BYTES;
	float most = 0, d, inverse;

	for (int i = 0; i < BLOCK; i++)
		most = k_max(most, k_fabs(x[i]));
	d = most / 127;
	inverse = d > 0 ? 1 / d : 0;
	*(K_GLOBAL k_u16 *)block = k_f32_to_f16(d);
	for (int i = 0; i < BLOCK; i++)
		block[2 + i] = (char)(int)(x[i] * inverse + (x[i] < 0 ? -0.5f : 0.5f));
}

/* cache [n, heads, slots] at slot[t] = x [n, heads, T]; slot [T]; fault [1]; groups: heads, T. Slots of a launch differ. */
K_KERNEL(LANES) dsk_slot_store(K_GLOBAL void *cache, K_GLOBAL int *fault, K_GLOBAL const float *x, K_GLOBAL const int *slot,
			       struct dsk_slot_store_params p)
{
	K_LDS(int, shared_slot, 1);
	long from = (long)k_group_x() * p.x_head_stride + (long)k_group_y() * p.x_token_stride, to;

	if (k_tid() == 0)
		shared_slot[0] = checked_index(fault, slot + k_group_y(), p.flags & DSK_SLOT_RING ? DSK_RING_POSITIONS : p.slots);
	k_sync();
	if (shared_slot[0] < 0)
		return;
	to = (long)k_group_x() * p.head_stride + (long)(shared_slot[0] % p.slots) * p.slot_stride;
	for (int i = k_tid(); i < p.n / BLOCK && p.type == DSK_SLOT_Q8_0; i += LANES)
		store_block(cache, to + i, x + from + i * BLOCK);
	for (int i = k_tid(); i < p.n && p.type != DSK_SLOT_Q8_0; i += LANES)
		store_element(cache, to + i, p.type, x[from + i]);
}

K_DEV float logit(K_LOCAL const float *q, K_GLOBAL const void *k, long at, struct dsk_slot_attend_params p)
{
	float sum = 0;

	for (int i = 0; i < p.k_n; i++)
		sum = k_fma(q[i], slot_load(k, at, i, p.k_type), sum);
	sum *= p.scale;
	return p.cap > 0 ? p.cap * k_tanh(sum / p.cap) : sum;
}

/*
 * out [v_n, q_heads, T] = softmax(scale q k + sink) v over positions from its own - window + 1 to its own, online (Milakov and Gimelshein
 * 2018): LANES slots at a time, a lane a slot for the logits, a lane an element for the sum. q [k_n, q_heads, T], k [k_n, kv_heads,
 * slots], v [v_n, kv_heads, slots], position [T], sinks [q_heads], fault [1]; groups: q_heads, T
 */
K_KERNEL(LANES) dsk_slot_attend(K_GLOBAL float *out, K_GLOBAL int *fault, K_GLOBAL const float *q, K_GLOBAL const void *k,
				K_GLOBAL const void *v, K_GLOBAL const int *position, K_GLOBAL const float *sinks,
				struct dsk_slot_attend_params p)
{
	K_LDS(float, query, DSK_SLOT_HEAD);
	K_LDS(float, acc, DSK_SLOT_HEAD);
	K_LDS(float, weight, LANES);
	K_LDS(int, slot, LANES);
	K_LDS(float, red, LANES / K_WAVE);
	K_LDS(int, shared_position, 1);
	K_COLLECTIVES;
	int head = k_group_x(), kv_head = head / (p.q_heads / p.kv_heads), pos, first;
	long q_at = (long)head * p.q_head_stride + (long)k_group_y() * p.q_token_stride;
	long out_at = (long)head * p.out_head_stride + (long)k_group_y() * p.out_token_stride;
	float top = K_NEG_BIG, sum = 0;

	if (k_tid() == 0)
		shared_position[0] = checked_index(fault, position + k_group_y(), p.flags & DSK_SLOT_RING ? DSK_RING_POSITIONS : p.slots);
	for (int i = k_tid(); i < p.k_n; i += LANES)
		query[i] = q[q_at + i];
	for (int i = k_tid(); i < p.v_n; i += LANES)
		acc[i] = 0;
	k_sync();
	pos = shared_position[0];
	first = p.window > 0 && pos >= p.window ? pos - p.window + 1 : 0;
	if (p.flags & DSK_SLOT_SINKS) {
		top = sinks[head];
		sum = 1;
	}
	for (int tile = first; tile <= pos; tile += LANES) {
		int s = tile + k_tid(), at = s % p.slots, n = pos - tile + 1 < LANES ? pos - tile + 1 : LANES;
		float l = K_NEG_BIG, before = top, rescale;

		if (s <= pos)
			l = logit(query, k, (long)kv_head * p.k_head_stride + (long)at * p.k_slot_stride, p);
		top = k_max(top, k_group_max(K_WAVE_PASS red, LANES, l));
		rescale = k_exp2((before - top) * K_LOG2E);
		l = k_exp2((l - top) * K_LOG2E);
		weight[k_tid()] = l;	/* what read the last ones is before k_group_max()'s barriers */
		slot[k_tid()] = at;
		sum = sum * rescale + k_group_sum(K_WAVE_PASS red, LANES, l);
		for (int i = k_tid(); i < p.v_n; i += LANES) {
			float a = acc[i] * rescale;

			for (int j = 0; j < n; j++)
				a = k_fma(weight[j], slot_load(v, (long)kv_head * p.v_head_stride + (long)slot[j] * p.v_slot_stride, i,
							       p.v_type), a);
			acc[i] = a;
		}
	}
	for (int i = k_tid(); i < p.v_n && pos >= 0; i += LANES)
		out[out_at + i] = acc[i] / sum;
}

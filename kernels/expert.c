/* SPDX-License-Identifier: MIT */
/* Products of experts, the plain version: a lane an element. And what goes before and after the fast ones: tiles, GLU by itself. */
#include "expert.h"

#define LANES	256

/* Of @k elements with one scale. */
K_DEV float dot_i4(K_GLOBAL const k_u16 *x, K_GLOBAL const unsigned char *w, int k, int zero)
{
	float sum = 0;

	for (int i = 0; i < k; i++)
		sum = k_fma(k_bf16_to_f32(x[i]), (float)((w[i / 2] >> (i % 2 * 4) & 15) - zero), sum);
	return sum;
}

/*
 * y [n, rows], x [k, tokens], x_scales [tokens] (I8, F8), row_pair [rows] (divisor > 0), offsets [experts + 1], w [k, n, experts], w_scales
 * [n, experts] (I8, F8) or f16 [ceil(k / 64), n, experts] (I4), w_zeros like those (ZEROS), bias [n, experts]; groups: rows, ceil(n / 256)
 */
K_KERNEL(LANES) dsk_expert(K_GLOBAL void *y, K_GLOBAL const void *x, K_GLOBAL const float *x_scales, K_GLOBAL const int *row_pair,
			   K_GLOBAL const int *offsets, K_GLOBAL const void *w, K_GLOBAL const void *w_scales,
			   K_GLOBAL const unsigned char *w_zeros, K_GLOBAL const float *bias, struct dsk_expert_params p)
{
	int row = k_group_x(), col = k_group_y() * LANES + k_tid(), expert = 0, from, whole = 0;
	long of, x_at, w_at;
	float sum = 0;

	while (expert < p.experts) {
		int first = offsets[expert], end = offsets[expert + 1];

		if (first >= 0 && first <= row && row < end && end <= p.rows)
			break;
		expert++;
	}
	if (expert == p.experts || col >= p.n)
		return;
	from = expert_x_row(row_pair, row, p);
	of = (long)expert * p.n + col;
	x_at = (long)from * p.x_stride;
	w_at = of * p.w_stride;
	if (from >= 0 && p.w_type == DSK_BF16) {
		for (int i = 0; i < p.k; i++)
			sum = k_fma(load_element(x, x_at / 2 + i, DSK_BF16), load_element(w, w_at / 2 + i, DSK_BF16), sum);
	} else if (from >= 0 && p.w_type == DSK_I8) {
		for (int i = 0; i < p.k; i++)
			whole += ((K_GLOBAL const signed char *)x)[x_at + i] * ((K_GLOBAL const signed char *)w)[w_at + i];
		sum = (float)whole * (x_scales[from] * ((K_GLOBAL const float *)w_scales)[of]);
	} else if (from >= 0 && p.w_type == DSK_F8) {
		for (int i = 0; i < p.k; i++)
			sum = k_fma(f8_to_f32((K_GLOBAL const unsigned char *)x + x_at + i), f8_to_f32((K_GLOBAL const unsigned char *)w + w_at + i), sum);
		sum *= x_scales[from] * ((K_GLOBAL const float *)w_scales)[of];
	} else if (from >= 0) {
		int groups = (p.k + DSK_EXPERT_GROUP - 1) / DSK_EXPERT_GROUP;

		for (int g = 0; g < groups; g++) {
			int first = g * DSK_EXPERT_GROUP, n = p.k - first < DSK_EXPERT_GROUP ? p.k - first : DSK_EXPERT_GROUP;
			int zero = p.flags & DSK_EXPERT_ZEROS ? w_zeros[of * groups + g] : 8;

			sum = k_fma(dot_i4((K_GLOBAL const k_u16 *)x + x_at / 2 + first, (K_GLOBAL const unsigned char *)w + w_at + first / 2, n, zero),
				    k_f16_to_f32(((K_GLOBAL const k_u16 *)w_scales)[of * groups + g]), sum);
		}
	}
	if (p.flags & DSK_EXPERT_BIAS)
		sum += bias[of];
	store_element(y, (long)row * p.y_stride + col, p.y_type, sum);
}

/* tiles [3, p.tiles], offsets [experts + 1]; one group. Experts without rows have no tile. */
K_KERNEL(LANES) dsk_expert_plan(K_GLOBAL int *tiles, K_GLOBAL const int *offsets, struct dsk_expert_plan_params p)
{
	K_LDS(int, firsts, DSK_MAX_EXPERTS);
	K_LDS(int, rows, DSK_MAX_EXPERTS);
	int total = 0;

	for (int e = k_tid(); e < p.experts; e += LANES) {
		int first = offsets[e], end = offsets[e + 1];

		firsts[e] = first;
		rows[e] = first >= 0 && first < end && end <= p.rows ? end - first : 0;
	}
	k_sync();
	for (int e = 0; e < p.experts; e++) {
		int n = (rows[e] + p.tile - 1) / p.tile;

		for (int i = k_tid(); i < n && total + i < p.tiles; i += LANES) {
			K_GLOBAL int *t = tiles + 3 * (long)(total + i);
			int left = rows[e] - i * p.tile;

			t[0] = e;
			t[1] = firsts[e] + i * p.tile;
			t[2] = left < p.tile ? left : p.tile;
		}
		total += n;
	}
	for (int i = total + k_tid(); i < p.tiles; i += LANES)
		for (int j = 0; j < 3; j++)
			tiles[3 * i + j] = j ? 0 : -1;
}

K_DEV float glu_element(K_GLOBAL const void *gate, K_GLOBAL const void *up, long at, struct dsk_glu_params p)
{
	return glu(load_element(gate, at, p.x_type), p.flags & DSK_GLU_UP ? load_element(up, at, p.x_type) : 1, p.act, p.alpha, p.limit);
}

/* y [n, rows], scales [rows] for y of int8 or E4M3, gate [n, rows], up [n, rows]; groups: rows */
K_KERNEL(LANES) dsk_glu(K_GLOBAL void *y, K_GLOBAL float *scales, K_GLOBAL const void *gate, K_GLOBAL const void *up,
			struct dsk_glu_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_COLLECTIVES;
	long at = (long)k_group_x() * p.x_stride, y_at = (long)k_group_x() * p.y_stride;
	float top = 0, scale;

	if (p.y_type != DSK_I8 && p.y_type != DSK_F8) {
		for (int i = k_tid(); i < p.n; i += LANES)
			store_element(y, y_at + i, p.y_type, glu_element(gate, up, at + i, p));
		return;
	}
	for (int i = k_tid(); i < p.n; i += LANES)
		top = k_max(top, k_fabs(glu_element(gate, up, at + i, p)));
	top = k_group_max(K_WAVE_PASS red, LANES, top);
	if (p.y_type == DSK_F8) {
		scale = f8_scale(top);
		for (int i = k_tid(); i < p.n; i += LANES)
			((K_GLOBAL unsigned char *)y)[y_at + i] =
				(unsigned char)f8_from_f32_bits(k_as_u32(glu_element(gate, up, at + i, p) * (1 / scale)));
		if (k_tid() == 0)
			scales[k_group_x()] = scale;
		return;
	}
	scale = 127 / k_max(top, 1e-30f);
	for (int i = k_tid(); i < p.n; i += LANES)
		((K_GLOBAL signed char *)y)[y_at + i] = (signed char)k_rint(glu_element(gate, up, at + i, p) * scale);
	if (k_tid() == 0)
		scales[k_group_x()] = top / 127;
}

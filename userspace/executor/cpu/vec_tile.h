/* SPDX-License-Identifier: MIT */
/* Tiles of activations, q8 and float32 (kernels.h). */
#ifndef DSEEK_CPU_VEC_TILE_H
#define DSEEK_CPU_VEC_TILE_H

#include "kernels.h"
#include "vec.h"

/* 16 elements of token @t: half @h of a block */
VALWAYS float quantise_16(const float *x, uint8_t *block, uint32_t m, uint32_t t, int h)
{
	float largest, scale;
	vf v[PARTS], mag[PARTS], inverse;
	vi q[PARTS];
	int32_t sum;
	int p;

	for (p = 0; p < PARTS; p++) {
		v[p] = v_load(x + 16 * h + p * VW);
		mag[p] = v_abs(v[p]);
	}
	largest = largest_16(mag);
	scale = largest / 127;
	inverse = v_set1(largest > 0 ? 127 / largest : 0);
	for (p = 0; p < PARTS; p++)
		q[p] = v_to_int(v_mul(v[p], inverse));
	sum = store_bytes_16(block + 32 * t + 16 * h, q);
	((float *)(block + CPU_Q8_D(m, h)))[t] = scale;
	((int32_t *)(block + CPU_Q8_S128(m, h)))[t] = -128 * sum;
	return scale * sum;
}

static void tile_q8(const float *const *x, uint32_t n, uint32_t m, uint32_t k, uint8_t *tile)
{
	uint32_t b, t;

	for (b = 0; b < k / 32; b++, tile += CPU_Q8_BYTES * m) {
		if (n < m)
			memset(tile, 0, CPU_Q8_BYTES * m);
		for (t = 0; t < n; t++)
			((float *)(tile + CPU_Q8_SUM(m)))[t] = quantise_16(x[t] + 32 * b, tile, m, t, 0) +
							       quantise_16(x[t] + 32 * b, tile, m, t, 1);
	}
}

static void tile_f32(const float *const *x, uint32_t n, uint32_t m, uint32_t k, float *tile)
{
	uint32_t i, t;

	for (i = 0; i < k; i++, tile += m)
		for (t = 0; t < m; t++)
			tile[t] = t < n ? x[t][i] : 0;
}

#endif /* DSEEK_CPU_VEC_TILE_H */

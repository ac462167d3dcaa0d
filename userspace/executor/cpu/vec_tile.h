/* SPDX-License-Identifier: MIT */
/* Tiles of activations, q8 and float32 (kernels.h). */
#ifndef DSEEK_CPU_VEC_TILE_H
#define DSEEK_CPU_VEC_TILE_H

#include "kernels.h"
#include "vec.h"

static void quantise_32(const float *x, uint8_t *block, uint32_t m, uint32_t t)
{
	int32_t *s128 = (int32_t *)(block + 36 * m), *s16 = (int32_t *)(block + 44 * m);
	uint32_t half[2];	/* of what is no number lanes are INT_MIN, whose sum may be anything but must be defined */
	float *d = (float *)(block + 32 * m), *sum = (float *)(block + 40 * m);
	vf v[32 / VW], max = v_zero();
	float scale, inverse;
	int i;

	for (i = 0; i < 32 / VW; i++) {
		v[i] = v_load(x + i * VW);
		max = v_max(max, v_abs(v[i]));
	}
	scale = v_largest(max);
	inverse = scale > 0 ? 127 / scale : 0;
	scale /= 127;
	half[0] = half[1] = 0;
	for (i = 0; i < 32 / VW; i++) {
		vi q = v_to_int(v_mul(v[i], v_set1(inverse)));
		int32_t lane[VW];
		int j;

		v_store_bytes(block + 32 * t + i * VW, q);
		memcpy(lane, &q, sizeof(lane));
		for (j = 0; j < VW; j++)
			half[i * VW / 16] += lane[j];
	}
	d[t] = scale;
	s128[t] = -128 * (half[0] + half[1]);
	sum[t] = scale * (int32_t)(half[0] + half[1]);
	s16[t] = -32 * half[0];
	s16[m + t] = -32 * half[1];
}

static void tile_q8(const float *const *x, uint32_t n, uint32_t m, uint32_t k, uint8_t *tile)
{
	uint32_t b, t;

	for (b = 0; b < k / 32; b++, tile += CPU_Q8_BYTES * m) {
		if (n < m)
			memset(tile, 0, CPU_Q8_BYTES * m);
		for (t = 0; t < n; t++)
			quantise_32(x[t] + 32 * b, tile, m, t);
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

/* SPDX-License-Identifier: MIT */
/* Attention of a few queries (decode): lanes are dimensions, each key and value is read once for all queries. */
#ifndef DSEEK_CPU_VEC_ATTEND_FEW_H
#define DSEEK_CPU_VEC_ATTEND_FEW_H

#include <math.h>

#include "dseek_program.h"
#include "kernels.h"
#include "vec.h"

VALWAYS vf load_as(uint32_t dtype, const uint8_t *p, uint32_t i)
{
	if (dtype == DSEEK_F16)
		return v_half((const uint16_t *)p + i);
	if (dtype == DSEEK_BF16)
		return v_bf16((const uint16_t *)p + i);
	return v_load((const float *)p + i);
}

static const int32_t lane_numbers[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

VALWAYS float one_exp(float x)
{
	float lane[VW];

	v_store(lane, v_exp(v_set1(x)));
	return lane[0];
}

/* Where a block's keys and values are: of the first slots from here, of those behind the end of a ring from the cache's start. */
struct few_block {
	const uint8_t *k, *v;
	uint64_t k_stride, v_stride;
	int wrap;			/* so many are before the end */
};

/* scores[query][slot]; those outside of what a query sees are -INFINITY */
VALWAYS void few_scores(const struct cpu_attend *a, const struct few_block *b, uint32_t dtype, int32_t slot, int n,
			float (*scores)[CPU_ATTEND_SLOTS], int few)
{
	const uint8_t *key = b->k, *value = b->v;
	uint32_t size = dtype == DSEEK_F32 ? 4 : 2, d;
	int s, i, p;

	for (s = 0; s < n; s++) {
		vf dot[CPU_ATTEND_FEW][PARTS];

		/* the slot's value, which comes next, and the key of a few slots later */
		for (d = 0; d < a->dv; d += 64 / size)
			_mm_prefetch((const char *)value + d * size, _MM_HINT_T0);
		for (d = 0; d < a->dk; d += 64 / size)
			_mm_prefetch((const char *)key + 12 * b->k_stride + d * size, _MM_HINT_T0);

#pragma GCC unroll 4
		for (i = 0; i < few; i++)
#pragma GCC unroll 2
			for (p = 0; p < PARTS; p++)
				dot[i][p] = v_zero();
		for (d = 0; d < a->dk; d += 16) {
#pragma GCC unroll 2
			for (p = 0; p < PARTS; p++) {
				vf k = load_as(dtype, key, d + p * VW);

#pragma GCC unroll 4
				for (i = 0; i < few; i++)
					dot[i][p] = v_fma(k, v_load(a->q + i * a->dk + d + p * VW), dot[i][p]);
			}
		}
#pragma GCC unroll 4
		for (i = 0; i < few; i++)
			scores[i][s] = sum_16(dot[i]);
		key = s + 1 == b->wrap ? a->k : key + b->k_stride;
		value = s + 1 == b->wrap ? a->v : value + b->v_stride;
	}
	for (i = 0; i < few; i++) {
		for (s = 0; s < CPU_ATTEND_SLOTS; s += VW) {
			vf v = v_mul(v_load(scores[i] + s), v_set1(a->scale));
			vi at = v_iadd(v_iset1(slot + s), v_iload(lane_numbers));

			if (a->softcap != 0)
				v = v_mul(v_set1(a->softcap), v_tanh(v_div(v, v_set1(a->softcap))));
			v = v_within(at, v_iset1(a->first[i]), v_iset1(a->last[i] < slot + n ? a->last[i] : slot + n - 1), v_set1(-INFINITY), v);
			v_store(scores[i] + s, v);
		}
	}
}

/* Adds the block's values to acc[query][dv], in steps of @vectors. */
VALWAYS void few_values(const struct cpu_attend *a, const struct few_block *b, uint32_t dtype, int n,
			float (*weights)[CPU_ATTEND_SLOTS], const float *decay, float *acc, uint32_t d, int vectors, int few)
{
	const uint8_t *value = b->v;
	vf sum[CPU_ATTEND_FEW][2], v[2];
	int s, i, j;

#pragma GCC unroll 4
	for (i = 0; i < few; i++)
#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			sum[i][j] = v_mul(v_set1(decay[i]), v_load(acc + i * a->dv + d + j * VW));
	for (s = 0; s < n; s++) {
#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			v[j] = load_as(dtype, value, d + j * VW);
#pragma GCC unroll 4
		for (i = 0; i < few; i++)
#pragma GCC unroll 2
			for (j = 0; j < vectors; j++)
				sum[i][j] = v_fma(v_set1(weights[i][s]), v[j], sum[i][j]);
		value = s + 1 == b->wrap ? a->v : value + b->v_stride;
	}
#pragma GCC unroll 4
	for (i = 0; i < few; i++)
#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			v_store(acc + i * a->dv + d + j * VW, sum[i][j]);
}

VALWAYS struct few_block few_block(const struct cpu_attend *a, uint32_t dtype, int32_t position, int n)
{
	float *keys = a->scratch + CPU_ATTEND_FEW * a->dv, *values = keys + CPU_ATTEND_SLOTS * a->dk;
	int32_t slot = position % a->slots;

	if (dtype != DSEEK_Q8_0)
		return (struct few_block){
			a->k + slot * a->k_stride, a->v + slot * a->v_stride, a->k_stride, a->v_stride, a->slots - slot,
		};
	slots_to_f32(a, position, n, keys, values);
	return (struct few_block){
		(const uint8_t *)keys, (const uint8_t *)(a->shared ? keys : values), a->dk * sizeof(float),
		(a->shared ? a->dk : a->dv) * sizeof(float), INT32_MAX,
	};
}

VALWAYS void attend_these(const struct cpu_attend *a, uint32_t dtype, int few)
{
	const uint32_t as = dtype == DSEEK_Q8_0 ? DSEEK_F32 : dtype;
	float scores[CPU_ATTEND_FEW][CPU_ATTEND_SLOTS] = { { 0 } }, decay[CPU_ATTEND_FEW], *acc = a->scratch;
	uint32_t d;
	int32_t slot;
	int i, n, s;

	memset(acc, 0, (uint64_t)few * a->dv * sizeof(*acc));
	for (slot = a->begin; slot < a->end; slot += n) {
		struct few_block b;

		n = a->end - slot < CPU_ATTEND_SLOTS ? a->end - slot : CPU_ATTEND_SLOTS;
		b = few_block(a, dtype, slot, n);
		few_scores(a, &b, as, slot, n, scores, few);
		for (i = 0; i < few; i++) {
			float old = a->max[i], max = old;
			vf sum[PARTS], v = v_load(scores[i]);

			for (s = VW; s < CPU_ATTEND_SLOTS; s += VW)
				v = v_max(v, v_load(scores[i] + s));
			max = v_largest(v);
			max = max > old ? max : old;
			for (s = 0; s < CPU_ATTEND_SLOTS; s += VW) {
				v = v_exp(v_sub(v_load(scores[i] + s), v_set1(max)));
				sum[s / VW % PARTS] = s < 16 ? v : v_add(sum[s / VW % PARTS], v);
				v_store(scores[i] + s, v);
			}
			decay[i] = one_exp(old - max);
			a->max[i] = max;
			a->sum[i] = a->sum[i] * decay[i] + sum_16(sum);
		}
		for (d = 0; d + 2 * VW <= a->dv; d += 2 * VW)
			few_values(a, &b, as, n, scores, decay, acc, d, 2, few);
		for (; d < a->dv; d += VW)
			few_values(a, &b, as, n, scores, decay, acc, d, 1, few);
	}
	for (i = 0; i < few; i++)
		for (d = 0; d < a->dv; d++)
			a->acc[16 * d + i] = acc[i * a->dv + d];
}

#define ATTEND_FEW(name, dtype) \
	static void name(const struct cpu_attend *a) \
	{ \
		switch (a->few) { \
		case 1: attend_these(a, dtype, 1); break; \
		case 2: attend_these(a, dtype, 2); break; \
		case 3: attend_these(a, dtype, 3); break; \
		case 4: attend_these(a, dtype, 4); break; \
		} \
	}

ATTEND_FEW(attend_few_f32, DSEEK_F32)
ATTEND_FEW(attend_few_f16, DSEEK_F16)
ATTEND_FEW(attend_few_bf16, DSEEK_BF16)
ATTEND_FEW(attend_few_q8, DSEEK_Q8_0)

/* Keys and values of one type; other queries' lanes in the result are left as no slots give it. */
static void attend_few(const struct cpu_attend *a)
{
	attend_begin(a);
	if (a->k_dtype == DSEEK_F16)
		attend_few_f16(a);
	else if (a->k_dtype == DSEEK_BF16)
		attend_few_bf16(a);
	else if (a->k_dtype == DSEEK_Q8_0)
		attend_few_q8(a);
	else
		attend_few_f32(a);
}

#endif /* DSEEK_CPU_VEC_ATTEND_FEW_H */

/* SPDX-License-Identifier: MIT */
/* Attention of 16 queries side by side, online softmax (Milakov and Gimelshein 2018) over blocks of slots. */
#ifndef DSEEK_CPU_VEC_ATTEND_H
#define DSEEK_CPU_VEC_ATTEND_H

#include <math.h>

#include "dseek_program.h"
#include "kernels.h"
#include "vec.h"

/* Of a block of 32: half precision times a byte, as dseek_row_to_f32(). */
VALWAYS void q8_block_to_f32(const uint8_t *src, float *dst)
{
	uint32_t half = src[0] | src[1] << 8, i;
	vf d = v_set1(_mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))));

	for (i = 0; i < 32; i += VW)
		v_store(dst + i, v_mul(d, v_from_int(v_int8(src + 2 + i))));
}

static void slot_to_f32(uint32_t dtype, const uint8_t *src, uint32_t n, float *dst)
{
	uint32_t i = 0;

	if (dtype == DSEEK_Q8_0) {
		for (; i < n; i += 32, src += 34)
			q8_block_to_f32(src, dst + i);
		return;
	}
	if (dtype == DSEEK_F16)
		for (; i + VW <= n; i += VW)
			v_store(dst + i, v_half((const uint16_t *)src + i));
	else if (dtype == DSEEK_BF16)
		for (; i + VW <= n; i += VW)
			v_store(dst + i, v_bf16((const uint16_t *)src + i));
	if (i < n)
		dseek_row_to_f32(dtype, src + i * dseek_dtype_block_bytes(dtype), n - i, dst + i);
}

/* A block's keys and values as float32 in the scratch, [n][dk] and [n][dv]; of shared rows only the keys. */
VALWAYS void slots_to_f32(const struct cpu_attend *a, int32_t position, int n, float *keys, float *values)
{
	int32_t slot = position % a->slots;
	int s;

	for (s = 0; s < n; s++) {
		slot_to_f32(a->k_dtype, a->k + slot * a->k_stride, a->dk, keys + (uint64_t)s * a->dk);
		if (!a->shared)
			slot_to_f32(a->v_dtype, a->v + slot * a->v_stride, a->dv, values + (uint64_t)s * a->dv);
		slot = slot + 1 == a->slots ? 0 : slot + 1;
	}
}

/* scores[s][16] = scale * q . k_s; slots in fours, so that one load of queries serves four */
VALWAYS void attend_scores(const struct cpu_attend *a, const float *keys, int n, float *scores)
{
	uint32_t d;
	int s, i, p;

	for (p = 0; p < PARTS; p++) {
		for (s = 0; s < n; s += 8) {
			vf dot[8];

#pragma GCC unroll 8
			for (i = 0; i < 8; i++)
				dot[i] = v_zero();
			for (d = 0; d < a->dk; d++) {
				vf q = v_load(a->q + 16 * d + p * VW);

#pragma GCC unroll 8
				for (i = 0; i < 8; i++)
					dot[i] = v_fma(q, v_set1(keys[(uint64_t)(s + i) * a->dk + d]), dot[i]);
			}
#pragma GCC unroll 8
			for (i = 0; i < 8; i++)
				v_store(scores + 16 * (s + i) + p * VW, v_mul(dot[i], v_set1(a->scale)));
		}
	}
}

/* Scores become weights, of what each query sees; returns what earlier blocks are worth now, in @decay[16]. */
VALWAYS void attend_softmax(const struct cpu_attend *a, int32_t slot, int n, float *scores, float *decay)
{
	int s, p;

	for (p = 0; p < PARTS; p++) {
		vi first = v_iload(a->first + p * VW), last = v_iload(a->last + p * VW);
		vf old = v_load(a->max + p * VW), max = old, sum, old_sum = v_load(a->sum + p * VW);

		for (s = 0; s < n; s++) {
			float *at = scores + 16 * s + p * VW;
			vf v = v_load(at);

			if (a->softcap != 0)
				v = v_mul(v_set1(a->softcap), v_tanh(v_div(v, v_set1(a->softcap))));
			v = v_within(v_iset1(slot + s), first, last, v_set1(-INFINITY), v);
			max = v_max(max, v);
			v_store(at, v);
		}
		old = v_exp(v_sub(old, max));
		sum = v_zero();
		for (s = 0; s < n; s++) {
			float *at = scores + 16 * s + p * VW;
			vf v = v_exp(v_sub(v_load(at), max));

			sum = v_add(sum, v);
			v_store(at, v);
		}
		v_store(a->max + p * VW, max);
		v_store(a->sum + p * VW, v_fma(old_sum, old, sum));
		v_store(decay + p * VW, old);
	}
}

VALWAYS void attend_values(const struct cpu_attend *a, const float *values, int n, const float *weights, const float *decay)
{
	uint32_t step = a->shared ? a->dk : a->dv, d;
	int s, i, p;

	for (p = 0; p < PARTS; p++) {
		vf old = v_load(decay + p * VW);

		for (d = 0; d + 8 <= a->dv; d += 8) {
			vf acc[8];

#pragma GCC unroll 8
			for (i = 0; i < 8; i++)
				acc[i] = v_mul(old, v_load(a->acc + 16 * (d + i) + p * VW));
			for (s = 0; s < n; s++) {
				vf w = v_load(weights + 16 * s + p * VW);

#pragma GCC unroll 8
				for (i = 0; i < 8; i++)
					acc[i] = v_fma(w, v_set1(values[(uint64_t)s * step + d + i]), acc[i]);
			}
#pragma GCC unroll 8
			for (i = 0; i < 8; i++)
				v_store(a->acc + 16 * (d + i) + p * VW, acc[i]);
		}
		for (; d < a->dv; d++) {
			vf acc = v_mul(old, v_load(a->acc + 16 * d + p * VW));

			for (s = 0; s < n; s++)
				acc = v_fma(v_load(weights + 16 * s + p * VW), v_set1(values[(uint64_t)s * step + d]), acc);
			v_store(a->acc + 16 * d + p * VW, acc);
		}
	}
}

static void attend_begin(const struct cpu_attend *a)
{
	int i;

	for (i = 0; i < 16; i++) {
		a->max[i] = -1e30f;	/* not infinite: less itself is 0, not NaN */
		a->sum[i] = 0;
	}
	memset(a->acc, 0, 16ul * a->dv * sizeof(float));
}

static void attend(const struct cpu_attend *a)
{
	float *keys = a->scratch, *values = keys + (uint64_t)CPU_ATTEND_SLOTS * a->dk;
	float *scores = a->plain ? a->scratch : values + (uint64_t)CPU_ATTEND_SLOTS * a->dv, decay[16];
	int32_t slot;
	int n;

	if (!a->more)
		attend_begin(a);
	for (slot = a->begin; slot < a->end; slot += n) {
		const float *k = keys, *v = a->shared ? keys : values;

		n = a->end - slot < CPU_ATTEND_SLOTS ? a->end - slot : CPU_ATTEND_SLOTS;
		if (a->plain) {
			k = (const float *)a->k + (uint64_t)(slot % a->slots) * a->dk;
			v = (const float *)a->v + (uint64_t)(slot % a->slots) * a->dv;
		} else {
			slots_to_f32(a, slot, n, keys, values);
			if (n % 8)	/* scores are made for whole eights */
				memset(keys + (uint64_t)n * a->dk, 0, (8 - n % 8) * a->dk * sizeof(float));
		}
		attend_scores(a, k, n, scores);
		attend_softmax(a, slot, n, scores, decay);
		attend_values(a, v, n, scores, decay);
	}
}

static void attend_merge(float *parts, uint32_t n, const float *sinks, uint32_t dv)
{
	uint64_t step = cpu_attend_floats(dv);
	uint32_t i, d;
	int p;

	for (p = 0; p < PARTS; p++) {
		float *at = parts + p * VW;
		vf max = v_load(sinks + p * VW), sum, factor;

		for (i = 0; i < n; i++)
			max = v_max(max, v_load(at + i * step));
		sum = v_exp(v_sub(v_load(sinks + p * VW), max));
		for (i = 0; i < n; i++) {
			factor = v_exp(v_sub(v_load(at + i * step), max));
			sum = v_fma(v_load(at + i * step + 16), factor, sum);
			for (d = 0; d < dv; d++) {
				vf v = v_mul(v_load(at + i * step + 16 * (2 + d)), factor);

				v_store(at + 16 * (2 + d), i ? v_add(v_load(at + 16 * (2 + d)), v) : v);
			}
		}
		for (d = 0; d < dv; d++)
			v_store(at + 16 * (2 + d), v_div(v_load(at + 16 * (2 + d)), sum));
	}
}

#endif /* DSEEK_CPU_VEC_ATTEND_H */

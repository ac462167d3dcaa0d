/* SPDX-License-Identifier: MIT */
/* What is done to one row of activations: GLU, norm, rotation, half precision, the largest. */
#ifndef DSEEK_CPU_VEC_ROW_H
#define DSEEK_CPU_VEC_ROW_H

#include <math.h>

#include "dseek_program.h"
#include "vec.h"

VALWAYS vf activate(uint32_t act, vf x)
{
	vf u;

	switch (act) {
	case DSEEK_ACT_SILU:
		return v_div(x, v_add(v_set1(1), v_exp(v_sub(v_zero(), x))));
	case DSEEK_ACT_GELU_TANH:
		/* 0.5 (1 + tanh(u)) = 1 / (1 + e^-2u), which keeps its precision for negative u */
		u = v_mul(v_mul(x, v_set1(-2 * 0.79788456f)), v_fma(v_mul(x, x), v_set1(0.044715f), v_set1(1)));
		return v_div(x, v_add(v_set1(1), v_exp(u)));
	default:
		return v_max(x, v_zero());
	}
}

/* gpt-oss's form, which looks at both before it multiplies; min(limit, x) of a NaN is the NaN */
VALWAYS vf swiglu_clamped(vf gate, vf up)
{
	const vf limit = v_set1(DSEEK_SWIGLU_LIMIT), one = v_set1(1);

	gate = v_min(limit, gate);
	up = v_max(v_sub(v_zero(), limit), v_min(limit, up));
	return v_mul(v_div(gate, v_add(one, v_exp(v_mul(gate, v_set1(-DSEEK_SWIGLU_ALPHA))))), v_add(up, one));
}

VALWAYS vf glu_of(uint32_t act, int clamped, vf gate, vf up)
{
	return clamped ? swiglu_clamped(gate, up) : v_mul(activate(act, gate), up);
}

VALWAYS void glu_row(uint32_t act, int clamped, const float *gate, const float *up, float *out, uint32_t n)
{
	float g[VW], u[VW];
	uint32_t i;

	for (i = 0; i + VW <= n; i += VW)
		v_store(out + i, glu_of(act, clamped, v_load(gate + i), v_load(up + i)));
	if (i < n) {
		memset(g, 0, sizeof(g));
		memset(u, 0, sizeof(u));
		memcpy(g, gate + i, (n - i) * sizeof(*g));
		memcpy(u, up + i, (n - i) * sizeof(*u));
		v_store(g, glu_of(act, clamped, v_load(g), v_load(u)));
		memcpy(out + i, g, (n - i) * sizeof(*g));
	}
}

static void __attribute__((noinline)) glu_clamped(const float *gate, const float *up, float *out, uint32_t n)
{
	glu_row(0, 1, gate, up, out, n);
}

static void glu(uint32_t act, const float *gate, const float *up, float *out, uint32_t n)
{
	if (act == DSEEK_ACT_SWIGLU_CLAMPED)
		glu_clamped(gate, up, out, n);
	else
		glu_row(act, 0, gate, up, out, n);
}

static void rmsnorm(const float *x, const float *weight, float *out, uint32_t n, float eps)
{
	vf sum[2][PARTS], scale;
	float total, factor;
	uint32_t i;
	int h, p;

	for (p = 0; p < PARTS; p++)
		sum[0][p] = sum[1][p] = v_zero();
	for (i = 0; i + 32 <= n; i += 32) {
		for (h = 0; h < 2; h++) {
			for (p = 0; p < PARTS; p++) {
				vf v = v_load(x + i + 16 * h + p * VW);

				sum[h][p] = v_fma(v, v, sum[h][p]);
			}
		}
	}
	for (p = 0; p < PARTS; p++)
		sum[0][p] = v_add(sum[0][p], sum[1][p]);
	total = sum_16(sum[0]);
	for (; i < n; i++)
		total += x[i] * x[i];
	factor = 1 / sqrtf(total / n + eps);
	scale = v_set1(factor);
	for (i = 0; i + VW <= n; i += VW) {
		vf v = v_mul(v_load(x + i), scale);

		v_store(out + i, weight ? v_mul(v, v_load(weight + i)) : v);
	}
	for (; i < n; i++)
		out[i] = x[i] * factor * (weight ? weight[i] : 1);
}

static void rotate(float *x, const float *cosine, const float *sine, uint32_t pairs, uint32_t rope)
{
	uint32_t p = 0;

	if (rope == DSEEK_ROPE_NEOX) {
		for (; p + VW <= pairs; p += VW) {
			vf a = v_load(x + p), b = v_load(x + pairs + p), c = v_load(cosine + p), s = v_load(sine + p);

			v_store(x + p, v_sub(v_mul(a, c), v_mul(b, s)));
			v_store(x + pairs + p, v_add(v_mul(a, s), v_mul(b, c)));
		}
		for (; p < pairs; p++) {
			float a = x[p], b = x[pairs + p];

			x[p] = a * cosine[p] - b * sine[p];
			x[pairs + p] = a * sine[p] + b * cosine[p];
		}
		return;
	}
	for (; p < pairs; p++) {
		float a = x[2 * p], b = x[2 * p + 1];

		x[2 * p] = a * cosine[p] - b * sine[p];
		x[2 * p + 1] = a * sine[p] + b * cosine[p];
	}
}

static void to_half(const float *x, uint16_t *out, uint32_t n)
{
	uint32_t i;

	for (i = 0; i + VW <= n; i += VW)
		v_store_half(out + i, v_load(x + i));
	if (i < n)
		dseek_row_from_f32(DSEEK_F16, x + i, n - i, out + i);
}

static uint32_t argmax(const float *x, uint32_t n)
{
	vf max = v_set1(-INFINITY);
	float best = -INFINITY;
	uint32_t i;

	/* max(new, old): a NaN in new gives old */
	for (i = 0; i + VW <= n; i += VW)
		max = v_max(v_load(x + i), max);
	best = v_largest(max);
	for (; i < n; i++)
		best = x[i] > best ? x[i] : best;
	for (i = 0; i + VW <= n && !v_any_eq(v_load(x + i), v_set1(best)); i += VW)
		;
	for (; i < n; i++)
		if (x[i] == best)
			return i;
	return 0;	/* nothing but NaN */
}

#endif /* DSEEK_CPU_VEC_ROW_H */

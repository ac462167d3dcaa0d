/* SPDX-License-Identifier: MIT */
/*
 * Kernels in terms of vec.h, compiled once for each instruction set by vec_avx2.c and vec_avx512.c,
 * which define KERNELS, MUL_Q8 and the tile sizes. Contracts: kernels.h.
 */
#include <math.h>
#include <stdbool.h>

#include "dseek_program.h"
#include "kernels.h"
#include "vec.h"

#define PARTS	(16 / VW)	/* vectors to a group of 16 rows */

/* Sum of 16 lanes. All sums are made of 16 lanes, whatever VW: so both instruction sets give the same bits. */
VALWAYS float sum_16(const vf *v)
{
	return v_sum(PARTS == 1 ? v[0] : v_add(v[0], v[PARTS - 1]));
}

/* ---- tiles */

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

/* ---- products with float32 activations */

/* Elements [k, k + 1] of 16 rows as float32: part @p. @odd: only the first exists. */
VALWAYS void two_columns(uint32_t dtype, const uint8_t *w, uint32_t k, int p, bool odd, vf *a, vf *b)
{
	if (dtype == DSEEK_F32) {
		*a = v_load((const float *)w + 16 * k + p * VW);
		*b = odd ? v_zero() : v_load((const float *)w + 16 * (k + 1) + p * VW);
	} else if (dtype == DSEEK_F16) {
		*a = v_half((const uint16_t *)w + 16 * k + p * VW);
		*b = odd ? v_zero() : v_half((const uint16_t *)w + 16 * (k + 1) + p * VW);
	} else { /* BF16: a pair a lane */
		vi pair = v_iload((const uint32_t *)w + 8 * k + p * VW);

		*a = v_as_float(v_isll(pair, 16));
		*b = v_as_float(v_iand(pair, v_iset1(0xffff0000)));
	}
}

/* Columns [0, k) of a chunk; even and odd ones are summed apart. */
VALWAYS void mul_chunk(uint32_t dtype, const uint8_t *w, uint32_t k, const float *tile, float *out, bool first, int m)
{
	vf even[8], odd[8], a, b;
	uint32_t i;
	int p, t;

	for (p = 0; p < PARTS; p++) {
#pragma GCC unroll 8
		for (t = 0; t < m; t++)
			even[t] = odd[t] = v_zero();
		for (i = 0; i + 1 < k; i += 2) {
			if (m <= 4)	/* see weights() in mul_q8_avx512.c */
				_mm_prefetch((const char *)w + (dtype == DSEEK_F32 ? 64ul : 32ul) * i + 2048, _MM_HINT_T0);
			two_columns(dtype, w, i, p, false, &a, &b);
#pragma GCC unroll 8
			for (t = 0; t < m; t++) {
				even[t] = v_fma(a, v_set1(tile[i * m + t]), even[t]);
				odd[t] = v_fma(b, v_set1(tile[(i + 1) * m + t]), odd[t]);
			}
		}
		if (i < k) {
			two_columns(dtype, w, i, p, true, &a, &b);
#pragma GCC unroll 8
			for (t = 0; t < m; t++)
				even[t] = v_fma(a, v_set1(tile[i * m + t]), even[t]);
		}
#pragma GCC unroll 8
		for (t = 0; t < m; t++) {
			a = v_add(even[t], odd[t]);
			if (!first)
				a = v_add(a, v_load(out + 16 * t + p * VW));
			v_store(out + 16 * t + p * VW, a);
		}
	}
}

#define MUL_CHUNK(name, dtype) \
	static void name(const uint8_t *w, uint32_t k, const float *tile, uint32_t m, float *out, bool first) \
	{ \
		switch (m) { \
		case 1: mul_chunk(dtype, w, k, tile, out, first, 1); break; \
		case 2: mul_chunk(dtype, w, k, tile, out, first, 2); break; \
		case 3: mul_chunk(dtype, w, k, tile, out, first, 3); break; \
		case 4: mul_chunk(dtype, w, k, tile, out, first, 4); break; \
		case 6: mul_chunk(dtype, w, k, tile, out, first, 6); break; \
		case 8: mul_chunk(dtype, w, k, tile, out, first, 8); break; \
		} \
	}

MUL_CHUNK(mul_chunk_f32, DSEEK_F32)
MUL_CHUNK(mul_chunk_f16, DSEEK_F16)
MUL_CHUNK(mul_chunk_bf16, DSEEK_BF16)

/* Byte @n of each lane of the words. */
VALWAYS vi word_byte(const uint8_t *words, int p, int n)
{
	return v_iand(v_isrl(v_iload(words + p * VW * 4), 8 * n), v_iset1(255));
}

VALWAYS void columns_q8_0(const uint8_t *words, const uint8_t *halves, int p, float *out)
{
	vf d = v_half(halves + p * VW * 2);
	int i;

	for (i = 0; i < 32; i++) {
		vi w = v_iload(words + i / 4 * 64 + p * VW * 4);

		v_store(out + 16 * i + p * VW, v_mul(d, v_from_int(v_isra(v_isll(w, 24 - i % 4 * 8), 24))));
	}
}

VALWAYS void columns_q4(const uint8_t *words, const uint8_t *halves, bool has_min, int p, float *out)
{
	vf d = v_half(halves + p * VW * 2), min = has_min ? v_half(halves + 32 + p * VW * 2) : v_zero();
	int i;

	for (i = 0; i < 32; i++) {
		vi q = v_iand(v_isrl(word_byte(words + i % 16 / 4 * 64, p, i % 4), i / 16 * 4), v_iset1(15));

		if (has_min)	/* as the oracle rounds: the product, then the sum */
			v_store(out + 16 * i + p * VW, v_add(v_mul(d, v_from_int(q)), min));
		else
			v_store(out + 16 * i + p * VW, v_mul(d, v_from_int(v_iadd(q, v_iset1(-8)))));
	}
}

VALWAYS void columns_q4_k(const uint8_t *words, const uint8_t *halves, int p, float *out)
{
	vf d = v_half(halves + p * VW * 2), dmin = v_half(halves + 32 + p * VW * 2);
	int j, i;

	for (j = 0; j < 8; j++) {
		vi low = word_byte(words, p, j % 4), mid = word_byte(words + 64, p, j % 4), high = word_byte(words + 128, p, j % 4);
		vi scale, min;
		vf s, o;

		if (j < 4) {
			scale = v_iand(low, v_iset1(63));
			min = v_iand(mid, v_iset1(63));
		} else {
			scale = v_ior(v_iand(high, v_iset1(15)), v_isll(v_isrl(low, 6), 4));
			min = v_ior(v_isrl(high, 4), v_isll(v_isrl(mid, 6), 4));
		}
		s = v_mul(d, v_from_int(scale));
		o = v_mul(dmin, v_from_int(min));
		for (i = 0; i < 32; i++) {
			vi q = word_byte(words + (3 + j / 2 * 8 + i / 4) * 64, p, i % 4);

			q = v_iand(v_isrl(q, j % 2 * 4), v_iset1(15));
			v_store(out + 16 * (32 * j + i) + p * VW, v_sub(v_mul(s, v_from_int(q)), o));
		}
	}
}

VALWAYS void columns_q6_k(const uint8_t *words, const uint8_t *halves, int p, float *out)
{
	vf d = v_half(halves + p * VW * 2);
	int j, i;

	for (j = 0; j < 8; j++) {
		for (i = 0; i < 32; i++) {
			int s = j * 2 + i / 16;
			vi w = v_iload(words + (48 + s / 4) * 64 + p * VW * 4);
			vi scale = v_isra(v_isll(w, 24 - s % 4 * 8), 24);
			vi low = word_byte(words + (j / 4 * 16 + j % 2 * 8 + i / 4) * 64, p, i % 4);
			vi high = word_byte(words + (32 + j / 4 * 8 + i / 4) * 64, p, i % 4);

			low = v_iand(v_isrl(low, j / 2 % 2 * 4), v_iset1(15));
			high = v_isll(v_iand(v_isrl(high, j % 4 * 2), v_iset1(3)), 4);
			v_store(out + 16 * (32 * j + i) + p * VW,
				v_mul(v_mul(d, v_from_int(scale)), v_from_int(v_iadd(v_ior(low, high), v_iset1(-32)))));
		}
	}
}

/* Columns [at, at + n) of a quantised group as float32; whole blocks. */
static void columns_to_f32(uint32_t dtype, const uint8_t *group, uint32_t k, uint32_t at, uint32_t n, float *out)
{
	uint32_t block = dseek_dtype_block(dtype), blocks = k / block, b;
	uint32_t words = dtype == DSEEK_Q8_0 ? 8 : dtype == DSEEK_Q4_K ? 35 : dtype == DSEEK_Q6_K ? 52 : 4;
	uint32_t halves = dtype == DSEEK_Q4_1 || dtype == DSEEK_Q4_K ? 2 : 1;
	int p;

	for (b = at / block; b < (at + n) / block; b++, out += 16 * block) {
		const uint8_t *w = group + 64ul * words * b, *h = group + 64ul * words * blocks + 32ul * halves * b;

		for (p = 0; p < PARTS; p++) {
			if (dtype == DSEEK_Q8_0)
				columns_q8_0(w, h, p, out);
			else if (dtype == DSEEK_Q4_0)
				columns_q4(w, h, false, p, out);
			else if (dtype == DSEEK_Q4_1)
				columns_q4(w, h, true, p, out);
			else if (dtype == DSEEK_Q4_K)
				columns_q4_k(w, h, p, out);
			else
				columns_q6_k(w, h, p, out);
		}
	}
}

static void mul_f32(uint32_t dtype, const uint8_t *group, uint32_t k, const float *tile, uint32_t m, float *out,
		    float *scratch)
{
	uint32_t at, n;

	for (at = 0; at < k; at += n) {
		n = k - at < CPU_F32_CHUNK ? k - at : CPU_F32_CHUNK;
		if (dtype == DSEEK_F32) {
			mul_chunk_f32(group + 64ul * at, n, tile + (uint64_t)at * m, m, out, !at);
		} else if (dtype == DSEEK_F16) {
			mul_chunk_f16(group + 32ul * at, n, tile + (uint64_t)at * m, m, out, !at);
		} else if (dtype == DSEEK_BF16) {
			mul_chunk_bf16(group + 32ul * at, n, tile + (uint64_t)at * m, m, out, !at);
		} else {
			columns_to_f32(dtype, group, k, at, n, scratch);
			mul_chunk_f32((const uint8_t *)scratch, n, tile + (uint64_t)at * m, m, out, !at);
		}
	}
}

/* ---- activations, norms, positions */

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

static void glu(uint32_t act, const float *gate, const float *up, float *out, uint32_t n)
{
	float g[VW], u[VW];
	uint32_t i;

	for (i = 0; i + VW <= n; i += VW)
		v_store(out + i, v_mul(activate(act, v_load(gate + i)), v_load(up + i)));
	if (i < n) {
		memset(g, 0, sizeof(g));
		memset(u, 0, sizeof(u));
		memcpy(g, gate + i, (n - i) * sizeof(*g));
		memcpy(u, up + i, (n - i) * sizeof(*u));
		v_store(g, v_mul(activate(act, v_load(g)), v_load(u)));
		memcpy(out + i, g, (n - i) * sizeof(*g));
	}
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

/* ---- attention: 16 queries side by side, online softmax (Milakov and Gimelshein 2018) over blocks of slots */

static void slot_to_f32(uint32_t dtype, const uint8_t *src, uint32_t n, float *dst)
{
	uint32_t i = 0;

	if (dtype == DSEEK_F16)
		for (; i + VW <= n; i += VW)
			v_store(dst + i, v_half((const uint16_t *)src + i));
	else if (dtype == DSEEK_BF16)
		for (; i + VW <= n; i += VW)
			v_store(dst + i, v_bf16((const uint16_t *)src + i));
	if (i < n)
		dseek_row_to_f32(dtype, src + i * dseek_dtype_block_bytes(dtype), n - i, dst + i);
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
	uint32_t d;
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
					acc[i] = v_fma(w, v_set1(values[(uint64_t)s * a->dv + d + i]), acc[i]);
			}
#pragma GCC unroll 8
			for (i = 0; i < 8; i++)
				v_store(a->acc + 16 * (d + i) + p * VW, acc[i]);
		}
		for (; d < a->dv; d++) {
			vf acc = v_mul(old, v_load(a->acc + 16 * d + p * VW));

			for (s = 0; s < n; s++)
				acc = v_fma(v_load(weights + 16 * s + p * VW), v_set1(values[(uint64_t)s * a->dv + d]), acc);
			v_store(a->acc + 16 * d + p * VW, acc);
		}
	}
}

static void attend(const struct cpu_attend *a)
{
	float *keys = a->scratch, *values = keys + (uint64_t)CPU_ATTEND_SLOTS * a->dk;
	float *scores = values + (uint64_t)CPU_ATTEND_SLOTS * a->dv, decay[16];
	int32_t slot;
	int n, s;

	for (s = 0; s < 16; s++) {
		a->max[s] = -1e30f;	/* not infinite: less itself is 0, not NaN */
		a->sum[s] = 0;
	}
	memset(a->acc, 0, 16ul * a->dv * sizeof(float));
	for (slot = a->begin; slot < a->end; slot += n) {
		n = a->end - slot < CPU_ATTEND_SLOTS ? a->end - slot : CPU_ATTEND_SLOTS;
		for (s = 0; s < n; s++) {
			slot_to_f32(a->k_dtype, a->k + (slot + s) * a->k_stride, a->dk, keys + (uint64_t)s * a->dk);
			slot_to_f32(a->v_dtype, a->v + (slot + s) * a->v_stride, a->dv, values + (uint64_t)s * a->dv);
		}
		if (n % 8)	/* scores are made for whole eights */
			memset(keys + (uint64_t)n * a->dk, 0, (8 - n % 8) * a->dk * sizeof(float));
		attend_scores(a, keys, n, scores);
		attend_softmax(a, slot, n, scores, decay);
		attend_values(a, values, n, scores, decay);
	}
}

/* ---- attention of a few queries (decode): lanes are dimensions, each key and value is read once for all queries */

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

/* scores[query][slot]; those outside of what a query sees are -INFINITY */
VALWAYS void few_scores(const struct cpu_attend *a, uint32_t dtype, int32_t slot, int n, float (*scores)[CPU_ATTEND_SLOTS], int few)
{
	uint32_t size = dtype == DSEEK_F32 ? 4 : 2, d;
	int s, i, p;

	for (s = 0; s < n; s++) {
		const uint8_t *key = a->k + (slot + s) * a->k_stride;
		vf dot[CPU_ATTEND_FEW][PARTS];

		/* the slot's value, which comes next, and the key of a few slots later */
		for (d = 0; d < a->dv; d += 64 / size)
			_mm_prefetch((const char *)a->v + (slot + s) * a->v_stride + d * size, _MM_HINT_T0);
		for (d = 0; d < a->dk; d += 64 / size)
			_mm_prefetch((const char *)key + 12 * a->k_stride + d * size, _MM_HINT_T0);

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
VALWAYS void few_values(const struct cpu_attend *a, uint32_t dtype, int32_t slot, int n, float (*weights)[CPU_ATTEND_SLOTS],
			const float *decay, float *acc, uint32_t d, int vectors, int few)
{
	vf sum[CPU_ATTEND_FEW][2], v[2];
	int s, i, j;

#pragma GCC unroll 4
	for (i = 0; i < few; i++)
#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			sum[i][j] = v_mul(v_set1(decay[i]), v_load(acc + i * a->dv + d + j * VW));
	for (s = 0; s < n; s++) {
		const uint8_t *value = a->v + (slot + s) * a->v_stride;

#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			v[j] = load_as(dtype, value, d + j * VW);
#pragma GCC unroll 4
		for (i = 0; i < few; i++)
#pragma GCC unroll 2
			for (j = 0; j < vectors; j++)
				sum[i][j] = v_fma(v_set1(weights[i][s]), v[j], sum[i][j]);
	}
#pragma GCC unroll 4
	for (i = 0; i < few; i++)
#pragma GCC unroll 2
		for (j = 0; j < vectors; j++)
			v_store(acc + i * a->dv + d + j * VW, sum[i][j]);
}

VALWAYS void attend_these(const struct cpu_attend *a, uint32_t dtype, int few)
{
	float scores[CPU_ATTEND_FEW][CPU_ATTEND_SLOTS] = { { 0 } }, decay[CPU_ATTEND_FEW], *acc = a->scratch;
	uint32_t d;
	int32_t slot;
	int i, n, s;

	memset(acc, 0, (uint64_t)few * a->dv * sizeof(*acc));
	for (slot = a->begin; slot < a->end; slot += n) {
		n = a->end - slot < CPU_ATTEND_SLOTS ? a->end - slot : CPU_ATTEND_SLOTS;
		few_scores(a, dtype, slot, n, scores, few);
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
			few_values(a, dtype, slot, n, scores, decay, acc, d, 2, few);
		for (; d < a->dv; d += VW)
			few_values(a, dtype, slot, n, scores, decay, acc, d, 1, few);
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

/* Keys and values of one type; other queries' lanes in the result are left as no slots give it. */
static void attend_few(const struct cpu_attend *a)
{
	int i;

	for (i = 0; i < 16; i++) {
		a->max[i] = -1e30f;
		a->sum[i] = 0;
	}
	memset(a->acc, 0, 16ul * a->dv * sizeof(float));
	if (a->k_dtype == DSEEK_F16)
		attend_few_f16(a);
	else if (a->k_dtype == DSEEK_BF16)
		attend_few_bf16(a);
	else
		attend_few_f32(a);
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

const struct cpu_kernels KERNELS = {
	.q8_tile = Q8_TILE,
	.f32_tile = F32_TILE,
	.tile_q8 = tile_q8,
	.tile_f32 = tile_f32,
	.mul_q8 = MUL_Q8,
	.mul_f32 = mul_f32,
	.glu = glu,
	.rmsnorm = rmsnorm,
	.rotate = rotate,
	.to_half = to_half,
	.attend = attend,
	.attend_few = attend_few,
	.attend_merge = attend_merge,
	.argmax = argmax,
};

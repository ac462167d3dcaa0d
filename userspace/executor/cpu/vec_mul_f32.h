/* SPDX-License-Identifier: MIT */
/* Products of a group of 16 rows, of any dtype, with a float32 tile (kernels.h, dtype_pack.c). */
#ifndef DSEEK_CPU_VEC_MUL_F32_H
#define DSEEK_CPU_VEC_MUL_F32_H

#include <stdbool.h>

#include "dseek_program.h"
#include "kernels.h"
#include "vec.h"

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
			cpu_prefetch(w + (dtype == DSEEK_F32 ? 64ul : 32ul) * i);
			if (dtype == DSEEK_F32)
				cpu_prefetch(w + 64ul * (i + 1));
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

/*
 * The same of E4M3, without its scale, four columns a word. With sign, exponent and mantissa in their places a code is 2^-120 of its value, those
 * below 2^-6 too, which then are no normal numbers; the product is exact. Words with a NaN are rare.
 */
VALWAYS void mul_chunk_f8(uint32_t dtype, const uint8_t *w, uint32_t k, const float *tile, float *out, bool first, int m)
{
	const vi keep = v_iset1((int)0x87f00000), rest = v_iset1(0x7f7f7f7f), nan = v_iset1(0x07f00000);
	vf sum[2][8];
	uint32_t i;
	int p, t, j;

	(void)dtype;
	for (p = 0; p < PARTS; p++) {
#pragma GCC unroll 8
		for (t = 0; t < m; t++)
			sum[0][t] = sum[1][t] = v_zero();
		for (i = 0; i < k; i += 4) {
			vi words = v_iload(w + 16ul * i + p * VW * 4), bits[4];
			vf v[4];

			cpu_prefetch(w + 16ul * i);
#pragma GCC unroll 4
			for (j = 0; j < 4; j++) {
				bits[j] = v_iand(v_isra(v_isll(words, 24 - j * 8), 4), keep);
				v[j] = v_mul(v_as_float(bits[j]), v_set1(0x1p120f));
			}
			if (__builtin_expect(v_any_byte(v_iand(words, rest), 0x7f), 0))
#pragma GCC unroll 4
				for (j = 0; j < 4; j++)
					v[j] = v_within(v_iand(bits[j], nan), nan, nan, v[j], v_as_float(v_iset1(0x7fc00000)));
#pragma GCC unroll 4
			for (j = 0; j < 4; j++)
#pragma GCC unroll 8
				for (t = 0; t < m; t++)
					sum[j % 2][t] = v_fma(v[j], v_set1(tile[(i + j) * m + t]), sum[j % 2][t]);
		}
#pragma GCC unroll 8
		for (t = 0; t < m; t++) {
			vf all = v_add(sum[0][t], sum[1][t]);

			if (!first)
				all = v_add(all, v_load(out + 16 * t + p * VW));
			v_store(out + 16 * t + p * VW, all);
		}
	}
}

#define MUL_CHUNK(name, dtype) MUL_CHUNK_BY(mul_chunk, name, dtype)
#define MUL_CHUNK_BY(by, name, dtype) \
	static void name(const uint8_t *w, uint32_t k, const float *tile, uint32_t m, float *out, bool first) \
	{ \
		switch (m) { \
		case 1: by(dtype, w, k, tile, out, first, 1); break; \
		case 2: by(dtype, w, k, tile, out, first, 2); break; \
		case 3: by(dtype, w, k, tile, out, first, 3); break; \
		case 4: by(dtype, w, k, tile, out, first, 4); break; \
		case 6: by(dtype, w, k, tile, out, first, 6); break; \
		case 8: by(dtype, w, k, tile, out, first, 8); break; \
		} \
	}

MUL_CHUNK(mul_chunk_f32, DSEEK_F32)
MUL_CHUNK(mul_chunk_f16, DSEEK_F16)
MUL_CHUNK(mul_chunk_bf16, DSEEK_BF16)
MUL_CHUNK_BY(mul_chunk_f8, mul_chunk_e4m3, DSEEK_F8_E4M3)

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

/* Half of 2^(e - 127), as dtype.c has it, of the bytes e. */
VALWAYS vf mx_scale(const uint8_t *exponents, int p)
{
	vi e = v_iand(v_int8(exponents + p * VW), v_iset1(255));

	return v_within(e, v_iset1(0), v_iset1(1), v_as_float(v_isll(v_iadd(e, v_iset1(-1)), 23)), v_as_float(v_isll(v_iadd(e, v_iset1(1)), 21)));
}

VALWAYS void columns_mxfp4(const uint8_t *words, const uint8_t *exponents, int p, float *out)
{
	static const float numbers[16] = { CPU_E2M1 };
	vf d = mx_scale(exponents, p);
	int i;

	for (i = 0; i < 32; i++) {
		vi q = v_iand(v_isrl(word_byte(words + i % 16 / 4 * 64, p, i % 4), i / 16 * 4), v_iset1(15));

		v_store(out + 16 * i + p * VW, v_mul(d, v_pick(numbers, q)));
	}
}

/* Columns [at, at + n) of a quantised group as float32; whole blocks. */
static void columns_to_f32(uint32_t dtype, const uint8_t *group, uint32_t k, uint32_t at, uint32_t n, float *out)
{
	uint32_t block = dseek_dtype_block(dtype), blocks = k / block, b;
	uint32_t words = dtype == DSEEK_Q8_0 ? 8 : dtype == DSEEK_Q4_K ? 35 : dtype == DSEEK_Q6_K ? 52 : 4;
	uint32_t scales = dtype == DSEEK_Q4_1 || dtype == DSEEK_Q4_K ? 64 : dtype == DSEEK_MXFP4 ? 16 : 32;	/* bytes */
	int p;

	for (b = at / block; b < (at + n) / block; b++, out += 16 * block) {
		const uint8_t *w = group + 64ul * words * b, *h = group + 64ul * words * blocks + (uint64_t)scales * b;

		for (p = 0; p < PARTS; p++) {
			if (dtype == DSEEK_Q8_0)
				columns_q8_0(w, h, p, out);
			else if (dtype == DSEEK_Q4_0)
				columns_q4(w, h, false, p, out);
			else if (dtype == DSEEK_Q4_1)
				columns_q4(w, h, true, p, out);
			else if (dtype == DSEEK_Q4_K)
				columns_q4_k(w, h, p, out);
			else if (dtype == DSEEK_Q6_K)
				columns_q6_k(w, h, p, out);
			else
				columns_mxfp4(w, h, p, out);
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
		} else if (dtype == DSEEK_F8_E4M3) {
			mul_chunk_e4m3(group + 16ul * at, n, tile + (uint64_t)at * m, m, out, !at);
		} else {
			columns_to_f32(dtype, group, k, at, n, scratch);
			mul_chunk_f32((const uint8_t *)scratch, n, tile + (uint64_t)at * m, m, out, !at);
		}
	}
	for (at = 0; dtype == DSEEK_F8_E4M3 && at < 16 * m; at += VW)
		v_store(out + at, v_mul(v_load(out + at), v_load((const float *)(group + 16ul * k) + at % 16)));
}

#endif /* DSEEK_CPU_VEC_MUL_F32_H */

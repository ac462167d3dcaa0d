// SPDX-License-Identifier: MIT
/* Products of quantised weights with a q8 tile, AVX-512 VNNI: a row a lane (kernels.h, dtype_pack.c). */
#include <immintrin.h>
#include <stdbool.h>

#include "dseek_program.h"
#include "kernels.h"

#define ALWAYS	static inline __attribute__((always_inline))

/* What of a weight's block depends on the dtype. */
enum offset {
	OFFSET_128,		/* d * (q - 128): the tile has the sums */
	OFFSET_FLOAT,		/* d * q + m */
};

ALWAYS __m512 halves_to_f32(const uint8_t *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

ALWAYS __m512i four_bytes(const uint8_t *p)
{
	return _mm512_set1_epi32(*(const int32_t *)p);
}

ALWAYS __m512 one_float(const uint8_t *p)
{
	return _mm512_set1_ps(*(const float *)p);
}

/* One block of 32 for 16 rows and @m tokens; w[c] has elements 4c..4c+3 of each row, unsigned. */
ALWAYS void block_32(const __m512i *w, __m512 d, __m512 min, enum offset offset, const uint8_t *tile, __m512 *sum, int m)
{
	int t, c;

#pragma GCC unroll 16
	for (t = 0; t < m; t++) {
		__m512i a = _mm512_setzero_si512(), b = a;
		__m512 v;

		if (offset == OFFSET_128) {
			a = four_bytes(tile + CPU_Q8_S128(m, 0) + 4 * t);
			b = four_bytes(tile + CPU_Q8_S128(m, 1) + 4 * t);
		}
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			a = _mm512_dpbusd_epi32(a, w[c], four_bytes(tile + 32 * t + 4 * c));
			b = _mm512_dpbusd_epi32(b, w[c + 4], four_bytes(tile + 32 * t + 16 + 4 * c));
		}
		v = _mm512_mul_ps(_mm512_cvtepi32_ps(a), one_float(tile + CPU_Q8_D(m, 0) + 4 * t));
		v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(b), one_float(tile + CPU_Q8_D(m, 1) + 4 * t), v);
		sum[t] = _mm512_fmadd_ps(v, d, sum[t]);
		if (offset == OFFSET_FLOAT)
			sum[t] = _mm512_fmadd_ps(min, one_float(tile + CPU_Q8_SUM(m) + 4 * t), sum[t]);
	}
}

ALWAYS __m512i weights(const uint8_t *p)
{
	cpu_prefetch(p);
	return _mm512_loadu_si512(p);
}

ALWAYS __m512 scales(const uint8_t *p)
{
	cpu_prefetch(p);
	return halves_to_f32(p);
}

/* Weights of 4 bits, 8 too large: kept 16 times as large, they are 128 too large as those of Q8_0 are. */
ALWAYS void mul_q4_0(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	const __m512i high = _mm512_set1_epi8((char)0xf0);
	uint32_t blocks = k / 32, b;
	const uint8_t *halves = words + 256ul * blocks;
	__m512i w[8];
	int c;

	for (b = 0; b < blocks; b++, words += 256, halves += 32, tile += CPU_Q8_BYTES * m) {
		__m512 d = _mm512_mul_ps(scales(halves), _mm512_set1_ps(1 / 16.0f));

#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			__m512i v = weights(words + 64 * c);

			w[c] = _mm512_and_si512(_mm512_slli_epi16(v, 4), high);
			w[c + 4] = _mm512_and_si512(v, high);
		}
		block_32(w, d, _mm512_setzero_ps(), OFFSET_128, tile, sum, m);
	}
}

ALWAYS void mul_q8_0(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	const __m512i flip = _mm512_set1_epi8((char)0x80);
	uint32_t blocks = k / 32, b;
	const uint8_t *halves = words + 512ul * blocks;
	__m512i w[8];
	int c;

	for (b = 0; b < blocks; b++, words += 512, halves += 32, tile += CPU_Q8_BYTES * m) {
#pragma GCC unroll 8
		for (c = 0; c < 8; c++)
			w[c] = _mm512_xor_si512(weights(words + 64 * c), flip);
		block_32(w, scales(halves), _mm512_setzero_ps(), OFFSET_128, tile, sum, m);
	}
}

ALWAYS void mul_q4_1(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	const __m512i low = _mm512_set1_epi8(15);
	uint32_t blocks = k / 32, b;
	const uint8_t *halves = words + 256ul * blocks;
	__m512i w[8];
	int c;

	for (b = 0; b < blocks; b++, words += 256, halves += 64, tile += CPU_Q8_BYTES * m) {
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			__m512i v = weights(words + 64 * c);

			w[c] = _mm512_and_si512(v, low);
			w[c + 4] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
		}
		block_32(w, scales(halves), halves_to_f32(halves + 32), OFFSET_FLOAT, tile, sum, m);
	}
}

/* Scale and minimum @j of 8, as in dtype.c's q4_k_scale(): s[0..2] are the 12 bytes, a row a lane. */
ALWAYS void q4_k_scale(const __m512i *s, int j, __m512 *scale, __m512 *min)
{
	const __m512i six = _mm512_set1_epi32(63), four = _mm512_set1_epi32(15), two = _mm512_set1_epi32(0x30);
	int shift = j % 4 * 8;
	__m512i sc, mn;

	if (j < 4) {
		sc = _mm512_and_si512(_mm512_srli_epi32(s[0], shift), six);
		mn = _mm512_and_si512(_mm512_srli_epi32(s[1], shift), six);
	} else {
		__m512i high = _mm512_srli_epi32(s[2], shift);

		sc = _mm512_and_si512(_mm512_srli_epi32(_mm512_srli_epi32(s[0], shift), 2), two);
		sc = _mm512_or_si512(_mm512_and_si512(high, four), sc);
		mn = _mm512_and_si512(_mm512_srli_epi32(_mm512_srli_epi32(s[1], shift), 2), two);
		mn = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(high, 4), four), mn);
	}
	*scale = _mm512_cvtepi32_ps(sc);
	*min = _mm512_cvtepi32_ps(mn);
}

ALWAYS void mul_q4_k(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	uint32_t blocks = k / 256, b;
	const uint8_t *halves = words + 64ul * 35 * blocks;
	const __m512i low = _mm512_set1_epi8(15);
	__m512i s[3], w[8];
	int j, c;

	for (b = 0; b < blocks; b++, halves += 64) {
		__m512 d = scales(halves), dmin = halves_to_f32(halves + 32), scale, min;

#pragma GCC unroll 3
		for (c = 0; c < 3; c++)
			s[c] = weights(words + 64 * c);
		words += 192;
#pragma GCC unroll 8
		for (j = 0; j < 8; j++, tile += CPU_Q8_BYTES * m) {
#pragma GCC unroll 8
			for (c = 0; c < 8; c++) {
				__m512i v = j % 2 ? _mm512_loadu_si512(words + 64 * c) : weights(words + 64 * c);

				w[c] = _mm512_and_si512(j % 2 ? _mm512_srli_epi16(v, 4) : v, low);
			}
			if (j % 2)
				words += 512;
			q4_k_scale(s, j, &scale, &min);
			min = _mm512_mul_ps(_mm512_sub_ps(_mm512_setzero_ps(), dmin), min);
			block_32(w, _mm512_mul_ps(d, scale), min, OFFSET_FLOAT, tile, sum, m);
		}
	}
}

/* 32 elements with a scale for each half; the values are 32 too large, a quarter of what the tile has the sums for. */
ALWAYS void block_2x16(const __m512i *w, const __m512 *d, const uint8_t *tile, __m512 *sum, int m)
{
	int t, c;

#pragma GCC unroll 16
	for (t = 0; t < m; t++) {
		__m512i a = _mm512_srai_epi32(four_bytes(tile + CPU_Q8_S128(m, 0) + 4 * t), 2);
		__m512i b = _mm512_srai_epi32(four_bytes(tile + CPU_Q8_S128(m, 1) + 4 * t), 2);
		__m512 e[2] = { one_float(tile + CPU_Q8_D(m, 0) + 4 * t), one_float(tile + CPU_Q8_D(m, 1) + 4 * t) };

#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			a = _mm512_dpbusd_epi32(a, w[c], four_bytes(tile + 32 * t + 4 * c));
			b = _mm512_dpbusd_epi32(b, w[c + 4], four_bytes(tile + 32 * t + 16 + 4 * c));
		}
		sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(a), _mm512_mul_ps(d[0], e[0]), sum[t]);
		sum[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(b), _mm512_mul_ps(d[1], e[1]), sum[t]);
	}
}

ALWAYS void mul_q6_k(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	uint32_t blocks = k / 256, b;
	const uint8_t *halves = words + 64ul * 52 * blocks;
	const __m512i low = _mm512_set1_epi8(15), mid = _mm512_set1_epi8(0x30);
	__m512i w[8];
	int j, c, h;

	for (b = 0; b < blocks; b++, words += 64 * 52, halves += 32) {
		__m512 d = scales(halves), scaled[2];

		for (j = 0; j < 8; j++, tile += CPU_Q8_BYTES * m) {
			const uint8_t *ql = words + 64 * (j / 4 * 16 + j % 2 * 8), *qh = words + 64 * (32 + j / 4 * 8);
			__m512i sixteens = weights(words + 64 * (48 + j / 2));
			/* counts in registers, as j is no constant here */
			__m128i low_shift = _mm_cvtsi32_si128(j / 2 % 2 * 4), high_shift = _mm_cvtsi32_si128(j % 4 * 2);

#pragma GCC unroll 8
			for (c = 0; c < 8; c++) {
				__m512i l = _mm512_srl_epi16(weights(ql + 64 * c), low_shift);
				__m512i u = _mm512_srl_epi32(weights(qh + 64 * c), high_shift);

				u = _mm512_and_si512(_mm512_slli_epi32(u, 4), mid);
				w[c] = _mm512_or_si512(_mm512_and_si512(l, low), u);
			}
			for (h = 0; h < 2; h++) {
				__m128i up = _mm_cvtsi32_si128(24 - (j % 2 * 2 + h) * 8);

				scaled[h] = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_sll_epi32(sixteens, up), 24));
				scaled[h] = _mm512_mul_ps(d, scaled[h]);
			}
			block_2x16(w, scaled, tile, sum, m);
		}
	}
}

/* E8M0 scales of 16 rows, halved: the two smallest are no normal numbers. */
ALWAYS __m512 mx_scales(const uint8_t *p)
{
	__m512i e = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
	__m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
	__m512i tiny = _mm512_slli_epi32(_mm512_add_epi32(e, _mm512_set1_epi32(1)), 21);

	return _mm512_castsi512_ps(_mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), normal, tiny));
}

/* Doubled numbers from a table, 128 too large. */
ALWAYS void mul_mxfp4(const uint8_t *words, uint32_t k, const uint8_t *tile, __m512 *sum, int m)
{
	static const int8_t numbers[16] = { CPU_E2M1 };
	const __m512i low = _mm512_set1_epi8(15), flip = _mm512_set1_epi8((char)0x80);
	const __m512i table = _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)numbers)), flip);
	uint32_t blocks = k / 32, b;
	const uint8_t *exponents = words + 256ul * blocks;
	__m512i w[8];
	int c;

	for (b = 0; b < blocks; b++, words += 256, exponents += 16, tile += CPU_Q8_BYTES * m) {
		cpu_prefetch(exponents);
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			__m512i v = weights(words + 64 * c);

			w[c] = _mm512_shuffle_epi8(table, _mm512_and_si512(v, low));
			w[c + 4] = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(v, 4), low));
		}
		block_32(w, mx_scales(exponents), _mm512_setzero_ps(), OFFSET_128, tile, sum, m);
	}
}

ALWAYS void mul(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, float *out, int m)
{
	__m512 sum[CPU_TILE_MAX];
	int t;

#pragma GCC unroll 16
	for (t = 0; t < m; t++)
		sum[t] = _mm512_setzero_ps();
	if (dtype == DSEEK_Q8_0)
		mul_q8_0(group, k, tile, sum, m);
	else if (dtype == DSEEK_Q4_0)
		mul_q4_0(group, k, tile, sum, m);
	else if (dtype == DSEEK_Q4_1)
		mul_q4_1(group, k, tile, sum, m);
	else if (dtype == DSEEK_Q4_K)
		mul_q4_k(group, k, tile, sum, m);
	else if (dtype == DSEEK_Q6_K)
		mul_q6_k(group, k, tile, sum, m);
	else
		mul_mxfp4(group, k, tile, sum, m);
#pragma GCC unroll 16
	for (t = 0; t < m; t++)
		_mm512_storeu_ps(out + 16 * t, sum[t]);
}

#define MUL_Q8		cpu_mul_q8_avx512
#define MUL_WIDTHS(X, dtype)	X(dtype, 1) X(dtype, 2) X(dtype, 3) X(dtype, 4) X(dtype, 6) X(dtype, 8) X(dtype, 12) X(dtype, 16)
#include "mul_q8.h"

// SPDX-License-Identifier: MIT
/*
 * Products of quantised weights with a q8 tile, AVX2: a row a lane, the group's 16 rows in two parts of 8
 * (kernels.h, dtype_pack.c). VPMADDUBSW adds pairs in 16 bits; why none saturates is said at each use.
 */
#include <immintrin.h>
#include <stdbool.h>

#include "dseek_program.h"
#include "kernels.h"

#define ALWAYS	static inline __attribute__((always_inline))

ALWAYS __m256 halves_to_f32(const uint8_t *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

ALWAYS __m256i load(const uint8_t *p)
{
	return _mm256_loadu_si256((const __m256i *)p);
}

/* The second part of a group finds in the cache what it asks for. */
ALWAYS __m256i weights(const uint8_t *p)
{
	cpu_prefetch(p);
	return load(p);
}

ALWAYS __m256 scales(const uint8_t *p)
{
	cpu_prefetch(p);
	return halves_to_f32(p);
}

ALWAYS __m256i four_bytes(const uint8_t *p)
{
	return _mm256_set1_epi32(*(const int32_t *)p);
}

ALWAYS __m256 one_float(const uint8_t *p)
{
	return _mm256_set1_ps(*(const float *)p);
}

ALWAYS __m256i widen(__m256i pairs)
{
	return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* What token @t has of a block, from the dots of its halves. */
ALWAYS __m256 scaled(__m256i a, __m256i b, const uint8_t *tile, int m, int t)
{
	__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(a), one_float(tile + CPU_Q8_D(m, 0) + 4 * t));

	return _mm256_fmadd_ps(_mm256_cvtepi32_ps(b), one_float(tile + CPU_Q8_D(m, 1) + 4 * t), v);
}

/* Weights of 4 bits: 4 * 2 * 15 * 127 = 15240. They are 8 too large, a sixteenth of what the tile has the sums for; or there is @min. */
ALWAYS void block_q4(const __m256i *w, __m256 d, const __m256 *min, const uint8_t *tile, __m256 *sum, int m)
{
	int t, c, h;

#pragma GCC unroll 4
	for (t = 0; t < m; t++) {
		__m256i dot[2];

#pragma GCC unroll 2
		for (h = 0; h < 2; h++) {
			__m256i pairs = _mm256_setzero_si256();

#pragma GCC unroll 4
			for (c = 4 * h; c < 4 * h + 4; c++)
				pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w[c], four_bytes(tile + 32 * t + 4 * c)));
			dot[h] = widen(pairs);
			if (!min)
				dot[h] = _mm256_add_epi32(dot[h], _mm256_srai_epi32(four_bytes(tile + CPU_Q8_S128(m, h) + 4 * t), 4));
		}
		sum[t] = _mm256_fmadd_ps(scaled(dot[0], dot[1], tile, m, t), d, sum[t]);
		if (min)
			sum[t] = _mm256_fmadd_ps(*min, one_float(tile + CPU_Q8_SUM(m) + 4 * t), sum[t]);
	}
}

/* Signed weights: |w| times a with the sign of w; 2 * 128 * 127 = 32512 */
ALWAYS void mul_q8_0(const uint8_t *words, uint32_t k, int p, const uint8_t *tile, __m256 *sum, int m)
{
	uint32_t blocks = k / 32, b;
	const uint8_t *halves = words + 512ul * blocks + 16 * p;
	int c, t;

	words += 32 * p;
	for (b = 0; b < blocks; b++, words += 512, halves += 32, tile += CPU_Q8_BYTES * m) {
		__m256 d = scales(halves);
		__m256i dot[2][4];

		for (t = 0; t < m; t++)
			dot[0][t] = dot[1][t] = _mm256_setzero_si256();
#pragma GCC unroll 8
		for (c = 0; c < 8; c++) {
			__m256i w = weights(words + 64 * c), magnitude = _mm256_abs_epi8(w);

#pragma GCC unroll 4
			for (t = 0; t < m; t++) {
				__m256i a = _mm256_sign_epi8(four_bytes(tile + 32 * t + 4 * c), w);

				dot[c / 4][t] = _mm256_add_epi32(dot[c / 4][t], widen(_mm256_maddubs_epi16(magnitude, a)));
			}
		}
#pragma GCC unroll 4
		for (t = 0; t < m; t++)
			sum[t] = _mm256_fmadd_ps(scaled(dot[0][t], dot[1][t], tile, m, t), d, sum[t]);
	}
}

ALWAYS void mul_q4(const uint8_t *words, uint32_t k, int p, const uint8_t *tile, __m256 *sum, int m, bool has_min)
{
	const __m256i low = _mm256_set1_epi8(15);
	uint32_t blocks = k / 32, b;
	const uint8_t *halves = words + 256ul * blocks + 16 * p;
	__m256i w[8];
	int c;

	words += 32 * p;
	for (b = 0; b < blocks; b++, words += 256, halves += has_min ? 64 : 32, tile += CPU_Q8_BYTES * m) {
		__m256 d = scales(halves), min = has_min ? halves_to_f32(halves + 32) : d;

#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			__m256i v = weights(words + 64 * c);

			w[c] = _mm256_and_si256(v, low);
			w[c + 4] = _mm256_and_si256(_mm256_srli_epi16(v, 4), low);
		}
		block_q4(w, d, has_min ? &min : NULL, tile, sum, m);
	}
}

/* Byte @n of each lane */
ALWAYS __m256i byte_of(__m256i v, int n)
{
	return _mm256_and_si256(_mm256_srl_epi32(v, _mm_cvtsi32_si128(8 * n)), _mm256_set1_epi32(255));
}

/* Scale and minimum @j of 8, as in dtype.c's q4_k_scale() */
ALWAYS void q4_k_scale(const uint8_t *words, int j, __m256 *scale, __m256 *min)
{
	const __m256i six = _mm256_set1_epi32(63), four = _mm256_set1_epi32(15);
	__m256i low = byte_of(load(words), j % 4), mid = byte_of(load(words + 64), j % 4), high = byte_of(load(words + 128), j % 4);
	__m256i sc = _mm256_and_si256(low, six), mn = _mm256_and_si256(mid, six);

	if (j >= 4) {
		sc = _mm256_or_si256(_mm256_and_si256(high, four), _mm256_slli_epi32(_mm256_srli_epi32(low, 6), 4));
		mn = _mm256_or_si256(_mm256_srli_epi32(high, 4), _mm256_slli_epi32(_mm256_srli_epi32(mid, 6), 4));
	}
	*scale = _mm256_cvtepi32_ps(sc);
	*min = _mm256_cvtepi32_ps(mn);
}

ALWAYS void mul_q4_k(const uint8_t *words, uint32_t k, int p, const uint8_t *tile, __m256 *sum, int m)
{
	const __m256i low = _mm256_set1_epi8(15);
	uint32_t blocks = k / 256, b;
	const uint8_t *halves = words + 64ul * 35 * blocks + 16 * p;
	__m256i w[8];
	int j, c;

	words += 32 * p;
	for (b = 0; b < blocks; b++, words += 64 * 35, halves += 64) {
		__m256 d = scales(halves), dmin = halves_to_f32(halves + 32), scale, min;

		for (j = 0; j < 8; j++, tile += CPU_Q8_BYTES * m) {
			const uint8_t *q = words + 64 * (3 + j / 2 * 8);
			__m128i shift = _mm_cvtsi32_si128(j % 2 * 4);

#pragma GCC unroll 8
			for (c = 0; c < 8; c++)
				w[c] = _mm256_and_si256(_mm256_srl_epi16(weights(q + 64 * c), shift), low);
			q4_k_scale(words, j, &scale, &min);
			min = _mm256_mul_ps(_mm256_sub_ps(_mm256_setzero_ps(), dmin), min);
			block_q4(w, _mm256_mul_ps(d, scale), &min, tile, sum, m);
		}
	}
}

/* Weights of 6 bits, 32 too large: 2 * 2 * 63 * 127 = 32004 */
ALWAYS void block_q6(const __m256i *w, const __m256 *d, const uint8_t *tile, __m256 *sum, int m)
{
	int t, c, h;

#pragma GCC unroll 4
	for (t = 0; t < m; t++) {
#pragma GCC unroll 2
		for (h = 0; h < 2; h++) {
			__m256i dot = _mm256_srai_epi32(four_bytes(tile + CPU_Q8_S128(m, h) + 4 * t), 2);
			__m256 e = one_float(tile + CPU_Q8_D(m, h) + 4 * t);

#pragma GCC unroll 2
			for (c = 4 * h; c < 4 * h + 4; c += 2) {
				__m256i a = _mm256_maddubs_epi16(w[c], four_bytes(tile + 32 * t + 4 * c));
				__m256i b = _mm256_maddubs_epi16(w[c + 1], four_bytes(tile + 32 * t + 4 * c + 4));

				dot = _mm256_add_epi32(dot, widen(_mm256_add_epi16(a, b)));
			}
			sum[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot), _mm256_mul_ps(d[h], e), sum[t]);
		}
	}
}

ALWAYS void mul_q6_k(const uint8_t *words, uint32_t k, int p, const uint8_t *tile, __m256 *sum, int m)
{
	const __m256i low = _mm256_set1_epi8(15), mid = _mm256_set1_epi8(0x30);
	uint32_t blocks = k / 256, b;
	const uint8_t *halves = words + 64ul * 52 * blocks + 16 * p;
	__m256i w[8];
	int j, c, h;

	words += 32 * p;
	for (b = 0; b < blocks; b++, words += 64 * 52, halves += 32) {
		__m256 d = scales(halves), scaled[2];

		for (j = 0; j < 8; j++, tile += CPU_Q8_BYTES * m) {
			const uint8_t *ql = words + 64 * (j / 4 * 16 + j % 2 * 8), *qh = words + 64 * (32 + j / 4 * 8);
			__m128i low_shift = _mm_cvtsi32_si128(j / 2 % 2 * 4), high_shift = _mm_cvtsi32_si128(j % 4 * 2);
			__m256i sixteens = load(words + 64 * (48 + j / 2));

#pragma GCC unroll 8
			for (c = 0; c < 8; c++) {
				__m256i l = _mm256_srl_epi16(weights(ql + 64 * c), low_shift);
				__m256i u = _mm256_srl_epi32(weights(qh + 64 * c), high_shift);

				u = _mm256_and_si256(_mm256_slli_epi32(u, 4), mid);
				w[c] = _mm256_or_si256(_mm256_and_si256(l, low), u);
			}
			for (h = 0; h < 2; h++) {
				__m128i up = _mm_cvtsi32_si128(24 - (j % 2 * 2 + h) * 8);

				scaled[h] = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_sll_epi32(sixteens, up), 24));
				scaled[h] = _mm256_mul_ps(d, scaled[h]);
			}
			block_q6(w, scaled, tile, sum, m);
		}
	}
}

/* E8M0 scales of 8 rows, halved: the two smallest are no normal numbers. */
ALWAYS __m256 mx_scales(const uint8_t *p)
{
	__m256i e = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
	__m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
	__m256i tiny = _mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(1)), 21);

	return _mm256_castsi256_ps(_mm256_blendv_epi8(normal, tiny, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}

/* Doubled numbers from a table, 12 too large: 4 * 2 * 24 * 127 = 24384; of 12 sums the tile has 128. */
ALWAYS void block_mxfp4(const __m256i *w, __m256 d, const uint8_t *tile, __m256 *sum, int m)
{
	int t, c, h;

#pragma GCC unroll 4
	for (t = 0; t < m; t++) {
		__m256i dot[2];

#pragma GCC unroll 2
		for (h = 0; h < 2; h++) {
			__m256i pairs = _mm256_setzero_si256(), four = _mm256_srai_epi32(four_bytes(tile + CPU_Q8_S128(m, h) + 4 * t), 5);

#pragma GCC unroll 4
			for (c = 4 * h; c < 4 * h + 4; c++)
				pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(w[c], four_bytes(tile + 32 * t + 4 * c)));
			dot[h] = _mm256_add_epi32(widen(pairs), _mm256_add_epi32(four, _mm256_slli_epi32(four, 1)));
		}
		sum[t] = _mm256_fmadd_ps(scaled(dot[0], dot[1], tile, m, t), d, sum[t]);
	}
}

ALWAYS void mul_mxfp4(const uint8_t *words, uint32_t k, int p, const uint8_t *tile, __m256 *sum, int m)
{
	static const int8_t numbers[16] = { CPU_E2M1 };
	const __m256i low = _mm256_set1_epi8(15);
	const __m256i table = _mm256_add_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)numbers)), _mm256_set1_epi8(12));
	uint32_t blocks = k / 32, b;
	const uint8_t *exponents = words + 256ul * blocks + 8 * p;
	__m256i w[8];
	int c;

	words += 32 * p;
	for (b = 0; b < blocks; b++, words += 256, exponents += 16, tile += CPU_Q8_BYTES * m) {
		cpu_prefetch(exponents);
#pragma GCC unroll 4
		for (c = 0; c < 4; c++) {
			__m256i v = weights(words + 64 * c);

			w[c] = _mm256_shuffle_epi8(table, _mm256_and_si256(v, low));
			w[c + 4] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
		}
		block_mxfp4(w, mx_scales(exponents), tile, sum, m);
	}
}

ALWAYS void mul(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, float *out, int m)
{
	__m256 sum[4];
	int p, t;

	for (p = 0; p < 2; p++) {
#pragma GCC unroll 4
		for (t = 0; t < m; t++)
			sum[t] = _mm256_setzero_ps();
		if (dtype == DSEEK_Q8_0)
			mul_q8_0(group, k, p, tile, sum, m);
		else if (dtype == DSEEK_Q4_0)
			mul_q4(group, k, p, tile, sum, m, false);
		else if (dtype == DSEEK_Q4_1)
			mul_q4(group, k, p, tile, sum, m, true);
		else if (dtype == DSEEK_Q4_K)
			mul_q4_k(group, k, p, tile, sum, m);
		else if (dtype == DSEEK_Q6_K)
			mul_q6_k(group, k, p, tile, sum, m);
		else
			mul_mxfp4(group, k, p, tile, sum, m);
#pragma GCC unroll 4
		for (t = 0; t < m; t++)
			_mm256_storeu_ps(out + 16 * t + 8 * p, sum[t]);
	}
}

#define MUL_Q8		cpu_mul_q8_avx2
#define MUL_WIDTHS(X, dtype)	X(dtype, 1) X(dtype, 2) X(dtype, 3) X(dtype, 4)
#include "mul_q8.h"

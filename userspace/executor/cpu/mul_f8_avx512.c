// SPDX-License-Identifier: MIT
/*
 * Products of F8_E4M3 weights with a bf16 tile, AVX512_BF16 and VBMI (kernels.h, dtype_pack.c). A code becomes a bf16, which has all
 * values of E4M3, by two tables of a byte for each of the 128 magnitudes: exact for those below 2^-6 too, which VDPBF16PS would take for zeros
 * had they been made by shifting.
 */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"

#define ALWAYS	static inline __attribute__((always_inline))

void cpu_tile_bf16(const float *const *x, uint32_t n, uint32_t m, uint32_t k, uint16_t *tile)
{
	uint32_t i, t, q, left;

	if (n < m)
		memset(tile, 0, sizeof(*tile) * k * m);
	for (t = 0; t < n; t++)
		for (i = 0; i < k; i += left) {
			uint16_t some[16];

			left = k - i < 16 ? k - i : 16;
			_mm256_storeu_si256((__m256i *)some,
					    (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps((1u << left) - 1, x[t] + i)));
			for (q = 0; q < left; q += 4)
				memcpy(tile + (uint64_t)(i + q) * m + 4 * t, some + q, 4 * sizeof(*some));
		}
}

/* The bytes of the bf16 of code @c, from 8 on: bias 127 for 7. Below are multiples of 2^-9, the last is a NaN. */
#define LOW(c)		(((c) << 4) & 0xff)
#define HIGH(c)		(((c) >> 4) + 0x3c)
#define EIGHT(part, c)	part(c), part((c) + 1), part((c) + 2), part((c) + 3), part((c) + 4), part((c) + 5), part((c) + 6), part((c) + 7)
#define NORMAL(part)	EIGHT(part, 8), EIGHT(part, 16), EIGHT(part, 24), EIGHT(part, 32), EIGHT(part, 40), EIGHT(part, 48), EIGHT(part, 56), \
			EIGHT(part, 64), EIGHT(part, 72), EIGHT(part, 80), EIGHT(part, 88), EIGHT(part, 96), EIGHT(part, 104), EIGHT(part, 112), \
			part(120), part(121), part(122), part(123), part(124), part(125), part(126)
static const uint8_t low_bytes[128] = { 0, 0, 0x80, 0xc0, 0, 0x20, 0x40, 0x60, NORMAL(LOW), 0xc0 };
static const uint8_t high_bytes[128] = { 0, 0x3b, 0x3b, 0x3b, 0x3c, 0x3c, 0x3c, 0x3c, NORMAL(HIGH), 0x7f };

/*
 * A word has four elements of a row, and so have 8 bytes of the tile: of each four rows' words the bf16 of two lie in a, of the other two in
 * b, in pairs. So sums come in pairs, too, which are added last.
 */
ALWAYS void mul(const uint8_t *group, uint32_t k, const uint16_t *tile, float *out, int m)
{
	const __m512i low[2] = { _mm512_loadu_si512(low_bytes), _mm512_loadu_si512(low_bytes + 64) };
	const __m512i high[2] = { _mm512_loadu_si512(high_bytes), _mm512_loadu_si512(high_bytes + 64) };
	const __m512i sign = _mm512_set1_epi8((char)0x80);
	__m512 scale, a[8], b[8];
	uint32_t i;
	int t;

#pragma GCC unroll 8
	for (t = 0; t < m; t++)
		a[t] = b[t] = _mm512_setzero_ps();
	for (i = 0; i < k; i += 4, group += 64, tile += 4 * m) {
		__m512i codes = _mm512_loadu_si512(group), l, h;
		__m512bh wa, wb;

		cpu_prefetch(group);
		l = _mm512_permutex2var_epi8(low[0], codes, low[1]);	/* by the lower seven bits */
		h = _mm512_permutex2var_epi8(high[0], codes, high[1]);
		h = _mm512_ternarylogic_epi32(h, codes, sign, 0xf8);	/* h | (codes & sign) */
		wa = (__m512bh)_mm512_unpacklo_epi8(l, h);
		wb = (__m512bh)_mm512_unpackhi_epi8(l, h);
#pragma GCC unroll 8
		for (t = 0; t < m; t++) {
			int64_t four;
			__m512bh x;

			memcpy(&four, tile + 4 * t, sizeof(four));
			x = (__m512bh)_mm512_set1_epi64(four);
			a[t] = _mm512_dpbf16_ps(a[t], wa, x);
			b[t] = _mm512_dpbf16_ps(b[t], wb, x);
		}
	}
	scale = _mm512_loadu_ps(group);
#pragma GCC unroll 8
	for (t = 0; t < m; t++) {
		__m512 sum = _mm512_add_ps(_mm512_shuffle_ps(a[t], b[t], 0x88), _mm512_shuffle_ps(a[t], b[t], 0xdd));

		_mm512_storeu_ps(out + 16 * t, _mm512_mul_ps(sum, scale));
	}
}

void cpu_mul_f8_bf16(const uint8_t *group, uint32_t k, const uint16_t *tile, uint32_t m, float *out)
{
	switch (m) {
	case 1: mul(group, k, tile, out, 1); break;
	case 2: mul(group, k, tile, out, 2); break;
	case 3: mul(group, k, tile, out, 3); break;
	case 4: mul(group, k, tile, out, 4); break;
	case 6: mul(group, k, tile, out, 6); break;
	case 8: mul(group, k, tile, out, 8); break;
	}
}

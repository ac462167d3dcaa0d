/* SPDX-License-Identifier: MIT */
/*
 * Vectors of VW floats for the code that AVX2 and AVX-512 share (vec_kernels.h and what it includes). Fused multiply-adds are
 * those written here; the compiler may make no others (-ffp-contract=off).
 */
#ifndef DSEEK_CPU_VEC_H
#define DSEEK_CPU_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VALWAYS	static inline __attribute__((always_inline))

#if defined(__AVX512F__)

#define VW	16
typedef __m512 vf;
typedef __m512i vi;

#define v_set1(x)		_mm512_set1_ps(x)
#define v_zero()		_mm512_setzero_ps()
#define v_load(p)		_mm512_loadu_ps(p)
#define v_store(p, v)		_mm512_storeu_ps(p, v)
#define v_add(a, b)		_mm512_add_ps(a, b)
#define v_sub(a, b)		_mm512_sub_ps(a, b)
#define v_mul(a, b)		_mm512_mul_ps(a, b)
#define v_div(a, b)		_mm512_div_ps(a, b)
#define v_max(a, b)		_mm512_max_ps(a, b)
#define v_min(a, b)		_mm512_min_ps(a, b)
#define v_fma(a, b, c)		_mm512_fmadd_ps(a, b, c)	/* a * b + c */
#define v_fnma(a, b, c)		_mm512_fnmadd_ps(a, b, c)	/* c - a * b */
#define v_round(a)		_mm512_roundscale_ps(a, 8)
#define v_abs(a)		_mm512_abs_ps(a)
#define v_to_int(a)		_mm512_cvtps_epi32(a)
#define v_from_int(a)		_mm512_cvtepi32_ps(a)
#define v_half(p)		_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define v_store_half(p, v)	_mm256_storeu_si256((__m256i *)(p), _mm512_cvtps_ph(v, 8))
#define v_bf16(p)		_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(p))), 16))
#define v_int8(p)		_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))
#define v_iload(p)		_mm512_loadu_si512(p)
#define v_iset1(x)		_mm512_set1_epi32(x)
#define v_iadd(a, b)		_mm512_add_epi32(a, b)
#define v_iand(a, b)		_mm512_and_si512(a, b)
#define v_ior(a, b)		_mm512_or_si512(a, b)
#define v_isll(a, n)		_mm512_sll_epi32(a, _mm_cvtsi32_si128(n))
#define v_isrl(a, n)		_mm512_srl_epi32(a, _mm_cvtsi32_si128(n))
#define v_isra(a, n)		_mm512_sra_epi32(a, _mm_cvtsi32_si128(n))
#define v_as_float(a)		_mm512_castsi512_ps(a)
#define v_as_int(a)		_mm512_castps_si512(a)
/* b where lo <= i <= hi (signed), else a */
#define v_within(i, lo, hi, a, b)	_mm512_mask_blend_ps(_mm512_cmpge_epi32_mask(i, lo) & _mm512_cmple_epi32_mask(i, hi), a, b)
/* b where x >= y, else a */
#define v_where_ge(x, y, a, b)	_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_GE_OQ), a, b)
#define v_any_eq(x, y)		(_mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ))
#define v_any_byte(a, n)	(_mm512_cmpeq_epi8_mask(a, _mm512_set1_epi8(n)) != 0)
/* element 0..15 of 16 floats at t */
#define v_pick(t, i)		_mm512_permutexvar_ps(i, _mm512_loadu_ps(t))
#define v_halves(v)		_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1))

#else

#define VW	8
typedef __m256 vf;
typedef __m256i vi;

#define v_set1(x)		_mm256_set1_ps(x)
#define v_zero()		_mm256_setzero_ps()
#define v_load(p)		_mm256_loadu_ps(p)
#define v_store(p, v)		_mm256_storeu_ps(p, v)
#define v_add(a, b)		_mm256_add_ps(a, b)
#define v_sub(a, b)		_mm256_sub_ps(a, b)
#define v_mul(a, b)		_mm256_mul_ps(a, b)
#define v_div(a, b)		_mm256_div_ps(a, b)
#define v_max(a, b)		_mm256_max_ps(a, b)
#define v_min(a, b)		_mm256_min_ps(a, b)
#define v_fma(a, b, c)		_mm256_fmadd_ps(a, b, c)
#define v_fnma(a, b, c)		_mm256_fnmadd_ps(a, b, c)
#define v_round(a)		_mm256_round_ps(a, 8)
#define v_abs(a)		_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define v_to_int(a)		_mm256_cvtps_epi32(a)
#define v_from_int(a)		_mm256_cvtepi32_ps(a)
#define v_half(p)		_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p)))
#define v_store_half(p, v)	_mm_storeu_si128((__m128i *)(p), _mm256_cvtps_ph(v, 0))
#define v_bf16(p)		_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p))), 16))
#define v_int8(p)		_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))
#define v_iload(p)		_mm256_loadu_si256((const __m256i *)(p))
#define v_iset1(x)		_mm256_set1_epi32(x)
#define v_iadd(a, b)		_mm256_add_epi32(a, b)
#define v_iand(a, b)		_mm256_and_si256(a, b)
#define v_ior(a, b)		_mm256_or_si256(a, b)
#define v_isll(a, n)		_mm256_sll_epi32(a, _mm_cvtsi32_si128(n))
#define v_isrl(a, n)		_mm256_srl_epi32(a, _mm_cvtsi32_si128(n))
#define v_isra(a, n)		_mm256_sra_epi32(a, _mm_cvtsi32_si128(n))
#define v_as_float(a)		_mm256_castsi256_ps(a)
#define v_as_int(a)		_mm256_castps_si256(a)
#define v_within(i, lo, hi, a, b)	_mm256_blendv_ps(b, a, _mm256_castsi256_ps(_mm256_or_si256(_mm256_cmpgt_epi32(lo, i), _mm256_cmpgt_epi32(i, hi))))
#define v_where_ge(x, y, a, b)	_mm256_blendv_ps(a, b, _mm256_cmp_ps(x, y, _CMP_GE_OQ))
#define v_any_eq(x, y)		_mm256_movemask_ps(_mm256_cmp_ps(x, y, _CMP_EQ_OQ))
#define v_any_byte(a, n)	(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, _mm256_set1_epi8(n))) != 0)
#define v_pick(t, i)		_mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(t), i), \
						 _mm256_permutevar8x32_ps(_mm256_loadu_ps((t) + 8), i), _mm256_castsi256_ps(_mm256_slli_epi32(i, 28)))
#define v_halves(v)		(v)

#endif

/* Sum over the lanes, in an order written out: the compilers' own reductions differ. */
VALWAYS float v_sum(vf v)
{
	__m256 eight = v_halves(v);
	__m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));

	four = _mm_add_ps(four, _mm_movehl_ps(four, four));
	return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

#define PARTS	(16 / VW)	/* vectors to a group of 16 rows */

/* Sum of 16 lanes. All sums are made of 16 lanes, whatever VW: so both instruction sets give the same bits. */
VALWAYS float sum_16(const vf *v)
{
	return v_sum(PARTS == 1 ? v[0] : v_add(v[0], v[PARTS - 1]));
}

/* Largest of 16 lanes. */
VALWAYS float largest_16(const vf *v)
{
#if VW == 16
	__m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v[0]), _mm512_extractf32x8_ps(v[0], 1));
#else
	__m256 eight = v_max(v[0], v[1]);
#endif
	__m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));

	four = _mm_max_ps(four, _mm_movehl_ps(four, four));
	return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

/* 16 integers as bytes, saturated; returns the sum of the bytes. */
VALWAYS int32_t store_bytes_16(void *p, const vi *i)
{
#if VW == 16
	__m128i bytes = _mm512_cvtsepi32_epi8(i[0]), sums;
#else
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(i[0], i[1]), 0xd8);
	__m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)), sums;
#endif

	_mm_storeu_si128(p, bytes);
	/* of unsigned bytes, 128 too large each */
	sums = _mm_sad_epu8(_mm_xor_si128(bytes, _mm_set1_epi8((char)0x80)), _mm_setzero_si128());
	return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4) - 16 * 128;
}

VALWAYS float v_largest(vf v)
{
	float lane[VW], max;
	int i;

	v_store(lane, v);
	max = lane[0];
	for (i = 1; i < VW; i++)
		max = lane[i] > max ? lane[i] : max;
	return max;
}

/*
 * exp(x): 2^n e^r, |r| <= ln(2)/2, e^r by its minimax polynomial (Cephes, expf). Relative error below 2e-7
 * in [-87, 88]; 0 below -87.3, the value at 88 above. A NaN gives some number: callers' inputs that are NaN
 * keep it through what they multiply with.
 */
VALWAYS vf v_exp(vf x)
{
	vf n, r, p, low = v_set1(-87.3f);

	n = v_max(v_min(x, v_set1(88)), low);
	r = n;
	n = v_round(v_mul(n, v_set1(1.44269504088896341f)));
	r = v_fnma(n, v_set1(0.693359375f), r);
	r = v_fnma(n, v_set1(-2.12194440e-4f), r);
	p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));
	p = v_fma(p, r, v_set1(8.3334519073e-3f));
	p = v_fma(p, r, v_set1(4.1665795894e-2f));
	p = v_fma(p, r, v_set1(1.6666665459e-1f));
	p = v_fma(p, r, v_set1(5.0000001201e-1f));
	p = v_add(v_fma(p, v_mul(r, r), r), v_set1(1));
	p = v_mul(p, v_as_float(v_isll(v_iadd(v_to_int(n), v_iset1(127)), 23)));
	return v_where_ge(x, low, v_zero(), p);
}

/* tanh(x) = 1 - 2 / (1 + e^2x): absolute error below 3e-7 */
VALWAYS vf v_tanh(vf x)
{
	vf one = v_set1(1);

	return v_sub(one, v_div(v_set1(2), v_add(one, v_exp(v_add(x, x)))));
}

#endif /* DSEEK_CPU_VEC_H */

/* SPDX-License-Identifier: MIT */
/*
 * E4M3, the 8-bit float of OCP's 8-bit Floating Point Specification (revision 1.0, 2023, section 5; Micikevicius et al. 2022, "FP8 formats
 * for deep learning", table 1): sign, four bits of exponent with a bias of 7, three of mantissa. There are no infinities; S.1111.111 is
 * a NaN, 448 the largest number, 2^-9 the least above zero. For hosts and kernels; on bits alone, so that all compilers give the same.
 *
 * E4M3FNUZ (Noune et al. 2022, "8-bit numerical formats for deep neural networks"), which CDNA3's instructions take, has a bias of 8, no negative
 * zero, and 0x80 as its only NaN: a code of a number other than -0 means half of what it means here. f8_to_fnuz() makes of four codes those of
 * the halves, exactly.
 */
#ifndef F8_H
#define F8_H

#ifdef K_DEV
#define F8_FN	K_DEV
#else
#define F8_FN	static inline
#endif

#define F8_MAX		448.0f
#define F8_MAX_CODE	0x7eu
#define F8_NAN		0x7fu

/* The bits of the float32 that @code is; a NaN is a quiet one. */
F8_FN unsigned int f8_to_f32_bits(unsigned int code)
{
	unsigned int sign = (code & 0x80u) << 24, rest = code & 0x7fu, top;

	if (rest == F8_NAN)
		return sign | 0x7fc00000u;
	if (rest >= 8)
		return sign | ((rest << 20) + (120u << 23));
	if (rest == 0)
		return sign;
	top = rest < 2 ? 0u : rest < 4 ? 1u : 2u;	/* rest * 2^-9, its highest bit */
	return sign | ((118u + top) << 23) | (rest << (23u - top) & 0x7fffffu);
}

/* Of a float32's bits: to the nearest, ties to even; what is larger than 448, infinities too, becomes 448. A NaN stays one. */
F8_FN unsigned int f8_from_f32_bits(unsigned int bits)
{
	unsigned int sign = bits >> 24 & 0x80u, rest = bits & 0x7fffffffu, shift, low;

	if (rest > 0x7f800000u)
		return sign | F8_NAN;
	if (rest >= 0x43e00000u)		/* 448 */
		return sign | F8_MAX_CODE;
	if (rest >= 0x3c800000u)		/* 2^-6, the least normal number */
		return sign | (((rest + 0x7ffffu + (rest >> 20 & 1u)) >> 20) - (120u << 3));
	if (rest < 0x3a800000u)			/* below half of the least */
		return sign;
	shift = 141u - (rest >> 23);		/* to units of 2^-9 */
	rest = (rest & 0x7fffffu) | 0x800000u;
	low = rest & ((1u << shift) - 1u);
	rest >>= shift;
	if (low > 1u << (shift - 1u) || (low == 1u << (shift - 1u) && rest & 1u))
		rest++;
	return sign | rest;
}

/* Four codes, one a byte, as E4M3FNUZ of half the value: -0 becomes 0, the NaNs become its NaN, all others stay. */
F8_FN unsigned int f8_to_fnuz(unsigned int codes)
{
	unsigned int rest = codes & 0x7f7f7f7fu;
	unsigned int zero = ~(rest + 0x7f7f7f7fu) & 0x80808080u;	/* the sign bit of bytes that are +-0 */
	unsigned int nan = (rest + 0x01010101u) & 0x80808080u;		/* and of those that are NaNs */

	return ((codes & ~zero) & ~(nan | (nan - (nan >> 7)))) | nan;
}

#endif /* F8_H */

/* SPDX-License-Identifier: MIT */
/*
 * A float as the sum of two numbers of 16 bits, bf16 or f16, which matrix instructions take: what one keeps is the other's remainder
 * (Markidis et al. 2018, "NVIDIA Tensor Core Programmability, Performance & Precision"). The sum of two of bf16 is off by at most 2^-17 of
 * the number, of f16 by 2^-22, or by 2^-25 where that is more. Of a NaN one at least is a NaN, and so of what is infinite in the type.
 *
 * CDNA2's instructions take subnormal numbers of f16 for 0, and then it is off by up to 2^-14, unless both parts are made with the @unit 2^11: the
 * large one is subnormal for no number, the small one is so many times as large.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include "dsk_layout.h"
#include "kdev.h"

/* To bf16, halves away from 0, by what needs no condition a lane: those cost scalar registers. */
K_DEV k_u16 part_bf16(float v)
{
	k_u32 u = k_as_u32(v), size = (u & 0x7fffffffu) + 0x8000;

	size = size > 0x7fffffffu ? 0x7fffffffu : size;
	return (k_u16)(((u & 0x80000000u) | size) >> 16);
}

/* With a unit 0 for what is 2^-14 or less, by a factor of 0 or 1: no condition, either. */
K_DEV k_u16 part_f16(float v, float unit)
{
	return k_f32_to_f16(unit > 1 ? v * k_rint(k_min(k_fabs(v) * 8192, 1)) : v);
}

K_DEV k_u16 large_part(float v, float unit, int type)
{
	return type == DSK_BF16 ? part_bf16(v) : part_f16(v, unit);
}

K_DEV k_u16 small_part(float v, float unit, int type)
{
	if (type == DSK_BF16)
		return part_bf16(v - k_bf16_to_f32(part_bf16(v)));
	return k_f32_to_f16((v - k_f16_to_f32(part_f16(v, unit))) * unit);
}

#endif /* SPLIT_H */

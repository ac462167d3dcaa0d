/* SPDX-License-Identifier: MIT */
/* What prefill and decode with matrix instructions share: numbers of the cache's type, bf16 or f16, and their fragments. */
#ifndef ATTN_MMA_H
#define ATTN_MMA_H

#include "attn.h"
#include "kmma.h"

K_DEV k_u16 to_bits(float v, int type)
{
	return type == DSK_BF16 ? k_f32_to_bf16(v) : k_f32_to_f16(v);
}

K_DEV float from_bits(k_u16 v, int type)
{
	return type == DSK_BF16 ? k_bf16_to_f32(v) : k_f16_to_f32(v);
}

/*
 * Weights are multiplied by this on their way to f16, whose least normal number is 2^-14: CDNA2's instructions take what is less for 0, and many small
 * weights together are not nothing. So is what a weight's rounding leaves (slots_mma.c). (Of a cache's elements what is subnormal is 0 there.)
 */
#define TO_F16	16384.0f

K_DEV float weight_unit(int type)
{
	return type == DSK_BF16 ? 1 : TO_F16;
}

/* The lane's fragment of 16 rows that are @stride apart. */
K_DEV struct k_frag16 fragment(int lane, K_LOCAL const k_u16 *rows, int stride)
{
	struct k_frag16 f;

	for (int i = 0; i < K_FRAG16; i++)
		f.v[i] = rows[k_mma_row(lane) * stride + k_mma_k16(lane, i)];
	return f;
}

K_DEV struct k_acc_f32 multiply(K_WAVE_PARAM int type, struct k_frag16 a, struct k_frag16 b, struct k_acc_f32 c)
{
	return type == DSK_BF16 ? k_mma_bf16(a, b, c) : k_mma_f16(a, b, c);
}

/*
 * Products over what lies one after the other in memory, in an order of K that suits loads: of CHUNK elements a lane has a RUN. Both operands
 * are in that order.
 */
#define RUN	(K_FRAG16 < 8 ? 8 : K_FRAG16)
#define CHUNK	(RUN * K_HALVES)

K_DEV int run_at(int lane)
{
	return K_HALVES > 1 ? lane / K_TILE * RUN : 0;
}

/*
 * Fragments of values for products over tokens. A lane has the words @two of one or more elements of a value, for each of its tokens: of element
 * @t, the K_FRAG16 / 2 words of its fragment.
 */
K_DEV struct k_frag16 transposed(const k_u32 two[K_FRAG16], int t)
{
	k_u32 words[K_FRAG16 / 2];

	for (int i = 0; i < K_FRAG16 / 2; i++)
		words[i] = t % 2 ? two[2 * i] >> 16 | (two[2 * i + 1] & 0xffff0000u) : (two[2 * i] & 0xffffu) | two[2 * i + 1] << 16;
	return k_frag16_of(words);
}

#endif /* ATTN_MMA_H */

/* SPDX-License-Identifier: MIT */
/*
 * Matrix instructions: a wave multiplies tiles, D[16][16] += A[16][K] * B[16][K] transposed, rows of both being what is contiguous in
 * memory. The same shape on every GPU; K and who holds what differ:
 *
 *		GPUs			instruction				K: 16 bits, 8 bits
 *	CDNA2	gfx90a			v_mfma_*_16x16x16			16, 16
 *	CDNA3	gfx942			v_mfma_*_16x16x16, i8 16x16x32		16, 32
 *	CDNA4	gfx950			v_mfma_*_16x16x32, i8 16x16x64		32, 64
 *	RDNA3	gfx11xx			v_wmma_*_16x16x16			16, 16
 *	RDNA4	gfx12xx			v_wmma_*_16x16x16			16, 16
 *
 * A lane holds elements of one row of A and of B: row k_mma_row(lane), of which element i of its fragment is column
 * k_mma_k16(lane, i) or k_mma_k8(lane, i), and K_ACC elements of D: element i is D[k_acc_row(lane, i)][k_acc_col(lane)].
 * (AMD: ISA documents of MI200, MI300, CDNA4, RDNA3 and RDNA4, "matrix" chapters. RDNA3 holds each row twice; RDNA4
 * interleaves the halves of a wave in fours at 16 bits.) Any order of K would do that A and B share, so no product tells a
 * wrong layout: tests/kernels/mma.c compares each operand's with the documents.
 *
 *	struct k_frag16, k_frag8	.v[K_FRAG16] bits of bf16 or f16; .v[K_FRAG8] int8 or codes
 *	struct k_acc_f32, k_acc_i32	.v[K_ACC]
 *	k_mma_bf16(a, b, c) k_mma_f16(a, b, c) k_mma_i8(a, b, c)	the new accumulator; a collective
 *	k_mma_f8(a, b, c)	where K_HAS_F8 is 1 (CDNA3, CDNA4, RDNA4): k_acc_f32 of fragments of 8 bits, made of words of E4M3 (f8.h) by k_f8_native();
 *				a sum is to be multiplied by K_F8_UNIT, as CDNA3 takes E4M3FNUZ, which has the halves
 *	k_acc_zero_f32() k_acc_zero_i32()
 *	k_frag16_of(words) k_frag8_of(words)	of K_FRAG16 / 2 or K_FRAG8 / 4 words, the first element lowest
 *
 * On the host and in OpenCL a model stands for the instruction; -DK_MMA=K_MMA_CDNA2 and so on says which.
 */
#ifndef KMMA_H
#define KMMA_H

#include "kdev.h"
#include "f8.h"

#define K_MMA_CDNA2	2
#define K_MMA_CDNA3	3
#define K_MMA_CDNA4	4
#define K_MMA_RDNA3	13
#define K_MMA_RDNA4	14

#ifndef K_MMA
#if defined(__gfx90a__)
#define K_MMA	K_MMA_CDNA2
#elif defined(__gfx950__)
#define K_MMA	K_MMA_CDNA4
#elif defined(__GFX11__)
#define K_MMA	K_MMA_RDNA3
#elif defined(__gfx942__) || K_WAVE == 64
#define K_MMA	K_MMA_CDNA3
#else
#define K_MMA	K_MMA_RDNA4
#endif
#endif

#define K_TILE		16	/* rows of A, rows of B */

#if K_MMA == K_MMA_CDNA2
#define K_FRAG16	4
#define K_FRAG8		4
#elif K_MMA == K_MMA_CDNA3
#define K_FRAG16	4
#define K_FRAG8		8
#elif K_MMA == K_MMA_CDNA4
#define K_FRAG16	8
#define K_FRAG8		16
#elif K_MMA == K_MMA_RDNA3
#define K_FRAG16	16
#define K_FRAG8		16
#else
#define K_FRAG16	8
#define K_FRAG8		8
#endif

#define K_MMA_IS_CDNA	(K_MMA < K_MMA_RDNA3)
#define K_HAS_F8	(K_MMA == K_MMA_CDNA3 || K_MMA == K_MMA_CDNA4 || K_MMA == K_MMA_RDNA4)
#define K_F8_UNIT	(K_MMA == K_MMA_CDNA3 ? 4.0f : 1.0f)
#define K_HALVES	(K_MMA == K_MMA_RDNA3 ? 1 : K_WAVE / K_TILE)	/* lanes that share a row's columns */
#define K_MMA_K16	(K_FRAG16 * K_HALVES)
#define K_MMA_K8	(K_FRAG8 * K_HALVES)
#define K_ACC		(K_MMA_IS_CDNA ? 4 : 8)

K_DEV int k_mma_row(int lane)
{
	return lane % K_TILE;
}

K_DEV int k_mma_k16(int lane, int i)
{
	if (K_MMA == K_MMA_RDNA3)
		return i;
	if (K_MMA == K_MMA_RDNA4)
		return i / 4 * 8 + lane / K_TILE * 4 + i % 4;
	return lane / K_TILE * K_FRAG16 + i;
}

K_DEV int k_mma_k8(int lane, int i)
{
	return K_MMA == K_MMA_RDNA3 ? i : lane / K_TILE * K_FRAG8 + i;
}

K_DEV int k_acc_row(int lane, int i)
{
	return K_MMA == K_MMA_RDNA3 ? 2 * i + lane / K_TILE : lane / K_TILE * K_ACC + i;
}

K_DEV int k_acc_col(int lane)
{
	return lane % K_TILE;
}

/* Four codes as the instruction takes them. */
K_DEV k_u32 k_f8_native(k_u32 codes)
{
	return K_MMA == K_MMA_CDNA3 ? f8_to_fnuz(codes) : codes;
}

#if defined(__AMDGCN__) && !defined(__OPENCL_C_VERSION__)
#include "kmma_amdgcn.h"
#else
#include "kmma_model.h"
#endif

K_DEV struct k_acc_f32 k_acc_zero_f32(void)
{
	struct k_acc_f32 c;

	for (int i = 0; i < K_ACC; i++)
		c.v[i] = 0;
	return c;
}

K_DEV struct k_acc_i32 k_acc_zero_i32(void)
{
	struct k_acc_i32 c;

	for (int i = 0; i < K_ACC; i++)
		c.v[i] = 0;
	return c;
}

#endif /* KMMA_H */

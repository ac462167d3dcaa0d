/* SPDX-License-Identifier: MIT */
/* kmma.h's instructions. Fragments are vectors of the compiler's, so that they stay in registers. */
#ifndef KMMA_AMDGCN_H
#define KMMA_AMDGCN_H

#define K_VECTOR(type, n)	type __attribute__((ext_vector_type(n)))

struct k_frag16 { K_VECTOR(short, K_FRAG16) v; };
struct k_frag8 { K_VECTOR(signed char, K_FRAG8) v; };
struct k_acc_f32 { K_VECTOR(float, K_ACC) v; };
struct k_acc_i32 { K_VECTOR(int, K_ACC) v; };

typedef K_VECTOR(_Float16, K_FRAG16) k_half_vector;
typedef K_VECTOR(__bf16, K_FRAG16) k_bf16_vector;
#if K_FRAG8 == 4
typedef int k_int8_words;
#elif K_FRAG8 == 16
typedef K_VECTOR(int, 4) k_int8_words;
#elif K_MMA == K_MMA_CDNA3
typedef long k_int8_words;
#else
typedef K_VECTOR(int, 2) k_int8_words;
#endif

K_DEV struct k_frag16 k_frag16_of(const unsigned int *words)
{
	K_VECTOR(unsigned int, K_FRAG16 / 2) w;
	struct k_frag16 f;

	for (int i = 0; i < K_FRAG16 / 2; i++)
		w[i] = words[i];
	f.v = __builtin_bit_cast(K_VECTOR(short, K_FRAG16), w);
	return f;
}

K_DEV struct k_frag8 k_frag8_of(const unsigned int *words)
{
	K_VECTOR(unsigned int, K_FRAG8 / 4) w;
	struct k_frag8 f;

	for (int i = 0; i < K_FRAG8 / 4; i++)
		w[i] = words[i];
	f.v = __builtin_bit_cast(K_VECTOR(signed char, K_FRAG8), w);
	return f;
}

#define K_AS(type, frag)	__builtin_bit_cast(type, (frag).v)

K_DEV struct k_acc_f32 k_mma_bf16(struct k_frag16 a, struct k_frag16 b, struct k_acc_f32 c)
{
#if K_MMA == K_MMA_CDNA2 || K_MMA == K_MMA_CDNA3
	c.v = __builtin_amdgcn_mfma_f32_16x16x16bf16_1k(a.v, b.v, c.v, 0, 0, 0);
#elif K_MMA == K_MMA_CDNA4
	c.v = __builtin_amdgcn_mfma_f32_16x16x32_bf16(K_AS(k_bf16_vector, a), K_AS(k_bf16_vector, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_RDNA3
	c.v = __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(a.v, b.v, c.v);
#else
	c.v = __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(a.v, b.v, c.v);
#endif
	return c;
}

K_DEV struct k_acc_f32 k_mma_f16(struct k_frag16 a, struct k_frag16 b, struct k_acc_f32 c)
{
#if K_MMA == K_MMA_CDNA2 || K_MMA == K_MMA_CDNA3
	c.v = __builtin_amdgcn_mfma_f32_16x16x16f16(K_AS(k_half_vector, a), K_AS(k_half_vector, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_CDNA4
	c.v = __builtin_amdgcn_mfma_f32_16x16x32_f16(K_AS(k_half_vector, a), K_AS(k_half_vector, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_RDNA3
	c.v = __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(K_AS(k_half_vector, a), K_AS(k_half_vector, b), c.v);
#else
	c.v = __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(K_AS(k_half_vector, a), K_AS(k_half_vector, b), c.v);
#endif
	return c;
}

K_DEV struct k_acc_i32 k_mma_i8(struct k_frag8 a, struct k_frag8 b, struct k_acc_i32 c)
{
#if K_MMA == K_MMA_CDNA2
	c.v = __builtin_amdgcn_mfma_i32_16x16x16i8(K_AS(k_int8_words, a), K_AS(k_int8_words, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_CDNA3
	c.v = __builtin_amdgcn_mfma_i32_16x16x32_i8(K_AS(k_int8_words, a), K_AS(k_int8_words, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_CDNA4
	c.v = __builtin_amdgcn_mfma_i32_16x16x64_i8(K_AS(k_int8_words, a), K_AS(k_int8_words, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_RDNA3
	c.v = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32(1, K_AS(k_int8_words, a), 1, K_AS(k_int8_words, b), c.v, 0);
#else
	c.v = __builtin_amdgcn_wmma_i32_16x16x16_iu8_w32_gfx12(1, K_AS(k_int8_words, a), 1, K_AS(k_int8_words, b), c.v, 0);
#endif
	return c;
}

#if K_HAS_F8
/* CDNA4's lane has two runs of K of the instruction's: any order of K will do that A and B share. */
K_DEV struct k_acc_f32 k_mma_f8(struct k_frag8 a, struct k_frag8 b, struct k_acc_f32 c)
{
#if K_MMA == K_MMA_CDNA3
	c.v = __builtin_amdgcn_mfma_f32_16x16x32_fp8_fp8(K_AS(long, a), K_AS(long, b), c.v, 0, 0, 0);
#elif K_MMA == K_MMA_CDNA4
	K_VECTOR(long, 2) x = K_AS(K_VECTOR(long, 2), a), y = K_AS(K_VECTOR(long, 2), b);

	c.v = __builtin_amdgcn_mfma_f32_16x16x32_fp8_fp8(x[0], y[0], c.v, 0, 0, 0);
	c.v = __builtin_amdgcn_mfma_f32_16x16x32_fp8_fp8(x[1], y[1], c.v, 0, 0, 0);
#else
	c.v = __builtin_amdgcn_wmma_f32_16x16x16_fp8_fp8_w32_gfx12(K_AS(k_int8_words, a), K_AS(k_int8_words, b), c.v);
#endif
	return c;
}
#endif

#endif /* KMMA_AMDGCN_H */

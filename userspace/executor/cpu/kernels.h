/* SPDX-License-Identifier: MIT */
/*
 * The vector code, one table for each instruction set. Ops above it (linear.c, moe.c, attention.c)
 * know no instruction set; kernels know no threads.
 *
 * Matrix products work on a group of 16 rows of a PACKED weight (dtype_pack.c) and a tile of m tokens,
 * and give out[m][16]. A tile is made once and used by all rows:
 *
 *   q8 tile, for each block of 32 along the row: int8 q[m][32]; of each half: float d[2][m], int32 -128 * sum(q)[2][m];
 *            float sum of d * q [m]. x = d * q, d = max|x| / 127 of 16 elements, q to nearest even. A scale
 *            for 16 and not 32 takes 40 % off the divergence of SmolLM2's logits, for up to 9 % of a product's time.
 *   f32 tile: float x[k][m]
 *   bf16 tile, for each 4 along the row: bf16 x[m][4]
 *
 * Sums run in an order that depends on k and the dtype only, so results are the same bits for every
 * number of threads, of tokens in the tile, and for both instruction sets; with bf16 tiles for every machine that has them.
 */
#ifndef DSEEK_CPU_KERNELS_H
#define DSEEK_CPU_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "isa.h"

#define CPU_TILE_MAX	16
#define CPU_Q8_BYTES	52	/* a block of 32 of one token */
#define CPU_Q8_D(m, half)	((32 + 4 * (half)) * (m))	/* where in a block of m tokens */
#define CPU_Q8_S128(m, half)	((40 + 4 * (half)) * (m))
#define CPU_Q8_SUM(m)		(48 * (m))
#define CPU_F32_CHUNK	256	/* of a row, as float32 in scratch */

/* MXFP4: what its 4 bits mean, doubled; the scales that go with these are half of 2^(e - 127) (dtype.c). */
#define CPU_E2M1	0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12

/* Part of an attention op: up to 16 queries that share a KV head, side by side. */
struct cpu_attend {
	const uint8_t *k, *v;		/* of the head, slot 0 */
	uint64_t k_stride, v_stride;	/* bytes between slots */
	uint16_t k_dtype, v_dtype;	/* F32, F16, BF16 or Q8_0 */
	uint32_t dk, dv;
	bool shared;			/* values are the first dv elements of their keys */
	bool plain;			/* attend: F32, a key or value behind the other; seven keys more may be read. @scratch: CPU_ATTEND_SCORES floats */
	bool more;			/* attend: max, sum and acc have what came before */
	int32_t begin, end;		/* positions [begin, end) */
	int32_t slots;			/* position p is in slot p mod this; INT32_MAX: in slot p */
	const int32_t *first, *last;	/* what each of the 16 queries sees, inclusive */
	const float *q;			/* [dk][16]; few: [few][dk] */
	uint32_t few;			/* attend_few: how many queries there are, 1 to CPU_ATTEND_FEW */
	float scale, softcap;
	float *scratch;			/* cpu_attend_scratch() floats */
	float *max, *sum;		/* out: [16] */
	float *acc;			/* out: [dv][16], to be divided by sum */
};

#define CPU_ATTEND_SLOTS	32
#define CPU_ATTEND_QUERIES	16
#define CPU_ATTEND_FEW		4
#define CPU_ATTEND_SCORES	(CPU_ATTEND_SLOTS * CPU_ATTEND_QUERIES)

static inline uint64_t cpu_attend_scratch(uint32_t dk, uint32_t dv)
{
	return (uint64_t)CPU_ATTEND_SLOTS * (dk + dv + CPU_ATTEND_QUERIES) + CPU_ATTEND_FEW * dv;
}

static inline uint64_t cpu_attend_floats(uint32_t dv)
{
	return 2 * CPU_ATTEND_QUERIES + (uint64_t)CPU_ATTEND_QUERIES * dv;
}

/*
 * With few tokens memory is the limit of a product, and the hardware's prefetchers stop at each page. So each line of a group
 * is asked for 8 KiB before its turn, into the second level: the first has too few places for lines on their way. Measured on one
 * thread of Zen 4: 1.3 to 2 times the speed with 1 to 12 tokens of what 2 KiB and the first level give, and 1 % of a tile of 16 whose
 * weights are in the cache; 4 and 16 KiB differ little. Past the end is harmless.
 */
static inline void cpu_prefetch(const void *weights)
{
	__builtin_prefetch((const char *)weights + 8192, 0, 2);
}

struct cpu_kernels {
	uint32_t q8_tile, f32_tile;	/* most tokens in a tile */
	/* Tiles of @m tokens of which @n exist; the rest is zero. */
	void (*tile_q8)(const float *const *x, uint32_t n, uint32_t m, uint32_t k, uint8_t *tile);
	void (*tile_f32)(const float *const *x, uint32_t n, uint32_t m, uint32_t k, float *tile);
	/* @dtype Q8_0, Q4_0, Q4_1, Q4_K, Q6_K, MXFP4 */
	void (*mul_q8)(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, uint32_t m, float *out);
	/* any; @scratch: 16 * CPU_F32_CHUNK floats */
	void (*mul_f32)(uint32_t dtype, const uint8_t *group, uint32_t k, const float *tile, uint32_t m, float *out,
			float *scratch);
	/* exp() of this: relative error under 2e-7 in [-87, 88], below 0, above the value at 88 */
	void (*glu)(uint32_t act, const float *gate, const float *up, float *out, uint32_t n);
	void (*rmsnorm)(const float *x, const float *weight, float *out, uint32_t n, float eps);
	void (*rotate)(float *x, const float *cosine, const float *sine, uint32_t pairs, uint32_t rope);
	void (*to_half)(const float *x, uint16_t *out, uint32_t n);
	void (*to_f32)(uint32_t dtype, const uint8_t *src, uint32_t n, float *dst);	/* F32, F16, BF16, Q8_0 */
	void (*attend)(const struct cpu_attend *a);
	/* The same for a few queries, side by side only in what they read; dk and dv multiples of 16. */
	void (*attend_few)(const struct cpu_attend *a);
	/*
	 * @n partial results cpu_attend_floats() apart (max[16], sum[16], acc[dv][16]) and sinks[16] (-INFINITY: none)
	 * become the outcome, in the first one's acc.
	 */
	void (*attend_merge)(float *parts, uint32_t n, const float *sinks, uint32_t dv);
	uint32_t (*argmax)(const float *x, uint32_t n);
};

/* Widths that kernels are made for; the least that takes @n tokens. */
static inline uint32_t cpu_tile_width(uint32_t n)
{
	return n <= 4 ? n : n <= 6 ? 6 : n <= 8 ? 8 : n <= 12 ? 12 : 16;
}

const struct cpu_kernels *cpu_kernels_of(enum cpu_isa isa);	/* NULL: scalar */

extern const struct cpu_kernels cpu_kernels_avx2, cpu_kernels_avx512;

/* int8 products have sources of their own */
void cpu_mul_q8_avx2(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, uint32_t m, float *out);
void cpu_mul_q8_avx512(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, uint32_t m, float *out);

/* F8_E4M3 with x rounded to bf16, to nearest even: CPU_ISA_AVX512_BF16 only. As tile_f32 and mul_f32, k a multiple of 4. */
void cpu_tile_bf16(const float *const *x, uint32_t n, uint32_t m, uint32_t k, uint16_t *tile);
void cpu_mul_f8_bf16(const uint8_t *group, uint32_t k, const uint16_t *tile, uint32_t m, float *out);

#endif /* DSEEK_CPU_KERNELS_H */

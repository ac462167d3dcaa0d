/* SPDX-License-Identifier: MIT */
/*
 * What the products of experts with matrix instructions share. A step takes some words of each row of x and of w; a lane has a run of them
 * that is contiguous in memory, and makes of it fragments one after the other. That is not kmma.h's order of K, but the same for both.
 * Weights of I4 are multiplied as whole numbers, which bf16 holds exactly; their scale goes to the sum of 64. F8 is multiplied as it is by GPUs that have
 * the instruction, else as bf16, which holds E4M3 exactly, made on the way of both operands.
 */
#ifndef EXPERT_MMA_H
#define EXPERT_MMA_H

#include "expert.h"
#include "kmma.h"

#define K_RUN(words)	((words) / K_HALVES)	/* words of a lane, of a step's */
#define OF_8_BITS(type)	((type) == DSK_I8 || (type) == DSK_F8)	/* both operands, in memory */
#define F8_WIDE(type)	((type) == DSK_F8 && !K_HAS_F8)
#define BY_8_BITS(type)	(OF_8_BITS(type) && !F8_WIDE(type))	/* and in products */

struct expert_matrix {
	K_GLOBAL const k_u32 *w;
	K_GLOBAL const void *scales;
	K_GLOBAL const unsigned char *zeros;
	K_GLOBAL const float *bias;
};

/* Which of a step's runs the lane has. */
K_DEV int run_of(int lane)
{
	return K_HALVES > 1 ? lane / K_TILE : 0;
}

/* @n words from word @at of a row of @bytes; zeros past them and where there is no row. */
K_DEV void load_run(k_u32 *to, K_GLOBAL const k_u32 *base, long row, int stride, int at, int n, int bytes)
{
	K_GLOBAL const k_u32 *from = base + row * (stride / 4) + at;

	bytes -= 4 * at;
	if (row >= 0 && bytes >= 4 * n) {
		for (int i = 0; i < n; i++)
			to[i] = from[i];
		return;
	}
	for (int i = 0; i < n; i++) {
		int left = row < 0 ? 0 : bytes - 4 * i;

		to[i] = left <= 0 ? 0 : left >= 4 ? from[i] : from[i] & ((1u << 8 * left) - 1);
	}
}

/* Eight weights of four bits, less their zero, as bf16. */
K_DEV void expand_i4(k_u32 *to, k_u32 packed, int zero)
{
	for (int i = 0; i < 4; i++) {
		float low = (float)((int)(packed >> 8 * i & 15) - zero), high = (float)((int)(packed >> (8 * i + 4) & 15) - zero);

		to[i] = k_as_u32(low) >> 16 | (k_as_u32(high) & 0xffff0000u);
	}
}

/* Four of E4M3 as bf16. */
K_DEV void expand_f8(k_u32 *to, k_u32 codes)
{
	for (int i = 0; i < 2; i++)
		to[i] = f8_to_f32_bits(codes >> 16 * i & 0xff) >> 16 | (f8_to_f32_bits(codes >> (16 * i + 8) & 0xff) & 0xffff0000u);
}

/* @n words of F8 as they are multiplied, twice as many where that is as bf16. */
K_DEV void f8_operand(k_u32 *to, const k_u32 *codes, int n)
{
	K_UNROLL(16)			/* all: arrays are registers then */
	for (int i = 0; i < n; i++)
		if (K_HAS_F8)
			to[i] = k_f8_native(codes[i]);
		else
			expand_f8(to + 2 * i, codes[i]);
}

/* Index of what column @col has for each 64 elements, @step the 64. */
K_DEV long group_at(int expert, int col, int step, struct dsk_expert_params p)
{
	return ((long)expert * p.n + col) * ((p.k + DSK_EXPERT_GROUP - 1) / DSK_EXPERT_GROUP) + step;
}

K_DEV int zero_of(struct expert_matrix m, int expert, int col, int step, struct dsk_expert_params p)
{
	return p.flags & DSK_EXPERT_ZEROS && col < p.n ? m.zeros[group_at(expert, col, step, p)] : 8;
}

K_DEV float scale_i4(struct expert_matrix m, int expert, int col, int step, struct dsk_expert_params p)
{
	return col < p.n ? k_f16_to_f32(((K_GLOBAL const k_u16 *)m.scales)[group_at(expert, col, step, p)]) : 0;
}

/* What becomes of a sum: I8's and F8's scales, and the bias. */
K_DEV float expert_sum(int type, float sum, int whole, float x_scale, struct expert_matrix m, int expert, int col,
		       struct dsk_expert_params p)
{
	long at = (long)expert * p.n + col;

	if (type == DSK_I8)
		sum = (float)whole * (x_scale * ((K_GLOBAL const float *)m.scales)[at]);
	else if (type == DSK_F8)
		sum = (F8_WIDE(type) ? sum : sum * K_F8_UNIT) * (x_scale * ((K_GLOBAL const float *)m.scales)[at]);
	return p.flags & DSK_EXPERT_BIAS ? sum + m.bias[at] : sum;
}

/* Stores what row @row of the order has in column @col and, without GLU, in the one @next further on. */
K_DEV void expert_store(int type, int with_glu, K_GLOBAL void *y, K_GLOBAL const float *x_scales, K_GLOBAL const int *row_pair, int row, int col,
			int next, float sum, float sum_next, int whole, int whole_next, struct expert_matrix a, struct expert_matrix b,
			int expert, struct dsk_expert_params p)
{
	int token = OF_8_BITS(type) ? expert_x_row(row_pair, row, p) : -1;
	float x_scale = token < 0 ? 0 : x_scales[token];
	long at = (long)row * p.y_stride;

	if (col < p.n) {
		float v = expert_sum(type, sum, whole, x_scale, a, expert, col, p);

		if (with_glu)
			v = glu(v, expert_sum(type, sum_next, whole_next, x_scale, b, expert, col, p), p.act, p.alpha, p.limit);
		store_element(y, at + col, p.y_type, v);
	}
	if (!with_glu && col + next < p.n)
		store_element(y, at + col + next, p.y_type, expert_sum(type, sum_next, whole_next, x_scale, b, expert, col + next, p));
}

/*
 * y [n, rows], x [k, tokens], x_scales [tokens] (I8, F8), row_pair [rows] (divisor > 0), tiles [3, .] of dsk_expert_plan, and of each matrix: w,
 * scales (I8, F8, I4), zeros (ZEROS), bias (BIAS). Functions get two matrices, which without GLU are the same one.
 * Groups: ceil(n / 128), of a kernel with GLU ceil(n / 64); tiles of 64 rows.
 */
#define EXPERT_X	K_GLOBAL void *y, K_GLOBAL const k_u32 *x, K_GLOBAL const float *x_scales, K_GLOBAL const int *row_pair, \
			K_GLOBAL const int *tiles
#define EXPERT_W(name)	K_GLOBAL const k_u32 *name, K_GLOBAL const void *name##_scales, K_GLOBAL const unsigned char *name##_zeros, \
			K_GLOBAL const float *name##_bias
#define EXPERT_MATRIX(name) { name, name##_scales, name##_zeros, name##_bias }

#endif /* EXPERT_MMA_H */

/* SPDX-License-Identifier: MIT */
/*
 * dense.c's layers with matrix instructions, for weights of every type and either layout. A wave has 16 or, of kernels for many tokens, 64
 * tokens, and of weights 32 rows, or with GLU 16 of each matrix.
 */
#include "expert.h"
#include "products.h"

#define LANES	DSK_DENSE_LANES
#define WAVES	(LANES / K_WAVE)

/* Where the lane's rows of x begin, of tiles from token @first on; past the last token nowhere. */
K_DEV void token_rows(int tiles, long x_at[MAX_TILES], int first, int tokens, int stride)
{
	for (int m = 0; m < tiles; m++) {
		int token = first + m * K_TILE + k_mma_row(k_lane());

		x_at[m] = token < tokens ? (long)token * stride : -1;
	}
}

/* Of @tiles * 16 tokens from @from on; the other arguments are those of dsk_linear. */
K_DEV void linear(K_WAVE_PARAM int tiles, int from, K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w, K_GLOBAL const float *bias,
		  struct dsk_linear_params p)
{
	int first = (k_group_x() * WAVES + k_wave()) * 2 * K_TILE, lane = k_lane(), row = first + k_mma_row(lane);
	const int rows[2] = { row < p.rows ? row : -1, row + K_TILE < p.rows ? row + K_TILE : -1 };
	struct k_acc_f32 sum[MAX_TILES][2];
	long x_at[MAX_TILES];

	token_rows(tiles, x_at, from, p.tokens, p.x_stride);
	products(K_WAVE_PASS tiles, x, x_at, p.w, w, w, rows, sum);
	K_UNROLL(4)
	for (int m = 0; m < tiles; m++)
		for (int t = 0; t < 2; t++)
			for (int i = 0; i < K_ACC; i++) {
				int token = from + m * K_TILE + k_acc_row(lane, i), col = first + t * K_TILE + k_acc_col(lane);
				long at = (long)token * p.y_stride + col;
				float v = sum[m][t].v[i];

				if (token >= p.tokens || col >= p.rows)
					continue;
				if (p.flags & DSK_LINEAR_BIAS)
					v += bias[col];
				if (p.flags & DSK_LINEAR_ACCUMULATE)
					v += y[at];
				y[at] = v;
			}
}

K_DEV void linear_glu(K_WAVE_PARAM int tiles, int from, K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *gate, K_GLOBAL const void *up,
		      struct dsk_linear_glu_params p)
{
	int first = (k_group_x() * WAVES + k_wave()) * K_TILE, lane = k_lane(), row = first + k_mma_row(lane), col = first + k_acc_col(lane), tokens;
	const int rows[2] = { row < p.rows ? row : -1, row < p.rows ? row : -1 };
	struct k_acc_f32 sum[MAX_TILES][2];
	long x_at[MAX_TILES];

	token_rows(tiles, x_at, from, p.tokens, p.x_stride);
	products(K_WAVE_PASS tiles, x, x_at, p.gate, gate, up, rows, sum);
	tokens = col < p.rows ? p.tokens : 0;
	K_UNROLL(4)
	for (int m = 0; m < tiles; m++)
		for (int i = 0; i < K_ACC; i++) {
			int token = from + m * K_TILE + k_acc_row(lane, i);

			if (token < tokens)
				y[(long)token * p.y_stride + col] = glu(sum[m][0].v[i], sum[m][1].v[i], p.act, DSK_SWIGLU_ALPHA, DSK_SWIGLU_LIMIT);
		}
}

/* The head's matrix and its parts of x and y. */
K_DEV void head_linear(K_WAVE_PARAM int tiles, int from, K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w,
		       struct dsk_head_linear_params p)
{
	struct dsk_linear_params of_head = { p.w, p.rows, p.x_token_stride, p.y_token_stride, 0, p.tokens, 0 };
	int head = k_group_z();

	linear(K_WAVE_PASS tiles, from, y + (long)head * p.y_head_stride, x + (long)head * p.x_head_stride, weight_matrix(w, head, p.w_stride), 0, of_head);
}

/*
 * Buffers as of dsk_linear, dsk_linear_glu and dsk_head_linear, gate and up of one type and layout. Groups: ceil(rows / (32 * waves)), with GLU
 * ceil(rows / (16 * waves)); ceil(T / DSK_DENSE_FEW) or ceil(T / DSK_DENSE_MANY); heads.
 */
#define EACH(most, tiles)	int from = k_group_y() * (most); from < (k_group_y() + 1) * (most) && from < p.tokens; from += (tiles) * K_TILE
#define DENSE(most, tiles, name)									\
K_KERNEL(LANES) dsk_linear_##name(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w,	\
				  K_GLOBAL const float *bias, struct dsk_linear_params p)		\
{													\
	K_COLLECTIVES;											\
	K_UNROLL(1)											\
	for (EACH(most, tiles))									\
		linear(K_WAVE_PASS tiles, from, y, x, w, bias, p);					\
}													\
K_KERNEL(LANES) dsk_linear_glu_##name(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *gate, \
				      K_GLOBAL const void *up, struct dsk_linear_glu_params p)		\
{													\
	K_COLLECTIVES;											\
	K_UNROLL(1)											\
	for (EACH(most, tiles))									\
		linear_glu(K_WAVE_PASS tiles, from, y, x, gate, up, p);					\
}													\
K_KERNEL(LANES) dsk_head_linear_##name(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w, \
				       struct dsk_head_linear_params p)					\
{													\
	K_COLLECTIVES;											\
	K_UNROLL(1)											\
	for (EACH(most, tiles))									\
		head_linear(K_WAVE_PASS tiles, from, y, x, w, p);					\
}
DENSE(DSK_DENSE_FEW, 1, few)
DENSE(DSK_DENSE_MANY, MAX_TILES, many)

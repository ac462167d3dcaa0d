/* SPDX-License-Identifier: MIT */
/*
 * moe_dense.c's experts with matrix instructions, grouped: pairs of token and choice in dsk_place's order, cut into tiles of one expert each by
 * dsk_expert_plan. A wave has all rows of a tile, 16 of kernels for few tokens or 64, and of the expert's weights 32 rows, or with GLU 16 of each
 * matrix: the expert's weights are read once for all of them. The order is made of ids in the tenant's memory, who may have changed them meanwhile: tiles
 * and pairs are checked where they are read, and a wrong order makes wrong numbers, in the tenant's own rows.
 */
#include "expert.h"
#include "products.h"

#define LANES	DSK_DENSE_LANES
#define WAVES	(LANES / K_WAVE)

/* The pair of row @r of a tile; negative: it has none. */
K_DEV int tile_pair(K_GLOBAL const int *row_pair, struct expert_tile tile, int r, int pairs)
{
	int pair = r < tile.rows ? row_pair[tile.first + r] : -1;

	return pair < pairs ? pair : -1;
}

/* Of @tiles * 16 rows of the tile from @from on; the other arguments are those of the kernel. */
K_DEV void moe_glu(K_WAVE_PARAM int tiles, int from, struct expert_tile tile, K_GLOBAL float *h, K_GLOBAL const float *x, K_GLOBAL const int *row_pair,
		   K_GLOBAL const void *gate, K_GLOBAL const void *up, K_GLOBAL const float *gate_bias, K_GLOBAL const float *up_bias,
		   struct dsk_moe_glu_params p)
{
	int first = (k_group_x() * WAVES + k_wave()) * K_TILE, lane = k_lane(), row = first + k_mma_row(lane), col = first + k_acc_col(lane);
	int pairs = p.tokens * p.choices;
	const int rows[2] = { row < p.rows ? row : -1, row < p.rows ? row : -1 };
	struct k_acc_f32 sum[MAX_TILES][2];
	float of_gate = 0, of_up = 0;
	long x_at[MAX_TILES];

	for (int m = 0; m < tiles; m++) {
		int pair = tile_pair(row_pair, tile, from + m * K_TILE + k_mma_row(lane), pairs);

		x_at[m] = pair < 0 ? -1 : (long)(pair / p.choices) * p.x_stride;
	}
	products(K_WAVE_PASS tiles, x, x_at, p.gate, weight_matrix(gate, tile.expert, p.gate_stride), weight_matrix(up, tile.expert, p.up_stride), rows, sum);
	if (col >= p.rows)
		return;
	if (p.flags & DSK_MOE_GATE_BIAS)
		of_gate = gate_bias[(long)tile.expert * p.gate_bias_stride + col];
	if (p.flags & DSK_MOE_UP_BIAS)
		of_up = up_bias[(long)tile.expert * p.up_bias_stride + col];
	K_UNROLL(4)
	for (int m = 0; m < tiles; m++)
		for (int i = 0; i < K_ACC; i++) {
			int pair = tile_pair(row_pair, tile, from + m * K_TILE + k_acc_row(lane, i), pairs);

			if (pair >= 0)
				h[(long)(pair / p.choices) * p.h_token_stride + (long)(pair % p.choices) * p.h_stride + col] =
					glu(sum[m][0].v[i] + of_gate, sum[m][1].v[i] + of_up, p.act, DSK_SWIGLU_ALPHA, DSK_SWIGLU_LIMIT);
		}
}

K_DEV void moe_down(K_WAVE_PARAM int tiles, int from, struct expert_tile tile, K_GLOBAL float *y, K_GLOBAL const float *h, K_GLOBAL const int *row_pair,
		    K_GLOBAL const void *down, K_GLOBAL const float *bias, struct dsk_moe_down_params p)
{
	int first = (k_group_x() * WAVES + k_wave()) * 2 * K_TILE, lane = k_lane(), row = first + k_mma_row(lane);
	const int rows[2] = { row < p.rows ? row : -1, row + K_TILE < p.rows ? row + K_TILE : -1 };
	struct k_acc_f32 sum[MAX_TILES][2];
	long h_at[MAX_TILES];

	for (int m = 0; m < tiles; m++) {
		int pair = tile_pair(row_pair, tile, from + m * K_TILE + k_mma_row(lane), p.tokens * p.choices);

		h_at[m] = pair < 0 ? -1 : (long)(pair / p.choices) * p.h_token_stride + (long)(pair % p.choices) * p.h_stride;
	}
	down = weight_matrix(down, tile.expert, p.down_stride);
	products(K_WAVE_PASS tiles, h, h_at, p.down, down, down, rows, sum);
	for (int t = 0; t < 2; t++) {
		int col = first + t * K_TILE + k_acc_col(lane);
		float b = p.flags & DSK_MOE_DOWN_BIAS && col < p.rows ? bias[(long)tile.expert * p.bias_stride + col] : 0;

		K_UNROLL(4)
		for (int m = 0; m < tiles; m++)
			for (int i = 0; i < K_ACC; i++) {
				int r = from + m * K_TILE + k_acc_row(lane, i);

				if (r < tile.rows && col < p.rows)
					y[(long)(tile.first + r) * p.out_stride + col] = sum[m][t].v[i] + b;
			}
	}
}

/*
 * h [rows, choices, T] = glu(gate_e x + bias, up_e x + bias), x [k, T]; y [rows, pairs] = down_e h + bias, by rows of the order, for dsk_combine.
 * row_pair [pairs], tiles [3, .]; gate and up of one type and layout; biases [rows, experts]. Groups: ceil(rows / (16 * waves)), of down
 * ceil(rows / (32 * waves)); tiles, of 16 or 64 rows.
 */
#define MOE(most, tiles_of, name)									\
K_KERNEL(LANES) dsk_moe_glu_##name(K_GLOBAL float *h, K_GLOBAL const float *x, K_GLOBAL const int *row_pair, K_GLOBAL const int *tiles, \
				   K_GLOBAL const void *gate, K_GLOBAL const void *up, K_GLOBAL const float *gate_bias, \
				   K_GLOBAL const float *up_bias, struct dsk_moe_glu_params p)		\
{													\
	K_COLLECTIVES;											\
	struct expert_tile tile = expert_tile(tiles, k_group_y(), most, p.tokens * p.choices, p.experts); \
													\
	K_UNROLL(1)											\
	for (int from = 0; from < tile.rows; from += (tiles_of) * K_TILE)				\
		moe_glu(K_WAVE_PASS tiles_of, from, tile, h, x, row_pair, gate, up, gate_bias, up_bias, p); \
}													\
K_KERNEL(LANES) dsk_moe_down_##name(K_GLOBAL float *y, K_GLOBAL const float *h, K_GLOBAL const int *row_pair, K_GLOBAL const int *tiles, \
				    K_GLOBAL const void *down, K_GLOBAL const float *bias, struct dsk_moe_down_params p) \
{													\
	K_COLLECTIVES;											\
	struct expert_tile tile = expert_tile(tiles, k_group_y(), most, p.tokens * p.choices, p.experts); \
													\
	K_UNROLL(1)											\
	for (int from = 0; from < tile.rows; from += (tiles_of) * K_TILE)				\
		moe_down(K_WAVE_PASS tiles_of, from, tile, y, h, row_pair, down, bias, p);		\
}
MOE(DSK_EXPERT_FEW, 1, few)
MOE(DSK_EXPERT_TILE, MAX_TILES, many)

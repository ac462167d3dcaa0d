/* SPDX-License-Identifier: MIT */
/*
 * Products of experts with matrix instructions, and two of them with GLU in one pass over x. A group has 64 rows and 128
 * columns, which with GLU are 64 of each matrix: x and w pass through LDS by 64 bytes a row (I4, and F8 as bf16: 64 bytes as bf16), the next step's
 * words on their way while this one's are multiplied. Waves have 16 columns of either half, of all rows or of half of them.
 */
#include "expert_mma.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define ROWS	DSK_EXPERT_TILE
#define COLUMNS	DSK_EXPERT_COLUMNS
#define HALF	(COLUMNS / 2)
#define STEP	16			/* words of a row */
#define STRIDE	(STEP + 4)		/* in LDS: other banks, still 16 bytes aligned */
#define BY_COLUMN	(HALF / K_TILE)	/* waves beside each other */
#define MINE	(ROWS / K_TILE / (WAVES / BY_COLUMN))	/* tiles of rows a wave */
#define RUN	K_RUN(STEP)

K_DEV void experts(K_WAVE_PARAM int type, int with_glu, K_LOCAL k_u32 *xs, K_LOCAL k_u32 *ws, K_LOCAL int *shared_tile, EXPERT_X, struct expert_matrix a,
		   struct expert_matrix b, struct dsk_expert_params p)
{
	struct expert_tile tile;
	int words = BY_8_BITS(type) ? K_FRAG8 / 4 : K_FRAG16 / 2;	/* of a fragment */
	int x_bytes = OF_8_BITS(type) ? p.k : 2 * p.k, w_bytes = type == DSK_I4 ? (p.k + 1) / 2 : x_bytes;
	int x_words = F8_WIDE(type) ? STEP / 2 : STEP, w_words = type == DSK_I4 ? STEP / 4 : x_words;	/* of a step, in memory */
	int steps = (x_bytes + 4 * x_words - 1) / (4 * x_words);
	int x_row = k_tid() / 4, x_at = k_tid() % 4 * (x_words / 4), w_row = k_tid() / 2, w_at = k_tid() % 2 * (w_words / 2);
	int second = w_row >= HALF, base = k_group_x() * (with_glu ? HALF : COLUMNS);
	int w_col = base + (with_glu ? w_row % HALF : w_row), from;
	int mine_col = k_wave() % BY_COLUMN * K_TILE, mine_row = k_wave() / BY_COLUMN * MINE * K_TILE;
	long w_from;
	K_GLOBAL const k_u32 *w = second ? b.w : a.w;
	k_u32 x_next[STEP / 4], w_next[STEP / 2];
	struct k_acc_f32 sum[MINE][2], group[MINE][2];
	struct k_acc_i32 whole[MINE][2];

	if (k_tid() == 0) {		/* for all: it may change meanwhile */
		tile = expert_tile(tiles, k_group_y(), ROWS, p.rows, p.experts);
		shared_tile[0] = tile.expert;
		shared_tile[1] = tile.first;
		shared_tile[2] = tile.rows;
	}
	k_sync();
	tile.expert = shared_tile[0];
	tile.first = shared_tile[1];
	tile.rows = shared_tile[2];
	if (tile.rows == 0)
		return;
	from = x_row < tile.rows ? expert_x_row(row_pair, tile.first + x_row, p) : -1;
	w_from = w_col < p.n ? (long)tile.expert * p.n + w_col : -1;
	for (int m = 0; m < MINE; m++)
		for (int t = 0; t < 2; t++) {
			sum[m][t] = group[m][t] = k_acc_zero_f32();
			whole[m][t] = k_acc_zero_i32();
		}
	load_run(x_next, x, from, p.x_stride, x_at, x_words / 4, x_bytes);
	load_run(w_next, w, w_from, p.w_stride, w_at, w_words / 2, w_bytes);

	for (int step = 0; step < steps; step++) {
		int lane = k_lane();

		if (type == DSK_F8) {
			k_u32 of_x[STEP / 4], of_w[STEP / 2];

			f8_operand(of_x, x_next, x_words / 4);
			f8_operand(of_w, w_next, w_words / 2);
			for (int i = 0; i < STEP / 4; i++)
				x_next[i] = of_x[i];
			for (int i = 0; i < STEP / 2; i++)
				w_next[i] = of_w[i];
		}
		for (int i = 0; i < STEP / 4; i++)
			xs[x_row * STRIDE + k_tid() % 4 * (STEP / 4) + i] = x_next[i];
		if (type == DSK_I4) {
			int zero = second ? zero_of(b, tile.expert, w_col, step / 2, p) : zero_of(a, tile.expert, w_col, step / 2, p);

			for (int i = 0; i < w_words / 2; i++) {
				k_u32 wide[4];

				expand_i4(wide, w_next[i], zero);
				for (int j = 0; j < 4; j++)
					ws[w_row * STRIDE + (w_at + i) * 4 + j] = wide[j];
			}
		} else {
			for (int i = 0; i < STEP / 2; i++)
				ws[w_row * STRIDE + k_tid() % 2 * (STEP / 2) + i] = w_next[i];
		}
		k_sync();
		load_run(x_next, x, from, p.x_stride, (step + 1) * x_words + x_at, x_words / 4, x_bytes);
		load_run(w_next, w, w_from, p.w_stride, (step + 1) * w_words + w_at, w_words / 2, w_bytes);
		for (int f = 0; f < RUN / words; f++) {
			int at = lane % K_TILE * STRIDE + run_of(lane) * RUN + f * words;
			k_u32 of_w[2][K_FRAG16 / 2], of_x[K_FRAG16 / 2];

			for (int t = 0; t < 2; t++)
				for (int i = 0; i < words; i++)
					of_w[t][i] = ws[(t * HALF + mine_col) * STRIDE + at + i];
			for (int m = 0; m < MINE; m++) {
				for (int i = 0; i < words; i++)
					of_x[i] = xs[(mine_row + m * K_TILE) * STRIDE + at + i];
				for (int t = 0; t < 2; t++) {
					if (type == DSK_I8)
						whole[m][t] = k_mma_i8(k_frag8_of(of_x), k_frag8_of(of_w[t]), whole[m][t]);
#if K_HAS_F8
					else if (type == DSK_F8)
						sum[m][t] = k_mma_f8(k_frag8_of(of_x), k_frag8_of(of_w[t]), sum[m][t]);
#endif
					else if (type == DSK_I4)
						group[m][t] = k_mma_bf16(k_frag16_of(of_x), k_frag16_of(of_w[t]), group[m][t]);
					else
						sum[m][t] = k_mma_bf16(k_frag16_of(of_x), k_frag16_of(of_w[t]), sum[m][t]);
				}
			}
		}
		if (type == DSK_I4 && (step % 2 || step + 1 == steps))
			for (int t = 0; t < 2; t++) {
				int col = base + mine_col + k_acc_col(lane) + (with_glu ? 0 : t * HALF);
				float scale = t ? scale_i4(b, tile.expert, col, step / 2, p) :
					scale_i4(a, tile.expert, col, step / 2, p);

				for (int m = 0; m < MINE; m++) {
					for (int i = 0; i < K_ACC; i++)
						sum[m][t].v[i] = k_fma(group[m][t].v[i], scale, sum[m][t].v[i]);
					group[m][t] = k_acc_zero_f32();
				}
			}
		k_sync();
	}
	K_UNROLL(4)
	for (int m = 0; m < MINE; m++)
		for (int i = 0; i < K_ACC; i++) {
			int row = mine_row + m * K_TILE + k_acc_row(k_lane(), i);

			if (row < tile.rows)
				expert_store(type, with_glu, y, x_scales, row_pair, tile.first + row, base + mine_col + k_acc_col(k_lane()), HALF,
					     sum[m][0].v[i], sum[m][1].v[i], whole[m][0].v[i], whole[m][1].v[i], a, b, tile.expert, p);
		}
}

#define EXPERTS(name, type)										\
K_KERNEL(LANES) dsk_expert_##name(EXPERT_X, EXPERT_W(w), struct dsk_expert_params p)			\
{													\
	K_LDS(k_u32, xs, ROWS * STRIDE);								\
	K_LDS(k_u32, ws, COLUMNS * STRIDE);								\
	K_LDS(int, shared_tile, 3);									\
	K_COLLECTIVES;											\
	struct expert_matrix m = EXPERT_MATRIX(w);							\
													\
	experts(K_WAVE_PASS type, 0, xs, ws, shared_tile, y, x, x_scales, row_pair, tiles, m, m, p);			\
}													\
K_KERNEL(LANES) dsk_expert_glu_##name(EXPERT_X, EXPERT_W(gate), EXPERT_W(up), struct dsk_expert_params p) \
{													\
	K_LDS(k_u32, xs, ROWS * STRIDE);								\
	K_LDS(k_u32, ws, COLUMNS * STRIDE);								\
	K_LDS(int, shared_tile, 3);									\
	K_COLLECTIVES;											\
	struct expert_matrix m = EXPERT_MATRIX(gate), u = EXPERT_MATRIX(up);				\
													\
	experts(K_WAVE_PASS type, 1, xs, ws, shared_tile, y, x, x_scales, row_pair, tiles, m, u, p);			\
}
EXPERTS(bf16, DSK_BF16)
EXPERTS(i8, DSK_I8)
EXPERTS(i4, DSK_I4)
EXPERTS(f8, DSK_F8)

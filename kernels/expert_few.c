/* SPDX-License-Identifier: MIT */
/*
 * Products of experts that have few rows each, as in decoding: the time is that of reading weights, and each is read once. Tiles of
 * 16 rows, of experts that have rows only; every wave goes by itself, weights straight from memory to fragments, without LDS or
 * barriers. Waves have 32 columns, which with GLU are 16 of each matrix; a step is 64 elements.
 */
#include "expert_mma.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define ROWS	DSK_EXPERT_FEW
#define STEP	64
#define STEP_16	(STEP / 2)	/* words of a row's step */
#define STEP_8	(STEP / 4)
#define STEP_4	(STEP / 8)

K_DEV void few(K_WAVE_PARAM int type, int with_glu, EXPERT_X, struct expert_matrix a, struct expert_matrix b, struct dsk_expert_params p)
{
	struct expert_tile tile = expert_tile(tiles, k_group_y(), ROWS, p.rows, p.experts);
	int lane = k_lane(), words = BY_8_BITS(type) ? K_FRAG8 / 4 : K_FRAG16 / 2, multiplied = BY_8_BITS(type) ? STEP_8 : STEP_16;
	int x_words = OF_8_BITS(type) ? STEP_8 : STEP_16, w_words = type == DSK_I4 ? STEP_4 : x_words;	/* in memory */
	int x_bytes = OF_8_BITS(type) ? p.k : 2 * p.k, w_bytes = type == DSK_I4 ? (p.k + 1) / 2 : x_bytes;
	int row = k_mma_row(lane), first = (k_group_x() * WAVES + k_wave()) * (with_glu ? K_TILE : 2 * K_TILE), from;
	int next = with_glu ? 0 : K_TILE;	/* columns from a half to the other */
	struct k_acc_f32 sum[2];
	struct k_acc_i32 whole[2];

	if (tile.rows == 0)		/* the same for the group */
		return;
	from = row < tile.rows ? expert_x_row(row_pair, tile.first + row, p) : -1;
	for (int t = 0; t < 2; t++) {
		sum[t] = k_acc_zero_f32();
		whole[t] = k_acc_zero_i32();
	}
	for (int step = 0; step < (p.k + STEP - 1) / STEP; step++) {
		k_u32 of_x[K_RUN(STEP_16)], of_w[2][K_RUN(STEP_16)];
		struct k_acc_f32 group[2];

		load_run(of_x, x, from, p.x_stride, step * x_words + run_of(lane) * K_RUN(x_words), K_RUN(x_words), x_bytes);
		if (type == DSK_F8) {
			k_u32 codes[K_RUN(STEP_8)];

			for (int i = 0; i < K_RUN(STEP_8); i++)
				codes[i] = of_x[i];
			f8_operand(of_x, codes, K_RUN(STEP_8));
		}
		K_UNROLL(2)
		for (int t = 0; t < 2; t++) {
			int col = first + t * next + k_mma_row(lane);
			struct expert_matrix m = t ? b : a;
			k_u32 packed[K_RUN(STEP_16)];

			group[t] = k_acc_zero_f32();
			load_run(packed, m.w, col < p.n ? (long)tile.expert * p.n + col : -1, p.w_stride,
				 step * w_words + run_of(lane) * K_RUN(w_words), K_RUN(w_words), w_bytes);
			if (type == DSK_I4) {
				int zero = zero_of(m, tile.expert, col, step, p);

				for (int i = 0; i < K_RUN(STEP_4); i++)
					expand_i4(of_w[t] + 4 * i, packed[i], zero);
			} else if (type == DSK_F8) {
				f8_operand(of_w[t], packed, K_RUN(STEP_8));
			} else {
				for (int i = 0; i < K_RUN(w_words); i++)
					of_w[t][i] = packed[i];
			}
		}
		for (int f = 0; f < K_RUN(multiplied) / words; f++)
			for (int t = 0; t < 2; t++) {
				if (type == DSK_I8)
					whole[t] = k_mma_i8(k_frag8_of(of_x + f * words), k_frag8_of(of_w[t] + f * words), whole[t]);
#if K_HAS_F8
				else if (type == DSK_F8)
					sum[t] = k_mma_f8(k_frag8_of(of_x + f * words), k_frag8_of(of_w[t] + f * words), sum[t]);
#endif
				else if (type == DSK_I4)
					group[t] = k_mma_bf16(k_frag16_of(of_x + f * words), k_frag16_of(of_w[t] + f * words), group[t]);
				else
					sum[t] = k_mma_bf16(k_frag16_of(of_x + f * words), k_frag16_of(of_w[t] + f * words), sum[t]);
			}
		for (int t = 0; type == DSK_I4 && t < 2; t++) {
			float scale = scale_i4(t ? b : a, tile.expert, first + t * next + k_acc_col(lane), step, p);

			for (int i = 0; i < K_ACC; i++)
				sum[t].v[i] = k_fma(group[t].v[i], scale, sum[t].v[i]);
		}
	}
	for (int i = 0; i < K_ACC; i++) {
		int r = k_acc_row(lane, i);

		if (r < tile.rows)
			expert_store(type, with_glu, y, x_scales, row_pair, tile.first + r, first + k_acc_col(lane), next, sum[0].v[i], sum[1].v[i],
				     whole[0].v[i], whole[1].v[i], a, b, tile.expert, p);
	}
}

/* As in expert_mma.h, but groups: ceil(n / (32 * waves)), of a kernel with GLU ceil(n / (16 * waves)); tiles of 16 rows. */
#define FEW(name, type)											\
K_KERNEL(LANES) dsk_expert_few_##name(EXPERT_X, EXPERT_W(w), struct dsk_expert_params p)		\
{													\
	K_COLLECTIVES;											\
	struct expert_matrix m = EXPERT_MATRIX(w);							\
													\
	few(K_WAVE_PASS type, 0, y, x, x_scales, row_pair, tiles, m, m, p);				\
}													\
K_KERNEL(LANES) dsk_expert_few_glu_##name(EXPERT_X, EXPERT_W(gate), EXPERT_W(up), struct dsk_expert_params p) \
{													\
	K_COLLECTIVES;											\
	struct expert_matrix m = EXPERT_MATRIX(gate), u = EXPERT_MATRIX(up);				\
													\
	few(K_WAVE_PASS type, 1, y, x, x_scales, row_pair, tiles, m, u, p);				\
}
FEW(bf16, DSK_BF16)
FEW(i8, DSK_I8)
FEW(i4, DSK_I4)
FEW(f8, DSK_F8)

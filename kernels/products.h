/* SPDX-License-Identifier: MIT */
/*
 * Products of rows of float by weights as they are in programs, with matrix instructions: what a wave makes. Both are sums of two numbers
 * of bf16 (split.h), so that each is off by at most 2^-17, and the product of the small ones, at most 2^-16 of the whole, is left out: a
 * product is off by at most 2^-15, with weights of bf16, which have no small part, by 2^-17.
 * Weights go from memory to fragments, each unpacked once for all rows of the wave; there is no LDS and no barrier.
 */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "kmma.h"
#include "split.h"
#include "weight.h"

#define QUADS	(K_FRAG16 / 4)	/* of a fragment: four elements that are side by side in every layout */
#define MAX_TILES	(K_MMA == K_MMA_RDNA3 ? 2 : 4)	/* of rows, of a wave */

struct product_parts {
	struct k_frag16 large, small;
};

K_DEV void split_quad(const float v[4], int quad, struct product_parts *f)
{
	for (int j = 0; j < 4; j++) {
		f->large.v[4 * quad + j] = large_part(v[j], 1, DSK_BF16);
		f->small.v[4 * quad + j] = small_part(v[j], 1, DSK_BF16);
	}
}

/* Four elements from @at of a row of @k at @row, -1: no row; zeros past its end. */
K_DEV void row_quad(K_GLOBAL const float *x, long row, int at, int k, float v[4])
{
	for (int j = 0; j < 4; j++)
		v[j] = row >= 0 && at + j < k ? x[row + at + j] : 0;
}

/*
 * sum[tile][t] = rows [16 * tile, + 16) of x times 16 rows of the matrices a (t = 0) and b (t = 1), which are alike. The lane has row
 * k_mma_row() of each: @x_at, where in x those of tiles begin, -1: zeros; @row[t] of a and b, -1: zeros.
 */
K_DEV void products(K_WAVE_PARAM int tiles, K_GLOBAL const float *x, const long x_at[MAX_TILES], struct dsk_matrix like, K_GLOBAL const void *a,
		    K_GLOBAL const void *b, const int row[2], struct k_acc_f32 sum[MAX_TILES][2])
{
	int k = like.k, lane = k_lane();
	struct weight_row rows[2];

	rows[0] = weight_row(a, like, row[0] < 0 ? 0 : row[0]);
	rows[1] = weight_row(b, like, row[1] < 0 ? 0 : row[1]);
	for (int m = 0; m < tiles; m++)
		for (int t = 0; t < 2; t++)
			sum[m][t] = k_acc_zero_f32();
	K_UNROLL(1)
	for (int step = 0; step < (k + K_MMA_K16 - 1) / K_MMA_K16; step++) {
		struct product_parts w[2];

		K_UNROLL(2)
		for (int t = 0; t < 2; t++)
			K_UNROLL(4)
			for (int quad = 0; quad < QUADS; quad++) {
				int at = step * K_MMA_K16 + k_mma_k16(lane, 4 * quad);
				float v[4] = { 0, 0, 0, 0 };

				if (at < k && row[t] >= 0)
					weight_quad(rows[t], like.type, like.packed, k, at / 4, v);
				split_quad(v, quad, &w[t]);
			}
		K_UNROLL(4)
		for (int m = 0; m < tiles; m++) {
			struct product_parts of_x;

			K_UNROLL(4)
			for (int quad = 0; quad < QUADS; quad++) {
				float v[4];

				row_quad(x, x_at[m], step * K_MMA_K16 + k_mma_k16(lane, 4 * quad), k, v);
				split_quad(v, quad, &of_x);
			}
			for (int t = 0; t < 2; t++) {
				if (like.type != DSK_W_BF16)
					sum[m][t] = k_mma_bf16(of_x.large, w[t].small, sum[m][t]);
				sum[m][t] = k_mma_bf16(of_x.small, w[t].large, sum[m][t]);
				sum[m][t] = k_mma_bf16(of_x.large, w[t].large, sum[m][t]);
			}
		}
	}
}

#endif /* PRODUCTS_H */

/* SPDX-License-Identifier: MIT */
/*
 * Tokens to the order of their experts and back. A pair is a token's choice of an expert; a row, its place in that order.
 * Pairs of an expert stay in their order and nothing is placed by an atomic, so results are the same on every run.
 */
#include "element.h"

#define LANES	256

/*
 * row_pair [pairs]: the pair of a row, -1 past the last; pair_row [pairs]: the row of a pair, -1 if it was dropped or its id is no
 * expert; offsets [experts + 1]: first row of each expert; fault [1] (FAULT); ids [pairs]. Groups: experts. Ids that change meanwhile make a wrong order,
 * of pairs and rows that are there or of what was in the buffers before.
 */
K_KERNEL(LANES) dsk_place(K_GLOBAL int *row_pair, K_GLOBAL int *pair_row, K_GLOBAL int *offsets, K_GLOBAL int *fault,
			  K_GLOBAL const int *ids, struct dsk_place_params p)
{
	K_LDS(int, count, DSK_MAX_EXPERTS);
	K_LDS(int, wave_count, LANES / K_WAVE);
	K_COLLECTIVES;
	int expert = k_group_x(), first = 0, taken = 0, seen = 0, total = 0;

	for (int e = k_tid(); e < p.experts; e += LANES)
		count[e] = 0;
	k_sync();
	for (int i = k_tid(); i < p.pairs; i += LANES) {
		int e = ids[i];

		if (e >= 0 && e < p.experts)
			k_atomic_add(count + e, 1);
	}
	k_sync();
	for (int e = 0; e < p.experts; e++) {
		int n = p.capacity > 0 && count[e] > p.capacity ? p.capacity : count[e];

		if (e == expert) {
			first = total;
			taken = n;
		}
		total += n;
	}
	if (k_tid() == 0) {
		offsets[expert] = first;
		if (expert == p.experts - 1)
			offsets[p.experts] = total;
	}

	for (int start = 0; start < p.pairs; start += LANES) {
		int i = start + k_tid(), id = i < p.pairs ? ids[i] : -1, mine = id == expert;
		int at = k_group_rank(K_WAVE_PASS wave_count, LANES, mine, &seen);

		if (mine && at < taken)
			row_pair[first + at] = i;
		if (mine) {
			pair_row[i] = at < taken ? first + at : -1;
		} else if (expert == 0 && i < p.pairs && (id < 0 || id >= p.experts)) {
			pair_row[i] = -1;
			if (p.flags & DSK_PLACE_FAULT)
				k_atomic_or(fault, 1);
		}
	}
	if (expert == p.experts - 1)
		for (int i = total + k_tid(); i < p.pairs; i += LANES)
			row_pair[i] = -1;
}

/* out [n, rows], in [n, in_rows], index [rows], of no row of in: a row of zeros; groups: rows */
K_KERNEL(LANES) dsk_gather(K_GLOBAL void *out, K_GLOBAL const void *in, K_GLOBAL const int *index, struct dsk_gather_params p)
{
	int from = index[k_group_x()], row = from < 0 ? -1 : from / p.divisor, there = row >= 0 && row < p.in_rows;
	long out_at = (long)k_group_x() * p.out_stride, in_at = (long)row * p.in_stride;

	for (int i = k_tid(); i < p.n; i += LANES)
		store_element(out, out_at + i, p.type, there ? load_element(in, in_at + i, p.type) : 0);
}

/* out [n, T] = sum over choices j, in order, of weights[j, t] * in[row of (t, j)]; in [n, .], pair_row, weights; groups: T */
K_KERNEL(LANES) dsk_combine(K_GLOBAL void *out, K_GLOBAL const void *in, K_GLOBAL const int *pair_row,
			    K_GLOBAL const float *weights, struct dsk_combine_params p)
{
	long pair = (long)k_group_x() * p.top_k, out_at = (long)k_group_x() * p.out_stride;

	for (int i = k_tid(); i < p.n; i += LANES) {
		float sum = 0;

		for (int j = 0; j < p.top_k; j++) {
			int row = pair_row[pair + j];

			if (row >= 0 && row < p.rows)
				sum = k_fma(weights[pair + j], load_element(in, (long)row * p.in_stride + i, p.in_type), sum);
		}
		store_element(out, out_at + i, p.out_type, sum);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * Dense layers on weights as they are in programs, plain: a lane makes one element, so that 16 lanes read the words of a PACKED
 * group side by side. Every product is in float.
 */
#include "expert.h"
#include "weight.h"

#define LANES	64

/* y [rows, T] = w x + bias, or added to it; x [k, T], bias [rows]; groups: rows / LANES, T */
K_KERNEL(LANES) dsk_linear(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w, K_GLOBAL const float *bias,
			   struct dsk_linear_params p)
{
	int row = k_group_x() * LANES + k_tid();
	long at = (long)k_group_y() * p.y_stride + row;
	float v;

	if (row >= p.rows)
		return;
	v = weight_dot(w, p.w, row, x + (long)k_group_y() * p.x_stride);
	if (p.flags & DSK_LINEAR_BIAS)
		v += bias[row];
	if (p.flags & DSK_LINEAR_ACCUMULATE)
		v += y[at];
	y[at] = v;
}

/* y [rows, heads, T] = w_h x_h for each head h; x [k, heads, T], w [k, rows, heads]; groups: rows / LANES * heads, T */
K_KERNEL(LANES) dsk_head_linear(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *w, struct dsk_head_linear_params p)
{
	int head = k_group_x() % p.heads, row = k_group_x() / p.heads * LANES + k_tid();

	if (row >= p.rows)
		return;
	y[(long)k_group_y() * p.y_token_stride + (long)head * p.y_head_stride + row] =
		weight_dot(weight_matrix(w, head, p.w_stride), p.w, row, x + (long)k_group_y() * p.x_token_stride + (long)head * p.x_head_stride);
}

/* y [rows, T] = glu(gate x, up x) (expert.h); x [k, T]; groups: rows / LANES, T */
K_KERNEL(LANES) dsk_linear_glu(K_GLOBAL float *y, K_GLOBAL const float *x, K_GLOBAL const void *gate, K_GLOBAL const void *up,
			struct dsk_linear_glu_params p)
{
	int row = k_group_x() * LANES + k_tid();
	K_GLOBAL const float *from = x + (long)k_group_y() * p.x_stride;

	if (row < p.rows)
		y[(long)k_group_y() * p.y_stride + row] = glu(weight_dot(gate, p.gate, row, from), weight_dot(up, p.up, row, from), p.act,
							      DSK_SWIGLU_ALPHA, DSK_SWIGLU_LIMIT);
}

/* out [k, T] = scale * row id of the table; ids [T] with a stride; fault [1]; groups: k / (4 * LANES), T */
K_KERNEL(LANES) dsk_lookup(K_GLOBAL float *out, K_GLOBAL int *fault, K_GLOBAL const int *ids, K_GLOBAL const void *table,
			   struct dsk_lookup_params p)
{
	K_LDS(int, shared_id, 1);
	K_GLOBAL float *to = out + (long)k_group_y() * p.out_stride;
	int q = k_group_x() * LANES + k_tid(), id;
	float v[4] = { 0, 0, 0, 0 };

	if (k_tid() == 0)
		shared_id[0] = checked_index(fault, ids + k_group_y(), p.rows);
	k_sync();
	id = shared_id[0];
	if (id >= 0 && 4 * q < p.table.k)
		weight_quad(weight_row(table, p.table, id), p.table.type, p.table.packed, p.table.k, q, v);
	for (int j = 0; j < 4; j++)
		if (4 * q + j < p.table.k)
			to[4 * q + j] = v[j] * p.scale;
}

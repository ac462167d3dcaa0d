/* SPDX-License-Identifier: MIT */
/*
 * Experts on weights as they are in programs, plain: each chosen pair of token and expert by itself, with nothing grouped. Ids are
 * the tenant's memory: each launch reads them once and checks them; one that is no expert's sets *fault and counts for nothing.
 */
#include "expert.h"
#include "weight.h"

#define LANES	64

/*
 * h [rows, choices, T] = glu(gate_e x + bias, up_e x + bias), e = ids; x [k, T], ids [choices, T], biases [rows, experts] or none; groups:
 * rows / LANES, choices * T
 */
K_KERNEL(LANES) dsk_moe_glu(K_GLOBAL float *h, K_GLOBAL int *fault, K_GLOBAL const float *x, K_GLOBAL const int *ids,
			    K_GLOBAL const void *gate, K_GLOBAL const void *up, K_GLOBAL const float *gate_bias,
			    K_GLOBAL const float *up_bias, struct dsk_moe_glu_params p)
{
	K_LDS(int, shared_id, 1);
	int row = k_group_x() * LANES + k_tid(), choice = k_group_y() % p.choices, token = k_group_y() / p.choices, id;
	K_GLOBAL const float *from = x + (long)token * p.x_stride;
	float v = 0, g, u;

	if (k_tid() == 0)
		shared_id[0] = checked_index(fault, ids + (long)token * p.ids_stride + choice, p.experts);
	k_sync();
	id = shared_id[0];
	if (row >= p.rows)
		return;
	if (id >= 0) {
		g = weight_dot(weight_matrix(gate, id, p.gate_stride), p.gate, row, from);
		u = weight_dot(weight_matrix(up, id, p.up_stride), p.up, row, from);
		if (p.flags & DSK_MOE_GATE_BIAS)
			g += gate_bias[(long)id * p.gate_bias_stride + row];
		if (p.flags & DSK_MOE_UP_BIAS)
			u += up_bias[(long)id * p.up_bias_stride + row];
		v = glu(g, u, p.act, DSK_SWIGLU_ALPHA, DSK_SWIGLU_LIMIT);
	}
	h[(long)token * p.h_token_stride + (long)choice * p.h_stride + row] = v;
}

/* out [rows, T] = sum over choices, in order, of weights * (down_e h + bias); weights [choices, T]; groups: rows / LANES, T */
K_KERNEL(LANES) dsk_moe_down(K_GLOBAL float *out, K_GLOBAL int *fault, K_GLOBAL const float *h, K_GLOBAL const int *ids,
			     K_GLOBAL const float *weights, K_GLOBAL const void *down, K_GLOBAL const float *bias,
			     struct dsk_moe_down_params p)
{
	K_LDS(int, shared_id, DSK_MOE_CHOICES);
	int row = k_group_x() * LANES + k_tid(), token = k_group_y();
	float sum = 0;

	if (k_tid() < p.choices)
		shared_id[k_tid()] = checked_index(fault, ids + (long)token * p.ids_stride + k_tid(), p.experts);
	k_sync();
	if (row >= p.rows)
		return;
	h += (long)token * p.h_token_stride;
	weights += (long)token * p.weights_stride;
	for (int j = 0; j < p.choices; j++, h += p.h_stride) {
		float v;

		if (shared_id[j] < 0)
			continue;
		v = weight_dot(weight_matrix(down, shared_id[j], p.down_stride), p.down, row, h);
		if (p.flags & DSK_MOE_DOWN_BIAS)
			v += bias[(long)shared_id[j] * p.bias_stride + row];
		sum = k_fma(weights[j], v, sum);
	}
	out[(long)token * p.out_stride + row] = sum;
}

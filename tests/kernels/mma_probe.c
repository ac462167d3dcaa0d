/* SPDX-License-Identifier: MIT */
/* Kernels that show what kmma.h does: one wave, one tile. Built for every generation; tests/kernels/gates builds it for GPUs. */
#include "kmma.h"

struct probe_params {
	int steps;		/* of K */
	int pad[5];
};

/*
 * For each lane: its row, column in D, then rows of its elements of D, columns of its 16-bit and its int8 fragment; sizes [5]:
 * K_ACC, K_FRAG16, K_FRAG8, K_MMA_K16, K_MMA_K8.
 */
K_KERNEL(K_WAVE) probe_layout(K_GLOBAL int *sizes, K_GLOBAL int *layout, struct probe_params p)
{
	K_GLOBAL int *out = layout + k_lane() * (2 + K_ACC + K_FRAG16 + K_FRAG8);

	if (k_lane() == 0) {
		sizes[0] = K_ACC;
		sizes[1] = K_FRAG16;
		sizes[2] = K_FRAG8;
		sizes[3] = K_MMA_K16;
		sizes[4] = K_MMA_K8;
	}
	out[0] = k_mma_row(k_lane());
	out[1] = k_acc_col(k_lane());
	for (int i = 0; i < K_ACC; i++)
		out[2 + i] = k_acc_row(k_lane(), i);
	for (int i = 0; i < K_FRAG16; i++)
		out[2 + K_ACC + i] = k_mma_k16(k_lane(), i);
	for (int i = 0; i < K_FRAG8; i++)
		out[2 + K_ACC + K_FRAG16 + i] = k_mma_k8(k_lane(), i);
}

/* d [16][16] = a [16][K] b [16][K] transposed, K = steps * K_MMA_K16 or K_MMA_K8 */
#define PROBE(name, type, frag, count, column, depth, acc, zero, result)				\
K_KERNEL(K_WAVE) probe_##name(K_GLOBAL result *d, K_GLOBAL const type *a, K_GLOBAL const type *b, struct probe_params p) \
{													\
	K_COLLECTIVES;											\
	int depth_all = p.steps * (depth);								\
	struct acc c = zero();										\
													\
	for (int step = 0; step < p.steps; step++) {							\
		struct frag x, y;									\
													\
		for (int i = 0; i < (count); i++) {							\
			int at = k_mma_row(k_lane()) * depth_all + step * (depth) + column(k_lane(), i);	\
													\
			x.v[i] = a[at];									\
			y.v[i] = b[at];									\
		}											\
		c = k_mma_##name(x, y, c);								\
	}												\
	for (int i = 0; i < K_ACC; i++)									\
		d[k_acc_row(k_lane(), i) * K_TILE + k_acc_col(k_lane())] = c.v[i];			\
}
PROBE(bf16, k_u16, k_frag16, K_FRAG16, k_mma_k16, K_MMA_K16, k_acc_f32, k_acc_zero_f32, float)
PROBE(f16, k_u16, k_frag16, K_FRAG16, k_mma_k16, K_MMA_K16, k_acc_f32, k_acc_zero_f32, float)
PROBE(i8, signed char, k_frag8, K_FRAG8, k_mma_k8, K_MMA_K8, k_acc_i32, k_acc_zero_i32, int)
#if K_HAS_F8
PROBE(f8, signed char, k_frag8, K_FRAG8, k_mma_k8, K_MMA_K8, k_acc_f32, k_acc_zero_f32, float)	/* of native codes, without the unit */

/* What the instruction is given for @codes [n], and what its sums are to be multiplied by; groups: n / K_WAVE */
K_KERNEL(K_WAVE) probe_f8_native(K_GLOBAL k_u32 *native, K_GLOBAL float *unit, K_GLOBAL const k_u32 *codes, struct probe_params p)
{
	native[k_group_x() * K_WAVE + k_tid()] = k_f8_native(codes[k_group_x() * K_WAVE + k_tid()]);
	if (k_group_x() == 0 && k_tid() == 0)
		unit[0] = K_F8_UNIT;
}
#endif

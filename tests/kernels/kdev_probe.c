/* SPDX-License-Identifier: MIT */
/* Every primitive of kdev.h, by itself. */
#include "kdev.h"

#define LANES	128

struct probe_params {
	int n, pad[5];
};

/* out [LANES][8], from in [LANES] */
K_KERNEL(LANES) probe_lanes(K_GLOBAL int *out, K_GLOBAL const int *in, struct probe_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_COLLECTIVES;
	K_GLOBAL int *mine = out + k_tid() * 8;
	int v = in[k_tid()];
	k_ballot_t odd = k_ballot(v & 1);

	mine[0] = k_lane() + 1000 * k_wave() + 100000 * (k_group_x() + 2 * k_group_y() + 4 * k_group_z());
	mine[1] = k_shfl_i(v, (k_lane() * 7 + 3) % K_WAVE);
	mine[2] = k_shfl_xor_i(v, 5);
	mine[3] = k_popcount(odd);
	mine[4] = k_ballot_below(odd);
	mine[5] = (int)k_wave_sum(K_WAVE_PASS (float)v);
	mine[6] = (int)k_wave_max(K_WAVE_PASS (float)v);
	mine[7] = (int)k_group_sum(K_WAVE_PASS red, LANES, (float)v) + 1000000 * (int)(k_group_max(K_WAVE_PASS red, LANES, (float)v) == p.n);
}

/* out [4]: the sum, the greatest, all bits, and the sum in LDS */
K_KERNEL(LANES) probe_atomics(K_GLOBAL int *out, K_GLOBAL const int *in, struct probe_params p)
{
	K_LDS(int, sum, 1);
	int v = in[k_tid()];

	if (k_tid() == 0)
		sum[0] = p.n;
	k_sync();
	k_atomic_add(out, v);
	k_atomic_max(out + 1, v);
	k_atomic_or(out + 2, v);
	k_atomic_add(sum, v);
	k_sync();
	if (k_tid() == 0)
		out[3] = sum[0];
}

/* out [n][11] of floats, from in [n] */
K_KERNEL(LANES) probe_math(K_GLOBAL float *out, K_GLOBAL const float *in, struct probe_params p)
{
	int i = k_group_x() * LANES + k_tid();
	float x, turns;
	K_GLOBAL float *y = out + i * 11;

	if (i >= p.n)
		return;
	x = in[i];
	turns = x - k_rint(x);
	y[0] = k_exp2(x);
	y[1] = k_log2(k_fabs(x));
	y[2] = k_rsqrt(k_fabs(x));
	y[3] = k_rcp(x);
	y[4] = k_sin_turns(turns);
	y[5] = k_cos_turns(turns);
	y[6] = k_fma(x, x, -1);
	y[7] = k_max(x, 0.5f) - k_min(x, 0.5f);
	y[8] = k_bf16_to_f32(k_f32_to_bf16(x));
	y[9] = k_f16_to_f32(k_f32_to_f16(x));
	y[10] = (float)k_opaque((int)x);
}

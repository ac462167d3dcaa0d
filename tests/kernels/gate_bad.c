/* SPDX-License-Identifier: MIT */
/* What the gates are there to see: too many registers at once, and an access of which nobody knows the memory. */
#include "kdev.h"

struct bad_params {
	int n, pad[5];
};

K_KERNEL(1024) bad_spills(K_GLOBAL float *out, K_GLOBAL const float *in, struct bad_params p)
{
	float v[400];

	K_UNROLL(400)
	for (int i = 0; i < 400; i++)
		v[i] = in[k_tid() + i * 1024];
	for (int n = 0; n < p.n; n++) {
		K_UNROLL(400)
		for (int i = 0; i < 400; i++)
			v[i] = k_fma(v[i], v[(i + 7) % 400], 1);
	}
	K_UNROLL(400)
	for (int i = 0; i < 400; i++)
		out[k_tid() + i * 1024] = v[i];
}

K_KERNEL(64) bad_flat(K_GLOBAL float *out, K_GLOBAL const float *in, struct bad_params p)
{
	K_LDS(float, tile, 64);
	float *either = k_tid() == (int)in[0] ? out : tile;

	tile[k_tid()] = in[k_tid()];
	k_sync();
	either[k_tid() ^ p.n] = tile[k_tid() ^ 1];
	k_sync();
	out[k_tid()] += tile[k_tid()];
}

/* SPDX-License-Identifier: MIT */
/*
 * Capacity with re-routing, as dsk_layout.h defines it. One group goes through pairs, then through tokens, 256 at a time in their order: who of
 * them takes a place is told by the number of those before that want the same expert, which is what one after the other would do.
 */
#include "dsk_layout.h"
#include "kdev.h"

#define LANES	256

/* Does the lane, that wants @expert (-1: none), get a place? All lanes of the group ask. @wanted, @load: LDS. */
K_DEV int takes(K_LOCAL int *wanted, K_LOCAL int *load, int expert, int capacity)
{
	int before = 0, got;

	wanted[k_tid()] = expert;
	k_sync();
	for (int i = 0; i < LANES; i++)
		before += i < k_tid() && wanted[i] == expert;
	got = expert >= 0 && load[expert] + before < capacity;
	k_sync();
	if (got)
		k_atomic_add(load + expert, 1);
	k_sync();
	return got;
}

/* ids_out [top_k, T], -1: dropped; weights_out [top_k, T], 0 for those; load [experts]; ids, weights [choices, T] of dsk_route; one group */
K_KERNEL(LANES) dsk_reroute(K_GLOBAL int *ids_out, K_GLOBAL float *weights_out, K_GLOBAL int *load_out, K_GLOBAL const int *ids,
			    K_GLOBAL const float *weights, struct dsk_reroute_params p)
{
	K_LDS(int, load, DSK_MAX_EXPERTS);
	K_LDS(int, wanted, LANES);
	int pairs = p.tokens * p.top_k;

	for (int e = k_tid(); e < p.experts; e += LANES)
		load[e] = 0;
	for (int start = 0; start < pairs; start += LANES) {
		int pair = start + k_tid(), expert = -1;
		long from = (long)(pair / p.top_k) * p.choices + pair % p.top_k;

		if (pair < pairs)
			expert = ids[from];
		if ((k_u32)expert >= (k_u32)p.experts)
			expert = -1;
		if (!takes(wanted, load, expert, p.capacity))
			expert = -1;
		if (pair < pairs) {
			ids_out[pair] = expert;
			weights_out[pair] = expert < 0 ? 0 : weights[from];
		}
	}
	k_sync();
	for (int attempt = 0; attempt < p.tries; attempt++) {
		for (int start = 0; start < p.tokens; start += LANES) {
			int token = start + k_tid(), expert = -1, first = -1;
			long from = (long)token * p.choices + p.top_k + attempt;

			for (int j = p.top_k - 1; j >= 0 && token < p.tokens; j--)
				if (ids_out[token * p.top_k + j] < 0)
					first = token * p.top_k + j;
			if (first >= 0)
				expert = ids[from];
			if ((k_u32)expert >= (k_u32)p.experts)
				expert = -1;
			if (takes(wanted, load, expert, p.capacity)) {
				ids_out[first] = expert;
				weights_out[first] = weights[from];
			}
		}
	}
	for (int e = k_tid(); e < p.experts; e += LANES)
		load_out[e] = load[e];
}

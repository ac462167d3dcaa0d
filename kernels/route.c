/* SPDX-License-Identifier: MIT */
/*
 * Routing of tokens to experts: gate, selection within the best groups of experts, weights, load. Gates and biased selection after
 * DeepSeek-V3 (2024, section 2.1.2), groups after DeepSeek-V2 (2024, section 2.2.3).
 *
 * Selection is by rank: an expert's rank is the number of those that come before it, by key and then by number. That is a
 * total order whatever the logits are, so the ids of a token are distinct and in range, even for NaN, which come last.
 */
#include "element.h"

#define LANES	64

/* Does (a, i) come before (b, j)? */
K_DEV int before(float a, int i, float b, int j)
{
	return a > b || (a == b && i < j);
}

/* What a group of experts counts as. */
K_DEV float group_key(K_LOCAL const float *key, int n, int sum2)
{
	float best = key[0], second = K_NEG_BIG;

	for (int i = 1; i < n; i++) {
		second = k_max(second, k_min(best, key[i]));
		best = k_max(best, key[i]);
	}
	return sum2 && n > 1 ? best + second : best;
}

/* ids [top_k, T], weights [top_k, T], load [experts] (added to), logits [experts, T], bias [experts]; groups: T */
K_KERNEL(LANES) dsk_route(K_GLOBAL int *ids, K_GLOBAL float *weights, K_GLOBAL int *load, K_GLOBAL const float *logits,
			  K_GLOBAL const float *bias, struct dsk_route_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_LDS(float, score, DSK_MAX_EXPERTS);	/* what weights are made of */
	K_LDS(float, key, DSK_MAX_EXPERTS);	/* what is compared */
	K_LDS(float, group, DSK_MAX_GROUPS);
	K_LDS(int, chosen, DSK_MAX_TOP_K);
	K_COLLECTIVES;
	K_GLOBAL const float *row = logits + (long)k_group_x() * p.logits_stride;
	int size = p.experts / p.groups;
	float top = K_NEG_BIG, sum = 0, factor = 1;

	if (p.gate == DSK_GATE_SOFTMAX) {
		for (int e = k_tid(); e < p.experts; e += LANES)
			top = k_max(top, row[e]);
		top = k_group_max(K_WAVE_PASS red, LANES, top);
		for (int e = k_tid(); e < p.experts; e += LANES)
			sum += k_exp2((row[e] - top) * K_LOG2E);
		factor = 1 / k_group_sum(K_WAVE_PASS red, LANES, sum);
	}
	for (int e = k_tid(); e < p.experts; e += LANES) {
		float v = row[e], s = v, k;

		if (p.gate == DSK_GATE_SOFTMAX)
			s = k_exp2((v - top) * K_LOG2E) * factor;
		else if (p.gate == DSK_GATE_SIGMOID)
			s = sigmoid(v);
		k = p.flags & DSK_ROUTE_BIAS ? s + bias[e] : s;
		score[e] = p.gate == DSK_GATE_UNIT ? 1 : s;
		key[e] = k == k ? k : 2 * K_NEG_BIG;
	}
	k_sync();

	if (p.top_groups < p.groups) {
		int g = k_tid();

		if (g < p.groups)
			group[g] = group_key(key + g * size, size, p.flags & DSK_ROUTE_GROUP_SUM2);
		k_sync();
		if (g < p.groups) {
			int rank = 0;

			for (int i = 0; i < p.groups; i++)
				rank += before(group[i], i, group[g], g);
			if (rank >= p.top_groups)
				for (int i = 0; i < size; i++)
					key[g * size + i] = 4 * K_NEG_BIG;
		}
		k_sync();
	}
	for (int e = k_tid(); e < p.experts; e += LANES) {
		int rank = 0;

		for (int i = 0; i < p.experts; i++)
			rank += before(key[i], i, key[e], e);
		if (rank < p.top_k)
			chosen[rank] = e;
	}
	k_sync();

	if (k_tid() < p.top_k) {
		int e = chosen[k_tid()];
		long at = (long)k_group_x() * p.top_k + k_tid();

		sum = 0;
		for (int i = 0; i < p.top_k; i++)
			sum += score[chosen[i]];
		ids[at] = e;
		weights[at] = score[e] * (p.flags & DSK_ROUTE_NORMALISE ? p.scale / k_max(sum, p.least_sum) : p.scale);
		k_atomic_add(load + e, 1);
	}
}

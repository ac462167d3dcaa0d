/* SPDX-License-Identifier: MIT */
/*
 * Rotary position embedding (Su et al. 2021, equation 15). The frequency of each pair comes from the host, in turns a
 * position, as the sum of two floats: so YaRN, NTK and factors of a file are the host's affair, and position * frequency keeps its
 * fraction of a turn at any length; in radians of single precision it would be off by 0.004 at position 100 000.
 */
#include "element.h"

#define LANES	256

/* x [head, heads, T] in place, positions [T], turns [n/2][2]; groups: pairs of a token / LANES, T */
K_KERNEL(LANES) dsk_rope(K_GLOBAL void *x, K_GLOBAL const int *positions, K_GLOBAL const float *turns, struct dsk_rope_params p)
{
	int pairs = p.n / 2, pair = k_group_x() * LANES + k_tid(), i, first, second;
	long at;
	float position, angle, s, c, a, b;

	if (pair >= pairs * p.heads)
		return;
	i = pair % pairs;
	first = p.order == DSK_ROPE_NEOX ? i : 2 * i;
	second = p.order == DSK_ROPE_NEOX ? i + pairs : 2 * i + 1;
	at = (long)k_group_y() * p.token_stride + (long)(pair / pairs) * p.head_stride;

	/* the product's rounding error is what the fma leaves */
	position = (float)positions[k_group_y()];
	angle = position * turns[2 * i];
	angle = angle - k_rint(angle) + (k_fma(position, turns[2 * i], -angle) + position * turns[2 * i + 1]);
	angle -= k_rint(angle);
	s = k_sin_turns(angle) * p.scale;
	c = k_cos_turns(angle) * p.scale;
	a = load_element(x, at + first, p.type);
	b = load_element(x, at + second, p.type);
	store_element(x, at + first, p.type, a * c - b * s);
	store_element(x, at + second, p.type, a * s + b * c);
}

/* turns [n/2][2] divided by factors [n/2]: the quotient as a float, and what it lacks as another; groups: n/2 / 64 */
K_KERNEL(64) dsk_turns(K_GLOBAL float *out, K_GLOBAL const float *turns, K_GLOBAL const float *factors, struct dsk_turns_params p)
{
	int i = k_group_x() * 64 + k_tid();
	float high, f;

	if (i >= p.pairs)
		return;
	f = factors[i];
	high = turns[2 * i] / f;
	out[2 * i] = high;
	out[2 * i + 1] = (k_fma(-high, f, turns[2 * i]) + turns[2 * i + 1]) / f;
}

/* SPDX-License-Identifier: MIT */
/* What the products of experts share: tiles of a plan, which row of x, and GLU. */
#ifndef EXPERT_H
#define EXPERT_H

#include "element.h"

/* Row of x that row @row of the order reads, or -1: zeros. A pair is the tenant's number: read once and checked. */
K_DEV int expert_x_row(K_GLOBAL const int *row_pair, int row, struct dsk_expert_params p)
{
	int from = row;

	if (p.divisor > 0) {
		int pair = row_pair[row];

		from = pair < 0 ? -1 : pair / p.divisor;
	}
	return from < p.tokens ? from : -1;
}

struct expert_tile {
	int expert, first, rows;	/* rows 0: nothing to do */
};

/* Tile @i of a plan for @rows rows, which is memory of the tenant's: checked. */
K_DEV struct expert_tile expert_tile(K_GLOBAL const int *tiles, int i, int most, int rows, int experts)
{
	struct expert_tile t = { tiles[3 * (long)i], tiles[3 * (long)i + 1], tiles[3 * (long)i + 2] };

	if ((k_u32)t.expert >= (k_u32)experts || (k_u32)t.rows > (k_u32)most || t.first < 0 || t.first > rows - t.rows)
		t.rows = 0;
	return t;
}

/* Shazeer 2020, "GLU variants improve transformer"; SWIGLU_CLAMPED: OpenAI 2025, gpt-oss, swiglu() of its reference. */
K_DEV float glu(float gate, float up, int act, float alpha, float limit)
{
	if (act == DSK_ACT_SWIGLU_CLAMPED) {
		gate = k_min(gate, limit);
		return gate * sigmoid(alpha * gate) * (k_max(k_min(up, limit), -limit) + 1);
	}
	return activate(gate, act) * up;
}

#endif /* EXPERT_H */

// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "arb_core.h"

static void begin(struct arb_cost *cost, u64 used)
{
	cost->mean_ns = used;
	cost->dev_ns = used / 8;
	cost->least_ns = used;
}

/* Gains of 1/8 and 1/4, as in the paper. */
void arb_cost_update(struct arb_cost *cost, u64 used_ns)
{
	u64 used = arb_min(arb_max(used_ns, 1), ARB_USED_MAX_NS);
	u64 off;

	cost->passed = 0;
	cost->tries = 0;
	if (cost->samples < ~0U)
		cost->samples++;
	if (cost->samples == 1 || (cost->samples <= ARB_COST_FEW && used < cost->mean_ns / 2)) {
		begin(cost, used);
		return;
	}
	used = arb_min(used, cost->mean_ns * 2);
	if (used >= cost->mean_ns) {
		off = used - cost->mean_ns;
		cost->mean_ns += (off + 7) / 8;
	} else {
		off = cost->mean_ns - used;
		cost->mean_ns -= off / 8;
	}
	if (off >= cost->dev_ns)
		cost->dev_ns += (off - cost->dev_ns) / 4;
	else
		cost->dev_ns -= (cost->dev_ns - off + 3) / 4;
	if (used < cost->least_ns)
		cost->least_ns = used;
	else
		cost->least_ns += (used - cost->least_ns) / 64;
}

/* FNV-1a of 64 bits. Who finds two programs with one key has found out how to mislead itself. */
u64 arb_cost_key(const void *program, u64 size)
{
	const unsigned char *byte = program;
	u64 key = 0xcbf29ce484222325ULL;

	while (size--)
		key = (key ^ *byte++) * 0x100000001b3ULL;
	return key ? key : 1;
}

void arb_cost_recall(const struct arb_share *share, struct arb_cost *cost)
{
	const struct arb_cost *learned = &share->learned[cost->key % ARB_LEARNED];

	if (!cost->samples && cost->key && learned->key == cost->key)
		*cost = *learned;
}

void arb_cost_keep(struct arb_share *share, const struct arb_cost *cost)
{
	if (cost->key)
		share->learned[cost->key % ARB_LEARNED] = *cost;
}

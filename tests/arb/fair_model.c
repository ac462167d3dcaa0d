// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "drive.h"
#include "fair_model.h"

double fair_model_share(int entities, int others, u64 cost_ns, u64 spread_ns, u64 for_ns, u64 seed)
{
	int n = entities + others, i, first;
	u64 now = 0, used = 0, cost, *vruntime = calloc(n, sizeof(*vruntime));

	if (!vruntime)
		abort();
	while (now < for_ns) {
		for (first = 0, i = 1; i < n; i++)
			if (vruntime[i] < vruntime[first])
				first = i;
		cost = cost_ns - spread_ns + splitmix64(&seed) % (2 * spread_ns + 1);
		vruntime[first] += cost;
		now += cost;
		used += first < entities ? cost : 0;
	}
	free(vruntime);
	return (double)used / now;
}

/* SPDX-License-Identifier: MIT */
/* The pools of full pages: means of keys and of values of 2, 4 and 8 tokens (dsk_layout.h has the formula). */
#include "attn.h"

/* Of one page and head; a lane an element. */
K_DEV void pool(int D, K_GLOBAL void *pools, K_GLOBAL const void *cache, int page, int head, struct dsk_attn_params p)
{
	float sum[DSK_PAGE];

	if ((k_u32)page >= (k_u32)p.n_pages)
		return;
	p.kv_type = p.kv_type == DSK_F16 ? DSK_F16 : DSK_BF16;		/* there are no others */
	K_UNROLL(16)
	for (int i = 0; i < DSK_PAGE; i++)
		sum[i] = load_element(cache, (((long)page * DSK_PAGE + i) * p.kv_heads + head) * D + k_tid(), p.kv_type);
	K_UNROLL(3)
	for (int level = 1; level < DSK_LEVELS; level++) {
		K_UNROLL(8)
		for (int i = 0; i < DSK_PAGE >> level; i++) {
			long row = (long)page * DSK_POOLS + DSK_PAGE - (2 * DSK_PAGE >> level) + i;

			sum[i] = sum[2 * i] + sum[2 * i + 1];
			store_element(pools, (row * p.kv_heads + head) * D + k_tid(), p.kv_type, sum[i] / (float)(1 << level));
		}
	}
}

/* k_pools, v_pools [D, kv_heads, DSK_POOLS, n_pages]; k, v caches; full [N]: page numbers, each once. Groups: N, kv_heads. */
#define POOL(D)												\
K_KERNEL(D) dsk_pyramid_pool_##D(K_GLOBAL void *k_pools, K_GLOBAL void *v_pools, K_GLOBAL const void *k, \
				     K_GLOBAL const void *v, K_GLOBAL const int *full, struct dsk_attn_params p) \
{													\
	int page = full[k_group_x()];									\
													\
	pool(D, k_pools, k, page, k_group_y(), p);							\
	pool(D, v_pools, v, page, k_group_y(), p);							\
}
POOL(64)
POOL(128)

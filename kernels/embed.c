/* SPDX-License-Identifier: MIT */
/* Rows of a table by token id. */
#include "element.h"

#define LANES	256

/* out [n, T], fault [1], ids [T], table [n, rows]; groups: T */
K_KERNEL(LANES) dsk_embed(K_GLOBAL void *out, K_GLOBAL int *fault, K_GLOBAL const int *ids, K_GLOBAL const void *table,
			  struct dsk_embed_params p)
{
	K_LDS(int, shared_id, 1);
	long out_at = (long)k_group_x() * p.out_stride;
	int id;

	if (k_tid() == 0)
		shared_id[0] = checked_index(fault, ids + k_group_x(), p.rows);
	k_sync();
	id = shared_id[0];
	for (int i = k_tid(); i < p.n; i += LANES)
		store_element(out, out_at + i, p.out_type, id < 0 ? 0 : load_element(table, (long)id * p.n + i, p.table_type) * p.scale);
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages of a paged cache moved by a table, to make room in one piece or to share a beginning: bytes, so any type. Moves of one launch
 * are done in any order, so no page may be both read and written, nor written twice; the host says which go together.
 * Compaction that is planned from the top down into free pages is so: sources are used, destinations free.
 */
#include "dsk_layout.h"
#include "kdev.h"

#define LANES	256

/*
 * cache [page_words, pages], fault [1], moves [2, n]: from, to. A move from or to no page is left out and sets *fault. Groups: n,
 * ceil(page_words / 1024).
 */
K_KERNEL(LANES) dsk_kv_copy(K_GLOBAL k_u32 *cache, K_GLOBAL int *fault, K_GLOBAL const int *moves, struct dsk_kv_copy_params p)
{
	int from = moves[2 * (long)k_group_x()], to = moves[2 * (long)k_group_x() + 1], first = k_group_y() * DSK_KV_COPY_WORDS;

	if ((k_u32)from >= (k_u32)p.pages || (k_u32)to >= (k_u32)p.pages) {
		if (k_tid() == 0)
			k_atomic_or(fault, 1);
		return;
	}
	for (int i = first + k_tid(); i < first + DSK_KV_COPY_WORDS && i < p.page_words; i += LANES)
		cache[(long)to * p.page_words + i] = cache[(long)from * p.page_words + i];
}

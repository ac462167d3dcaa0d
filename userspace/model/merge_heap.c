// SPDX-License-Identifier: MIT
/* A binary heap of merge candidates, and the list of ids that merging ends in. */
#include <errno.h>
#include <stdlib.h>

#include "tokenizer_priv.h"

int ids_add(struct ids *ids, int32_t id)
{
	if (ids->n == ids->allocated) {
		size_t n = ids->allocated ? 2 * ids->allocated : 64;
		int32_t *v = realloc(ids->v, n * sizeof(*v));

		if (!v)
			return -ENOMEM;
		ids->v = v;
		ids->allocated = n;
	}
	ids->v[ids->n++] = id;
	return 0;
}

int merge_push(struct merge_heap *h, struct merge m)
{
	size_t i = h->n, parent;

	if (h->n == h->allocated) {
		size_t n = h->allocated ? 2 * h->allocated : 64;
		struct merge *v = realloc(h->v, n * sizeof(*v));

		if (!v)
			return -ENOMEM;
		h->v = v;
		h->allocated = n;
	}
	h->n++;
	for (; i; i = parent) {
		parent = (i - 1) / 2;
		if (h->v[parent].key <= m.key)
			break;
		h->v[i] = h->v[parent];
	}
	h->v[i] = m;
	return 0;
}

bool merge_pop(struct merge_heap *h, struct merge *ret)
{
	struct merge last;
	size_t i = 0, child;

	if (!h->n)
		return false;
	*ret = h->v[0];
	last = h->v[--h->n];
	while ((child = 2 * i + 1) < h->n) {
		if (child + 1 < h->n && h->v[child + 1].key < h->v[child].key)
			child++;
		if (last.key <= h->v[child].key)
			break;
		h->v[i] = h->v[child];
		i = child;
	}
	h->v[i] = last;
	return true;
}

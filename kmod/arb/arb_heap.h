/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * An intrusive priority queue: a leftist heap with parent links (Crane 1972; Knuth, The Art of
 * Computer Programming vol. 3, section 5.2.3). Insert and remove, of any node, are O(log n) in
 * the worst case and not only amortised: a right spine is never longer than log2(n + 1), and
 * after a removal the ranks that have to be put right grow by one at each step up. It needs no
 * rotation, no colour and no random numbers, and is a third of a red-black tree's code.
 *
 * Order: (key, frac, seq), least first. seq is unique, so the order is total and never depends
 * on addresses.
 */
#ifndef DSEEK_ARB_HEAP_H
#define DSEEK_ARB_HEAP_H

#include "arb_env.h"

struct arb_node {
	struct arb_node *parent, *left, *right;
	u64 key;
	u64 seq;
	u32 frac;
	u32 rank;			/* distance to the nearest missing child; 0: in no heap */
};

struct arb_heap {
	struct arb_node *root;
};

static inline struct arb_node *arb_heap_first(const struct arb_heap *heap)
{
	return heap->root;
}

static inline int arb_heap_holds(const struct arb_node *node)
{
	return node->rank != 0;
}

void arb_heap_insert(struct arb_heap *heap, struct arb_node *node, u64 key, u32 frac, u64 seq);
void arb_heap_shift(struct arb_heap *heap, struct arb_node *node, u64 key, u32 frac, u64 seq);	/* arb_heap_move() of any */

/* It is in the heap, mostly alone. */
static inline void arb_heap_move(struct arb_heap *heap, struct arb_node *node, u64 key, u32 frac, u64 seq)
{
	if (node->parent || node->left) {	/* what has a child has a left one */
		arb_heap_shift(heap, node, key, frac, seq);
		return;
	}
	node->key = key;
	node->frac = frac;
	node->seq = seq;
}
void arb_heap_remove(struct arb_heap *heap, struct arb_node *node);

#define arb_container_of(ptr, type, member) \
	((type *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif /* DSEEK_ARB_HEAP_H */

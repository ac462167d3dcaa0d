// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "arb_heap.h"

static int before(const struct arb_node *a, const struct arb_node *b)
{
	if (a->key != b->key)
		return a->key < b->key;
	if (a->frac != b->frac)
		return a->frac < b->frac;
	return a->seq < b->seq;
}

static u32 rank(const struct arb_node *node)
{
	return node ? node->rank : 0;
}

/* The leftist property at one node: the shorter spine on the right. */
static void level(struct arb_node *node)
{
	if (rank(node->left) < rank(node->right)) {
		struct arb_node *left = node->left;

		node->left = node->right;
		node->right = left;
	}
	node->rank = rank(node->right) + 1;
}

/* Merge along the two right spines, downwards, then level upwards: no recursion. */
static struct arb_node *merge(struct arb_node *a, struct arb_node *b)
{
	struct arb_node *root = NULL, *parent = NULL, **link = &root;

	while (a && b) {
		if (before(b, a)) {
			struct arb_node *t = a;

			a = b;
			b = t;
		}
		*link = a;
		a->parent = parent;
		parent = a;
		link = &a->right;
		a = a->right;
	}
	if (!a)
		a = b;
	*link = a;
	if (a)
		a->parent = parent;
	for (; parent; parent = parent->parent)
		level(parent);
	return root;
}

void arb_heap_insert(struct arb_heap *heap, struct arb_node *node, u64 key, u32 frac, u64 seq)
{
	node->parent = NULL;
	node->left = NULL;
	node->right = NULL;
	node->key = key;
	node->frac = frac;
	node->seq = seq;
	node->rank = 1;
	heap->root = merge(heap->root, node);
}

void arb_heap_shift(struct arb_heap *heap, struct arb_node *node, u64 key, u32 frac, u64 seq)
{
	const struct arb_node *parent = node->parent, *left = node->left, *right = node->right;
	const struct arb_node to = { .key = key, .frac = frac, .seq = seq };

	if ((parent && !before(parent, &to)) || (left && !before(&to, left)) || (right && !before(&to, right))) {
		arb_heap_remove(heap, node);
		arb_heap_insert(heap, node, key, frac, seq);
		return;
	}
	node->key = key;
	node->frac = frac;
	node->seq = seq;
}

void arb_heap_remove(struct arb_heap *heap, struct arb_node *node)
{
	struct arb_node *parent = node->parent;
	struct arb_node *rest = merge(node->left, node->right);
	u32 old;

	if (rest)
		rest->parent = parent;
	if (!parent)
		heap->root = rest;
	else if (parent->left == node)
		parent->left = rest;
	else
		parent->right = rest;
	for (; parent; parent = parent->parent) {
		old = parent->rank;
		level(parent);
		if (parent->rank == old)
			break;
	}
	node->rank = 0;
}

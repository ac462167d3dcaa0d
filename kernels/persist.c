/* SPDX-License-Identifier: MIT */
/*
 * A decode loop that stays: groups take tiles from a ring, one after the other, until the preemption word is set, their quota is used or
 * nothing is posted (dsk_layout.h has the protocol). Lane 0 speaks with the ring; what it claimed goes to the others through LDS.
 */
#include "attn_decode.h"

struct ring {
	K_GLOBAL int *control, *claims, *done;
	K_GLOBAL const struct dsk_item *items;
	k_u32 slots;
};

K_DEV int tiles_of(K_GLOBAL const struct dsk_item *item)
{
	return item->x * item->y * item->z;
}

/* Is it item @n that the slot holds? If not, it was complete and its slot has been posted anew. */
K_DEV int holds(struct ring r, k_u32 n)
{
	return (((k_u32)k_load_acquire(&r.claims[n % r.slots]) >> 16 ^ n) & 0xffff) == 0;
}

K_DEV void wait_for(struct ring r, k_u32 n)
{
	while (k_load_acquire(&r.done[n % r.slots]) < tiles_of(&r.items[n % r.slots]) && holds(r, n))
		;
}

/* A tile of item *n or of one after it, which *n then is; -1: there is none, or no more are to be taken. */
K_DEV int claim(struct ring r, k_u32 *n, int looks)
{
	int tile = -1;

	while (tile < 0 && looks > 0 && !k_load_acquire(&r.control[DSK_RING_PREEMPT])) {
		k_u32 slot = *n % r.slots, word;
		int tiles;

		if ((int)((k_u32)k_load_acquire(&r.control[DSK_RING_POSTED]) - *n) <= 0) {	/* numbers wrap */
			looks--;
			continue;
		}
		word = (k_u32)k_load_acquire(&r.claims[slot]);
		tiles = tiles_of(&r.items[slot]);	/* of another item, if the slot is posted anew just now: its claims came first, so the swap fails */
		if (((word >> 16 ^ *n) & 0xffff) != 0 || (int)(word & 0xffff) >= tiles) {
			(*n)++;
		} else if ((k_u32)k_host_cas(&r.claims[slot], (int)word, (int)word + 1) == word) {
			tile = (int)(word & 0xffff);
			if (r.items[slot].after)
				wait_for(r, *n - (k_u32)r.items[slot].after);
		}
	}
	return tile;
}

/* To the word the number that is the later one, and never 0. By what PCIe has: it has no maximum. */
K_DEV void tell(K_GLOBAL int *word, k_u32 number)
{
	int before = k_load_acquire(word);

	number = number ? number : 1;
	while (!before || (int)(number - (k_u32)before) > 0)	/* the last time it finds its own */
		before = k_host_cas(word, before, (int)number);
}

#define AT(type, i)	((K_GLOBAL type *)(item->at[i] ? memory + (unsigned long)item->at[i] * 16 : (K_GLOBAL char *)0))

K_DEV void attend(K_WAVE_PARAM int D, K_LOCAL float *part, K_LOCAL float *tops, K_LOCAL float *sums, K_GLOBAL char *memory,
		  K_GLOBAL const struct dsk_item *item, int tile, struct dsk_attn_params p)
{
	decode(K_WAVE_PASS D, 0, 0, tile % item->x, tile / item->x % item->y, tile / item->x / item->y, part, tops, sums, AT(float, 0), AT(float, 1),
	       AT(const float, 2), AT(const void, 3), AT(const void, 4), AT(const void, 3), AT(const void, 4), AT(const float, 5),
	       AT(const float, 6), AT(const int, 7), AT(const int, 8), p);
}

K_DEV void join(int D, K_GLOBAL char *memory, K_GLOBAL const struct dsk_item *item, int tile, struct dsk_attn_params p)
{
	merge(D, LANES, tile % item->x, tile / item->x % item->y, AT(float, 0), AT(const float, 1), AT(const float, 2), AT(const float, 3), p);
}

/*
 * control [DSK_RING_WORDS]; claims, done [slots], a power of two of them, or nothing is taken; items [slots]: of memory that host and device see alike while this runs (fine-grained);
 * params: those that items name; memory: where they are offsets in. Groups: as many as there is room for at once, or fewer.
 */
K_KERNEL(LANES) dsk_persist(K_GLOBAL int *control, K_GLOBAL int *claims, K_GLOBAL int *done, K_GLOBAL const struct dsk_item *items,
			    K_GLOBAL const struct dsk_attn_params *params, K_GLOBAL char *memory, struct dsk_persist_params p)
{
	K_LDS(float, part, WAVES * 128);
	K_LDS(float, tops, WAVES);
	K_LDS(float, sums, WAVES);
	K_LDS(int, claimed, 2);
	K_COLLECTIVES;
	struct ring ring;
	int more = p.slots > 0 && (p.slots & (p.slots - 1)) == 0, taken = 0;
	k_u32 n = 0;

	ring.control = control;
	ring.claims = claims;
	ring.done = done;
	ring.items = items;
	ring.slots = (k_u32)p.slots;
	if (k_tid() == 0)
		n = (k_u32)k_load_acquire(&control[DSK_RING_FIRST]);
	while (more) {
		int tile;

		if (k_tid() == 0) {
			tile = p.quota && taken >= p.quota ? -1 : claim(ring, &n, p.looks);
			claimed[0] = tile;
			claimed[1] = (int)(n % ring.slots);
		}
		k_sync();
		tile = claimed[0];
		more = tile >= 0;
		if (more) {		/* the whole group */
			int slot = claimed[1];
			K_GLOBAL const struct dsk_item *item = items + slot;
			struct dsk_attn_params a = params[item->params];

			if (item->op == DSK_ITEM_DECODE_64)
				attend(K_WAVE_PASS 64, part, tops, sums, memory, item, tile, a);
			else if (item->op == DSK_ITEM_DECODE_128)
				attend(K_WAVE_PASS 128, part, tops, sums, memory, item, tile, a);
			else if (item->op == DSK_ITEM_MERGE_64)
				join(64, memory, item, tile, a);
			else if (item->op == DSK_ITEM_MERGE_128)
				join(128, memory, item, tile, a);
			else if (k_tid() == 0)
				tell(&control[DSK_RING_FAULT], n + 1);
			taken++;
			k_release();
			k_sync();	/* all lanes' stores are before the release; and claimed and part are free again */
			if (k_tid() == 0) {
				k_add_release(&done[slot], 1);
				k_host_add(&control[DSK_RING_TILES], 1);
			}
		}
	}
}

/* SPDX-License-Identifier: MIT */
/* What decode and prefill share: where a token's keys and values are, and logits. Softmax is in powers of two. */
#ifndef ATTN_H
#define ATTN_H

#include "element.h"

/*
 * Index of (token, head) among the rows of a cache, or -1 if the sequence has no such page. The table is the
 * tenant's: an entry is read once and checked.
 */
K_DEV long kv_row(K_GLOBAL const int *pages, int sequence, int token, int head, struct dsk_attn_params p)
{
	int page = pages[sequence * p.max_pages + token / DSK_PAGE];

	if ((k_u32)page >= (k_u32)p.n_pages)
		return -1;
	return ((long)page * DSK_PAGE + token % DSK_PAGE) * p.kv_heads + head;
}

/* Without the scale of an int8 row. */
K_DEV float kv_load(K_GLOBAL const void *cache, long at, int type)
{
	if (type == DSK_I8)
		return (float)((K_GLOBAL const signed char *)cache)[at];
	return load_element(cache, at, type);
}

K_DEV float kv_scale(K_GLOBAL const float *scales, long row, int type)
{
	return type == DSK_I8 ? scales[row] : 1;
}

/* A logit in units of log2, from q.k */
K_DEV float logit2(float dot, struct dsk_attn_params p)
{
	float x = dot * p.scale;

	if (p.cap > 0)
		x = p.cap * k_tanh(x / p.cap);
	return x * K_LOG2E;
}

/* Tokens there are: no more than the table has pages for. */
K_DEV int kv_length(K_GLOBAL const int *lengths, int sequence, struct dsk_attn_params p)
{
	int n = lengths[sequence], most = p.max_pages * DSK_PAGE;

	n = n < most ? n : most;
	return n > 0 ? n : 0;
}

/* How many of @queries a sequence has, and *start, the first. Its memory is the tenant's, too. */
K_DEV int queries_of(K_GLOBAL const int *starts, int sequence, int queries, int *start)
{
	int first = starts[sequence], end = starts[sequence + 1];

	*start = first;
	return first >= 0 && end > first && end <= queries ? end - first : 0;
}

/* What decides how often a group meets at barriers: one lane loads it, or waves might differ if it changes meanwhile. */
struct prefill_range {
	int start, queries, length;
};

K_DEV struct prefill_range prefill_range(K_LOCAL int *shared, K_GLOBAL const int *lengths, K_GLOBAL const int *starts, int sequence,
					 struct dsk_attn_params p)
{
	struct prefill_range range;

	if (k_tid() == 0) {
		shared[1] = queries_of(starts, sequence, p.queries, &range.start);
		shared[0] = range.start;
		shared[2] = kv_length(lengths, sequence, p);
	}
	k_sync();
	range.start = shared[0];
	range.queries = shared[1];
	range.length = shared[2];
	return range;
}

/* The pyramid's b_l of a sequence of @n tokens (dsk_layout.h). */
K_DEV int pyramid_bound(int n, int level, struct dsk_attn_params p)
{
	int reach = 0;

	if (level == DSK_LEVELS)
		return 0;
	K_UNROLL(3)
	for (int i = 0; i < DSK_LEVELS - 1; i++)	/* constants once unrolled: parameters stay out of memory */
		reach = i < level && p.reach[i] > reach ? p.reach[i] : reach;
	if (n < reach)
		return 0;
	return level ? (n - reach) / DSK_PAGE * DSK_PAGE : n;
}

/* Tokens and pools that a query sees, of all levels. */
K_DEV int pyramid_rows(int n, struct dsk_attn_params p)
{
	int rows = 0;

	for (int level = 0; level < DSK_LEVELS; level++)
		rows += (pyramid_bound(n, level, p) - pyramid_bound(n, level + 1, p)) >> level;
	return rows;
}

/* Row of the cache (@level 0) or of its pools that @token begins; -1 as kv_row. */
K_DEV long pool_row(K_GLOBAL const int *pages, int sequence, int token, int head, int level, struct dsk_attn_params p)
{
	int page = pages[sequence * p.max_pages + token / DSK_PAGE], rest = token % DSK_PAGE >> level;

	if ((k_u32)page >= (k_u32)p.n_pages)
		return -1;
	if (level)
		return ((long)page * DSK_POOLS + DSK_PAGE - (2 * DSK_PAGE >> level) + rest) * p.kv_heads + head;
	return ((long)page * DSK_PAGE + rest) * p.kv_heads + head;
}

/* Of the @at-th row that a query sees, counted from the farthest. */
K_DEV long pyramid_row(K_GLOBAL const int *pages, int sequence, int at, int head, int n, int *level, struct dsk_attn_params p)
{
	int token = 0;

	K_UNROLL(4)
	for (int l = DSK_LEVELS - 1; l >= 0; l--) {
		int low = pyramid_bound(n, l + 1, p);

		if (at >= 0) {		/* the last level that it gets to is its own */
			token = low + (at << l);
			*level = l;
		}
		at -= (pyramid_bound(n, l, p) - low) >> l;
	}
	return pool_row(pages, sequence, token, head, *level, p);
}

/*
 * Tiles of @keys rows, level by level from the farthest, of what any query sees that is the last of @first to @last tokens; and of the @at-th: its
 * level, the token that it begins with and, in *end, the first after its level. (Unrolled: PoCL 3.1 spoils a loop with barriers if another loop makes its trip count.)
 */
K_DEV int pyramid_tiles(int first, int last, int keys, struct dsk_attn_params p)
{
	int tiles = 0;

	K_UNROLL(4)
	for (int l = 0; l < DSK_LEVELS; l++)
		tiles += (((pyramid_bound(last, l, p) - pyramid_bound(first, l + 1, p)) >> l) + keys - 1) / keys;
	return tiles;
}

K_DEV int pyramid_tile(int at, int first, int last, int keys, int *level, int *end, struct dsk_attn_params p)
{
	int token = 0;

	K_UNROLL(4)
	for (int l = DSK_LEVELS - 1; l >= 0; l--) {
		int from = pyramid_bound(first, l + 1, p), to = pyramid_bound(last, l, p);

		if (at >= 0) {
			token = from + (at * keys << l);
			*level = l;
			*end = to;
		}
		at -= (((to - from) >> l) + keys - 1) / keys;
	}
	return token;
}

/* Over 16 neighbouring lanes. */
K_DEV float max16(K_WAVE_PARAM float v)
{
	for (int mask = 8; mask; mask >>= 1)
		v = k_max(v, k_shfl_xor(v, mask));
	return v;
}

K_DEV float sum16(K_WAVE_PARAM float v)
{
	for (int mask = 8; mask; mask >>= 1)
		v += k_shfl_xor(v, mask);
	return v;
}

/* Does the query at @position, row @query of the mask, see @token, if it is there? What the mask has no bit for isn't seen. */
K_DEV int sees(int position, long query, int token, K_GLOBAL const k_u32 *mask, struct dsk_attn_params p)
{
	if (!(p.flags & DSK_ATTN_ALL) && token > position)
		return 0;
	if (p.window > 0 && token <= position - p.window)
		return 0;
	if (p.flags & DSK_ATTN_MASK && (token / 32 >= p.mask_stride || !((mask + token / 32)[query * p.mask_stride] >> (token % 32) & 1)))
		return 0;
	return 1;
}

/* Of @level what begins at @token: is it among what the query at @position sees? */
K_DEV int sees_pool(int position, int token, int level, struct dsk_attn_params p)
{
	return token >= pyramid_bound(position + 1, level + 1, p) && token < pyramid_bound(position + 1, level, p);
}

/*
 * Of @n blocks of queries from @first on the selected blocks of keys, as bits: from memory, where they may change, to LDS, once. What has no bit
 * isn't selected. A barrier is to follow.
 */
#define BLOCK_WORDS	(DSK_MAX_BLOCKS / 32)

K_DEV void load_selected(K_LOCAL k_u32 *selected, int n, int lanes, K_GLOBAL const k_u32 *blocks, int sequence, int first, int head,
			 struct dsk_attn_params p)
{
	for (int i = k_tid(); i < n * BLOCK_WORDS; i += lanes) {
		int block = first + i / BLOCK_WORDS, word = i % BLOCK_WORDS;

		selected[i] = block < p.query_blocks && word < p.block_stride ?
			blocks[(((long)sequence * p.query_blocks + block) * p.q_heads + head) * p.block_stride + word] : 0;
	}
}

/* Is key block @block among them? */
K_DEV int seen(K_LOCAL const k_u32 *selected, int block)
{
	return block < DSK_MAX_BLOCKS && selected[block / 32] >> (block % 32) & 1;
}

#endif /* ATTN_H */

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

	return n < most ? n : most;
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

/* Does the query at @position, row @query of the mask, see @token, if it is there? */
K_DEV int sees(int position, long query, int token, K_GLOBAL const k_u32 *mask, struct dsk_attn_params p)
{
	if (!(p.flags & DSK_ATTN_ALL) && token > position)
		return 0;
	if (p.window > 0 && token <= position - p.window)
		return 0;
	if (p.flags & DSK_ATTN_MASK && !((mask + token / 32)[query * p.mask_stride] >> (token % 32) & 1))
		return 0;
	return 1;
}

#endif /* ATTN_H */

/* SPDX-License-Identifier: MIT */
/* A paged cache with data, and attention of one query over it in double precision, from the definition. */
#ifndef ATTN_REF_H
#define ATTN_REF_H

#include "ktest.h"

struct attn_cache {
	int d, dv, sequences;		/* sizes of a key and of a value */
	int latent;			/* values are the first dv elements of keys: v is NULL, int8 keys have two scales */
	int *pages, *lengths;
	size_t rows;			/* (page, token, head) */
	void *k, *v;
	float *k_scales, *v_scales, *sinks;
	struct dsk_attn_params p;	/* what attn_cache_make fills: heads, pages, type; the rest is the caller's */
};

/*
 * Sequences of the @lengths; pages in a random order, some of them nobody's and full of NaN. @dv: size of a value, of a key being @d, or 0:
 * the same.
 */
void attn_cache_make(struct attn_cache *c, int d, int dv, int q_heads, int kv_heads, int kv_type, const int *lengths, int sequences);
/* MLA's: a row a token. */
void attn_cache_make_latent(struct attn_cache *c, int q_heads, int kv_type, const int *lengths, int sequences);
/*
 * Of bf16 or f16, with one sequence: to @q [d, heads] and the cache what makes each token but the first weigh 2^-15, of which a hundred are not nothing:
 * the first one's value is -1, the others' 1.
 */
void attn_cache_tail(struct attn_cache *c, float *q, int heads);
void attn_cache_free(struct attn_cache *c);

double attn_cache_key(const struct attn_cache *c, size_t row, int i);
double attn_cache_value(const struct attn_cache *c, size_t row, int i);

/*
 * @out [dv]: query @q at @position of @sequence, by head @head, with all of c->p; @mask: its words, or NULL. Returns the greatest |logit|:
 * the rounding of a logit is an error of all weights.
 */
double attn_reference(const struct attn_cache *c, int sequence, int head, int position, const float *q, const unsigned int *mask,
		      double *out);

#define ATTN_BUFFERS(c)										\
	IN((c).k, (c).rows * (size_t)(c).d * type_size((c).p.kv_type)),				\
	IN((c).v, (c).rows * (size_t)(c).dv * type_size((c).p.kv_type)),			\
	{ (c).k_scales, (c).k_scales ? (c).rows * 4 : 0, SIMT_IN },				\
	{ (c).v_scales, (c).v_scales ? (c).rows * 4 : 0, SIMT_IN },				\
	IN((c).pages, (size_t)((c).sequences * (c).p.max_pages) * 4),				\
	IN((c).lengths, (size_t)(c).sequences * 4)

#define LATENT_BUFFERS(c)									\
	IN((c).k, (c).rows * (size_t)(c).d * type_size((c).p.kv_type)),				\
	{ (c).k_scales, (c).k_scales ? (c).rows * 8 : 0, SIMT_IN },				\
	IN((c).pages, (size_t)((c).sequences * (c).p.max_pages) * 4),				\
	IN((c).lengths, (size_t)(c).sequences * 4)

#endif /* ATTN_REF_H */

/* SPDX-License-Identifier: MIT */
/*
 * Decode: one query a sequence and head. The tokens it sees are split in parts, a group each (flash decoding, Dao et al. 2023);
 * within a group each wave takes every so-manyth token, lanes hold elements of the head; dsk_attn_merge joins the parts.
 */
#include "attn_decode.h"

/*
 * acc [D, splits, q_heads, S] and ml [2, splits, q_heads, S]: unnormalised result, greatest logit (of log2) and sum of weights
 * of each part; q [D, q_heads, S]; k, v caches; their scales if int8; pages [max_pages, S]; lengths [S], the query's own
 * token counted. Groups: q_heads, S, splits.
 */
#define DECODE(D)											\
K_KERNEL(LANES) dsk_attn_decode_##D(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q,	\
				    K_GLOBAL const void *k, K_GLOBAL const void *v,			\
				    K_GLOBAL const float *k_scales, K_GLOBAL const float *v_scales,	\
				    K_GLOBAL const int *pages, K_GLOBAL const int *lengths,		\
				    struct dsk_attn_params p)						\
{													\
	K_LDS(float, part, WAVES * D);									\
	K_LDS(float, tops, WAVES);									\
	K_LDS(float, sums, WAVES);									\
	K_COLLECTIVES;											\
	decode(K_WAVE_PASS D, 0, 0, k_group_x(), k_group_y(), k_group_z(), part, tops, sums, acc, ml, q, k, v, k, v, k_scales, \
	       v_scales, pages, lengths, p);								\
}
DECODE(64)
DECODE(128)

/*
 * MLA in the absorbed form. acc [DSK_MLA_LATENT, splits, q_heads, S] and ml as above; q [DSK_MLA_LATENT + DSK_MLA_ROPE, q_heads, S];
 * cache: rows of as many, a row a token; scales [2] a row if int8: of the latent, of the rest. Groups: q_heads, S, splits.
 */
K_KERNEL(LANES) dsk_mla_decode(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, K_GLOBAL const void *cache,
			       K_GLOBAL const float *scales, K_GLOBAL const int *pages, K_GLOBAL const int *lengths,
			       struct dsk_attn_params p)
{
	K_LDS(float, part, WAVES * DSK_MLA_LATENT);
	K_LDS(float, tops, WAVES);
	K_LDS(float, sums, WAVES);
	K_COLLECTIVES;
	decode(K_WAVE_PASS DSK_MLA_LATENT, DSK_MLA_ROPE, 0, k_group_x(), k_group_y(), k_group_z(), part, tops, sums, acc, ml, q, cache, cache,
	       cache, cache, scales, scales, pages, lengths, p);
}

/* As dsk_attn_decode, but over the pyramid: k_pools and v_pools of dsk_pyramid_pool in the place of scales. */
#define PYRAMID(D)											\
K_KERNEL(LANES) dsk_pyramid_decode_##D(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, \
				       K_GLOBAL const void *k, K_GLOBAL const void *v,			\
				       K_GLOBAL const void *k_pools, K_GLOBAL const void *v_pools,	\
				       K_GLOBAL const int *pages, K_GLOBAL const int *lengths,		\
				       struct dsk_attn_params p)					\
{													\
	K_LDS(float, part, WAVES * D);									\
	K_LDS(float, tops, WAVES);									\
	K_LDS(float, sums, WAVES);									\
	K_COLLECTIVES;											\
	p.kv_type = p.kv_type == DSK_F16 ? DSK_F16 : DSK_BF16;	/* there are no others */		\
	decode(K_WAVE_PASS D, 0, 1, k_group_x(), k_group_y(), k_group_z(), part, tops, sums, acc, ml, q, k, v, k_pools, v_pools, \
	       (K_GLOBAL const float *)0, (K_GLOBAL const float *)0, pages, lengths, p);		\
}
PYRAMID(64)
PYRAMID(128)

/* out [D, q_heads, S]; acc, ml of dsk_attn_decode; sinks [q_heads]. Groups: q_heads, S. */
#define MERGE(D)											\
K_KERNEL(64) dsk_attn_merge_##D(K_GLOBAL float *out, K_GLOBAL const float *acc, K_GLOBAL const float *ml, \
				K_GLOBAL const float *sinks, struct dsk_attn_params p)			\
{													\
	merge(D, 64, k_group_x(), k_group_y(), out, acc, ml, sinks, p);								\
}
MERGE(64)
MERGE(128)
MERGE(512)

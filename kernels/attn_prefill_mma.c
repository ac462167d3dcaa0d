/* SPDX-License-Identifier: MIT */
/*
 * Prefill with matrix instructions: what attn_prefill.c does, for caches (and pools) of bf16 or f16. Queries and weights are rounded to the
 * cache's type; logits, sums and results are float. Each wave has 16 queries, whose fragments stay in registers; tiles of keys, and
 * of values transposed, pass through LDS; weights go through LDS from the accumulator's layout to a fragment's.
 */
#include "attn_mma.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define QUERIES	(K_TILE * WAVES)
#define KEYS	32
#define K_PAD	8			/* elements between rows in LDS: other banks, still 16 bytes aligned */
#define V_STRIDE	(KEYS + K_PAD)
#define HELD(n)		(K_MMA == K_MMA_RDNA3 ? (n) : MAX_D)	/* elements of a query in registers, where each row is there twice */
#define MAX_D		(DSK_MLA_NOPE + DSK_MLA_ROPE)
#define MAX_STEPS	(MAX_D / 16)
#define MAX_TILES	(128 / K_TILE)

/* Is any query of the group to look at the tile's block; *mine: is any of this wave? */
K_DEV int selects(K_LOCAL const k_u32 *blocks, int tile, int *mine)
{
	int any = 0, of_wave = k_wave() * K_TILE / DSK_BLOCK;

	*mine = 0;
	for (int i = 0; i < QUERIES / DSK_BLOCK; i++) {
		int bit = seen(blocks + i * BLOCK_WORDS, tile / DSK_BLOCK);

		any |= bit;
		*mine = i == of_wave ? bit : *mine;
	}
	return any;
}

/*
 * D: size of a key, V: of a value, H: elements of a query that are in registers, the others are in LDS. @blocks: those of this group's blocks of queries (load_selected()), or NULL: all are seen. @pyramid as
 * of attn_prefill.c.
 */
K_DEV void prefill(K_WAVE_PARAM int D, int V, int H, int type, int pyramid, K_LOCAL k_u16 *ks, K_LOCAL k_u16 *vs, K_LOCAL k_u16 *ps, K_LOCAL k_u16 *qs,
		   K_LOCAL int *there, K_LOCAL int *shared, K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v,
		   K_GLOBAL const k_u32 *k_pools, K_GLOBAL const k_u32 *v_pools, K_GLOBAL const int *pages, K_GLOBAL const int *lengths,
		   K_GLOBAL const int *starts, K_GLOBAL const k_u32 *mask, K_GLOBAL const float *sinks, K_LOCAL const k_u32 *blocks,
		   struct dsk_attn_params p)
{
	int head = k_group_y(), sequence = k_group_z(), kv_head = head / (p.q_heads / p.kv_heads);
	struct prefill_range range = prefill_range(shared, lengths, starts, sequence, p);
	int start = range.start, n_queries = range.queries, length = range.length, first = k_group_x() * QUERIES, before = length - n_queries, low = 0, high = length;
	int mine = first + k_wave() * K_TILE, k_stride = D + K_PAD, held = D < H ? D : H, q_stride = D - held + K_PAD, row, tiles;
	long at_q;
	K_LOCAL k_u16 *weights = ps + k_wave() * K_TILE * V_STRIDE, *others = qs + k_wave() * K_TILE * q_stride;
	struct k_frag16 queries[MAX_STEPS];
	struct k_acc_f32 acc[MAX_TILES];
	float top[K_ACC], sum[K_ACC];

	if (first >= n_queries)
		return;
	if (p.window > 0 && before + first - p.window + 1 > 0)
		low = (before + first - p.window + 1) / KEYS * KEYS;
	if (!(p.flags & DSK_ATTN_ALL) && before + first + QUERIES < length)
		high = before + first + QUERIES;
	/* past the last query its row again: nobody looks at what comes of it */
	row = mine + k_mma_row(k_lane()) < n_queries ? mine + k_mma_row(k_lane()) : n_queries - 1;
	at_q = ((long)(start + row) * p.q_heads + head) * D;
	K_UNROLL(12)
	for (int step = 0; step < held / K_MMA_K16; step++)
		for (int i = 0; i < K_FRAG16; i++)
			queries[step].v[i] = to_bits(q[at_q + step * K_MMA_K16 + k_mma_k16(k_lane(), i)], type);
	for (int i = k_lane() / K_TILE; i < D - held; i += K_WAVE / K_TILE)	/* the wave's own; the first tile's barrier is before the loads */
		others[k_mma_row(k_lane()) * q_stride + i] = to_bits(q[at_q + held + i], type);
	for (int i = 0; i < K_ACC; i++) {
		top[i] = K_NEG_BIG;
		sum[i] = 0;
	}
	for (int t = 0; t < V / K_TILE; t++)
		acc[t] = k_acc_zero_f32();

	tiles = pyramid ? pyramid_tiles(before + first + 1, high, KEYS, p) : (high - low + KEYS - 1) / KEYS;
	for (int at = 0; at < tiles; at++) {
		int level = 0, to = high, tile = pyramid ? pyramid_tile(at, before + first + 1, high, KEYS, &level, &to, p) : low + at * KEYS;
		K_GLOBAL const k_u32 *all_keys = level ? k_pools : k, *all_values = level ? v_pools : v;
		struct k_acc_f32 logits[2];
		int lane = k_opaque(k_lane()), base = mine + k_acc_row(lane, 0);	/* or addresses of all rows stay in registers */
		int selected = 1;	/* for this wave's queries: a group may have more than one block of them */

		if (blocks && !selects(blocks, tile, &selected))	/* the whole group's: no wave waits for another */
			continue;
		K_UNROLL(2)
		for (int i = k_wave() * K_WAVE + lane; i < KEYS * D / 2; i += LANES) {
			int key = i / (D / 2), d = i % (D / 2) * 2, token = tile + (key << level);
			long from = token < to ? pool_row(pages, sequence, token, kv_head, level, p) : -1;

			((K_LOCAL k_u32 *)ks)[(key * k_stride + d) / 2] = from < 0 ? 0 : all_keys[(from * D + d) / 2];
			if (d < V) {
				k_u32 two = from < 0 ? 0 : all_values[(from * V + d) / 2];

				vs[d * V_STRIDE + key] = (k_u16)two;
				vs[(d + 1) * V_STRIDE + key] = (k_u16)(two >> 16);
			}
			if (d == 0)
				there[key] = from >= 0;
		}
		k_sync();
		for (int j = 0; j < 2; j++) {
			logits[j] = k_acc_zero_f32();
			for (int step = 0; step < held / K_MMA_K16; step++) {
				struct k_frag16 keys = fragment(lane, ks + j * K_TILE * k_stride + step * K_MMA_K16, k_stride);

				logits[j] = multiply(K_WAVE_PASS type, queries[step], keys, logits[j]);
			}
			K_UNROLL(1)
			for (int step = held / K_MMA_K16; step < D / K_MMA_K16; step++) {
				struct k_frag16 keys = fragment(lane, ks + j * K_TILE * k_stride + step * K_MMA_K16, k_stride);

				logits[j] = multiply(K_WAVE_PASS type, fragment(lane, others + step * K_MMA_K16 - held, q_stride), keys, logits[j]);
			}
		}
		for (int i = 0; i < K_ACC; i++) {
			int query = base + k_acc_row(0, i);	/* in every layout rows differ by what i alone says */
			float rise, fade, total = 0;

			for (int j = 0; j < 2; j++) {
				int key = k_acc_col(lane) + j * K_TILE, token = tile + (key << level);

				logits[j].v[i] = query < n_queries && there[key] && selected && (pyramid ? sees_pool(before + query, token, level, p) :
					sees(before + query, start + query, token, mask, p)) ?
					logit2(logits[j].v[i], p) + (pyramid ? (float)level : 0) : 2 * K_NEG_BIG;
			}
			rise = k_max(top[i], max16(K_WAVE_PASS k_max(logits[0].v[i], logits[1].v[i])));
			fade = k_exp2(top[i] - rise);
			for (int j = 0; j < 2; j++) {
				k_u16 weight = to_bits(k_exp2(logits[j].v[i] - rise) * weight_unit(type), type);

				weights[k_acc_row(lane, i) * V_STRIDE + k_acc_col(lane) + j * K_TILE] = weight;
				total += from_bits(weight, type);	/* what the values are multiplied by */
			}
			top[i] = rise;
			sum[i] = k_fma(sum[i], fade, sum16(K_WAVE_PASS total));
			for (int t = 0; t < V / K_TILE; t++)
				acc[t].v[i] *= fade;
		}
		k_wave_sync();		/* a query's weights stay in its wave */
		for (int step = 0; step < KEYS / K_MMA_K16; step++) {
			struct k_frag16 w = fragment(lane, weights + step * K_MMA_K16, V_STRIDE);

			for (int t = 0; t < V / K_TILE; t++) {
				struct k_frag16 values = fragment(lane, vs + t * K_TILE * V_STRIDE + step * K_MMA_K16, V_STRIDE);

				acc[t] = multiply(K_WAVE_PASS type, w, values, acc[t]);
			}
		}
		k_sync();
	}
	for (int i = 0; i < K_ACC; i++) {
		int query = mine + k_acc_row(k_lane(), i);
		float factor, fade = 1;

		sum[i] /= weight_unit(type);
		if (p.flags & DSK_ATTN_SINKS) {
			float sink = sinks[head] * K_LOG2E, rise = k_max(top[i], sink);

			fade = k_exp2(top[i] - rise);
			sum[i] = k_fma(sum[i], fade, k_exp2(sink - rise));
		}
		factor = sum[i] > 0 ? fade / (sum[i] * weight_unit(type)) : 0;
		if (query < n_queries)
			for (int t = 0; t < V / K_TILE; t++)
				out[((long)(start + query) * p.q_heads + head) * V + t * K_TILE + k_acc_col(k_lane())] = acc[t].v[i] * factor;
	}
}

#define OTHERS(D, H)	((D) > (H) ? QUERIES * ((D) - (H) + K_PAD) : 1)		/* elements of queries that are in LDS */
#define TILES(D, V, H)	/* in LDS */							\
	K_LDS(k_u16, ks, KEYS * (D + K_PAD));							\
	K_LDS(k_u16, vs, V * V_STRIDE);								\
	K_LDS(k_u16, ps, QUERIES * V_STRIDE);							\
	K_LDS(k_u16, qs, OTHERS(D, H));								\
	K_LDS(int, there, KEYS);								\
	K_LDS(int, shared, 3);									\
	K_COLLECTIVES
#define NO_WORDS	((K_GLOBAL const k_u32 *)0)
#define NONE_SELECTED	((K_LOCAL const k_u32 *)0)

/* As dsk_attn_prefill, but for k_scales and v_scales. Groups: ceil(most queries of a sequence / (16 * waves)), q_heads, S. */
#define PREFILL(D, V, H, name, type)									\
K_KERNEL(LANES) name(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v, \
		     K_GLOBAL const int *pages, K_GLOBAL const int *lengths, K_GLOBAL const int *starts, \
		     K_GLOBAL const k_u32 *mask, K_GLOBAL const float *sinks, struct dsk_attn_params p) \
{													\
	TILES(D, V, H);											\
	prefill(K_WAVE_PASS D, V, H, type, 0, ks, vs, ps, qs, there, shared, out, q, k, v, k, v, pages, lengths, starts, mask, sinks, NONE_SELECTED, p); \
}
PREFILL(64, 64, HELD(64), dsk_attn_prefill_bf16_64, DSK_BF16)
PREFILL(128, 128, HELD(128), dsk_attn_prefill_bf16_128, DSK_BF16)
PREFILL(64, 64, HELD(64), dsk_attn_prefill_f16_64, DSK_F16)
PREFILL(128, 128, HELD(128), dsk_attn_prefill_f16_128, DSK_F16)
PREFILL(MAX_D, DSK_MLA_VALUE, HELD(128), dsk_mla_prefill_bf16, DSK_BF16)
PREFILL(MAX_D, DSK_MLA_VALUE, HELD(128), dsk_mla_prefill_f16, DSK_F16)

/* As dsk_attn_sparse, but for k_scales and v_scales. Groups: as of the above. */
#define SPARSE(D, name, type)										\
K_KERNEL(LANES) name(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v, \
		     K_GLOBAL const int *pages, K_GLOBAL const int *lengths, K_GLOBAL const int *starts, \
		     K_GLOBAL const k_u32 *blocks, K_GLOBAL const float *sinks, struct dsk_attn_params p) \
{													\
	TILES(D, D, HELD(96));											\
	K_LDS(k_u32, selected, QUERIES / DSK_BLOCK * BLOCK_WORDS);					\
													\
	p.flags &= ~DSK_ATTN_MASK;									\
	load_selected(selected, QUERIES / DSK_BLOCK, LANES, blocks, k_group_z(), k_group_x() * (QUERIES / DSK_BLOCK), k_group_y(), p); \
	prefill(K_WAVE_PASS D, D, HELD(96), type, 0, ks, vs, ps, qs, there, shared, out, q, k, v, k, v, pages, lengths, starts, NO_WORDS, sinks, \
		selected, p);										\
}
SPARSE(64, dsk_attn_sparse_bf16_64, DSK_BF16)
SPARSE(128, dsk_attn_sparse_bf16_128, DSK_BF16)
SPARSE(64, dsk_attn_sparse_f16_64, DSK_F16)
SPARSE(128, dsk_attn_sparse_f16_128, DSK_F16)

/* Buffers as of dsk_pyramid_prefill, groups as of the above. */
#define PYRAMID(D, name, type)										\
K_KERNEL(LANES) name(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v, \
		     K_GLOBAL const k_u32 *k_pools, K_GLOBAL const k_u32 *v_pools, K_GLOBAL const int *pages, \
		     K_GLOBAL const int *lengths, K_GLOBAL const int *starts, K_GLOBAL const float *sinks, \
		     struct dsk_attn_params p)								\
{													\
	TILES(D, D, HELD(96));											\
													\
	p.flags &= DSK_ATTN_SINKS;									\
	prefill(K_WAVE_PASS D, D, HELD(96), type, 1, ks, vs, ps, qs, there, shared, out, q, k, v, k_pools, v_pools, pages, lengths, starts, NO_WORDS, sinks, \
		NONE_SELECTED, p);									\
}
PYRAMID(64, dsk_pyramid_prefill_bf16_64, DSK_BF16)
PYRAMID(128, dsk_pyramid_prefill_bf16_128, DSK_BF16)
PYRAMID(64, dsk_pyramid_prefill_f16_64, DSK_F16)
PYRAMID(128, dsk_pyramid_prefill_f16_128, DSK_F16)

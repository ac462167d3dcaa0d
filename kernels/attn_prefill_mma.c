/* SPDX-License-Identifier: MIT */
/*
 * Prefill with matrix instructions: what attn_prefill.c does, for caches of bf16 or f16. Queries and weights are rounded to the cache's
 * type; logits, sums and results are float. Each wave has 16 queries, whose fragments stay in registers; tiles of keys, and
 * of values transposed, pass through LDS; weights go through LDS from the accumulator's layout to a fragment's.
 */
#include "attn.h"
#include "kmma.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define QUERIES	(K_TILE * WAVES)
#define KEYS	32
#define K_PAD	8			/* elements between rows in LDS: other banks, still 16 bytes aligned */
#define V_STRIDE	(KEYS + K_PAD)
#define MAX_STEPS	(128 / 16)
#define MAX_TILES	(128 / K_TILE)

K_DEV k_u16 to_bits(float v, int type)
{
	return type == DSK_BF16 ? k_f32_to_bf16(v) : k_f32_to_f16(v);
}

K_DEV float from_bits(k_u16 v, int type)
{
	return type == DSK_BF16 ? k_bf16_to_f32(v) : k_f16_to_f32(v);
}

/* The lane's fragment of 16 rows that are @stride apart. */
K_DEV struct k_frag16 fragment(int lane, K_LOCAL const k_u16 *rows, int stride)
{
	struct k_frag16 f;

	for (int i = 0; i < K_FRAG16; i++)
		f.v[i] = rows[k_mma_row(lane) * stride + k_mma_k16(lane, i)];
	return f;
}

K_DEV void prefill(K_WAVE_PARAM int D, int type, K_LOCAL k_u16 *ks, K_LOCAL k_u16 *vs, K_LOCAL k_u16 *ps, K_LOCAL int *there,
		   K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v,
		   K_GLOBAL const int *pages, K_GLOBAL const int *lengths, K_GLOBAL const int *starts,
		   K_GLOBAL const k_u32 *mask, K_GLOBAL const float *sinks, struct dsk_attn_params p)
{
	int head = k_group_y(), sequence = k_group_z(), kv_head = head / (p.q_heads / p.kv_heads);
	int start = starts[sequence], n_queries = starts[sequence + 1] - start, first = k_group_x() * QUERIES;
	int length = kv_length(lengths, sequence, p), before = length - n_queries, low = 0, high = length;
	int mine = first + k_wave() * K_TILE, k_stride = D + K_PAD, row;
	long at_q;
	K_LOCAL k_u16 *weights = ps + k_wave() * K_TILE * V_STRIDE;
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
	K_UNROLL(8)
	for (int step = 0; step < D / K_MMA_K16; step++)
		for (int i = 0; i < K_FRAG16; i++)
			queries[step].v[i] = to_bits(q[at_q + step * K_MMA_K16 + k_mma_k16(k_lane(), i)], type);
	for (int i = 0; i < K_ACC; i++) {
		top[i] = K_NEG_BIG;
		sum[i] = 0;
	}
	for (int t = 0; t < D / K_TILE; t++)
		acc[t] = k_acc_zero_f32();

	for (int tile = low; tile < high; tile += KEYS) {
		struct k_acc_f32 logits[2];
		int lane = k_opaque(k_lane()), base = mine + k_acc_row(lane, 0);	/* or addresses of all rows stay in registers */

		K_UNROLL(2)
		for (int i = k_wave() * K_WAVE + lane; i < KEYS * D / 2; i += LANES) {
			int key = i / (D / 2), d = i % (D / 2) * 2, token = tile + key;
			long at = token < length ? kv_row(pages, sequence, token, kv_head, p) : -1;
			k_u32 two = at < 0 ? 0 : v[(at * D + d) / 2];

			((K_LOCAL k_u32 *)ks)[(key * k_stride + d) / 2] = at < 0 ? 0 : k[(at * D + d) / 2];
			vs[d * V_STRIDE + key] = (k_u16)two;
			vs[(d + 1) * V_STRIDE + key] = (k_u16)(two >> 16);
			if (d == 0)
				there[key] = at >= 0;
		}
		k_sync();
		for (int j = 0; j < 2; j++) {
			logits[j] = k_acc_zero_f32();
			for (int step = 0; step < D / K_MMA_K16; step++) {
				struct k_frag16 keys = fragment(lane, ks + j * K_TILE * k_stride + step * K_MMA_K16, k_stride);

				logits[j] = type == DSK_BF16 ? k_mma_bf16(queries[step], keys, logits[j]) :
					k_mma_f16(queries[step], keys, logits[j]);
			}
		}
		for (int i = 0; i < K_ACC; i++) {
			int query = base + k_acc_row(0, i);	/* in every layout rows differ by what i alone says */
			float rise, fade, total = 0;

			for (int j = 0; j < 2; j++) {
				int key = k_acc_col(lane) + j * K_TILE;

				logits[j].v[i] = query < n_queries && there[key] && sees(before + query, start + query, tile + key, mask, p) ?
					logit2(logits[j].v[i], p) : 2 * K_NEG_BIG;
			}
			rise = k_max(top[i], max16(K_WAVE_PASS k_max(logits[0].v[i], logits[1].v[i])));
			fade = k_exp2(top[i] - rise);
			for (int j = 0; j < 2; j++) {
				k_u16 weight = to_bits(k_exp2(logits[j].v[i] - rise), type);

				weights[k_acc_row(lane, i) * V_STRIDE + k_acc_col(lane) + j * K_TILE] = weight;
				total += from_bits(weight, type);	/* what the values are multiplied by */
			}
			top[i] = rise;
			sum[i] = k_fma(sum[i], fade, sum16(K_WAVE_PASS total));
			for (int t = 0; t < D / K_TILE; t++)
				acc[t].v[i] *= fade;
		}
		k_wave_sync();		/* a query's weights stay in its wave */
		for (int step = 0; step < KEYS / K_MMA_K16; step++) {
			struct k_frag16 w = fragment(lane, weights + step * K_MMA_K16, V_STRIDE);

			for (int t = 0; t < D / K_TILE; t++) {
				struct k_frag16 values = fragment(lane, vs + t * K_TILE * V_STRIDE + step * K_MMA_K16, V_STRIDE);

				acc[t] = type == DSK_BF16 ? k_mma_bf16(w, values, acc[t]) : k_mma_f16(w, values, acc[t]);
			}
		}
		k_sync();
	}
	for (int i = 0; i < K_ACC; i++) {
		int query = mine + k_acc_row(k_lane(), i);
		float factor, fade = 1;

		if (p.flags & DSK_ATTN_SINKS) {
			float sink = sinks[head] * K_LOG2E, rise = k_max(top[i], sink);

			fade = k_exp2(top[i] - rise);
			sum[i] = k_fma(sum[i], fade, k_exp2(sink - rise));
		}
		factor = sum[i] > 0 ? fade / sum[i] : 0;
		if (query < n_queries)
			for (int t = 0; t < D / K_TILE; t++)
				out[((long)(start + query) * p.q_heads + head) * D + t * K_TILE + k_acc_col(k_lane())] = acc[t].v[i] * factor;
	}
}

/* As dsk_attn_prefill, but for k_scales and v_scales. Groups: ceil(most queries of a sequence / (16 * waves)), q_heads, S. */
#define PREFILL(D, name, type)										\
K_KERNEL(LANES) dsk_attn_prefill_##name##_##D(K_GLOBAL float *out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, \
					      K_GLOBAL const k_u32 *v, K_GLOBAL const int *pages,	\
					      K_GLOBAL const int *lengths, K_GLOBAL const int *starts,	\
					      K_GLOBAL const k_u32 *mask, K_GLOBAL const float *sinks,	\
					      struct dsk_attn_params p)					\
{													\
	K_LDS(k_u16, ks, KEYS * (D + K_PAD));								\
	K_LDS(k_u16, vs, D * V_STRIDE);									\
	K_LDS(k_u16, ps, QUERIES * V_STRIDE);								\
	K_LDS(int, there, KEYS);									\
	K_COLLECTIVES;											\
	prefill(K_WAVE_PASS D, type, ks, vs, ps, there, out, q, k, v, pages, lengths, starts, mask, sinks, p); \
}
PREFILL(64, bf16, DSK_BF16)
PREFILL(128, bf16, DSK_BF16)
PREFILL(64, f16, DSK_F16)
PREFILL(128, f16, DSK_F16)

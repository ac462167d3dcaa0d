/* SPDX-License-Identifier: MIT */
/*
 * Decode with matrix instructions, for caches of bf16 or f16: up to 16 queries of a KV head (MLA: any 16 heads) are the rows of one product.
 * Queries and weights are rounded to the cache's type; logits, sums and results are float. Keys and values go from memory to registers:
 * tiles of keys begin with a page, and which columns of the result a lane has is chosen so that it reads its part of a value at
 * once. acc and ml are what dsk_attn_merge takes.
 */
#include "attn_mma.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define KEYS	(2 * DSK_PAGE)		/* of a wave's tile */
#define K_PAD	8			/* elements between rows in LDS: other banks, still 16 bytes aligned */
#define P_STRIDE	(KEYS + K_PAD)
#define MAX_D	128
#if K_MMA == K_MMA_RDNA3	/* its lanes have each row twice, for so many registers */
#define STEPS_AT_ONCE	1
#else
#define STEPS_AT_ONCE	2
#endif

/* A sequence's part that a group has. */
struct part {
	int sequence, first, last;	/* tokens */
	int base;			/* the first one's page begins */
};

K_DEV struct part part_of(int sequence, int length, struct dsk_attn_params p)
{
	int low = p.window > 0 && length > p.window ? length - p.window : 0, each = (length - low + p.splits - 1) / p.splits;
	struct part part;

	part.sequence = sequence;
	part.first = low + k_group_z() * each;
	part.last = part.first + each < length ? part.first + each : length;
	part.base = part.first / DSK_PAGE * DSK_PAGE;
	return part;
}

/* Index of the first row of the page that begins with @token, or -1: no such page, or none of the part's tokens. */
K_DEV long page_row(K_GLOBAL const int *pages, int token, struct part part, int head, struct dsk_attn_params p)
{
	return token < part.last ? kv_row(pages, part.sequence, token, head, p) : -1;
}

K_DEV int is_in(struct part part, int token)
{
	return token >= part.first && token < part.last;
}

/* Queries of @size elements to LDS; past the last of them zeros: nobody looks at what comes of those. */
K_DEV void store_queries(int size, int type, K_LOCAL k_u16 *qs, K_GLOBAL const float *q, int n)
{
	for (int i = k_tid(); i < K_TILE * size; i += LANES)
		qs[i / size * (size + K_PAD) + i % size] = i / size < n ? to_bits(q[i], type) : 0;
}

/* q.k of all queries and this wave's keys, of which the lane's begins at word @at; -1: it is 0. */
K_DEV struct k_acc_f32 dots(K_WAVE_PARAM int size, int type, K_LOCAL const k_u16 *qs, K_GLOBAL const k_u32 *k, long at)
{
	K_LOCAL const k_u32 *query = (K_LOCAL const k_u32 *)qs + (k_mma_row(k_lane()) * (size + K_PAD) + run_at(k_lane())) / 2;
	struct k_acc_f32 sum = k_acc_zero_f32();

	K_UNROLL(2)
	for (int c = 0; c < size / CHUNK; c++) {
		k_u32 a[RUN / 2], b[RUN / 2];

		for (int i = 0; i < RUN / 2; i++) {
			a[i] = query[c * CHUNK / 2 + i];
			b[i] = at < 0 ? 0 : k[at + c * CHUNK / 2 + i];
		}
		for (int f = 0; f < RUN / K_FRAG16; f++)
			sum = multiply(K_WAVE_PASS type, k_frag16_of(a + f * K_FRAG16 / 2), k_frag16_of(b + f * K_FRAG16 / 2), sum);
	}
	return sum;
}

K_DEV void decode(K_WAVE_PARAM int D, int type, K_LOCAL k_u16 *qs, K_LOCAL k_u16 *ps, K_LOCAL float *tops, K_LOCAL float *sums, K_GLOBAL float *acc_out,
		  K_GLOBAL float *ml_out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v,
		  K_GLOBAL const int *pages, K_GLOBAL const int *lengths, struct dsk_attn_params p)
{
	int of_head = p.q_heads / p.kv_heads, packs = (of_head + K_TILE - 1) / K_TILE, kv_head = k_group_x() / packs;
	int first_query = k_group_x() % packs * K_TILE, n_queries = of_head - first_query, lane = k_lane();
	struct part part = part_of(k_group_y(), kv_length(lengths, k_group_y(), p), p);	/* waves meet as often, whatever it is for each */
	long row_q = (long)part.sequence * p.q_heads + (long)kv_head * of_head + first_query;
	K_LOCAL k_u16 *weights = ps + k_wave() * K_TILE * P_STRIDE;
	K_LOCAL float *parts = (K_LOCAL float *)ps;
	struct k_acc_f32 acc[MAX_D / K_TILE];
	float top[K_ACC], sum[K_ACC];

	store_queries(D, type, qs, q + row_q * D, n_queries);
	for (int i = 0; i < K_ACC; i++) {
		top[i] = K_NEG_BIG;
		sum[i] = 0;
	}
	for (int t = 0; t < D / K_TILE; t++)
		acc[t] = k_acc_zero_f32();
	k_sync();

	/* one trip count for the group: past the end a wave has tiles of nothing */
	for (int step = 0; step * KEYS * WAVES < part.last - part.base; step++) {
		int tile = part.base + (step * WAVES + k_wave()) * KEYS;
		long page[2];
		struct k_acc_f32 logits[2];

		for (int j = 0; j < 2; j++) {
			long at;

			page[j] = page_row(pages, tile + j * DSK_PAGE, part, kv_head, p);
			at = page[j] < 0 ? -1 : ((page[j] + (long)k_mma_row(lane) * p.kv_heads) * D + run_at(lane)) / 2;
			logits[j] = dots(K_WAVE_PASS D, type, qs, k, at);
		}
		for (int i = 0; i < K_ACC; i++) {
			float rise, fade, total = 0;

			for (int j = 0; j < 2; j++)
				logits[j].v[i] = page[j] >= 0 && is_in(part, tile + j * DSK_PAGE + k_acc_col(lane)) ?
					logit2(logits[j].v[i], p) : 2 * K_NEG_BIG;
			rise = k_max(top[i], max16(K_WAVE_PASS k_max(logits[0].v[i], logits[1].v[i])));
			fade = k_exp2(top[i] - rise);
			for (int j = 0; j < 2; j++) {
				k_u16 weight = to_bits(k_exp2(logits[j].v[i] - rise) * weight_unit(type), type);

				weights[k_acc_row(lane, i) * P_STRIDE + k_acc_col(lane) + j * K_TILE] = weight;
				total += from_bits(weight, type);	/* what the values are multiplied by */
			}
			top[i] = rise;
			sum[i] = k_fma(sum[i], fade, sum16(K_WAVE_PASS total));
			for (int t = 0; t < D / K_TILE; t++)
				acc[t].v[i] *= fade;
		}
		k_wave_sync();
		K_UNROLL(STEPS_AT_ONCE)
		for (int s = 0; s < KEYS / K_MMA_K16; s++) {
			struct k_frag16 w = fragment(lane, weights + s * K_MMA_K16, P_STRIDE);
			k_u32 two[MAX_D / K_TILE / 2][K_FRAG16];

			for (int i = 0; i < K_FRAG16; i++) {
				int key = s * K_MMA_K16 + k_mma_k16(lane, i);
				long of_page = key < DSK_PAGE ? page[0] : page[1];
				/* a weight of 0 is no mask: what isn't ours may be a NaN */
				int real = of_page >= 0 && is_in(part, tile + key);
				long at = (of_page + (long)(key % DSK_PAGE) * p.kv_heads) * D + k_mma_row(lane) * (D / K_TILE);

				for (int t = 0; t < D / K_TILE / 2; t++)
					two[t][i] = real ? v[at / 2 + t] : 0;
			}
			for (int t = 0; t < D / K_TILE; t++)
				acc[t] = multiply(K_WAVE_PASS type, w, transposed(two[t / 2], t), acc[t]);
		}
		k_wave_sync();
	}
	if (k_acc_col(lane) == 0)
		for (int i = 0; i < K_ACC; i++) {
			tops[k_wave() * K_TILE + k_acc_row(lane, i)] = top[i];
			sums[k_wave() * K_TILE + k_acc_row(lane, i)] = sum[i];
		}
	k_sync();
	for (int i = 0; i < K_ACC; i++) {
		float most = K_NEG_BIG, fade;

		for (int w = 0; w < WAVES; w++)
			most = k_max(most, tops[w * K_TILE + k_acc_row(lane, i)]);
		fade = k_exp2(top[i] - most);
		for (int t = 0; t < D / K_TILE; t++)
			acc[t].v[i] *= fade;
	}
	for (int t = 0; t < D / K_TILE; t++) {
		int query_at = k_tid() / K_TILE, d = k_tid() % K_TILE * (D / K_TILE) + t;
		float total = 0;

		for (int i = 0; i < K_ACC; i++)
			parts[(k_wave() * K_TILE + k_acc_row(lane, i)) * K_TILE + k_acc_col(lane)] = acc[t].v[i];
		k_sync();
		for (int w = 0; w < WAVES; w++)
			total += parts[w * LANES + k_tid()];
		if (query_at < n_queries)
			acc_out[((row_q + query_at) * p.splits + k_group_z()) * D + d] = total / weight_unit(type);
		k_sync();
	}
	if (k_tid() < n_queries && k_tid() < K_TILE) {
		long row_out = (row_q + k_tid()) * p.splits + k_group_z();
		float most = K_NEG_BIG, total = 0;

		for (int w = 0; w < WAVES; w++)
			most = k_max(most, tops[w * K_TILE + k_tid()]);
		for (int w = 0; w < WAVES; w++)
			total = k_fma(sums[w * K_TILE + k_tid()], k_exp2(tops[w * K_TILE + k_tid()] - most), total);
		ml_out[row_out * 2] = most;
		ml_out[row_out * 2 + 1] = total / weight_unit(type);
	}
}

/* Buffers as of dsk_attn_decode, but for scales. Groups: kv_heads * ceil(q_heads / kv_heads / 16), S, splits. */
#define DECODE(D, name, type)										\
K_KERNEL(LANES) name(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, \
		     K_GLOBAL const k_u32 *v, K_GLOBAL const int *pages, K_GLOBAL const int *lengths,	\
		     struct dsk_attn_params p)								\
{													\
	K_LDS(k_u16, qs, K_TILE * (D + K_PAD));								\
	K_LDS(k_u16, ps, WAVES * K_TILE * P_STRIDE);							\
	K_LDS(float, tops, WAVES * K_TILE);								\
	K_LDS(float, sums, WAVES * K_TILE);								\
	K_COLLECTIVES;											\
	decode(K_WAVE_PASS D, type, qs, ps, tops, sums, acc, ml, q, k, v, pages, lengths, p);		\
}
DECODE(64, dsk_attn_decode_bf16_64, DSK_BF16)
DECODE(128, dsk_attn_decode_bf16_128, DSK_BF16)
DECODE(64, dsk_attn_decode_f16_64, DSK_F16)
DECODE(128, dsk_attn_decode_f16_128, DSK_F16)

#define LATENT	DSK_MLA_LATENT
#define KEY	(DSK_MLA_LATENT + DSK_MLA_ROPE)
#define TILE_KEYS	(WAVES * DSK_PAGE)	/* a page a wave */
#define W_STRIDE	(TILE_KEYS + K_PAD)
#define COLUMNS	(LATENT / WAVES / K_TILE)	/* tiles of them a wave has */

/*
 * MLA, absorbed: a key is 576 elements and its first 512 the value, so waves share a tile of keys. Each makes the logits of its page, and then
 * over all pages its part of the columns.
 */
K_DEV void mla(K_WAVE_PARAM int type, K_LOCAL k_u16 *qs, K_LOCAL k_u16 *ws, K_LOCAL float *tops, K_LOCAL float *sums, K_LOCAL int *shared_length,
	       K_GLOBAL float *acc_out, K_GLOBAL float *ml_out, K_GLOBAL const float *q, K_GLOBAL const k_u32 *cache,
	       K_GLOBAL const int *pages, K_GLOBAL const int *lengths, struct dsk_attn_params p)
{
	int first_query = k_group_x() * K_TILE, n_queries = p.q_heads - first_query, lane = k_lane();
	long row_q = (long)k_group_y() * p.q_heads + first_query;
	struct part part;
	struct k_acc_f32 acc[COLUMNS];
	float top[K_ACC], sum[K_ACC];

	if (k_tid() == 0)	/* for all: it may change meanwhile, and waves meet at each tile */
		shared_length[0] = kv_length(lengths, k_group_y(), p);
	store_queries(KEY, type, qs, q + row_q * KEY, n_queries);
	for (int i = 0; i < K_ACC; i++) {
		top[i] = K_NEG_BIG;
		sum[i] = 0;
	}
	for (int t = 0; t < COLUMNS; t++)
		acc[t] = k_acc_zero_f32();
	k_sync();
	part = part_of(k_group_y(), shared_length[0], p);
	for (int tile = part.base; tile < part.last; tile += TILE_KEYS) {
		int mine = tile + k_wave() * DSK_PAGE;
		long page = page_row(pages, mine, part, 0, p), at = page < 0 ? -1 : ((page + k_mma_row(lane)) * KEY + run_at(lane)) / 2;
		struct k_acc_f32 logits = dots(K_WAVE_PASS KEY, type, qs, cache, at);

		for (int i = 0; i < K_ACC; i++) {
			float most;

			logits.v[i] = page >= 0 && is_in(part, mine + k_acc_col(lane)) ? logit2(logits.v[i], p) : 2 * K_NEG_BIG;
			most = max16(K_WAVE_PASS logits.v[i]);
			if (k_acc_col(lane) == 0)
				tops[k_wave() * K_TILE + k_acc_row(lane, i)] = most;
		}
		k_sync();
		for (int i = 0; i < K_ACC; i++) {
			float rise = top[i], fade;
			k_u16 weight;

			for (int w = 0; w < WAVES; w++)
				rise = k_max(rise, tops[w * K_TILE + k_acc_row(lane, i)]);
			fade = k_exp2(top[i] - rise);
			weight = to_bits(k_exp2(logits.v[i] - rise) * weight_unit(type), type);
			ws[k_acc_row(lane, i) * W_STRIDE + k_wave() * DSK_PAGE + k_acc_col(lane)] = weight;
			top[i] = rise;
			sum[i] = k_fma(sum[i], fade, sum16(K_WAVE_PASS from_bits(weight, type)));	/* of this wave's page */
			for (int t = 0; t < COLUMNS; t++)
				acc[t].v[i] *= fade;
		}
		k_sync();
		K_UNROLL(1)
		for (int s = 0; s < TILE_KEYS / K_MMA_K16; s++) {
			struct k_frag16 w = fragment(lane, ws + s * K_MMA_K16, W_STRIDE);
			k_u32 two[COLUMNS / 2][K_FRAG16];

			for (int i = 0; i < K_FRAG16; i++) {
				int key = s * K_MMA_K16 + k_mma_k16(lane, i);
				long of_page = page_row(pages, tile + key / DSK_PAGE * DSK_PAGE, part, 0, p);
				int real = of_page >= 0 && is_in(part, tile + key);
				long from = (of_page + key % DSK_PAGE) * KEY + (k_wave() * K_TILE + k_mma_row(lane)) * COLUMNS;

				for (int t = 0; t < COLUMNS / 2; t++)
					two[t][i] = real ? cache[from / 2 + t] : 0;
			}
			for (int t = 0; t < COLUMNS; t++)
				acc[t] = multiply(K_WAVE_PASS type, w, transposed(two[t / 2], t), acc[t]);
		}
	}
	for (int i = 0; i < K_ACC; i++) {
		int query = k_acc_row(lane, i);

		if (k_acc_col(lane) == 0)
			sums[k_wave() * K_TILE + query] = sum[i];
		for (int t = 0; query < n_queries && t < COLUMNS; t++)
			acc_out[((row_q + query) * p.splits + k_group_z()) * LATENT +
				(k_wave() * K_TILE + k_acc_col(lane)) * COLUMNS + t] = acc[t].v[i] / weight_unit(type);
	}
	k_sync();
	for (int i = 0; i < K_ACC; i++) {
		int query = k_acc_row(lane, i);
		long row_out = (row_q + query) * p.splits + k_group_z();
		float total = 0;

		if (query >= n_queries || k_acc_col(lane) || k_wave())
			continue;
		for (int w = 0; w < WAVES; w++)
			total += sums[w * K_TILE + query];
		ml_out[row_out * 2] = top[i];
		ml_out[row_out * 2 + 1] = total / weight_unit(type);
	}
}

/* Buffers as of dsk_mla_decode, but for scales. Groups: ceil(q_heads / 16), S, splits. */
#define MLA(name, type)											\
K_KERNEL(LANES) name(K_GLOBAL float *acc, K_GLOBAL float *ml, K_GLOBAL const float *q, K_GLOBAL const k_u32 *cache, \
		     K_GLOBAL const int *pages, K_GLOBAL const int *lengths, struct dsk_attn_params p)	\
{													\
	K_LDS(k_u16, qs, K_TILE * (KEY + K_PAD));								\
	K_LDS(k_u16, ws, K_TILE * W_STRIDE);								\
	K_LDS(float, tops, WAVES * K_TILE);								\
	K_LDS(float, sums, WAVES * K_TILE);								\
	K_LDS(int, shared_length, 1);									\
	K_COLLECTIVES;											\
	mla(K_WAVE_PASS type, qs, ws, tops, sums, shared_length, acc, ml, q, cache, pages, lengths, p);		\
}
MLA(dsk_mla_decode_bf16, DSK_BF16)
MLA(dsk_mla_decode_f16, DSK_F16)

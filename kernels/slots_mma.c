/* SPDX-License-Identifier: MIT */
/*
 * Attention over a cache by slots with matrix instructions, for caches of bf16 or f16: prefill and decode. The rows of a product are the
 * queries of a KV head, of all its heads token by token, so what is loaded of the cache serves them all; tiles of keys, and of values
 * transposed, pass through LDS. Queries and weights are sums of two numbers of the cache's type (split.h), each multiplied: the result is
 * dsk_slot_attend's, not one of what was rounded to that type.
 */
#include "attn_mma.h"
#include "split.h"

#define LANES	256
#define WAVES	(LANES / K_WAVE)
#define ROWS	(K_TILE * WAVES)
#define KEYS	32
#define K_PAD	8			/* elements between rows in LDS: other banks, still 16 bytes aligned */
#define V_STRIDE	(KEYS + K_PAD)
#define MAX_D	128
#define MAX_STEPS	(MAX_D / 16)
#define HELD(D)	(K_MMA != K_MMA_RDNA3 || (D) <= 64)	/* queries stay in registers; there each row is in them twice */
#define SMALL_UNIT(type)	(K_MMA == K_MMA_CDNA2 && (type) == DSK_F16 ? 2048.0f : 1)	/* of queries: split.h */

/* Does the query at @position, -1 if it has none, see @token? */
K_DEV int row_sees(int position, int token, struct dsk_slot_attend_params p)
{
	return token <= position && !(p.window > 0 && token <= position - p.window);
}

K_DEV float slot_logit2(float dot, struct dsk_slot_attend_params p)
{
	float x = dot * p.scale;

	if (p.cap > 0)
		x = p.cap * k_tanh(x / p.cap);
	return x * K_LOG2E;
}

/* The lane's fragment of the query @q, of either part, the small one times SMALL_UNIT. */
K_DEV struct k_frag16 query(int lane, K_GLOBAL const float *q, int small, int type)
{
	struct k_frag16 f;

	for (int i = 0; i < K_FRAG16; i++)
		f.v[i] = small ? small_part(q[k_mma_k16(lane, i)], SMALL_UNIT(type), type) :
			large_part(q[k_mma_k16(lane, i)], SMALL_UNIT(type), type);
	return f;
}

K_DEV void attend(K_WAVE_PARAM int D, int type, K_LOCAL k_u16 *ks, K_LOCAL k_u16 *vs, K_LOCAL k_u16 *ws, K_LOCAL int *positions, K_GLOBAL float *out, K_GLOBAL float *parts, K_GLOBAL float *ml, K_GLOBAL int *fault, K_GLOBAL const float *q,
		  K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v, K_GLOBAL const int *position, K_GLOBAL const float *sinks,
		  struct dsk_slot_attend_params p)
{
	int of_head = p.q_heads / p.kv_heads, kv_head = k_group_y(), n_rows = p.tokens * of_head, base = k_group_x() * ROWS;
	int low = DSK_RING_POSITIONS, high = -1, stride = D + K_PAD, mine = k_wave() * K_TILE, row, first, last;
	K_LOCAL k_u16 *weights = ws + mine * V_STRIDE;
	struct k_frag16 large[MAX_STEPS], small[MAX_STEPS];
	struct k_acc_f32 acc[MAX_D / K_TILE];
	float top[K_ACC], sum[K_ACC];
	long at_q;

	for (int i = k_tid(); i < ROWS; i += LANES)
		positions[i] = base + i < n_rows ? checked_index(fault, position + (base + i) / of_head,
								 p.flags & DSK_SLOT_RING ? DSK_RING_POSITIONS : p.slots) : -1;
	k_sync();
	for (int i = 0; i < ROWS; i++) {
		int from = p.window > 0 && positions[i] >= p.window ? positions[i] - p.window + 1 : 0;

		low = positions[i] >= 0 && from < low ? from : low;
		high = positions[i] > high ? positions[i] : high;
	}
	low = low > high ? high + 1 : low;
	low = low <= high - p.slots ? high - p.slots + 1 : low;		/* a ring has no more, whatever positions say */
	last = (high - low + p.splits) / p.splits;
	last = (last + KEYS - 1) / KEYS * KEYS;		/* tokens a part: whole tiles, so that none has what the next part has */
	first = low + k_group_z() * last;
	last = first + last <= high ? first + last : high + 1;

	/* past the last row that one again: nobody looks at what comes of it */
	row = base + mine + k_mma_row(k_lane()) < n_rows ? base + mine + k_mma_row(k_lane()) : n_rows - 1;
	at_q = (long)(row / of_head) * p.q_token_stride + (long)(kv_head * of_head + row % of_head) * p.q_head_stride;
	K_UNROLL(8)
	for (int step = 0; step < D / K_MMA_K16 && HELD(D); step++) {
		large[step] = query(k_lane(), q + at_q + step * K_MMA_K16, 0, type);
		small[step] = query(k_lane(), q + at_q + step * K_MMA_K16, 1, type);
	}
	for (int i = 0; i < K_ACC; i++) {
		top[i] = K_NEG_BIG;
		sum[i] = 0;
	}
	for (int t = 0; t < D / K_TILE; t++)
		acc[t] = k_acc_zero_f32();

	for (int tile = first; tile < last; tile += KEYS) {
		struct k_acc_f32 logits[2];
		int lane = k_opaque(k_lane());	/* or addresses of all rows stay in registers */

		K_UNROLL(2)
		for (int i = k_wave() * K_WAVE + lane; i < KEYS * D / 2; i += LANES) {
			int key = i / (D / 2), d = i % (D / 2) * 2, there = tile + key < last, slot = (tile + key) % p.slots;
			k_u32 two = there ? v[((long)kv_head * p.v_head_stride + (long)slot * p.v_slot_stride + d) / 2] : 0;

			((K_LOCAL k_u32 *)ks)[(key * stride + d) / 2] =
				there ? k[((long)kv_head * p.k_head_stride + (long)slot * p.k_slot_stride + d) / 2] : 0;
			vs[d * V_STRIDE + key] = (k_u16)two;
			vs[(d + 1) * V_STRIDE + key] = (k_u16)(two >> 16);
		}
		k_sync();
		for (int j = 0; j < 2; j++) {
			struct k_acc_f32 rest = k_acc_zero_f32();	/* of small parts, where they have a unit */

			logits[j] = k_acc_zero_f32();
			for (int step = 0; step < D / K_MMA_K16 && HELD(D); step++) {
				struct k_frag16 keys = fragment(lane, ks + j * K_TILE * stride + step * K_MMA_K16, stride);

				logits[j] = multiply(K_WAVE_PASS type, large[step], keys, logits[j]);
				if (SMALL_UNIT(type) > 1)
					rest = multiply(K_WAVE_PASS type, small[step], keys, rest);
				else
					logits[j] = multiply(K_WAVE_PASS type, small[step], keys, logits[j]);
			}
			K_UNROLL(1)
			for (int step = 0; step < D / K_MMA_K16 && !HELD(D); step++) {
				struct k_frag16 keys = fragment(lane, ks + j * K_TILE * stride + step * K_MMA_K16, stride);
				K_GLOBAL const float *from = q + at_q + step * K_MMA_K16;

				logits[j] = multiply(K_WAVE_PASS type, query(lane, from, 0, type), keys, logits[j]);
				logits[j] = multiply(K_WAVE_PASS type, query(lane, from, 1, type), keys, logits[j]);
			}
			if (SMALL_UNIT(type) > 1)
				for (int i = 0; i < K_ACC; i++)
					logits[j].v[i] = k_fma(rest.v[i], 1 / SMALL_UNIT(type), logits[j].v[i]);
		}
		for (int i = 0; i < K_ACC; i++) {
			int pos = positions[mine + k_acc_row(lane, i)];
			float rise, fade, total = 0;

			for (int j = 0; j < 2; j++) {
				int token = tile + k_acc_col(lane) + j * K_TILE;

				logits[j].v[i] = row_sees(pos, token, p) ? slot_logit2(logits[j].v[i], p) : 2 * K_NEG_BIG;
			}
			rise = k_max(top[i], max16(K_WAVE_PASS k_max(logits[0].v[i], logits[1].v[i])));
			fade = k_exp2(top[i] - rise);
			for (int j = 0; j < 2; j++) {
				logits[j].v[i] = k_exp2(logits[j].v[i] - rise);
				total += logits[j].v[i];
			}
			top[i] = rise;
			sum[i] = k_fma(sum[i], fade, sum16(K_WAVE_PASS total));
			for (int t = 0; t < D / K_TILE; t++)
				acc[t].v[i] *= fade;
		}
		K_UNROLL(1)
		for (int part = 0; part < 2; part++) {
			for (int i = 0; i < 2 * K_ACC; i++) {
				float weight = logits[i % 2].v[i / 2] * TO_F16;

				weights[k_acc_row(lane, i / 2) * V_STRIDE + k_acc_col(lane) + i % 2 * K_TILE] =
					part ? small_part(weight, 1, type) : large_part(weight, 1, type);
			}
			k_wave_sync();		/* a row's weights stay in its wave */
			for (int step = 0; step < KEYS / K_MMA_K16; step++) {
				struct k_frag16 w = fragment(lane, weights + step * K_MMA_K16, V_STRIDE);

				for (int t = 0; t < D / K_TILE; t++)
					acc[t] = multiply(K_WAVE_PASS type, w, fragment(lane, vs + t * K_TILE * V_STRIDE + step * K_MMA_K16, V_STRIDE),
							  acc[t]);
			}
			k_sync();		/* the last one is before the next tile's, too */
		}
	}
	for (int i = 0; i < K_ACC; i++) {
		int at = mine + k_acc_row(k_lane(), i), token = (base + at) / of_head, head = kv_head * of_head + (base + at) % of_head;
		long part = ((long)token * p.q_heads + head) * p.splits + k_group_z(), to = part * D;
		float factor = 1 / TO_F16;
		K_GLOBAL float *y = parts;

		if (base + at >= n_rows || (p.splits == 1 && positions[at] < 0))
			continue;
		if (p.splits > 1 && k_acc_col(k_lane()) == 0) {
			ml[part * 2] = top[i];
			ml[part * 2 + 1] = sum[i];
		}
		if (p.splits == 1) {
			float sink = p.flags & DSK_SLOT_SINKS ? sinks[head] * K_LOG2E : 2 * K_NEG_BIG, rise = k_max(top[i], sink);

			factor *= k_exp2(top[i] - rise) / k_fma(sum[i], k_exp2(top[i] - rise), k_exp2(sink - rise));
			to = (long)token * p.out_token_stride + (long)head * p.out_head_stride;
			y = out;
		}
		for (int t = 0; t < D / K_TILE; t++)
			y[to + t * K_TILE + k_acc_col(k_lane())] = acc[t].v[i] * factor;
	}
}

/*
 * out [D, q_heads, T], fault, q, k, v, position [T], sinks as of dsk_slot_attend (slots.c), but that k and v are rows of D elements, 4 bytes
 * aligned, with even strides; of a ring what is p.slots or more behind the last position of a group isn't there. What lies between positions of a
 * launch, though no row sees it, is multiplied by 0, so it has to be finite. With p.splits above 1
 * the result is in parts [D, splits, q_heads, T] and ml [2, splits, q_heads, T], which dsk_attn_merge takes, sinks with them, and out isn't
 * touched. Groups: ceil(T * q_heads / kv_heads / (16 * waves)), kv_heads, splits.
 */
#define ATTEND(D, name, type)										\
K_KERNEL(LANES) name(K_GLOBAL float *out, K_GLOBAL float *parts, K_GLOBAL float *ml, K_GLOBAL int *fault, \
		     K_GLOBAL const float *q, K_GLOBAL const k_u32 *k, K_GLOBAL const k_u32 *v,		\
		     K_GLOBAL const int *position, K_GLOBAL const float *sinks, struct dsk_slot_attend_params p) \
{													\
	K_LDS(k_u16, ks, KEYS * (D + K_PAD));								\
	K_LDS(k_u16, vs, D * V_STRIDE);									\
	K_LDS(k_u16, ws, ROWS * V_STRIDE);								\
	K_LDS(int, positions, ROWS);									\
	K_COLLECTIVES;											\
													\
	attend(K_WAVE_PASS D, type, ks, vs, ws, positions, out, parts, ml, fault, q, k, v, position, sinks, p); \
}
ATTEND(32, dsk_slot_attend_bf16_32, DSK_BF16)
ATTEND(64, dsk_slot_attend_bf16_64, DSK_BF16)
ATTEND(128, dsk_slot_attend_bf16_128, DSK_BF16)
ATTEND(32, dsk_slot_attend_f16_32, DSK_F16)
ATTEND(64, dsk_slot_attend_f16_64, DSK_F16)
ATTEND(128, dsk_slot_attend_f16_128, DSK_F16)

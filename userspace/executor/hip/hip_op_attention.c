// SPDX-License-Identifier: MIT
/* ROPE, KV_STORE, ATTENTION on a cache by slots (kernels/rope.c, slots.c). */
#include <limits.h>

#include "hip_state.h"

#define PART		128	/* tokens of a split, at least */
#define CUS_UNKNOWN	64

static int cache_type(const struct cpu_tensor *cache)
{
	return cache->dtype == DSEEK_Q8_0 ? DSK_SLOT_Q8_0 : cache->dtype;
}

/* Strides of a blocked cache are counted in blocks. */
static const char *refuse_cache(const struct cpu_tensor *cache)
{
	int d;

	for (d = 1; d < 3; d++)
		if (cache->ne[d] > 1 && (cache->stride[d] % cache->stride[0] || cache->stride[d] / cache->stride[0] > INT_MAX))
			return "strides of a cache are not whole blocks, or 2^31 of them";
	return NULL;
}

const char *hip_refuse_cache(const struct cpu_op *op)
{
	const char *why = refuse_cache(op->t + 2);

	if (op->t[0].ne[1] >= 1u << 26)		/* groups of 64 lanes: a launch has fewer than 2^32 */
		return "2^26 heads or more";
	return why ? why : refuse_cache(op->t + 3);
}

const char *hip_refuse_attention(const struct cpu_op *op)
{
	if (op->code == DSEEK_OP_ROPE && op->i[0] > DSK_SLOT_HEAD)
		return "more than 1024 dimensions are rotated";
	if (op->code == DSEEK_OP_ROPE)
		return (uint64_t)op->t[0].ne[1] * (op->i[0] / 2) > INT_MAX ? "2^31 pairs of a token or more" : NULL;
	/* rows are ints, and so are a few times as many */
	if (op->code == DSEEK_OP_ATTENTION && (uint64_t)op->t[0].ne[1] * op->t[0].ne[2] >= 1u << 24)
		return "2^24 rows of queries or more";
	if (op->code == DSEEK_OP_ATTENTION && (op->t[0].ne[0] > DSK_SLOT_HEAD || op->t[2].ne[0] > DSK_SLOT_HEAD))
		return "a head has more than 1024 elements";
	return refuse_cache(op->t + 1) ? refuse_cache(op->t + 1) : refuse_cache(op->t + 2);
}

int hip_launch_rope(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *positions = op->t + 1, *factors = op->t + 2;
	const struct dsk_rope_params p = {
		.heads = (int)x->ne[1], .head_stride = hip_stride(x, 1), .token_stride = hip_stride(x, 2),
		.n = (int)op->i[0], .order = (int)op->i[1], .type = DSK_F32, .scale = op->f[2] ? op->f[2] : 1,
	};
	const struct dsk_turns_params t = { .pairs = (int)op->i[0] / 2 };
	const float *turns = l->program->turns + l->program->turns_at[l->index];
	uint64_t pairs = (uint64_t)x->ne[1] * (op->i[0] / 2);
	int r = 0;

	if (factors->data) {
		r = HIP_LAUNCH(l, dsk_turns, ((uint32_t)t.pairs + 63) / 64, 1, &t, l->state->scratch->turns, turns, factors->data);
		turns = l->state->scratch->turns;
	}
	if (!r)
		r = HIP_LAUNCH(l, dsk_rope, (uint32_t)((pairs + 255) / 256), x->ne[2], &p, x->data, positions->data, turns);
	return r;
}

int hip_launch_kv_store(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *slots = op->t + 4;
	int n, r = 0;

	for (n = 0; n < 2 && op->t[n].data && !r; n++) {
		const struct cpu_tensor *x = op->t + n, *cache = op->t + 2 + n;
		const struct dsk_slot_store_params p = {
			.n = (int)x->ne[0], .slots = (int)cache->ne[2], .type = cache_type(cache),
			.flags = op->flags & DSEEK_OPF_RING ? DSK_SLOT_RING : 0,
			.x_head_stride = hip_stride(x, 1), .x_token_stride = hip_stride(x, 2),
			.head_stride = hip_stride(cache, 1), .slot_stride = hip_stride(cache, 2),
		};

		r = HIP_LAUNCH(l, dsk_slot_store, x->ne[1], slots->ne[0], &p, cache->data, &l->state->scratch->fault, x->data,
			       slots->data);
	}
	return r;
}

/*
 * By matrix instructions: keys and values of one type, bf16 or f16, in heads of 32, 64 or 128 elements that can be read by words. Other caches, F32
 * and Q8_0 above all, are for the plain kernel, and so is bf16 where a program asks for float32 everywhere: queries would keep 16 bits of mantissa.
 */
int hip_fast_attention(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST])
{
	static const struct { uint32_t n; enum hip_kernel attend[2], merge; } sizes[] = {
		{ 32, { HIP_dsk_slot_attend_bf16_32, HIP_dsk_slot_attend_f16_32 }, HIP_KERNEL_COUNT },
		{ 64, { HIP_dsk_slot_attend_bf16_64, HIP_dsk_slot_attend_f16_64 }, HIP_dsk_attn_merge_64 },
		{ 128, { HIP_dsk_slot_attend_bf16_128, HIP_dsk_slot_attend_f16_128 }, HIP_dsk_attn_merge_128 },
	};
	const struct cpu_tensor *k = op->t + 1, *v = op->t + 2;
	unsigned int i;
	int n, d;

	if (k->ne[1] > 65535)	/* the second dimension of its grid */
		return 0;
	if (k->dtype != v->dtype || (k->dtype != DSEEK_F16 && (k->dtype != DSEEK_BF16 || op->precise)) || k->ne[0] != v->ne[0])
		return 0;
	for (n = 1; n < 3; n++) {
		if ((uintptr_t)op->t[n].data % 4)
			return 0;
		for (d = 1; d < 3; d++)
			if (op->t[n].ne[d] > 1 && op->t[n].stride[d] % 4)
				return 0;
	}
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].n == k->ne[0]) {
			kernels[0] = sizes[i].attend[k->dtype == DSEEK_F16];
			kernels[1] = sizes[i].merge;
			return kernels[1] == HIP_KERNEL_COUNT ? 1 : 2;
		}
	return 0;
}

/* Parts that what a token sees is split in, where there are fewer groups than the device has use for. */
static int splits(const struct hip_launch *l, const struct dsk_slot_attend_params *p, uint64_t groups)
{
	const uint64_t wanted = 2 * (uint64_t)(l->state->cus ? l->state->cus : CUS_UNKNOWN), rows = (uint64_t)p->q_heads * (uint64_t)p->tokens;
	uint64_t seen = (uint64_t)(p->window > 0 && p->window < p->slots ? p->window : p->slots), n = wanted / groups;

	if (p->out_head_stride != p->v_n || p->out_token_stride != p->q_heads * p->v_n)		/* dsk_attn_merge's order */
		return 1;
	n = n < seen / PART ? n : seen / PART;
	n = n < HIP_PARTS / (rows * (uint64_t)p->v_n) ? n : HIP_PARTS / (rows * (uint64_t)p->v_n);
	return n > 1 ? (int)n : 1;
}

static int launch_fast(const struct hip_launch *l, const struct cpu_op *op, struct dsk_slot_attend_params *p, const enum hip_kernel *kernels, int n)
{
	struct dsk_attn_params merge = { .q_heads = p->q_heads, .kv_heads = p->kv_heads, .flags = p->flags & DSK_SLOT_SINKS ? DSK_ATTN_SINKS : 0 };
	uint32_t rows = DSK_SLOT_ROWS / (uint32_t)l->state->target.wave, of_head = (uint32_t)(p->q_heads / p->kv_heads);
	uint32_t tiles = ((uint32_t)p->tokens * of_head + rows - 1) / rows;
	struct hip_scratch *s = l->state->scratch;
	int r;

	p->splits = n > 1 ? splits(l, p, (uint64_t)tiles * (uint64_t)p->kv_heads) : 1;
	merge.splits = p->splits;
	r = HIP_LAUNCH_IT(l, kernels[0], tiles, (uint32_t)p->kv_heads, (uint32_t)p->splits, p, op->t[4].data, s->parts, s->parts_ml, &s->fault,
			  op->t[0].data, op->t[1].data, op->t[2].data, op->t[3].data, op->t[5].data);
	if (!r && p->splits > 1)
		r = HIP_LAUNCH_IT(l, kernels[1], (uint32_t)p->q_heads, (uint32_t)p->tokens, 1, &merge, op->t[4].data, s->parts, s->parts_ml,
				  op->t[5].data);
	return r;
}

int hip_launch_attention(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *q = op->t, *k = op->t + 1, *v = op->t + 2, *positions = op->t + 3, *out = op->t + 4, *sinks = op->t + 5;
	struct dsk_slot_attend_params p = {
		.q_heads = (int)q->ne[1], .kv_heads = (int)k->ne[1], .slots = (int)k->ne[2], .k_n = (int)k->ne[0], .v_n = (int)v->ne[0],
		.k_type = cache_type(k), .v_type = cache_type(v), .window = (int)op->i[0],
		.flags = (sinks->data ? DSK_SLOT_SINKS : 0) | (op->flags & DSEEK_OPF_RING ? DSK_SLOT_RING : 0),
		.q_head_stride = hip_stride(q, 1), .q_token_stride = hip_stride(q, 2),
		.k_head_stride = hip_stride(k, 1), .k_slot_stride = hip_stride(k, 2),
		.v_head_stride = hip_stride(v, 1), .v_slot_stride = hip_stride(v, 2),
		.out_head_stride = hip_stride(out, 1), .out_token_stride = hip_stride(out, 2),
		.scale = op->f[0], .cap = op->f[1], .tokens = (int)q->ne[2],
	};
	enum hip_kernel kernels[HIP_OP_FAST];
	int n = l->state->plain ? 0 : hip_fast_attention(op, kernels);

	if (n)
		return launch_fast(l, op, &p, kernels, n);
	return HIP_LAUNCH(l, dsk_slot_attend, q->ne[1], q->ne[2], &p, out->data, &l->state->scratch->fault, q->data, k->data, v->data,
			  positions->data, sinks->data);
}

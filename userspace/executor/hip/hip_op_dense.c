// SPDX-License-Identifier: MIT
/* EMBED, ROWS, LINEAR, HEAD_LINEAR, GLU, MOE_FFN: what reads weights (kernels/dense.c, dense_mma.c, moe_dense.c, moe_mma.c). */
#include <limits.h>
#include <string.h>

#include "hip_state.h"

#define LANES	64	/* of these kernels */

static uint32_t groups(uint32_t n, uint32_t lanes)
{
	return n / lanes + (n % lanes != 0);
}

/* dsk_weight_type has the program's types in their order, without I32. */
static struct dsk_matrix matrix(const struct cpu_tensor *t)
{
	return (struct dsk_matrix){
		.type = t->dtype < DSEEK_I32 ? t->dtype : t->dtype - 1,
		.packed = t->layout == DSEEK_LAYOUT_PACKED,
		.k = (int)t->ne[0],
		.row_bytes = (int)(t->layout == DSEEK_LAYOUT_PACKED ? dseek_row_bytes(t->dtype, t->ne[0]) : t->stride[1]),
	};
}

static int is_weight(const struct cpu_op *op, int n)
{
	switch (op->code) {
	case DSEEK_OP_EMBED:
	case DSEEK_OP_HEAD_LINEAR:
		return n == 1;
	case DSEEK_OP_ROWS:
		return n == 0;
	case DSEEK_OP_LINEAR:
		return n >= 1 && n <= 3;
	case DSEEK_OP_MOE_FFN:
		return n >= 3 && n <= 5;
	default:
		return n == 1 || n == 2;
	}
}

static const char *refuse_heads(const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *w = op->t + 1;

	if (x->ne[2] > 65535)
		return "more than 65535 tokens";
	if ((uint64_t)groups(w->ne[1], LANES) * w->ne[2] >= 1u << 26)	/* of 64 lanes: a launch has fewer than 2^32 */
		return "2^26 groups of heads' rows or more";
	return w->stride[2] / 2 > INT_MAX || w->stride[2] % 2 ? "heads' weights are 4 GiB apart or more, or an odd number of bytes" : NULL;
}

const char *hip_refuse_dense(const struct cpu_op *op)
{
	int n;

	for (n = 0; n < DSEEK_OP_TENSORS; n++)
		if (op->t[n].data && is_weight(op, n) && (dseek_row_bytes(op->t[n].dtype, op->t[n].ne[0]) > INT_MAX ||
							  op->t[n].stride[1] > INT_MAX))
			if (op->t[n].layout == DSEEK_LAYOUT_ROWS)
				return "rows of a weight are 2 GiB apart or more";
	/* A group of 128 lanes has 32 rows at least, and a launch fewer than 2^32 lanes. Tables are not launched by their rows. */
	for (n = 0; n < DSEEK_OP_TENSORS; n++)
		if (op->t[n].data && is_weight(op, n) && op->code != DSEEK_OP_EMBED && op->code != DSEEK_OP_ROWS && op->t[n].ne[1] >= 1u << 30)
			return "2^30 rows of a weight or more";
	if (op->code == DSEEK_OP_HEAD_LINEAR)
		return refuse_heads(op);
	if (op->code != DSEEK_OP_MOE_FFN)
		return NULL;
	if (op->t[1].ne[0] > DSK_MOE_CHOICES)
		return "more than 64 experts a token";
	if ((uint64_t)op->t[1].ne[0] * op->t[1].ne[1] > 65535)
		return "more than 65535 pairs of tokens and experts";
	for (n = 3; n < 6; n++)
		if (op->t[n].stride[2] / 2 > INT_MAX || op->t[n].stride[2] % 2)
			return "experts' weights are 4 GiB apart or more, or an odd number of bytes";
	return NULL;
}

static int lookup(const struct hip_launch *l, const struct cpu_tensor *ids, const struct cpu_tensor *table,
		  const struct cpu_tensor *out, float scale)
{
	const struct dsk_lookup_params p = {
		.table = matrix(table), .rows = (int)table->ne[1], .out_stride = hip_stride(out, 1), .scale = scale,
	};

	return HIP_LAUNCH(l, dsk_lookup, groups(table->ne[0], 4 * LANES), ids->ne[0], &p, out->data, &l->state->scratch->fault,
			  ids->data, table->data);
}

int hip_launch_embed(const struct hip_launch *l, const struct cpu_op *op)
{
	return lookup(l, op->t, op->t + 1, op->t + 2, op->f[0] ? op->f[0] : 1);
}

int hip_launch_rows(const struct hip_launch *l, const struct cpu_op *op)
{
	return lookup(l, op->t + 1, op->t, op->t + 2, 1);
}

/* By matrix instructions: products of programs that don't ask for float32 everywhere, as those keep 16 bits of mantissa. */
int hip_fast_linear(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST])
{
	kernels[0] = HIP_dsk_linear_few;
	kernels[1] = HIP_dsk_linear_many;
	return op->precise ? 0 : 2;
}

/* The same, with gate and up of one type, in one layout. */
int hip_fast_glu(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST])
{
	const struct dsk_matrix gate = matrix(op->t + 1), up = matrix(op->t + 2);

	kernels[0] = HIP_dsk_linear_glu_few;
	kernels[1] = HIP_dsk_linear_glu_many;
	return op->precise || memcmp(&gate, &up, sizeof(gate)) ? 0 : 2;
}

/* The same, of each head. */
int hip_fast_head_linear(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST])
{
	kernels[0] = HIP_dsk_head_linear_few;
	kernels[1] = HIP_dsk_head_linear_many;
	return op->precise || op->t[1].ne[2] > 65535 ? 0 : 2;
}

/* Of all of them, @fast the kernels: those of few tokens or those of many, in groups that have so many rows a wave. */
static int launch_fast(const struct hip_launch *l, const enum hip_kernel *fast, uint32_t rows, uint32_t wave_rows, uint32_t tokens, uint32_t heads,
		       const void *const *buffers, const void *params)
{
	int many = tokens > DSK_DENSE_FEW;
	const uint32_t grid[3] = {
		groups(rows, wave_rows * (DSK_DENSE_LANES / (uint32_t)l->state->target.wave)), groups(tokens, many ? DSK_DENSE_MANY : DSK_DENSE_FEW), heads,
	};

	return hip_launch_kernel(l, fast[many], grid, buffers, params);
}

int hip_launch_linear(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t;
	enum hip_kernel fast[HIP_OP_FAST];
	int n = l->state->plain ? 0 : hip_fast_linear(op, fast), j, r = 0;

	for (j = 0; j < 3 && !r; j++) {
		const struct cpu_tensor *w = op->t + 1 + j, *out = op->t + 4 + j, *bias = op->t + 7 + j;
		const void *buffers[] = { out->data, x->data, w->data, bias->data };
		struct dsk_linear_params p = { .x_stride = hip_stride(x, 1), .tokens = (int)x->ne[1] };

		if (!w->data)
			continue;
		p.w = matrix(w);
		p.rows = (int)w->ne[1];
		p.y_stride = hip_stride(out, 1);
		p.flags = (bias->data ? DSK_LINEAR_BIAS : 0) | (op->flags & DSEEK_OPF_ACCUMULATE ? DSK_LINEAR_ACCUMULATE : 0);
		if (n)
			r = launch_fast(l, fast, w->ne[1], 32, x->ne[1], 1, buffers, &p);
		else
			r = hip_launch_kernel(l, HIP_dsk_linear, (const uint32_t[]){ groups(w->ne[1], LANES), x->ne[1], 1 }, buffers, &p);
	}
	return r;
}

int hip_launch_head_linear(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *w = op->t + 1, *out = op->t + 2;
	const struct dsk_head_linear_params p = {
		.w = matrix(w), .w_stride = (int)(w->stride[2] / 2), .rows = (int)w->ne[1], .heads = (int)w->ne[2],
		.x_head_stride = hip_stride(x, 1), .x_token_stride = hip_stride(x, 2),
		.y_head_stride = hip_stride(out, 1), .y_token_stride = hip_stride(out, 2), .tokens = (int)x->ne[2],
	};
	enum hip_kernel fast[HIP_OP_FAST];

	if (!l->state->plain && hip_fast_head_linear(op, fast))
		return launch_fast(l, fast, w->ne[1], 32, x->ne[2], w->ne[2], (const void *[]){ out->data, x->data, w->data }, &p);
	return HIP_LAUNCH(l, dsk_head_linear, groups(w->ne[1], LANES) * w->ne[2], x->ne[2], &p, out->data, x->data, w->data);
}

int hip_launch_glu(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *gate = op->t + 1, *up = op->t + 2, *out = op->t + 3;
	const struct dsk_linear_glu_params p = {
		.gate = matrix(gate), .up = matrix(up), .rows = (int)gate->ne[1],
		.x_stride = hip_stride(x, 1), .y_stride = hip_stride(out, 1),
		.act = DSK_ACT_SILU + (int)op->i[0],	/* the program's have no NONE */
		.tokens = (int)x->ne[1],
	};
	enum hip_kernel fast[HIP_OP_FAST];

	if (!l->state->plain && hip_fast_glu(op, fast))
		return launch_fast(l, fast, gate->ne[1], 16, x->ne[1], 1, (const void *[]){ out->data, x->data, gate->data, up->data }, &p);
	return HIP_LAUNCH(l, dsk_linear_glu, groups(gate->ne[1], LANES), x->ne[1], &p, out->data, x->data, gate->data, up->data);
}

/* Do a tensor's rows follow each other without gaps? */
static bool has_no_gaps(const struct cpu_tensor *t)
{
	return t->ne[1] == 1 || hip_stride(t, 1) == (int)t->ne[0];
}

/*
 * Grouped by expert, by matrix instructions, whose precision is that of hip_fast_linear. One token's experts are all different: nothing is grouped, and the
 * plain form has two launches to its five.
 */
int hip_fast_moe_ffn(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST])
{
	static const enum hip_kernel all[HIP_OP_FAST] = { HIP_dsk_place, HIP_dsk_expert_plan, HIP_dsk_combine, HIP_dsk_moe_glu_few, HIP_dsk_moe_glu_many,
							  HIP_dsk_moe_down_few, HIP_dsk_moe_down_many };
	const struct dsk_matrix gate = matrix(op->t + 3), up = matrix(op->t + 4);

	memcpy(kernels, all, sizeof(all));
	return op->precise || op->t[1].ne[1] == 1 || op->t[3].ne[2] > DSK_MAX_EXPERTS || memcmp(&gate, &up, sizeof(gate)) ||
	       !has_no_gaps(op->t + 1) || !has_no_gaps(op->t + 2) ? 0 : HIP_OP_FAST;
}

/*
 * Each expert's weights are read once for its tile of rows. Products of down go to the scratch, by as many columns at a time as it has room for, and are
 * summed from there, each token's in the order of its choices.
 */
static int launch_grouped(const struct hip_launch *l, const struct cpu_op *op, const struct dsk_moe_glu_params *g, struct dsk_moe_down_params d)
{
	const struct cpu_tensor *ids = op->t + 1, *gate = op->t + 3, *down = op->t + 5, *out = op->t + 6, *scratch = op->t + 7, *bias = op->t + 10;
	uint32_t pairs = ids->ne[0] * ids->ne[1], experts = gate->ne[2], many = pairs > experts * (DSK_EXPERT_FEW / 2);
	uint32_t tile = many ? DSK_EXPERT_TILE : DSK_EXPERT_FEW, tiles = DSK_EXPERT_TILES(pairs, experts, tile);
	uint32_t lanes = DSK_DENSE_LANES / (uint32_t)l->state->target.wave, columns = HIP_PARTS / pairs / 64 * 64, first;
	const struct dsk_place_params place = { .pairs = (int)pairs, .experts = (int)experts, .flags = DSK_PLACE_FAULT };
	const struct dsk_expert_plan_params plan = { .rows = (int)pairs, .experts = (int)experts, .tile = (int)tile, .tiles = (int)tiles };
	struct dsk_combine_params sum = { .top_k = (int)ids->ne[0], .rows = (int)pairs, .in_type = DSK_F32, .out_type = DSK_F32, .out_stride = d.out_stride };
	struct hip_scratch *s = l->state->scratch;
	int r;

	r = HIP_LAUNCH(l, dsk_place, experts, 1, &place, s->order.row_pair, s->order.pair_row, s->order.offsets, &s->fault, ids->data);
	if (!r)
		r = HIP_LAUNCH(l, dsk_expert_plan, 1, 1, &plan, s->order.tiles, s->order.offsets);
	if (!r)
		r = HIP_LAUNCH_IT(l, many ? HIP_dsk_moe_glu_many : HIP_dsk_moe_glu_few, groups(gate->ne[1], 16 * lanes), tiles, 1, g, scratch->data,
				  op->t[0].data, s->order.row_pair, s->order.tiles, gate->data, op->t[4].data, op->t[8].data, op->t[9].data);
	for (first = 0; first < down->ne[1] && !r; first += columns) {
		uint64_t at = down->layout == DSEEK_LAYOUT_PACKED ? dseek_tensor_bytes(down->dtype, down->layout, down->ne[0], first) :
			      first * down->stride[1];

		d.rows = d.out_stride = sum.n = sum.in_stride = (int)(down->ne[1] - first < columns ? down->ne[1] - first : columns);
		r = HIP_LAUNCH_IT(l, many ? HIP_dsk_moe_down_many : HIP_dsk_moe_down_few, groups((uint32_t)d.rows, 32 * lanes), tiles, 1, &d, s->parts,
				  scratch->data, s->order.row_pair, s->order.tiles, down->data + at,
				  bias->data ? bias->data + first * sizeof(float) : NULL);
		if (!r)
			r = HIP_LAUNCH(l, dsk_combine, ids->ne[1], 1, &sum, out->data + first * sizeof(float), s->parts, s->order.pair_row,
				       op->t[2].data);
	}
	return r;
}

int hip_launch_moe_ffn(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *ids = op->t + 1, *weights = op->t + 2, *gate = op->t + 3, *up = op->t + 4;
	const struct cpu_tensor *down = op->t + 5, *out = op->t + 6, *scratch = op->t + 7;
	const struct cpu_tensor *gate_bias = op->t + 8, *up_bias = op->t + 9, *down_bias = op->t + 10;
	const struct dsk_moe_glu_params g = {
		.gate = matrix(gate), .up = matrix(up), .gate_stride = (int)(gate->stride[2] / 2), .up_stride = (int)(up->stride[2] / 2),
		.rows = (int)gate->ne[1], .experts = (int)gate->ne[2], .choices = (int)ids->ne[0],
		.x_stride = hip_stride(x, 1), .ids_stride = hip_stride(ids, 1),
		.h_stride = hip_stride(scratch, 1), .h_token_stride = hip_stride(scratch, 2), .act = DSK_ACT_SILU + (int)op->i[0],
		.flags = (gate_bias->data ? DSK_MOE_GATE_BIAS : 0) | (up_bias->data ? DSK_MOE_UP_BIAS : 0),
		.gate_bias_stride = gate_bias->data ? hip_stride(gate_bias, 1) : 0, .up_bias_stride = up_bias->data ? hip_stride(up_bias, 1) : 0,
		.tokens = (int)ids->ne[1],
	};
	const struct dsk_moe_down_params d = {
		.down = matrix(down), .down_stride = (int)(down->stride[2] / 2),
		.rows = (int)down->ne[1], .experts = (int)down->ne[2], .choices = (int)ids->ne[0],
		.h_stride = hip_stride(scratch, 1), .h_token_stride = hip_stride(scratch, 2),
		.ids_stride = hip_stride(ids, 1), .weights_stride = hip_stride(weights, 1), .out_stride = hip_stride(out, 1),
		.flags = down_bias->data ? DSK_MOE_DOWN_BIAS : 0, .bias_stride = down_bias->data ? hip_stride(down_bias, 1) : 0,
		.tokens = (int)ids->ne[1],
	};
	void *fault = &l->state->scratch->fault;
	enum hip_kernel fast[HIP_OP_FAST];
	int r;

	if (!l->state->plain && hip_fast_moe_ffn(op, fast))
		return launch_grouped(l, op, &g, d);
	r = HIP_LAUNCH(l, dsk_moe_glu, groups(gate->ne[1], LANES), ids->ne[0] * ids->ne[1], &g, scratch->data, fault, x->data, ids->data,
		       gate->data, up->data, gate_bias->data, up_bias->data);
	if (!r)
		r = HIP_LAUNCH(l, dsk_moe_down, groups(down->ne[1], LANES), ids->ne[1], &d, out->data, fault, scratch->data, ids->data,
			       weights->data, down->data, down_bias->data);
	return r;
}

// SPDX-License-Identifier: MIT
/* RMSNORM, MOE_ROUTE, COPY, ADD, MUL, ARGMAX, and the table of all ops. */
#include "hip_state.h"

/* Groups of 256 lanes, of which a launch has fewer than 2^32. */
const char *hip_refuse_rows(const struct cpu_op *op)
{
	return (uint64_t)op->t[0].ne[1] * op->t[0].ne[2] >= 1u << 24 ? "2^24 rows or more" : NULL;
}

const char *hip_refuse_simple(const struct cpu_op *op)
{
	if (hip_refuse_rows(op))
		return hip_refuse_rows(op);
	return op->t[0].ne[3] > 65535 ? "the last dimension has more than 65535" : NULL;
}

const char *hip_refuse_route(const struct cpu_op *op)
{
	if (op->t[0].ne[0] > DSK_MAX_EXPERTS)
		return "more than 512 experts";
	if (op->i[0] > DSK_MAX_TOP_K)
		return "more than 16 experts a token";
	if (op->i[2] > DSK_MAX_GROUPS)
		return "more than 32 groups of experts";
	if (op->t[0].ne[1] >= 1u << 26)		/* of 64 lanes each */
		return "2^26 tokens or more";
	if (hip_stride(op->t + 1, 1) != (int)op->i[0] || hip_stride(op->t + 2, 1) != (int)op->i[0])
		return "ids or weights with gaps between tokens";
	return NULL;
}

int hip_launch_rmsnorm(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *x = op->t, *w = op->t + 1, *out = op->t + 2;
	/* Rows of one stride are one launch, which contiguous heads of all tokens are. */
	int one = x->stride[2] == x->ne[1] * x->stride[1] && out->stride[2] == out->ne[1] * out->stride[1];
	/* Others are launched along the longer dimension: as often as the shorter has, less than 2^12 times (hip_refuse_rows). */
	int along = !one && x->ne[2] > x->ne[1] ? 2 : 1;
	uint32_t n = one ? 1 : x->ne[3 - along], rows = one ? x->ne[1] * x->ne[2] : x->ne[along], i;
	const struct dsk_norm_params p = {
		.n = (int)x->ne[0], .x_stride = hip_stride(x, along), .y_stride = hip_stride(out, along),
		.x_type = DSK_F32, .y_type = DSK_F32, .flags = w->data ? DSK_NORM_WEIGHT : 0, .act = DSK_ACT_NONE, .eps = op->f[0],
	};
	int r = 0;

	for (i = 0; i < n && !r; i++)
		r = HIP_LAUNCH(l, dsk_norm, rows, 1, &p, out->data + i * out->stride[3 - along], NULL, x->data + i * x->stride[3 - along], w->data, NULL);
	return r;
}

int hip_launch_route(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct cpu_tensor *logits = op->t, *ids = op->t + 1, *weights = op->t + 2, *bias = op->t + 3;
	const struct dsk_route_params p = {
		.experts = (int)logits->ne[0], .top_k = (int)op->i[0], .gate = (int)op->i[1],
		.flags = (bias->data ? DSK_ROUTE_BIAS : 0) | (op->flags & DSEEK_OPF_NORMALISE ? DSK_ROUTE_NORMALISE : 0) | DSK_ROUTE_GROUP_SUM2,
		.groups = op->i[2] ? (int)op->i[2] : 1, .top_groups = op->i[2] ? (int)op->i[3] : 1, .logits_stride = hip_stride(logits, 1),
		.scale = op->f[0] ? op->f[0] : 1, .least_sum = op->f[1],
	};

	return HIP_LAUNCH(l, dsk_route, logits->ne[1], 1, &p, ids->data, weights->data, l->state->scratch->load, logits->data, bias->data);
}

int hip_launch_elementwise(const struct hip_launch *l, const struct cpu_op *op)
{
	int copy = op->code == DSEEK_OP_COPY, d;
	const struct cpu_tensor *a = op->t, *b = op->t + 1, *out = copy ? op->t + 1 : op->t + 2;
	struct dsk_elementwise_params p = {
		.op = copy ? DSK_COPY : op->code == DSEEK_OP_ADD ? DSK_ADD : DSK_MUL,
		.a_type = a->dtype, .out_type = out->dtype, .n = (int)a->ne[0], .ne1 = (int)a->ne[1], .ne2 = (int)a->ne[2],
	};

	for (d = 0; d < 3; d++) {
		p.a_stride[d] = hip_stride(a, d + 1);
		p.b_stride[d] = copy ? 0 : hip_stride(b, d + 1);
		p.out_stride[d] = hip_stride(out, d + 1);
	}
	return HIP_LAUNCH(l, dsk_elementwise, a->ne[1] * a->ne[2], a->ne[3], &p, out->data, a->data, copy ? NULL : b->data);
}

int hip_launch_argmax(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct dsk_argmax_params p = { .n = (int)op->t[0].ne[0], .x_stride = hip_stride(op->t, 1) };

	return HIP_LAUNCH(l, dsk_argmax, op->t[0].ne[1], 1, &p, op->t[1].data, op->t[0].data);
}

#define ONE(kernel)	{ HIP_##kernel, HIP_##kernel }

/* NOP and SPIN are the host's (hip_run.c). */
static const struct hip_op ops[DSEEK_OP_COUNT] = {
	[DSEEK_OP_COPY] = { ONE(dsk_elementwise), hip_refuse_simple, hip_launch_elementwise },
	[DSEEK_OP_EMBED] = { ONE(dsk_lookup), hip_refuse_dense, hip_launch_embed },
	[DSEEK_OP_RMSNORM] = { ONE(dsk_norm), hip_refuse_rows, hip_launch_rmsnorm },
	[DSEEK_OP_LINEAR] = { ONE(dsk_linear), hip_refuse_dense, hip_launch_linear, hip_fast_linear },
	[DSEEK_OP_GLU] = { ONE(dsk_linear_glu), hip_refuse_dense, hip_launch_glu, hip_fast_glu },
	[DSEEK_OP_ROPE] = { { HIP_dsk_rope, HIP_dsk_turns }, hip_refuse_attention, hip_launch_rope },
	[DSEEK_OP_KV_STORE] = { ONE(dsk_slot_store), hip_refuse_cache, hip_launch_kv_store },
	[DSEEK_OP_ATTENTION] = { ONE(dsk_slot_attend), hip_refuse_attention, hip_launch_attention, hip_fast_attention },
	[DSEEK_OP_MOE_ROUTE] = { ONE(dsk_route), hip_refuse_route, hip_launch_route },
	[DSEEK_OP_MOE_FFN] = { { HIP_dsk_moe_glu, HIP_dsk_moe_down }, hip_refuse_dense, hip_launch_moe_ffn, hip_fast_moe_ffn },
	[DSEEK_OP_ADD] = { ONE(dsk_elementwise), hip_refuse_simple, hip_launch_elementwise },
	[DSEEK_OP_MUL] = { ONE(dsk_elementwise), hip_refuse_simple, hip_launch_elementwise },
	[DSEEK_OP_ROWS] = { ONE(dsk_lookup), hip_refuse_dense, hip_launch_rows },
	[DSEEK_OP_ARGMAX] = { ONE(dsk_argmax), hip_refuse_rows, hip_launch_argmax },
	[DSEEK_OP_HEAD_LINEAR] = { ONE(dsk_head_linear), hip_refuse_dense, hip_launch_head_linear, hip_fast_head_linear },
};

const struct hip_op *hip_op_find(uint32_t code)
{
	return code < DSEEK_OP_COUNT && ops[code].launch ? &ops[code] : NULL;
}

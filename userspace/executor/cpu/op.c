// SPDX-License-Identifier: MIT
/* Programs' ops, as the CPU's code wants them. */
#include <string.h>

#include "op.h"

static void tensor_resolve(const struct dseek_program_tensor *src, const uint32_t *params, void *const *bindings,
			   struct cpu_tensor *dst)
{
	int d;

	dst->data = (uint8_t *)bindings[src->binding] + src->offset;
	dst->dtype = src->dtype;
	dst->layout = src->layout;
	for (d = 0; d < 4; d++)
		dst->ne[d] = src->ne_param[d] == DSEEK_NO_PARAM ? src->ne[d] : params[src->ne_param[d]];
	dst->stride[0] = dseek_dtype_block_bytes(src->dtype);
	memcpy(dst->stride + 1, src->stride, sizeof(src->stride));
}

/* Elements [first, first + n) of each row of @t. */
static struct cpu_tensor within(const struct cpu_tensor *t, uint32_t first, uint32_t n)
{
	struct cpu_tensor part = *t;

	part.data += first / dseek_dtype_block(t->dtype) * t->stride[0];
	part.ne[0] = n;
	return part;
}

void cpu_latent_part(const struct cpu_op *op, int part, struct cpu_op *ret_op)
{
	const struct cpu_tensor *q = op->t, *rows = op->t + 1, *k = op->t + 2, *v = op->t + 3, *queries = op->t + 7, *mixtures = op->t + 8;
	uint32_t plain = k->ne[0], rank = k->ne[1], rotated = q->ne[0] - plain;

	*ret_op = (struct cpu_op){ .precise = op->precise, .watch = op->watch };
	switch (part) {
	case 0:
		ret_op->code = DSEEK_OP_HEAD_LINEAR;
		ret_op->t[0] = within(q, 0, plain);
		ret_op->t[1] = *k;
		ret_op->t[2] = within(queries, 0, rank);
		break;
	case 1:
		ret_op->code = DSEEK_OP_COPY;
		ret_op->t[0] = within(q, plain, rotated);
		ret_op->t[1] = within(queries, rank, rotated);
		break;
	case 2:
		ret_op->code = DSEEK_OP_ATTENTION;
		ret_op->t[0] = *queries;
		ret_op->t[1] = *rows;
		ret_op->t[2] = within(rows, 0, rank);
		ret_op->t[3] = op->t[4];
		ret_op->t[4] = *mixtures;
		ret_op->i[0] = op->i[0];
		ret_op->f[0] = op->f[0];
		break;
	default:
		ret_op->code = DSEEK_OP_HEAD_LINEAR;
		ret_op->t[0] = *mixtures;
		ret_op->t[1] = *v;
		ret_op->t[2] = op->t[5];
	}
}

void cpu_op_resolve(const struct dseek_program_view *program, uint32_t index, const uint32_t *params,
		    void *const *bindings, struct cpu_op *ret_op)
{
	const struct dseek_program_op *src = program->ops + index;
	int n;

	ret_op->watch = NULL;
	ret_op->code = src->code;
	ret_op->flags = src->flags;
	ret_op->precise = program->header->flags & DSEEK_PROGRAM_PRECISE;
	for (n = 0; n < DSEEK_OP_TENSORS; n++) {
		if (src->t[n] == DSEEK_NO_TENSOR)
			ret_op->t[n].data = NULL;
		else
			tensor_resolve(program->tensors + src->t[n], params, bindings, ret_op->t + n);
	}
	for (n = 0; n < DSEEK_OP_INTS; n++)
		ret_op->i[n] = src->i_param >> n & 1 ? params[src->i[n]] : src->i[n];
	memcpy(ret_op->f, src->f, sizeof(src->f));
}

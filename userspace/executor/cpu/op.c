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

void cpu_op_resolve(const struct dseek_program_view *program, uint32_t index, const uint32_t *params,
		    void *const *bindings, struct cpu_op *ret_op)
{
	const struct dseek_program_op *src = program->ops + index;
	int n;

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

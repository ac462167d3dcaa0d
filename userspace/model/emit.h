/* SPDX-License-Identifier: MIT */
/* Writing a program down: tensors laid one after the other in their bindings, and one call an op. */
#ifndef DSEEK_EMIT_H
#define DSEEK_EMIT_H

#include <dseek_program.h>
#include <string.h>

#define EMIT_NONE	(-1)	/* an operand that isn't there */
#define EMIT_CONST	(-1)	/* an extent that is no parameter */

struct emit {
	struct dseek_builder *b;
	uint64_t used[DSEEK_PROGRAM_MAX_BINDINGS];	/* bytes laid out so far */
};

/* At a given place. @param is the parameter of dimension @param_dim, or EMIT_CONST. */
static inline int emit_tensor_at(struct emit *e, uint32_t binding, uint64_t offset, uint32_t dtype, uint32_t layout,
				 uint32_t ne0, uint32_t ne1, uint32_t ne2, int param_dim, int param)
{
	struct dseek_program_tensor t = {
		.dtype = dtype, .layout = layout, .binding = binding, .offset = offset, .ne = { ne0, ne1, ne2, 1 },
	};

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	if (param != EMIT_CONST)
		t.ne_param[param_dim] = param;
	return dseek_builder_tensor(e->b, &t);
}

/* @bytes behind all so far; its offset. */
static inline uint64_t emit_room(struct emit *e, uint32_t binding, uint64_t bytes)
{
	uint64_t at = e->used[binding];

	e->used[binding] = (at + bytes + 63) & ~(uint64_t)63;
	return at;
}

static inline int emit_op(struct emit *e, uint32_t code, struct dseek_program_op op, int n, const int *t)
{
	op.code = code;
	for (int i = 0; i < DSEEK_OP_TENSORS; i++)
		op.t[i] = i < n && t[i] >= 0 ? t[i] : DSEEK_NO_TENSOR;
	return dseek_builder_op(e->b, &op);
}

/* EMIT(e, ADD, EMIT_ARGS(.f = { 1 }), a, b, out) */
#define EMIT_ARGS(...)	((struct dseek_program_op){ __VA_ARGS__ })
#define EMIT(e, code, args, ...) \
	emit_op(e, DSEEK_OP_##code, args, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), (int[]){ __VA_ARGS__ })

#endif /* DSEEK_EMIT_H */

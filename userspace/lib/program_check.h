/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_PROGRAM_CHECK_H
#define DSEEK_PROGRAM_CHECK_H

#include "program_ops.h"

/* A validation under way. */
struct check {
	struct dseek_program_view v;
	const struct dseek_program_op *op;
	const struct dseek_op_info *info;	/* NULL outside ops */
	uint32_t op_number;
	int operand;				/* spoken of in errors, or -1 */
	char *err;
	size_t err_size;
};

/* Writes the sentence, with op and operand before it; returns -EINVAL. */
int program_fail(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

int program_check_operands(struct check *c);	/* presence, types, shapes, access, overlaps: by the table */
int program_check_op(struct check *c);		/* what the table can't say of the op */

/* Bytes [offset, offset + what this returns) hold a valid tensor. */
uint64_t program_tensor_span(const struct dseek_program_tensor *t);

#endif /* DSEEK_PROGRAM_CHECK_H */

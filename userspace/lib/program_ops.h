/* SPDX-License-Identifier: MIT */
/*
 * The ops as a table: what validation, printing and profiling know of them. dseek_program.h is the
 * specification in words.
 */
#ifndef DSEEK_PROGRAM_OPS_H
#define DSEEK_PROGRAM_OPS_H

#include <dseek_program.h>

/* Sets of element types, by bit. */
#define OP_T(dtype)	(1u << (dtype))
#define OP_T_F32	OP_T(DSEEK_F32)
#define OP_T_I32	OP_T(DSEEK_I32)
#define OP_T_FLOAT	(OP_T(DSEEK_F32) | OP_T(DSEEK_F16) | OP_T(DSEEK_BF16))
#define OP_T_CACHE	(OP_T_FLOAT | OP_T(DSEEK_Q8_0))
#define OP_T_ANY	((1u << DSEEK_DTYPE_COUNT) - 1)
#define OP_T_WEIGHT	(((1u << DSEEK_DTYPE_COUNT) - 1) & ~OP_T_I32)	/* the only ones that may be PACKED */

struct dseek_op_operand {
	const char *name;	/* NULL: the op has no more operands */
	/*
	 * A letter a dimension; equal letters are equal extents, within the op. T, R and lower-case
	 * letters may be parameters. Dimensions without a letter are 1. "*": any shape at all.
	 */
	const char *shape;
	uint32_t types;
	uint8_t access;		/* DSEEK_ACCESS_* */
	uint8_t optional;
	uint16_t may_be;	/* outputs: bit n: may be the same as operand n */
};

struct dseek_op_int {
	const char *name;
	uint32_t min, max;
	uint8_t may_be_param;
};

struct dseek_op_float {
	const char *name;
	float min, max;
};

struct dseek_op_info {
	const char *name;
	uint16_t flags;		/* allowed DSEEK_OPF_* */
	struct dseek_op_operand t[DSEEK_OP_TENSORS];
	struct dseek_op_int i[DSEEK_OP_INTS];
	struct dseek_op_float f[DSEEK_OP_FLOATS];
};

const struct dseek_op_info *dseek_op_info(uint32_t code);	/* NULL if unknown */

/* What @op does with operand @n: DSEEK_ACCESS_*; ACCUMULATE reads its outputs. */
uint32_t dseek_op_access(const struct dseek_op_info *info, const struct dseek_program_op *op, uint32_t n);

#endif /* DSEEK_PROGRAM_OPS_H */

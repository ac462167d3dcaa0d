/* SPDX-License-Identifier: MIT */
/* Run one op through a backend: a program of tensors that each have a binding of their own. */
#ifndef ONE_OP_H
#define ONE_OP_H

#include "backend.h"
#include "dseek_program.h"

struct one_op {
	struct dseek_program_header header;
	struct dseek_program_tensor tensors[DSEEK_OP_TENSORS];
	struct dseek_program_binding bindings[DSEEK_OP_TENSORS];
	struct dseek_program_op op;
	void *data[DSEEK_OP_TENSORS];
	int (*poll)(void *arg);		/* of its runs; NULL: none */
	void *poll_arg;
};

void one_op_init(struct one_op *o, uint16_t code, uint16_t header_flags);

/* Tensor @slot, contiguous; its memory (the caller's to free through one_op_free()) is zeroed. */
void *one_op_tensor(struct one_op *o, int slot, uint32_t dtype, uint32_t ne0, uint32_t ne1, uint32_t ne2);
/* Tensor @slot: the first @ne0 elements of each row of tensor @of. */
void one_op_inside(struct one_op *o, int slot, int of, uint32_t ne0);
/* A weight [ne0, ne1, ne2] with the rows given as float32, quantised, in @layout; @back gets what the quantised rows mean. */
void *one_op_weight(struct one_op *o, int slot, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1,
		    uint32_t ne2, float *back);
int one_op_run(struct one_op *o, const struct dseek_backend *backend, void *state);
void one_op_free(struct one_op *o);

float test_random(void);	/* -1..1, the same sequence in each run */
void test_seed(uint64_t seed);

#endif

/* SPDX-License-Identifier: MIT */
/* One op of a validated program with its tensors' addresses and its arguments' values of this run. */
#ifndef DSEEK_CPU_OP_H
#define DSEEK_CPU_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "dseek_program.h"

struct cpu_watch;

struct cpu_tensor {
	uint8_t *data;		/* NULL: the op has none */
	uint16_t dtype, layout;
	uint32_t ne[4];
	uint64_t stride[4];	/* bytes; [0] between elements (blocked types: between blocks), [d] as stride[d - 1] in the program */
};

struct cpu_op {
	uint16_t code, flags;
	bool precise;
	struct cpu_tensor t[DSEEK_OP_TENSORS];
	uint32_t i[DSEEK_OP_INTS];
	float f[DSEEK_OP_FLOATS];
	struct cpu_watch *watch;	/* whom the oracle asks between rows (watch.h); NULL: nobody */
};

void cpu_op_resolve(const struct dseek_program_view *program, uint32_t index, const uint32_t *params,
		    void *const *bindings, struct cpu_op *ret_op);

static inline void *cpu_at(const struct cpu_tensor *t, uint64_t i1, uint64_t i2, uint64_t i3)
{
	return t->data + i1 * t->stride[1] + i2 * t->stride[2] + i3 * t->stride[3];
}

static inline uint64_t cpu_rows(const struct cpu_tensor *t)	/* of all dimensions but the first */
{
	return (uint64_t)t->ne[1] * t->ne[2] * t->ne[3];
}

static inline void *cpu_row(const struct cpu_tensor *t, uint64_t row)
{
	return cpu_at(t, row % t->ne[1], row / t->ne[1] % t->ne[2], row / t->ne[1] / t->ne[2]);
}

/* An index in the tenant's memory, who may write to it at any time: read once, then checked by the caller. */
static inline int32_t cpu_index(const struct cpu_tensor *t, uint64_t i)
{
	return *(const volatile int32_t *)(t->data + i * t->stride[0]);
}

/*
 * LATENT_ATTENTION in its absorbed form is CPU_LATENT_PARTS other ops, one after the other: HEAD_LINEAR and COPY into t7, ATTENTION into t8,
 * HEAD_LINEAR. Number @part of them.
 */
#define CPU_LATENT_PARTS	4
void cpu_latent_part(const struct cpu_op *op, int part, struct cpu_op *ret_op);

/* Positions that KV_STORE and ATTENTION take are below this. */
static inline uint32_t cpu_positions(const struct cpu_op *op, const struct cpu_tensor *cache)
{
	return op->flags & DSEEK_OPF_RING ? DSEEK_RING_POSITIONS : cache->ne[2];
}

/*
 * The oracle: one op, one thread, written to be read; sums in double. Ignores what is allowed to be
 * approximate: its activations are always float32. 0, -ERANGE for an index in memory outside its
 * range, -ENOMEM; -ETIMEDOUT as its watch says, with a part done.
 */
int cpu_op_ref(const struct cpu_op *op);

#endif /* DSEEK_CPU_OP_H */

/* SPDX-License-Identifier: MIT */
/* One opened device. One thread uses it at a time, not always the same. */
#ifndef DSEEK_HIP_STATE_H
#define DSEEK_HIP_STATE_H

#include <drm/dseek_drm.h>

#include "../cpu/op.h"
#include "hip_driver.h"
#include "hip_kernels.h"
#include "hip_memory.h"
#include "hip_own.h"
#include "hip_scrub.h"
#include "hip_streams.h"
#include "hip_target.h"

struct dseek_run;

#define HIP_PARTS	(1 << 22)	/* floats: of 65535 pairs 64 columns */
#define HIP_PAIRS	65536		/* of tokens and experts, more than an op may have */

/* Memory of the device for one op at a time; what a tenant leaves in it the next one doesn't get to see. */
struct hip_scratch {
	int32_t fault;			/* set by a kernel: an index in memory was out of range */
	int32_t pad[63];
	int32_t load[DSK_MAX_EXPERTS];	/* of dsk_route; nobody reads it */
	float turns[DSK_SLOT_HEAD];	/* of dsk_turns, [pairs][2] */
	float parts[HIP_PARTS], parts_ml[HIP_PARTS / 32];	/* of dsk_slot_attend_*, of heads of 64 elements or more; of dsk_moe_down_* */
	struct {		/* pairs in the order of their experts: dsk_place, dsk_expert_plan */
		int32_t row_pair[HIP_PAIRS], pair_row[HIP_PAIRS], offsets[DSK_MAX_EXPERTS + 4];
		int32_t tiles[3 * DSK_EXPERT_TILES(HIP_PAIRS, DSK_MAX_EXPERTS, DSK_EXPERT_FEW)];
	} order;
};

struct hip_state {
	struct hip_api api;
	const struct hip_driver *driver;	/* of @api */
	struct hip_target target;
	struct hip_kernels kernels;
	struct hip_memory memory;
	int device;
	int cus;				/* compute units; 0: the runtime doesn't tell */
	int plain;				/* all ops by their plain kernels */
	struct hip_streams streams;
	struct hip_scrub scrub;			/* of compute units, and of @scratch with them */
	hip_event events[DRM_DSEEK_MAX_DEPTH];	/* made as launch-ahead needs them */
	struct hip_scratch *scratch;		/* the device's address */
	uint64_t grace_ns;			/* from an abort to the device being given up */
	int lost;				/* a launch did not end: nothing more is started, and nothing taken from the device */
};

/* What a program has on the device. */
struct hip_program {
	float *turns;		/* frequencies of its ROPE ops, [pairs][2], one op after the other */
	uint32_t *turns_at;	/* [op]: first of its floats */
	struct hip_own *own;	/* its own kernels; NULL: none */
};

/* backend_hip.c: struct dseek_backend's, whatever the driver */
void hip_close(void *state);
int hip_buffer_map(void *state, void *base, uint64_t size, int writable, char *err, size_t err_size);
void hip_buffer_unmap(void *state, void *base);
void hip_status(void *state, char *text, size_t size);
int hip_is_lost(void *state);

/* -EIO, with a sentence, if the device was given up; nothing new is begun with it then. */
int hip_lost(const struct hip_state *state, char *err, size_t err_size);

/* hip_program.c: -ENOTSUP, with the op named, for one that no kernel does. */
int hip_program_prepare(void *state, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size);
void hip_program_release(void *state, void *prepared);

/* hip_run.c: struct dseek_backend's run() */
int hip_run(void *state, struct dseek_run *run);

/* hip_op_*.c: what an op needs, and how it is launched. */
struct hip_launch {
	struct hip_state *state;
	const struct hip_program *program;
	const uint32_t *params;	/* of the job */
	hip_stream stream;
	uint32_t index;		/* of the op */
	char *err;
	size_t err_size;
};

#define HIP_OP_KERNELS	2	/* plain ones of an op */
#define HIP_OP_FAST	7

/*
 * An op has plain kernels, which take whatever isn't refused, and may have fast ones, for some shapes and types. Which form a launch takes is
 * said by fast() alone, of the op's extents and addresses in that launch.
 */
struct hip_op {
	enum hip_kernel kernels[HIP_OP_KERNELS];	/* plain; both the same: one */
	/* The largest extents the op can have; NULL, or why no kernel takes it. Optional. */
	const char *(*refuse)(const struct cpu_op *op);
	/* Addresses are the device's. 0, or an error with its sentence. */
	int (*launch)(const struct hip_launch *l, const struct cpu_op *op);
	/* How many kernels the fast form has, of which launch() takes what it needs, and which; 0: the plain form it is. Optional. */
	int (*fast)(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);
};

const struct hip_op *hip_op_find(uint32_t code);	/* NULL: no kernel */

const char *hip_refuse_dense(const struct cpu_op *op);		/* hip_op_dense.c */
const char *hip_refuse_attention(const struct cpu_op *op);	/* hip_op_attention.c */
const char *hip_refuse_cache(const struct cpu_op *op);
const char *hip_refuse_route(const struct cpu_op *op);		/* hip_op_simple.c */
const char *hip_refuse_rows(const struct cpu_op *op);
const char *hip_refuse_simple(const struct cpu_op *op);
int hip_fast_attention(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);	/* hip_op_attention.c */
int hip_fast_linear(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);		/* hip_op_dense.c */
int hip_fast_glu(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);
int hip_fast_head_linear(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);
int hip_fast_moe_ffn(const struct cpu_op *op, enum hip_kernel kernels[HIP_OP_FAST]);
int hip_launch_embed(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_rows(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_linear(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_head_linear(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_moe_ffn(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_glu(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_rope(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_kv_store(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_attention(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_rmsnorm(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_route(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_elementwise(const struct hip_launch *l, const struct cpu_op *op);
int hip_launch_argmax(const struct hip_launch *l, const struct cpu_op *op);

/* A grid without groups is done at once. */
int hip_launch_kernel(const struct hip_launch *l, enum hip_kernel kernel, const uint32_t grid[3], const void *const *buffers,
		      const void *params);
#define HIP_LAUNCH_IT(l, kernel, x, y, z, params, ...)									\
	hip_launch_kernel(l, kernel, (const uint32_t[]){ x, y, z }, (const void *const[]){ __VA_ARGS__ }, params)
#define HIP_LAUNCH(l, kernel, x, y, params, ...)	HIP_LAUNCH_IT(l, HIP_##kernel, x, y, 1, params, __VA_ARGS__)

/* Bytes between neighbours as elements. Validation and hip_program_prepare() made sure that it is whole and an int. */
static inline int hip_stride(const struct cpu_tensor *t, int dimension)
{
	return (int)(t->stride[dimension] / t->stride[0]);
}

#endif /* DSEEK_HIP_STATE_H */

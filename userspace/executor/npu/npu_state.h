/* SPDX-License-Identifier: MIT */
/* One opened NPU. One thread uses it at a time, not always the same. */
#ifndef DSEEK_NPU_STATE_H
#define DSEEK_NPU_STATE_H

#include "../cpu/op.h"
#include "npu_binary.h"
#include "npu_device.h"

struct dseek_run;

/* Tenants' buffers, in the order of their addresses. What couldn't be imported has a bo of handle 0: its weights are copied for each op. */
struct npu_region {
	char *base;
	uint64_t size;
	struct npu_bo bo;
};

struct npu_state {
	struct npu_device device;
	struct npu_binaries binaries;
	struct npu_context_params context;
	struct npu_region *regions;
	size_t region_count, region_room;
	struct npu_bo x, y, w;			/* activations, results, copied weights; they grow */
	struct npu_bo commands[NPU_CHAIN_MAX], chain;
	uint64_t grace_ns;			/* from an abort to the context being made anew */
	int lost;				/* it couldn't be: nothing more is started */
};

/* npu_memory.c: struct dseek_backend's; and the region that has all of @size bytes at @host, or NULL. */
int npu_buffer_map(void *state, void *base, uint64_t size, int writable, char *err, size_t err_size);
void npu_buffer_unmap(void *state, void *base);
void npu_memory_unmap_all(struct npu_state *state);
const struct npu_region *npu_memory_find(const struct npu_state *state, const void *host, uint64_t size);
/* *bo with room for @size bytes; what was in it is lost */
int npu_memory_grow(struct npu_state *state, struct npu_bo *bo, uint64_t size, char *err, size_t err_size);

/* npu_command.c: a batch of products, started together. */
struct npu_product {
	const struct npu_binary *binary;
	uint64_t x, y, w;		/* the device's addresses */
};

struct npu_batch {
	struct npu_product products[NPU_CHAIN_MAX];
	uint32_t count;
	uint32_t handles[3 + 3 + 3];	/* buffers that they reach, each once: x, y, copied weights; weights; control code */
	uint32_t handle_count;
	uint64_t seq;			/* once it is submitted */
};
void npu_batch_reach(struct npu_batch *batch, uint32_t handle);
int npu_batch_submit(struct npu_state *state, struct npu_batch *batch, char *err, size_t err_size);
/* 0: it is done, and well; -ETIME: not within @ns; else what went wrong */
int npu_batch_wait(struct npu_state *state, const struct npu_batch *batch, uint64_t ns, char *err, size_t err_size);

/* npu_linear.c: LINEAR of a program. NULL, or why it can't be done here; @why is room for the sentence. */
const char *npu_linear_refuse(const struct npu_state *state, const struct cpu_op *op, char *why, size_t why_size);
/*
 * @look is called while the host works for long, nothing being submitted: 0, or -ETIMEDOUT if the job was aborted. @wait is called until what was
 * submitted is done: 0, or the error that ends it.
 */
struct npu_wait {
	int (*look)(void *arg);
	int (*wait)(void *arg, const struct npu_batch *batch, char *err, size_t err_size);
	void *arg;
};
int npu_linear_run(struct npu_state *state, const struct cpu_op *op, const struct npu_wait *wait, char *err, size_t err_size);

/* npu_run.c: struct dseek_backend's */
int npu_program_prepare(void *state, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size);
int npu_run(void *state, struct dseek_run *run);

#endif /* DSEEK_NPU_STATE_H */

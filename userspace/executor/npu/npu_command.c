// SPDX-License-Identifier: MIT
/* Command buffers, as the driver reads them (npu_uapi.h). The CPU's view of them is the driver's: they aren't synced. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "npu_state.h"

#define OPCODE_RUN	3	/* of the kernel's arguments: run control code */

static uint32_t header(uint32_t opcode, uint32_t words)
{
	return NPU_STATE_NEW | words << NPU_CMD_COUNT_SHIFT | opcode << NPU_CMD_OPCODE_SHIFT;
}

static uint32_t *put64(uint32_t *to, uint64_t value)
{
	to[0] = (uint32_t)value;
	to[1] = (uint32_t)(value >> 32);
	return to + 2;
}

/* As its binary wants to be started; the control code is an argument of a CU, and part of the command of an NPU. */
static void fill_product(uint32_t *command, const struct npu_product *product)
{
	const struct npu_binary *b = product->binary;
	uint32_t *p = command + 1;

	*p++ = 1u << b->cu;
	if (b->start == NPU_START_NPU) {
		const struct npu_cmd_npu npu = { .buffer = b->code.address, .buffer_size = b->code_bytes };

		memcpy(p, &npu, sizeof(npu));
		p += sizeof(npu) / 4;
	}
	p = put64(p, OPCODE_RUN);
	p = put64(p, b->start == NPU_START_CU ? b->code.address : 0);
	*p++ = b->start == NPU_START_CU ? b->code_bytes / 4 : 0;
	p = put64(p, product->x);
	p = put64(p, product->w);
	p = put64(p, product->y);
	*command = header(b->start, (uint32_t)(p - command - 1));
}

static void fill_chain(struct npu_state *state, uint32_t count)
{
	struct npu_cmd_chain chain = { .command_count = count };
	uint32_t *command = state->chain.base, i;

	for (i = 0; i < count; i++)
		chain.data[2 * i] = state->commands[i].handle;
	memcpy(command + 1, &chain, sizeof(chain));
	*command = header(NPU_CMD_CHAIN, (uint32_t)(offsetof(struct npu_cmd_chain, data) / 4 + 2 * count));
}

/* The driver locks each of them: one that is named twice it refuses. */
void npu_batch_reach(struct npu_batch *batch, uint32_t handle)
{
	uint32_t i;

	for (i = 0; i < batch->handle_count && batch->handles[i] != handle; i++)
		;
	if (i == batch->handle_count && handle)
		batch->handles[batch->handle_count++] = handle;
}

int npu_batch_submit(struct npu_state *state, struct npu_batch *batch, char *err, size_t err_size)
{
	struct npu_exec_cmd exec = {
		.hwctx = state->device.hwctx, .type = NPU_CMD_SUBMIT_EXEC_BUF, .cmd_count = 1,
		.cmd_handles = batch->count == 1 ? state->commands[0].handle : state->chain.handle,
		.args = (uintptr_t)batch->handles, .arg_count = batch->handle_count,
	};
	uint32_t i;
	int r;

	for (i = 0; i < batch->count; i++)
		fill_product(state->commands[i].base, &batch->products[i]);
	if (batch->count > 1)
		fill_chain(state, batch->count);
	r = NPU(&state->device, EXEC_CMD, &exec, err, err_size);
	batch->seq = exec.seq;
	return r;
}

/* A fence says that a command has ended; how, it says itself. */
static int check_state(const struct npu_state *state, const struct npu_batch *batch, char *err, size_t err_size)
{
	static const char *const names[] = {
		"invalid", "new", "queued", "running", "completed", "error", "abort", "submitted", "timeout", "no response",
	};
	const volatile uint32_t *command = batch->count == 1 ? state->commands[0].base : state->chain.base;
	uint32_t how = *command & NPU_CMD_STATE, which = 0;

	if (how == NPU_STATE_COMPLETED)
		return 0;
	if (batch->count > 1)
		which = command[1 + offsetof(struct npu_cmd_chain, error_index) / 4];
	snprintf(err, err_size, "a command of %s ended in state %s (%u)", batch->products[which < batch->count ? which : 0].binary->name,
		 how < sizeof(names) / sizeof(names[0]) ? names[how] : "unknown", how);
	return -EIO;
}

int npu_batch_wait(struct npu_state *state, const struct npu_batch *batch, uint64_t ns, char *err, size_t err_size)
{
	uint64_t point = batch->seq;
	uint32_t handle = state->device.timeline;
	struct drm_syncobj_timeline_wait wait = {
		.handles = (uintptr_t)&handle, .points = (uintptr_t)&point, .count_handles = 1, .flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL,
	};
	struct timespec now;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &now);
	wait.timeout_nsec = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec + (int64_t)ns;
	r = npu_sys_ioctl(state->device.fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait);
	if (r == -ETIME)
		return r;
	r = npu_check(r, "SYNCOBJ_TIMELINE_WAIT", err, err_size);
	return r ? r : check_state(state, batch, err, err_size);
}

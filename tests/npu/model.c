// SPDX-License-Identifier: MIT
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <dseek_program.h>

#include "../../userspace/executor/npu/npu_ioctl.h"
#include "../../userspace/executor/npu/npu_uapi.h"

#define FD		1000
#define BOS		512
#define HEAP_BASE	0x4000000ull
#define HEAP_SIZE	(64u << 20)
#define PDI_ALIGN	32768u
#define CONTEXTS	6
#define PENDING		4	/* commands of a context: more would wait in the ioctl */

struct npu_model npu_model;

const char *const npu_model_names[] = {
	"open", "VERSION", "GET_INFO", "CREATE_BO", "GET_BO_INFO", "mmap", "SYNC_BO", "CREATE_HWCTX", "CONFIG_HWCTX", "EXEC_CMD",
	"SYNCOBJ_TIMELINE_WAIT", "DESTROY_HWCTX", "SYNCOBJ_DESTROY", "GEM_CLOSE", NULL,
};

/* What the process sees, what the device sees, and what both saw when they last did. */
struct bo {
	uint32_t type;			/* 0: free */
	uint64_t size, address;
	uint8_t *host, *device, *clean;	/* of a part of the heap: the heap's; of user memory all the same */
	bool mapped, user;
};

static struct {
	bool open;
	struct bo bos[BOS];		/* by handle; 0 is none */
	uint32_t heap;			/* handle */
	bool heap_closed;
	uint64_t heap_used;
	struct context {
		bool there, configured, broken;	/* broken: a command ended badly, and so will those behind it */
		uint32_t cols, num_cus, cus[NPU_MAX_CUS], timeline;
		uint64_t seq, done;
		struct pending {
			uint32_t command, args[16], arg_count;
		} pending[PENDING];
	} contexts[CONTEXTS];		/* handle - 1 */
	uint32_t timelines;		/* bit: syncobj handle - 1, which is its context's number */
	unsigned int waits, left, products, counts[16], fail_nth;
	const char *fail_call;
	int fail_error;
	char complaint[300];
} m;

static void complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!*m.complaint)
		vsnprintf(m.complaint, sizeof(m.complaint), format, ap);
	va_end(ap);
}

static unsigned int index_of(const char *call)
{
	unsigned int i = 0;

	while (npu_model_names[i] && strcmp(npu_model_names[i], call))
		i++;
	return i;
}

/* Each call first counts, and fails if it is its turn. */
static int called(const char *call)
{
	unsigned int n = ++m.counts[index_of(call)];

	return m.fail_call && !strcmp(m.fail_call, call) && n == m.fail_nth ? m.fail_error : 0;
}

/* ---- memory */

static void *pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

static struct bo *bo_of(uint64_t handle)
{
	return handle && handle < BOS && m.bos[handle].type ? &m.bos[handle] : NULL;
}

static void bo_free(struct bo *bo)
{
	if (bo->type != NPU_BO_DEV && !bo->user) {
		munmap(bo->device, bo->size);
		munmap(bo->clean, bo->size);
		if (bo->host && !bo->mapped)
			munmap(bo->host, bo->size);
	}
	memset(bo, 0, sizeof(*bo));
}

static bool writable(uint64_t address)
{
	char byte = *(volatile char *)address;
	struct iovec from = { &byte, 1 }, to = { (void *)address, 1 };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1;
}

static int create_user(const struct npu_create_bo *arg, struct bo *bo)
{
	const struct npu_va_table *table = (void *)arg->vaddr;
	uint64_t at;

	if (!npu_model.user_memory || table->num_entries != 1)
		return -EINVAL;
	if (table->entries[0].vaddr % 4096 || table->entries[0].len % 4096)
		return -EINVAL;
	for (at = 0; at < table->entries[0].len; at += 4096)
		if (!writable(table->entries[0].vaddr + at))
			return npu_model.pin_error ? npu_model.pin_error : -EFAULT;
	bo->host = bo->device = bo->clean = (void *)table->entries[0].vaddr;
	bo->size = table->entries[0].len;
	bo->user = true;
	return 0;
}

static int create_part(struct bo *bo)
{
	uint64_t at = (m.heap_used + PDI_ALIGN - 1) & ~(uint64_t)(PDI_ALIGN - 1);
	struct bo *heap = bo_of(m.heap);

	if (!heap || !heap->mapped)
		return -EAGAIN;
	if (bo->size > HEAP_SIZE - at)
		return -ENOSPC;
	bo->address = HEAP_BASE + at;
	bo->host = heap->host + at;
	bo->device = heap->device + at;
	bo->clean = heap->clean + at;
	m.heap_used = at + bo->size;
	return 0;
}

static int create_bo(struct npu_create_bo *arg)
{
	struct bo bo = { .size = (arg->size + 4095) & ~4095ull, .type = arg->type };
	uint32_t handle = 1;
	int r = 0;

	while (handle < BOS && m.bos[handle].type)
		handle++;
	if (arg->flags || !arg->size || arg->type < NPU_BO_SHARE || arg->type > NPU_BO_CMD)
		return -EINVAL;
	if (arg->type == NPU_BO_DEV_HEAP && (arg->size % HEAP_SIZE || arg->vaddr))
		return -EINVAL;
	if (arg->type == NPU_BO_DEV_HEAP && m.heap)
		return -EOPNOTSUPP;
	if (handle == BOS)
		return -ENOMEM;
	if (arg->type == NPU_BO_DEV) {
		r = create_part(&bo);
	} else {
		/* Where the device has our addresses it has one when we do. */
		bo.address = npu_model.our_addresses ? NPU_INVALID_ADDR : 0x1000000000ull + ((uint64_t)handle << 32);
		if (arg->vaddr)
			r = create_user(arg, &bo);
		else
			bo.device = pages(bo.size), bo.clean = pages(bo.size);
		if (arg->type == NPU_BO_DEV_HEAP) {
			bo.address = HEAP_BASE;
			m.heap = handle;
		}
	}
	if (r)
		return r;
	m.bos[handle] = bo;
	arg->handle = handle;
	return 0;
}

static int get_bo_info(struct npu_get_bo_info *arg)
{
	struct bo *bo = bo_of(arg->handle);

	if (arg->ext || arg->ext_flags || arg->pad)
		return -EINVAL;
	if (!bo)
		return -ENOENT;
	arg->xdna_addr = bo->address;
	arg->vaddr = bo->mapped || bo->type == NPU_BO_DEV ? (uintptr_t)bo->host : NPU_INVALID_ADDR;
	arg->map_offset = bo->type == NPU_BO_DEV ? NPU_INVALID_ADDR : (uint64_t)arg->handle << 32;
	return 0;
}

/* Lines that are dirty here go to memory, then all are read anew. */
static void flush(struct bo *bo, uint64_t offset, uint64_t size)
{
	uint64_t i, end = (offset + size + 63) & ~63ull;

	for (i = offset & ~63ull; i < end && i < bo->size; i += 64) {
		if (memcmp(bo->host + i, bo->clean + i, 64))
			memcpy(bo->device + i, bo->host + i, 64);
		memcpy(bo->host + i, bo->device + i, 64);
		memcpy(bo->clean + i, bo->device + i, 64);
	}
}

static int sync_bo(const struct npu_sync_bo *arg)
{
	struct bo *bo = bo_of(arg->handle);

	if (!bo)
		return -ENOENT;
	if (bo->user || arg->offset >= bo->size) {
		complain("SYNC_BO of %s: a warning with a stack trace", bo->user ? "imported memory" : "an offset beyond the end");
		return bo->user ? -EOPNOTSUPP : -EINVAL;
	}
	if (bo->host)
		flush(bo, arg->offset, arg->size);
	return arg->direction == NPU_SYNC_FROM_DEVICE ? -EINVAL : 0;	/* as no context has it as its debug buffer */
}

/* ---- contexts and commands */

static struct context *context_of(uint32_t handle)
{
	return handle && handle <= CONTEXTS && m.contexts[handle - 1].there ? &m.contexts[handle - 1] : NULL;
}

static int create_hwctx(struct npu_create_hwctx *arg)
{
	struct bo *heap = bo_of(m.heap);
	uint32_t i = 0;

	while (i < CONTEXTS && m.contexts[i].there)
		i++;
	if (arg->ext || arg->ext_flags)
		return -EINVAL;
	if (!arg->qos_p)
		return -EFAULT;
	if (!heap || !heap->mapped)
		return -ENOENT;
	if (!(arg->num_tiles / npu_model.core_rows) || arg->num_tiles / npu_model.core_rows > npu_model.cols)
		return -EINVAL;
	if (i == CONTEXTS)
		return -ENOSPC;
	m.contexts[i] = (struct context){ .there = true, .cols = arg->num_tiles / npu_model.core_rows };
	arg->handle = i + 1;
	arg->syncobj_handle = 0;
	if (!npu_model.no_timeline) {
		m.timelines |= 1u << i;
		arg->syncobj_handle = m.contexts[i].timeline = i + 1;
	}
	return 0;
}

static int config_hwctx(const struct npu_config_hwctx *arg)
{
	const struct npu_config_cu *cus = (void *)arg->param_val;
	struct context *c = context_of(arg->handle);
	uint32_t i;

	if (arg->pad || arg->param_type != NPU_HWCTX_CONFIG_CU)
		return -EINVAL;
	if (arg->param_val_size > 4096)
		return -E2BIG;
	if (!c || c->configured || !cus->num_cus || cus->pad[0] || cus->pad[1] || cus->pad[2] || cus->num_cus > NPU_MAX_CUS ||
	    offsetof(struct npu_config_cu, cu_configs) + cus->num_cus * sizeof(cus->cu_configs[0]) > arg->param_val_size)
		return -EINVAL;
	for (i = 0; i < cus->num_cus; i++) {
		const struct npu_cu_config *cu = &cus->cu_configs[i];
		struct bo *bo = bo_of(cu->cu_bo);

		if (cu->pad[0] || cu->pad[1] || cu->pad[2] || !bo || bo->type != NPU_BO_DEV)
			return -EINVAL;
		if (*(uint32_t *)bo->device != NPU_MODEL_PDI)
			complain("CONFIG_HWCTX: the image of CU %u is none, as the device sees it", i);
		c->cus[i] = cu->cu_bo;
	}
	c->num_cus = cus->num_cus;
	c->configured = true;
	return 0;
}

/* @size bytes at the device's @address, which is in a buffer that the command names. */
static uint8_t *reach(const struct pending *p, uint64_t address, uint64_t size, const char *what)
{
	uint32_t i;

	for (i = 0; i < p->arg_count; i++) {
		struct bo *bo = bo_of(p->args[i]);
		uint64_t base = !bo ? 0 : bo->address == NPU_INVALID_ADDR ? (uintptr_t)bo->host : bo->address;

		if (bo && address >= base && size <= bo->size && address - base <= bo->size - size)
			return bo->device + (address - base);
	}
	complain("the device faults: %s of %llu bytes at 0x%llx isn't in what the command names", what, (unsigned long long)size,
		 (unsigned long long)address);
	return NULL;
}

static void multiply(const uint32_t *code, const int8_t *x, const uint8_t *w, float *y)
{
	uint32_t k = code[1], n = code[2], tokens = code[3], layout = code[4], t, r, b, i;
	const float *scales = (const float *)(x + (size_t)tokens * k);
	uint8_t *row = malloc(k / 32 * 34);
	float scale;

	for (t = 0; t < tokens; t++) {
		bool any = false, scaled = false;

		for (i = 0; i < k; i++)
			any |= x[(size_t)t * k + i] != 0;
		for (b = 0; b < k / 32; b++)
			scaled |= scales[(size_t)t * (k / 32) + b] > 0;
		if (any != scaled)
			complain("a token with the %s of another", any ? "numbers" : "scales");
	}
	for (r = 0; r < n; r++) {
		if (dseek_tensor_row(DSEEK_Q8_0, layout, k, r, w, row))
			abort();
		for (t = 0; t < tokens; t++) {
			float sum = 0;

			for (b = 0; b < k / 32; b++) {
				const int8_t *q = (const int8_t *)row + b * 34 + 2;
				int32_t dot = 0;

				dseek_row_to_f32(DSEEK_F16, row + b * 34, 1, &scale);
				for (i = 0; i < 32; i++)
					dot += q[i] * x[(size_t)t * k + b * 32 + i];
				sum += scales[(size_t)t * (k / 32) + b] * scale * (float)dot;
			}
			y[(size_t)t * n + r] = sum;
		}
	}
	free(row);
}

/* One command as the firmware has it. */
static int run_product(struct context *c, const struct pending *p, const uint32_t *cmd)
{
	uint32_t opcode = *cmd >> NPU_CMD_OPCODE_SHIFT & 31, count = *cmd >> NPU_CMD_COUNT_SHIFT & 0x7ff, cu;
	uint32_t words = opcode == NPU_START_NPU ? 4 : 0, code_bytes;
	const uint32_t *args = cmd + 2 + words, *code;
	uint64_t value[6], code_at;
	uint8_t *x, *w, *y;
	int i;

	if ((opcode != NPU_START_CU && opcode != NPU_START_NPU) || count != 1 + words + 11 || !cmd[1]) {
		complain("a command of opcode %u with %u words", opcode, count);
		return -EINVAL;
	}
	cu = (uint32_t)__builtin_ctz(cmd[1]);
	if (cu >= c->num_cus) {
		complain("a command for CU %u of %u", cu, c->num_cus);
		return -EINVAL;
	}
	for (i = 0; i < 6; i++)		/* the third has one word */
		value[i] = i == 2 ? args[4] : args[i < 2 ? 2 * i : 2 * i - 1] | (uint64_t)args[i < 2 ? 2 * i + 1 : 2 * i] << 32;
	code_at = words ? cmd[2] | (uint64_t)cmd[3] << 32 : value[1];
	code_bytes = words ? cmd[4] : (uint32_t)value[2] * 4;
	if (value[0] != 3 || (words && (value[1] || value[2] || cmd[5])) || code_bytes != 20) {
		complain("a command with kernel opcode %llu and %u bytes of control code", (unsigned long long)value[0], code_bytes);
		return -EINVAL;
	}
	code = (const uint32_t *)reach(p, code_at, code_bytes, "control code");
	if (!code || *code != NPU_MODEL_CODE) {
		complain("control code that is none, as the device sees it");
		return -EIO;
	}
	x = reach(p, value[3], (uint64_t)code[3] * (code[1] + code[1] / 8), "x");
	w = reach(p, value[4], dseek_tensor_bytes(DSEEK_Q8_0, code[4], code[1], code[2]), "w");
	y = reach(p, value[5], (uint64_t)code[3] * code[2] * 4, "y");
	if (!x || !w || !y)
		return -EIO;
	multiply(code, (int8_t *)x, w, (float *)y);
	m.products++;
	return 0;
}

static void set_state(uint32_t *cmd, uint32_t state)
{
	*cmd = (*cmd & ~NPU_CMD_STATE) | state;
}

static void run_command(struct context *c, const struct pending *p)
{
	uint32_t *cmd = (uint32_t *)bo_of(p->command)->host, i, opcode = *cmd >> NPU_CMD_OPCODE_SHIFT & 31, seen = ~0u;
	struct npu_cmd_chain chain;
	int r = 0;

	if (npu_model.bad_state || c->broken) {
		set_state(cmd, c->broken ? NPU_STATE_ABORT : npu_model.bad_state);
		c->broken = true;
		return;
	}
	if (opcode != NPU_CMD_CHAIN) {
		r = run_product(c, p, cmd);
	} else {
		memcpy(&chain, cmd + 1, sizeof(chain));
		if (!chain.command_count || chain.command_count > NPU_CHAIN_MAX || (*cmd >> NPU_CMD_COUNT_SHIFT & 0x7ff) < 6 + 2 * chain.command_count) {
			complain("a chain of %u commands", chain.command_count);
			r = -EINVAL;
		}
		for (i = 0; i < chain.command_count && !r; i++) {
			struct bo *bo = bo_of(chain.data[2 * i]);
			const uint32_t *sub = bo ? (const uint32_t *)bo->host : NULL;

			if (!sub || (bo->type != NPU_BO_CMD && bo->type != NPU_BO_SHARE)) {
				complain("a chain with a command that isn't there");
				r = -ENOENT;
			} else if (seen != ~0u && seen != (*sub >> NPU_CMD_OPCODE_SHIFT & 31)) {
				complain("a chain of commands of two opcodes");
				r = -EINVAL;
			} else {
				seen = *sub >> NPU_CMD_OPCODE_SHIFT & 31;
				r = run_product(c, p, sub);
			}
		}
	}
	/* What the driver finds wrong when it hands a command on leaves the state as it was; what the firmware does is an error. */
	set_state(cmd, r == -EIO ? NPU_STATE_ERROR : r ? NPU_STATE_NEW : NPU_STATE_COMPLETED);
}

static int exec_cmd(struct npu_exec_cmd *arg)
{
	struct context *c = context_of(arg->hwctx);
	const uint32_t *args = (void *)arg->args;
	struct bo *cmd = bo_of((uint32_t)arg->cmd_handles);
	struct pending *p;
	uint32_t i, j;

	if (arg->ext || arg->ext_flags || arg->type != NPU_CMD_SUBMIT_EXEC_BUF || arg->cmd_count != 1 || arg->arg_count > 16)
		return -EINVAL;
	if (!cmd || (cmd->type != NPU_BO_CMD && cmd->type != NPU_BO_SHARE) || !cmd->host)
		return -EINVAL;
	for (i = 0; i < arg->arg_count; i++)
		if (!bo_of(args[i]))
			return -ENOENT;
	for (i = 0; i < arg->arg_count; i++)
		for (j = 0; j < i; j++)
			if (args[i] == args[j])
				return -EALREADY;
	if (!c)
		return -EINVAL;
	if (c->seq - c->done == PENDING) {
		complain("EXEC_CMD sleeps: a context takes %d commands", PENDING);
		return -EINTR;
	}
	p = &c->pending[c->seq % PENDING];
	p->command = (uint32_t)arg->cmd_handles;
	p->arg_count = arg->arg_count;
	memcpy(p->args, args, arg->arg_count * sizeof(*args));
	set_state((uint32_t *)cmd->host, NPU_STATE_NEW);
	arg->seq = c->seq++;
	m.waits = 0;
	return 0;
}

static int destroy_hwctx(const struct npu_destroy_hwctx *arg)
{
	struct context *c = context_of(arg->handle);

	if (arg->pad || !c)
		return -EINVAL;
	for (; c->done < c->seq; c->done++)
		set_state((uint32_t *)bo_of(c->pending[c->done % PENDING].command)->host, NPU_STATE_ABORT);
	c->there = false;
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int timeline_wait(const struct drm_syncobj_timeline_wait *arg)
{
	uint32_t handle = *(uint32_t *)arg->handles;
	uint64_t point = *(uint64_t *)arg->points;
	struct context *c = context_of(handle);
	struct timespec until = { .tv_sec = arg->timeout_nsec / 1000000000, .tv_nsec = arg->timeout_nsec % 1000000000 };

	if (arg->count_handles != 1 || !handle || !(m.timelines & 1u << (handle - 1)) || !c)
		return -ENOENT;
	if (point >= c->seq)
		return -EINVAL;
	if (npu_model.hang || m.waits++ < npu_model.slow) {
		if (arg->timeout_nsec > now_ns())
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		return -ETIME;
	}
	for (; c->done < c->seq; c->done++)
		run_command(c, &c->pending[c->done % PENDING]);
	return 0;
}

/* ---- the seam */

static int get_info(const struct npu_get_info *arg)
{
	struct npu_aie_metadata aie = {
		.cols = npu_model.cols, .rows = (uint16_t)(npu_model.core_rows + 2), .version = { 2, 1 }, .core = { .row_count = npu_model.core_rows },
	};
	struct npu_firmware_version firmware = { 1, 5, 2, 380 };
	struct npu_clock_metadata clock = { .h_clock = { "H Clock", 1800, 0 } };
	const struct {
		uint32_t param, size;
		const void *data;
	} answers[] = {
		{ NPU_QUERY_AIE_METADATA, sizeof(aie), &aie }, { NPU_QUERY_FIRMWARE_VERSION, sizeof(firmware), &firmware },
		{ NPU_QUERY_CLOCK_METADATA, sizeof(clock), &clock },
	};
	unsigned int i;

	for (i = 0; i < (npu_model.terse ? 1 : 3); i++)
		if (answers[i].param == arg->param) {
			memcpy((void *)arg->buffer, answers[i].data, arg->buffer_size < answers[i].size ? arg->buffer_size : answers[i].size);
			return 0;
		}
	return -EOPNOTSUPP;
}

static int get_version(int fd, struct drm_version *arg)
{
	const char *name = npu_model.drivers[fd - FD];
	size_t n = strlen(name);

	memcpy(arg->name, name, n < arg->name_len ? n : arg->name_len);
	arg->name_len = n;
	arg->version_major = npu_model.major;
	arg->version_minor = 10;
	return 0;
}

static int gem_close(const struct drm_gem_close *arg)
{
	struct bo *bo = bo_of(arg->handle);

	if (!bo)
		return -EINVAL;
	if (arg->handle != m.heap)
		bo_free(bo);
	else
		m.heap_closed = true;	/* the driver keeps it for as long as the file is open */
	return 0;
}

static int syncobj_destroy(const struct drm_syncobj_destroy *arg)
{
	if (!arg->handle || !(m.timelines & 1u << (arg->handle - 1)))
		return -EINVAL;
	m.timelines &= ~(1u << (arg->handle - 1));
	return 0;
}

int npu_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

#define CALL(number, name, function)				\
	case number:						\
		r = called(name);				\
		return r ? r : function
	switch (request) {
	CALL(DRM_IOCTL_VERSION, "VERSION", get_version(fd, arg));
	CALL(NPU_GET_INFO, "GET_INFO", get_info(arg));
	CALL(NPU_CREATE_BO, "CREATE_BO", create_bo(arg));
	CALL(NPU_GET_BO_INFO, "GET_BO_INFO", get_bo_info(arg));
	CALL(NPU_SYNC_BO, "SYNC_BO", sync_bo(arg));
	CALL(NPU_CREATE_HWCTX, "CREATE_HWCTX", create_hwctx(arg));
	CALL(NPU_CONFIG_HWCTX, "CONFIG_HWCTX", config_hwctx(arg));
	CALL(NPU_EXEC_CMD, "EXEC_CMD", exec_cmd(arg));
	CALL(NPU_DESTROY_HWCTX, "DESTROY_HWCTX", destroy_hwctx(arg));
	CALL(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, "SYNCOBJ_TIMELINE_WAIT", timeline_wait(arg));
	CALL(DRM_IOCTL_SYNCOBJ_DESTROY, "SYNCOBJ_DESTROY", syncobj_destroy(arg));
	CALL(DRM_IOCTL_GEM_CLOSE, "GEM_CLOSE", gem_close(arg));
	}
	complain("an ioctl that the driver doesn't have: 0x%lx", request);
	return -ENOTTY;
}

int npu_sys_node(unsigned int index, char *path, size_t size)
{
	if (index >= NPU_MODEL_NODES || !npu_model.drivers[index])
		return -ENOENT;
	snprintf(path, size, "/dev/accel/accel%u", index);
	return 0;
}

int npu_sys_open(const char *path)
{
	int r = called("open"), index = path[strlen(path) - 1] - '0';

	if (r)
		return r;
	if (strncmp(path, "/dev/accel/accel", 16) || index < 0 || index >= NPU_MODEL_NODES || !npu_model.drivers[index])
		return -ENOENT;
	m.open = true;
	return FD + index;
}

/* All that is there goes with the file; but whoever was tidy has left nothing. */
void npu_sys_close(int fd)
{
	unsigned int i;

	for (i = 1; i < BOS; i++)
		if (m.bos[i].type) {
			m.left += i != m.heap || !m.heap_closed;
			bo_free(&m.bos[i]);
		}
	for (i = 0; i < CONTEXTS; i++)
		m.left += m.contexts[i].there;
	m.left += (unsigned int)__builtin_popcount(m.timelines);
	memset(m.contexts, 0, sizeof(m.contexts));
	m.timelines = m.heap = 0;
	m.heap_used = 0;
	m.open = m.heap_closed = false;
}

int npu_sys_map(int fd, uint64_t offset, size_t size, size_t align, void **ret_base)
{
	struct bo *bo = bo_of(offset >> 32);
	int r = called("mmap");
	char *room, *at;

	if (r)
		return r;
	if (!bo || bo->type == NPU_BO_DEV || bo->user || size != bo->size || bo->mapped)
		return -EINVAL;
	if (bo->type == NPU_BO_DEV_HEAP && align < HEAP_SIZE)
		complain("a heap at an address that isn't aligned to its size");
	room = pages(size + align);
	at = room + (-(uintptr_t)room & (align - 1));
	if (at > room)
		munmap(room, (size_t)(at - room));
	munmap(at + size, (size_t)(room + align - at));
	bo->host = (uint8_t *)at;
	bo->mapped = true;
	/* The kernel has just cleared it: lines that are dirty, and may be written back at any time. Others than the device's, to be seen. */
	if (bo->type != NPU_BO_DEV_HEAP)
		memset(at, 0x5a, size);
	if (npu_model.our_addresses && bo->type != NPU_BO_DEV_HEAP)
		bo->address = (uintptr_t)at;
	*ret_base = at;
	return 0;
}

void npu_sys_unmap(void *base, size_t size)
{
	munmap(base, size);
}

void npu_sys_flush(const void *base, size_t size)
{
}

int npu_sys_can_flush(void)
{
	return 1;
}

/* ---- for tests */

void npu_model_reset(const struct npu_model *model)
{
	if (m.open)
		npu_sys_close(FD);
	memset(&m, 0, sizeof(m));
	npu_model = *model;
}

void npu_model_fail(const char *call, unsigned int nth, int error)
{
	memset(m.counts, 0, sizeof(m.counts));
	m.fail_call = call;
	m.fail_nth = nth;
	m.fail_error = error;
}

unsigned int npu_model_calls(const char *call)
{
	return m.counts[index_of(call)];
}

unsigned int npu_model_left(void)
{
	return m.left + m.open;
}

unsigned int npu_model_products(void)
{
	return m.products;
}

const char *npu_model_complaint(void)
{
	return m.complaint;
}

// SPDX-License-Identifier: MIT
/*
 * Memory of the device's own: zeroed when it is given, whatever was in it, and cleared when it is taken back, even if somebody has a file of it;
 * exported where the runtime can and where the file is of this memory alone. Then a tenant's program in it, filled in and read through the
 * tenant's mapping, with the executor in this process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <dseek.h>
#include <dseek_program.h>

#include "../../userspace/executor/hip/hip_state.h"
#include "../tap.h"
#include "device.h"

#define SIZE	16384
#define N	64

static char err[400];
static struct hip_state *state;
static void *hip;

static int alloc(void **ret_base, int *ret_fd)
{
	*err = 0;
	return dseek_backend_hip.memory_alloc(hip, SIZE, ret_base, ret_fd, err, sizeof(err));
}

/* How many of its bytes aren't 0. */
static int dirty(const void *device)
{
	static char copy[SIZE];
	int n = 0, i;

	if (state->api.Memcpy(copy, device, SIZE, HIP_MEMCPY_DEVICE_TO_HOST))
		return -1;
	for (i = 0; i < SIZE; i++)
		n += copy[i] != 0;
	return n;
}

static void test_cleared(void)
{
	unsigned int live = hip_device_live();
	void *base, *raw;
	char *map;
	int fd, i, n = 0;

	state->api.Malloc(&raw, SIZE);
	tap_ok(dirty(raw) == SIZE, "the runtime's memory has anything in it");
	state->api.Free(raw);
	setenv("HIP_STANDIN_EXPORT", "file", 1);
	if (!tap_ok(!alloc(&base, &fd) && fd >= 0 && dirty(base) == 0, "what is given is zeroed: %s", err))
		return;
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	memset(map, 0x5a, SIZE);
	tap_ok(dirty(base) == SIZE, "its file is the memory");
	dseek_backend_hip.memory_free(hip, base);
	for (i = 0; i < SIZE; i++)
		n += map[i] != 0;
	tap_ok(n == 0 && hip_device_live() == live, "what is taken back is cleared for who still has the file, and given back");
	munmap(map, SIZE);
	unsetenv("HIP_STANDIN_EXPORT");
}

static void test_export(void)
{
	void *base;
	int fd = -2, next, last;

	setenv("HIP_STANDIN_EXPORT", "chunk", 1);
	next = dup(0);
	close(next);
	tap_ok(!alloc(&base, &fd) && fd == -1, "a dma-buf of more than the memory is not handed on");
	dseek_backend_hip.memory_free(hip, base);
	unsetenv("HIP_STANDIN_EXPORT");
	tap_ok(!alloc(&base, &fd) && (fd >= 0) == !access("/dev/udmabuf", R_OK | W_OK), "by /dev/udmabuf, where there is one: %s",
	       fd >= 0 ? "a dma-buf" : "none, and no error");
	if (fd >= 0)
		tap_ok(lseek(fd, 0, SEEK_END) == SIZE, "of that size");
	else
		tap_skip("a real dma-buf of that size", "no /dev/udmabuf that may be opened");
	if (fd >= 0)
		close(fd);
	dseek_backend_hip.memory_free(hip, base);
	last = dup(0);
	close(last);
	tap_ok(next == last, "no descriptor is left");
	state->api.MemGetHandleForAddressRange = NULL;
	setenv("HIP_STANDIN_EXPORT", "file", 1);
	tap_ok(!alloc(&base, &fd) && fd >= 0 && lseek(fd, 0, SEEK_END) == SIZE, "a runtime without the call: by that of the library below");
	close(fd);
	dseek_backend_hip.memory_free(hip, base);
	setenv("HIP_STANDIN_EXPORT", "part", 1);
	tap_ok(!alloc(&base, &fd) && fd == -1, "which is not handed on either where the memory is a part of it");
	dseek_backend_hip.memory_free(hip, base);
	unsetenv("HIP_STANDIN_EXPORT");
	last = dup(0);
	close(last);
	tap_ok(next == last, "again no descriptor is left");
	state->api.export_dma_buf = NULL;
	tap_ok(!alloc(&base, &fd) && fd == -1, "a runtime without either: no dma-buf, and no error");
	dseek_backend_hip.memory_free(hip, base);
}

/* What jobs only read is mapped so, and where the kernel pins for writing that is refused: the sentence says what is missing. */
static void test_read_only(void)
{
	char *base = mmap(NULL, SIZE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int live = hip_device_live();
	int r;

	*err = 0;
	tap_ok(!dseek_backend_hip.buffer_map(hip, base, SIZE, 0, err, sizeof(err)), "a read-only buffer: %s", err);
	dseek_backend_hip.buffer_unmap(hip, base);
	setenv("HIP_STANDIN_NO_SVM", "1", 1);
	r = dseek_backend_hip.buffer_map(hip, base, SIZE, 0, err, sizeof(err));
	tap_ok(r == -ENOMEM && strstr(err, "hipHostRegister: hipErrorOutOfMemory (2): read-only buffers need the kernel's HSA_AMD_SVM") && hip_device_live() == live,
	       "on a kernel without SVM: %s", err);
	r = dseek_backend_hip.buffer_map(hip, base, SIZE, 1, err, sizeof(err));
	tap_ok(r == -ENOMEM && !strstr(err, "HSA_AMD_SVM"), "one that is said to be writable fails for another reason: %s", err);
	mprotect(base, SIZE, PROT_READ | PROT_WRITE);
	tap_ok(!dseek_backend_hip.buffer_map(hip, base, SIZE, 1, err, sizeof(err)), "a buffer that some write to is the GPU's there, too");
	dseek_backend_hip.buffer_unmap(hip, base);
	unsetenv("HIP_STANDIN_NO_SVM");
	munmap(base, SIZE);
}

static void test_refusals(void)
{
	hip_error (*synchronize)(void) = state->api.DeviceSynchronize;
	unsigned int live = hip_device_live();
	void *base, *other = &base;
	int fd = -1;

	if (!tap_ok(!alloc(&base, &fd), "memory: %s", err))
		return;
	dseek_backend_hip.memory_free(hip, other);
	dseek_backend_hip.memory_free(hip, (char *)base + 4096);
	dseek_backend_hip.buffer_unmap(hip, base);
	tap_ok(dirty(base) == 0 && hip_memory_device(&state->memory, (char *)base + 5) == (char *)base + 5, "only its own address takes it back");
	state->api.DeviceSynchronize = NULL;
	tap_ok(alloc(&other, &fd) == -EOPNOTSUPP && strstr(err, "lacks hipMemset or hipDeviceSynchronize"), "a runtime that can't clear: %s", err);
	state->api.DeviceSynchronize = synchronize;
	state->lost = 1;
	tap_ok(alloc(&other, &fd) == -EIO && strstr(err, "given up"), "a device that was given up: %s", err);
	*err = 0;
	tap_ok(dseek_backend_hip.buffer_map(hip, &state, 1, 1, err, sizeof(err)) == -EIO && strstr(err, "given up"), "for a buffer, too: %s", err);
	dseek_backend_hip.memory_free(hip, base);
	tap_ok(hip_device_live() == live + 1, "from which nothing is taken");
	state->lost = 0;
	tap_ok(dseek_backend_hip.memory_alloc(hip, 1ull << 62, &other, &fd, err, sizeof(err)) == -ENOMEM && strstr(err, "hipMalloc: hipErrorOutOfMemory (2)"),
	       "more than there is: %s", err);
	/* the rest goes with the backend */
	dseek_backend_hip.close(hip);
	tap_ok(hip_device_live() == 0, "what is left is given back at the end");
}

/* c = a + b, each in a page of its own. */
static struct dseek_program *add(struct dseek_device *dev)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { N } };
	struct dseek_program_op op = { .code = DSEEK_OP_ADD };
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program *program = NULL;
	size_t size;
	void *blob;
	int i;

	memset(op.t, 0xff, sizeof(op.t));
	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	for (i = 0; i < 3; i++) {
		t.binding = dseek_builder_binding(b, i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE, N * 4);
		op.t[i] = dseek_builder_tensor(b, &t);
	}
	dseek_builder_op(b, &op);
	if (dseek_builder_finish(b, &blob, &size) || dseek_program_create(dev, blob, size, &program))
		printf("# %s, %s\n", dseek_builder_error(b), dseek_strerror_detail());
	else
		free(blob);
	dseek_builder_destroy(b);
	return program;
}

static uint64_t limit_ns;	/* of the next jobs; 0: the instance's */

static int run(struct dseek_queue *queue, struct dseek_program *program, const struct dseek_binding *bindings)
{
	struct dseek_job job = { .program = program, .bindings = bindings, .binding_count = 3, .limit_ns = limit_ns };
	struct dseek_job_result result = { 0 };
	uint64_t seqno;
	int r = dseek_submit(queue, &job, 1, &seqno, NULL);

	if (r < 0)
		return r;
	r = dseek_wait(queue, seqno, UINT64_MAX, &result);
	return r ? r : result.error;
}

static void test_tenant(void)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_binding bindings[3];
	struct dseek_program *program;
	struct dseek_bo *bo, *host;
	struct dseek_queue *queue;
	struct dseek_bo_info info;
	struct dseek_device *dev;
	int i, good = 1, r;
	char spec[1400];
	float *x, *y;

	setenv("HIP_STANDIN_EXPORT", "file", 1);
	snprintf(spec, sizeof(spec), "embed:hip-memory,engine=hip,%s", hip_device_options(NULL));
	r = dseek_open(spec, NULL, &dev);
	r = r ? r : dseek_bo_create_device(dev, 0, SIZE, &bo);
	r = r ? r : dseek_bo_create(dev, SIZE, 0, -1, &host);
	r = r ? r : dseek_queue_create(dev, &params, &queue);
	r = r ? r : dseek_bo_info(bo, &info);
	if (!tap_ok(!r && info.flags == (DSEEK_BO_DEVICE | DSEEK_BO_EXPORTABLE), "a tenant has a buffer of the device's memory: %s",
		    r ? dseek_strerror_detail() : "mapped"))
		return;
	program = add(dev);
	x = dseek_bo_map(bo);
	y = dseek_bo_map(host);
	for (i = 0; i < N; i++) {
		x[i] = (float)i;
		x[1024 + i] = 1000;
		y[i] = 0.5f;
	}
	for (i = 0; i < 3; i++)
		bindings[i] = (struct dseek_binding){ bo, (uint64_t)i * 4096, N * 4, i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE };
	r = run(queue, program, bindings);
	for (i = 0; i < N; i++)
		good &= x[2048 + i] == 1000 + (float)i;
	tap_ok(!r && good, "a program in it, filled in and read through the mapping");
	bindings[0] = (struct dseek_binding){ host, 0, N * 4, DSEEK_ACCESS_READ };
	bindings[1] = (struct dseek_binding){ bo, 2 * 4096, N * 4, DSEEK_ACCESS_READ };
	bindings[2] = (struct dseek_binding){ host, 4096, N * 4, DSEEK_ACCESS_WRITE };
	r = run(queue, program, bindings);
	for (i = 0; i < N; i++)
		good &= y[1024 + i] == 1000.5f + (float)i;
	tap_ok(!r && good, "between it and the tenant's pages");
	dseek_bo_destroy(bo);
	dseek_bo_destroy(host);
	dseek_queue_destroy(queue);
	dseek_program_destroy(program);
	dseek_close(dev);
	tap_ok(hip_device_live() == 0, "nothing is left of it on the device");
}

/* A job that hangs the device: it fails, and the executor that comes after it has the next one, on what it hadn't. */
static void test_replaced(void)
{
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_BATCH, .weight = 1 };
	struct dseek_binding bindings[3];
	struct dseek_engine_info info;
	struct dseek_program *program;
	struct dseek_bo *bos[2];
	struct dseek_queue *queue;
	struct dseek_device *dev;
	char spec[1400];
	int i, b, n, r;

	snprintf(spec, sizeof(spec), "embed:hip-replaced,engine=hip,%s", hip_device_options("abort_ms=30"));
	r = dseek_open(spec, NULL, &dev);
	r = r ? r : dseek_queue_create(dev, &params, &queue);
	for (b = 0; b < 2; b++)
		r = r ? r : dseek_bo_create(dev, SIZE, 0, -1, &bos[b]);
	if (!tap_ok(!r, "an instance whose device will hang: %s", r ? dseek_strerror_detail() : "opened"))
		return;
	program = add(dev);
	for (n = 0; n < 3; n++) {
		for (i = 0; i < 3; i++)
			bindings[i] = (struct dseek_binding){ bos[n / 2], (uint64_t)i * 4096, N * 4, i < 2 ? DSEEK_ACCESS_READ : DSEEK_ACCESS_WRITE };
		if (n == 1)
			setenv("HIP_STANDIN_FAIL", "hipEventQuery:1+:600", 1);
		limit_ns = n == 1 ? 20000000 : 0;
		r = run(queue, program, bindings);
		unsetenv("HIP_STANDIN_FAIL");
		tap_ok(r == (n == 1 ? -EIO : 0), "%s: %d", n == 0 ? "a job" : n == 1 ? "one that hangs the device fails" : "the next one is well", r);
	}
	tap_ok(!dseek_engine_find(dev, NULL, &info) && info.generation == 2, "another executor serves the engine");
	limit_ns = 0;
	for (b = 0; b < 2; b++)
		dseek_bo_destroy(bos[b]);
	dseek_queue_destroy(queue);
	dseek_program_destroy(program);
	dseek_close(dev);
}

int main(void)
{
	if (hip_device_why_not()) {
		tap_skip("memory of the device", hip_device_why_not());
		return tap_end();
	}
	if (!tap_ok(!hip_device_open(NULL, &hip, err, sizeof(err)), "the device: %s", err))
		return tap_end();
	state = hip;
	test_cleared();
	test_export();
	test_read_only();
	test_refusals();
	test_tenant();
	test_replaced();	/* the last: the device keeps what it had */
	return tap_end();
}

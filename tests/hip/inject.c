// SPDX-License-Identifier: MIT
/*
 * Every call of HIP that opening, preparing, mapping, giving memory, running and closing make fails in turn, by two codes: the step that made it fails
 * with a sentence that names call and code, whatever was made is given back, and a second job on what is left is well.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dseek_program.h>

#include "../../userspace/executor/hip/hip_api.h"
#include "../tap.h"
#include "device.h"

#define N	64

static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensors[2];
	struct dseek_program_op ops[3];
	struct dseek_program_view view;
	float *data;
	void *bindings[1];
	char err[400];
	int second;		/* result of the run after the one that failed; 1: there was none */
	int exported;		/* the device's memory was */
} t;

static const char *const names[] = {
#define NAME(name, params)	"hip" #name,
	HIP_MANDATORY(NAME)
	HIP_OPTIONAL(NAME)
};

/* Giving back is as good as it can be: nobody is told that it failed. */
static int gives_back(const char *name)
{
	return !strcmp(name, "hipStreamDestroy") || !strcmp(name, "hipEventDestroy") || !strcmp(name, "hipFree") ||
	       !strcmp(name, "hipModuleUnload") || !strcmp(name, "hipHostUnregister");
}

/* Clearing memory that is taken back: if that fails it is kept, and nobody is told. The first of two is of what is given. */
static int clears(const char *name, unsigned int nth)
{
	return nth == 2 && (!strcmp(name, "hipMemset") || !strcmp(name, "hipDeviceSynchronize"));
}

/* ROPE and two ADDs: a table in the device's memory, two modules, three ops in flight. */
static void make(void)
{
	int i;

	t.header = (struct dseek_program_header){ .n_ops = 3, .n_tensors = 2, .n_bindings = 1 };
	t.data = aligned_alloc(4096, 4096);
	t.bindings[0] = t.data;
	for (i = 0; i < 2; i++) {
		t.tensors[i] = (struct dseek_program_tensor){
			.dtype = i ? DSEEK_I32 : DSEEK_F32, .offset = (uint64_t)i * N * 4, .ne = { i ? 1 : N, 1, 1, 1 },
			.stride = { N * 4, N * 4, N * 4 },
		};
		memset(t.tensors[i].ne_param, DSEEK_NO_PARAM, 4);
	}
	for (i = 0; i < 3; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = i ? DSEEK_OP_ADD : DSEEK_OP_ROPE;
		t.ops[i].t[0] = 0;
		t.ops[i].t[1] = i ? 0 : 1;
		if (i)
			t.ops[i].t[2] = 0;
	}
	t.ops[0].i[0] = N;
	t.ops[0].f[0] = 10000;
	t.ops[0].f[1] = 1;
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = t.tensors, .ops = t.ops };
}

static int run(void *hip, void *prepared)
{
	struct dseek_run r = {
		.program = &t.view, .prepared = prepared, .bindings = t.bindings, .depth = 3, .err = t.err, .err_size = sizeof(t.err),
	};
	int i, error;

	for (i = 0; i < N; i++)
		t.data[i] = 1;
	((int *)t.data)[N] = 0;
	error = dseek_backend_hip.run(hip, &r);
	for (i = 0; i < N && !error; i++)
		if (t.data[i] != 4)
			error = -EBADMSG;
	return error;
}

/* The life of an executor with one program and one buffer: what the first step that fails says. */
static int life(void)
{
	void *hip = NULL, *prepared = NULL, *memory = NULL;
	char unused[300];
	int r, fd = -1;

	*t.err = 0;
	t.second = 1;
	r = hip_device_open("abort_ms=20000,cu_batch=0", &hip, t.err, sizeof(t.err));
	if (r)
		return r;
	r = dseek_backend_hip.program_prepare(hip, &t.view, &prepared, t.err, sizeof(t.err));
	if (r)
		goto close;
	r = dseek_backend_hip.buffer_map(hip, t.data, 4096, 1, t.err, sizeof(t.err));
	if (r)
		goto release;
	r = dseek_backend_hip.memory_alloc(hip, 4096, &memory, &fd, t.err, sizeof(t.err));
	t.exported = fd >= 0;
	if (r)
		goto unmap;
	if (fd >= 0)
		close(fd);
	r = run(hip, prepared);
	if (r) {
		snprintf(unused, sizeof(unused), "%s", t.err);
		t.second = run(hip, prepared);
		snprintf(t.err, sizeof(t.err), "%s", unused);
	}
	dseek_backend_hip.memory_free(hip, memory);
unmap:
	dseek_backend_hip.buffer_unmap(hip, t.data);
release:
	dseek_backend_hip.program_release(hip, prepared);
close:
	dseek_backend_hip.close(hip);
	return r;
}

static void fail(const char *name, unsigned int nth, unsigned int calls, int code)
{
	unsigned int before = hip_device_live(), left;
	char spec[100], number[16];
	int r, good;

	snprintf(spec, sizeof(spec), "%s:%u:%d", name, nth, code);
	snprintf(number, sizeof(number), "%d", code);
	setenv("HIP_STANDIN_FAIL", spec, 1);
	hip_device_reset();
	r = life();
	unsetenv("HIP_STANDIN_FAIL");
	left = hip_device_live() - before;
	hip_device_unregister(t.data);
	if (!strcmp(name, "hipMemGetHandleForAddressRange"))
		good = !r && !left && !t.exported;	/* it can't be exported: that is all */
	else if (gives_back(name) || clears(name, nth))
		good = !r && left == 1;		/* what was not given back, and nothing else */
	else if (!strcmp(name, "hipSetDevice") && !r)
		good = 1;			/* on the way out: what is there stays */
	else
		good = r < 0 && r != -EBADMSG && strstr(t.err, name) && strstr(t.err, number) && left == 0 && t.second >= 0;
	tap_ok(good, "%s, call %u of %u, fails with %d: %s%s", name, nth, calls, code, r ? t.err : "nobody is told",
	       t.second == 0 ? "; the next job is well" : "");
	if (!good)
		printf("# %d, %u left, second %d\n", r, left, t.second);
}

int main(void)
{
	unsigned int calls[sizeof(names) / sizeof(*names)], n;
	size_t i;

	if (hip_device_why_not()) {
		tap_skip("failures of HIP's calls", hip_device_why_not());
		return tap_end();
	}
	make();
	setenv("HIP_STANDIN_EXPORT", "file", 1);
	hip_device_reset();
	if (!tap_ok(!life() && t.exported && hip_device_live() == 0, "without a failure nothing fails, and nothing is left"))
		printf("# %s\n", t.err);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		calls[i] = hip_device_calls(names[i]);
	/* How often an event is looked at is a matter of time; once an op at least. */
	for (i = 0; strcmp(names[i], "hipEventQuery"); i++)
		;
	calls[i] = calls[i] < 3 ? calls[i] : 3;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (n = 1; n <= calls[i]; n++) {
			fail(names[i], n, calls[i], 2);
			fail(names[i], n, calls[i], 719);
		}
	free(t.data);
	return tap_end();
}

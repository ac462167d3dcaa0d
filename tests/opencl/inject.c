// SPDX-License-Identifier: MIT
/*
 * Every call of OpenCL that an executor's life makes fails in turn, each in a process of its own: the step that made it fails with a sentence
 * that names call and error, nothing is left, and the next job is well. A kernel that doesn't compile is named with the compiler's words.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <dseek_program.h>

#include "../../userspace/executor/opencl/cl_api.h"
#include "../hip/device.h"
#include "../tap.h"

#define N	64
#define CALLS	32

struct outcome {
	int r, second;			/* of the first step that failed; of the job behind one that failed, 1: there was none */
	unsigned int left, calls[CALLS];
	char err[400];
};

static const char *const names[] = {
#define NAME(name, result, params)	"cl" #name,
	CL_CALLS(NAME)
};
#define NAMES	(sizeof(names) / sizeof(names[0]))

/* x = x + x, three times. */
static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensor;
	struct dseek_program_op ops[3];
	struct dseek_program_view view;
	float *data;
	void *bindings[1];
} t;

static void make(void)
{
	int i;

	t.header = (struct dseek_program_header){ .n_ops = 3, .n_tensors = 1, .n_bindings = 1 };
	t.tensor = (struct dseek_program_tensor){ .dtype = DSEEK_F32, .ne = { N, 1, 1, 1 }, .stride = { N * 4, N * 4, N * 4 } };
	memset(t.tensor.ne_param, DSEEK_NO_PARAM, 4);
	for (i = 0; i < 3; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = DSEEK_OP_ADD;
		t.ops[i].t[0] = t.ops[i].t[1] = t.ops[i].t[2] = 0;
	}
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = &t.tensor, .ops = t.ops };
	t.data = aligned_alloc(4096, 4096);
	t.bindings[0] = t.data;
}

static int run(void *state, void *prepared, char *err, size_t err_size)
{
	struct dseek_run r = {
		.program = &t.view, .prepared = prepared, .bindings = t.bindings, .depth = 3, .err = err, .err_size = err_size,
	};
	int i, error;

	for (i = 0; i < N; i++)
		t.data[i] = 1;
	error = dseek_backend_opencl.run(state, &r);
	for (i = 0; i < N && !error; i++)
		if (t.data[i] != 8)
			error = -EBADMSG;
	return error;
}

static void life(struct outcome *o)
{
	void *state = NULL, *prepared = NULL;
	char unused[400];
	size_t i;

	o->second = 1;
	o->r = hip_device_open("abort_ms=20000,scrub=0", &state, o->err, sizeof(o->err));
	if (o->r)
		goto out;
	o->r = dseek_backend_opencl.program_prepare(state, &t.view, &prepared, o->err, sizeof(o->err));
	if (!o->r)
		o->r = dseek_backend_opencl.buffer_map(state, t.data, 4096, 1, o->err, sizeof(o->err));
	if (!o->r) {
		o->r = run(state, prepared, o->err, sizeof(o->err));
		if (o->r)
			o->second = run(state, prepared, unused, sizeof(unused));
		dseek_backend_opencl.buffer_unmap(state, t.data);
	}
	dseek_backend_opencl.program_release(state, prepared);
	dseek_backend_opencl.close(state);
out:
	o->left = hip_device_live();
	for (i = 0; i < NAMES; i++)
		o->calls[i] = hip_device_calls(names[i]);
}

/* A life in another process, with @fail as OPENCL_SHIM_FAIL. */
static struct outcome live(const char *fail)
{
	struct outcome o = { .r = -ECHILD };
	int pipes[2];
	pid_t pid;

	fflush(stdout);
	if (pipe(pipes))
		abort();
	pid = fork();
	if (!pid) {
		if (fail)
			setenv("OPENCL_SHIM_FAIL", fail, 1);
		memset(&o, 0, sizeof(o));
		life(&o);
		_exit(write(pipes[1], &o, sizeof(o)) != sizeof(o));
	}
	close(pipes[1]);
	if (read(pipes[0], &o, sizeof(o)) != sizeof(o))
		snprintf(o.err, sizeof(o.err), "the process died");
	close(pipes[0]);
	waitpid(pid, NULL, 0);
	return o;
}

static void fail(const char *name, unsigned int nth, unsigned int calls, int code)
{
	int gives_back, good;
	struct outcome o;
	char spec[100], number[16];

	snprintf(spec, sizeof(spec), "%s:%u:%d", name, nth, code);
	snprintf(number, sizeof(number), "(%d)", code);
	o = live(spec);
	gives_back = !strncmp(name, "clRelease", 9);
	if (gives_back)
		good = !o.r && o.left >= 1;		/* nobody is told */
	else if (!strcmp(name, "clGetDeviceInfo") || !strcmp(name, "clGetDeviceIDs"))
		/* a device that doesn't tell what it is isn't counted; one that is has to tell its compute units */
		good = o.r == 0 || o.r == -ENODEV || (o.r < 0 && strstr(o.err, name) && strstr(o.err, number) && !o.left);
	else
		good = o.r < 0 && o.r != -EBADMSG && o.r != -ECHILD && strstr(o.err, name) && strstr(o.err, number) && !o.left && o.second >= 0;
	tap_ok(good, "%s, call %u of %u, fails with %d: %s%s", name, nth, calls, code, o.r ? o.err : "nobody is told",
	       o.second == 0 ? "; the next job is well" : "");
	if (!good)
		printf("# %d, %u left, second %d\n", o.r, o.left, o.second);
}

static const char *why_not(void)
{
	static struct outcome o;

	o = live(NULL);
	if (o.r == -ENOENT || o.r == -ENODEV)
		return o.err;
	tap_ok(!o.r && !o.left, "without a failure nothing fails, and nothing is left: %s", o.err);
	return NULL;
}

/* A folder with a file that is no OpenCL C. */
static void test_compiler(void)
{
	const char *dir = getenv("TMPDIR");
	char folder[400], path[500], more[500];
	struct outcome o = { 0 };
	void *state, *prepared;
	FILE *file;
	pid_t pid;
	int pipes[2];

	snprintf(folder, sizeof(folder), "%s/opencl-%d", dir && *dir ? dir : "/tmp", getpid());
	mkdir(folder, 0777);
	snprintf(path, sizeof(path), "%s/opencl", folder);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/opencl/elementwise.cl", folder);
	file = fopen(path, "we");
	if (!file || fputs("__kernel void dsk_elementwise(float *x) { nonsense; }\n", file) < 0 || fclose(file) || pipe(pipes))
		abort();
	snprintf(more, sizeof(more), "scrub=0,kernels=%s", folder);
	pid = fork();
	if (!pid) {
		o.r = hip_device_open(more, &state, o.err, sizeof(o.err));
		if (!o.r) {
			o.r = dseek_backend_opencl.program_prepare(state, &t.view, &prepared, o.err, sizeof(o.err));
			dseek_backend_opencl.close(state);
		}
		o.left = hip_device_live();
		_exit(write(pipes[1], &o, sizeof(o)) != sizeof(o));
	}
	if (read(pipes[0], &o, sizeof(o)) != sizeof(o))
		snprintf(o.err, sizeof(o.err), "the process died");
	waitpid(pid, NULL, 0);
	tap_ok(o.r == -EIO && strstr(o.err, "op 0, add: ") && strstr(o.err, "/opencl/elementwise.cl: clBuildProgram: CL_BUILD_PROGRAM_FAILURE (-11): ") &&
	       !o.left, "a kernel that doesn't compile: %s", o.err);
	unlink(path);
	snprintf(path, sizeof(path), "%s/opencl", folder);
	rmdir(path);
	rmdir(folder);
}

int main(void)
{
	const char *why;
	struct outcome o;
	unsigned int n, most;
	size_t i;

	make();
	why = why_not();
	if (why) {
		tap_skip("failures of OpenCL's calls", why);
		return tap_end();
	}
	o = live(NULL);
	for (i = 0; i < NAMES; i++) {
		/* How often an event is looked at is a matter of time. */
		most = !strcmp(names[i], "clGetEventInfo") && o.calls[i] > 3 ? 3 : o.calls[i];
		for (n = 1; n <= most; n++)
			fail(names[i], n, most, n % 2 ? -6 : -36);
	}
	test_compiler();
	free(t.data);
	return tap_end();
}

// SPDX-License-Identifier: MIT
/*
 * What keeps tenants apart in the opencl backend: the scrub before a tenant's first op, on as many compute units as the device says that it has,
 * and what that cost. Classes have one queue: OpenCL's have no priorities, and none is for some units alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dseek_program.h>

#include "../hip/device.h"
#include "../tap.h"
#include "device.h"

#define N	64
#define N_OPS	2

/* x = x + x, twice. */
static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensor;
	struct dseek_program_op ops[N_OPS];
	struct dseek_program_view view;
	float *data;
	void *opencl, *prepared;
	void *bindings[1];
	char err[400];
} t;

static void make(void)
{
	int i;

	t.header = (struct dseek_program_header){ .n_ops = N_OPS, .n_tensors = 1, .n_bindings = 1 };
	t.tensor = (struct dseek_program_tensor){ .dtype = DSEEK_F32, .ne = { N, 1, 1, 1 }, .stride = { N * 4, N * 4, N * 4 } };
	memset(t.tensor.ne_param, DSEEK_NO_PARAM, 4);
	for (i = 0; i < N_OPS; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = DSEEK_OP_ADD;
		t.ops[i].t[0] = t.ops[i].t[1] = t.ops[i].t[2] = 0;
	}
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = &t.tensor, .ops = t.ops };
	t.data = aligned_alloc(4096, 4096);
	t.bindings[0] = t.data;
}

static int open_on(const char *more)
{
	int r = hip_device_open(more, &t.opencl, t.err, sizeof(t.err));

	if (!r)
		r = dseek_backend_opencl.program_prepare(t.opencl, &t.view, &t.prepared, t.err, sizeof(t.err));
	if (!r)
		r = dseek_backend_opencl.buffer_map(t.opencl, t.data, 4096, 1, t.err, sizeof(t.err));
	if (!tap_ok(!r, "opened with %s", more ? more : "nothing else"))
		printf("# %s\n", t.err);
	return r;
}

static void close_it(void)
{
	dseek_backend_opencl.buffer_unmap(t.opencl, t.data);
	dseek_backend_opencl.program_release(t.opencl, t.prepared);
	dseek_backend_opencl.close(t.opencl);
}

/* A job launches @scrubs kernels, each for so many @groups, and then its ops. */
static void expect(uint64_t tenant, uint32_t sched_class, unsigned int scrubs, const size_t groups[2], const char *what)
{
	struct dseek_run run = {
		.program = &t.view, .prepared = t.prepared, .bindings = t.bindings, .depth = 1, .tenant = tenant, .sched_class = sched_class,
		.err = t.err, .err_size = sizeof(t.err),
	};
	unsigned int first = hip_device_calls("clEnqueueNDRangeKernel"), n, i;
	int r, good;

	for (i = 0; i < N; i++)
		t.data[i] = 1;
	*t.err = 0;
	r = dseek_backend_opencl.run(t.opencl, &run);
	n = hip_device_calls("clEnqueueNDRangeKernel") - first;
	good = !r && n == scrubs + N_OPS && t.data[0] == 4 && t.data[N - 1] == 4;
	for (i = 0; i < scrubs; i++)
		good &= opencl_device_groups(first + i) == groups[i];
	if (!tap_ok(good, "%s: %u launches to scrub", what, scrubs))
		printf("# %d, %u launches, %zu and %zu groups; %s\n", r, n, opencl_device_groups(first), opencl_device_groups(first + 1), t.err);
}

int main(void)
{
	static const size_t of_3[2] = { 4 * 3, 32 * 3 };
	void *state = NULL;

	if (hip_device_why_not()) {
		tap_skip("tenants of the opencl backend", hip_device_why_not());
		return tap_end();
	}
	make();
	setenv("OPENCL_SHIM_UNITS", "3", 1);
	if (!open_on(NULL)) {
		unsigned int queues = hip_device_calls("clCreateCommandQueue");

		expect(1, 2, 2, of_3, "the first job of all");
		expect(1, 2, 0, NULL, "another of the same tenant");
		expect(2, 2, 2, of_3, "one of another tenant");
		expect(2, 1, 0, NULL, "the same tenant's with a deadline");
		expect(2, 3, 0, NULL, "the same tenant's in the background");
		expect(1, 3, 2, of_3, "the first tenant again");
		dseek_backend_opencl.status(t.opencl, t.err, sizeof(t.err));
		tap_ok(!strcmp(t.err, "18 launches, 6 of them to scrub at 3 changes of tenant"), "what it cost is told: %s", t.err);
		close_it();
		if (!open_on("scrub=0")) {
			tap_ok(hip_device_calls("clCreateCommandQueue") == queues + 1, "one queue for all classes");
			expect(1, 2, 0, NULL, "without scrub, the first job");
			expect(2, 2, 0, NULL, "without scrub, another tenant's");
			close_it();
		}
	}
	unsetenv("OPENCL_SHIM_UNITS");
	tap_ok(hip_device_open("cu_batch=0", &state, t.err, sizeof(t.err)) == -EOPNOTSUPP &&
	       !strcmp(t.err, "opencl: the stream of class batch: this runtime makes no streams for some compute units alone"),
	       "compute units of a class's own: %s", t.err);
	tap_ok(!dseek_backend_opencl.runs_code, "it runs no code of tenants");
	tap_ok(hip_device_live() == 0, "nothing is left on the device: %u", hip_device_live());
	free(t.data);
	return tap_end();
}

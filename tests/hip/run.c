// SPDX-License-Identifier: MIT
/* How the hip backend runs programs: launch-ahead, yielding and going on, aborts, a device that hangs, scrubbing, and what it refuses. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dseek_program.h>

#include "../../userspace/executor/hip/hip_state.h"
#include "../tap.h"
#include "device.h"

#define N_OPS	12
#define N	64

/* x = x + y, N_OPS times, in one binding. */
static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensors[2];
	struct dseek_program_op ops[N_OPS];
	struct dseek_program_view view;
	float *data;			/* x, y */
	void *hip, *prepared;
	struct dseek_run run;
	void *bindings[1];
	int polls, stop_at, stop_with;	/* from that poll on */
	uint64_t cursor;		/* told at the last poll */
	int backwards;			/* polls that told of less than the one before */
	char err[300];
} t;

static int poll_test(void *arg)
{
	t.backwards += t.run.cursor < t.cursor;
	t.cursor = t.run.cursor;
	return t.polls++ >= t.stop_at ? t.stop_with : 0;
}

static void reset(int stop_at, int stop_with)
{
	int i;

	for (i = 0; i < N; i++) {
		t.data[i] = (float)i;
		t.data[N + i] = 1;
	}
	t.polls = t.backwards = 0;
	t.cursor = 0;
	t.stop_at = stop_at;
	t.stop_with = stop_with;
	*t.err = 0;
	t.run = (struct dseek_run) {
		.program = &t.view, .prepared = t.prepared, .bindings = t.bindings, .poll = poll_test, .depth = 3, .tenant = 1,
		.err = t.err, .err_size = sizeof(t.err),
	};
}

static int added(int times)
{
	int i;

	for (i = 0; i < N; i++)
		if (t.data[i] != (float)(i + times))
			return 0;
	return 1;
}

static int run(void)
{
	return dseek_backend_hip.run(t.hip, &t.run);
}

static int make(void)
{
	int i;

	t.header = (struct dseek_program_header){ .n_ops = N_OPS, .n_tensors = 2, .n_bindings = 1 };
	for (i = 0; i < 2; i++) {
		t.tensors[i] = (struct dseek_program_tensor){
			.dtype = DSEEK_F32, .offset = (uint64_t)i * N * 4, .ne = { N, 1, 1, 1 }, .stride = { N * 4, N * 4, N * 4 },
		};
		memset(t.tensors[i].ne_param, DSEEK_NO_PARAM, 4);
	}
	for (i = 0; i < N_OPS; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = DSEEK_OP_ADD;
		t.ops[i].t[0] = t.ops[i].t[2] = 0;
		t.ops[i].t[1] = 1;
	}
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = t.tensors, .ops = t.ops };
	t.data = aligned_alloc(4096, 4096);
	t.bindings[0] = t.data;
	*t.err = 0;
	return hip_device_open("abort_ms=30", &t.hip, t.err, sizeof(t.err)) ||
	       dseek_backend_hip.program_prepare(t.hip, &t.view, &t.prepared, t.err, sizeof(t.err)) ||
	       dseek_backend_hip.buffer_map(t.hip, t.data, 4096, 1, t.err, sizeof(t.err));
}

static void test_ahead(void)
{
	uint32_t depth;
	unsigned int events = 0;
	int r;

	for (depth = 0; depth < 6; depth += 2) {
		reset(1000000, 0);
		t.run.depth = depth;
		hip_device_reset();
		r = run();
		events += hip_device_calls("hipEventCreateWithFlags");
		tap_ok(!r && added(N_OPS) && t.run.cursor == N_OPS && events == (depth ? depth : 1),
		       "depth %u: %u ops in flight at most, %u launches", depth, events, hip_device_calls("hipModuleLaunchKernel"));
	}
	reset(1000000, 0);
	t.run.poll = NULL;
	tap_ok(!run() && added(N_OPS), "nobody to ask");
	reset(1000000, 0);
	t.run.deadline_ns = 1;
	tap_ok(!run() && added(N_OPS), "a job with a deadline has the other stream");
}

/* From a yield on it goes on where it left off; each op is done once. */
static void test_yield(void)
{
	int jobs = 0, good = 1, r;

	reset(4, -EAGAIN);
	while ((r = run()) == -EAGAIN && jobs < 50) {
		good &= added((int)t.run.cursor);
		t.polls = 0;
		jobs++;
	}
	tap_ok(!r && good && jobs >= 2 && added(N_OPS), "a job yields %d times, at an op's end, and each op is done once", jobs);
	reset(0, -EAGAIN);
	tap_ok(run() == -EAGAIN && t.run.cursor == 0 && added(0), "asked to yield at once: nothing is done");
	reset(1000000, 0);
	t.run.cursor = 5;
	tap_ok(!run() && added(N_OPS - 5), "from a cursor");
	reset(1000000, 0);
	r = run();
	tap_ok(!r && !t.backwards && t.cursor < N_OPS && t.cursor > 0, "progress is told as it is made: op %d at last", (int)t.cursor);
}

static void test_abort(void)
{
	int r;

	reset(3, -ETIMEDOUT);
	r = run();
	tap_ok(r == -ETIMEDOUT && t.run.cursor < N_OPS && added((int)t.run.cursor), "aborted after op %d, what was launched is waited for",
	       (int)t.run.cursor);
	reset(1000000, 0);
	tap_ok(!run() && added(N_OPS), "the next job is well");
}

static void test_spin(void)
{
	struct dseek_program_op add = t.ops[3];
	struct timespec a, b;

	memset(t.ops[3].t, 0xff, sizeof(t.ops[3].t));
	t.ops[3].code = DSEEK_OP_SPIN;
	t.ops[3].i[0] = 20000;
	reset(1000000, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	tap_ok(!run() && added(N_OPS - 1), "spin among others");
	clock_gettime(CLOCK_MONOTONIC, &b);
	tap_ok((b.tv_sec - a.tv_sec) * 1000000000ll + b.tv_nsec - a.tv_nsec >= 20000000, "it takes its time");
	t.ops[3].i[0] = 10000000;
	reset(150, -ETIMEDOUT);
	tap_ok(run() == -ETIMEDOUT && t.run.cursor == 3 && added(3), "an abort ends it");
	t.ops[3].code = DSEEK_OP_NOP;
	reset(1000000, 0);
	tap_ok(!run() && added(N_OPS - 1), "nop among others");
	t.ops[3] = add;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* An op that can't be launched: what runs before it may take its time, which is longer than the grace after an abort. */
static void test_failed_launch(void)
{
	struct hip_state *state = t.hip;
	double began = seconds();

	setenv("HIP_STANDIN_SLOW", "150", 1);
	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:2:719", 1);
	hip_device_reset();
	reset(1000000, 0);
	tap_ok(run() == -EIO && strstr(t.err, "op 1, add: dsk_elementwise: hipModuleLaunchKernel: ") && seconds() - began >= 0.15 && !state->lost,
	       "a launch fails while an op runs for long: that one is waited for: %s", t.err);
	unsetenv("HIP_STANDIN_SLOW");
	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:2:719,hipEventQuery:1+:600", 1);
	hip_device_reset();
	reset(20, -ETIMEDOUT);
	tap_ok(run() == -EIO && strstr(t.err, "op 1, add: ") && strstr(t.err, "; what was launched before did not end 30 ms after the job was aborted: the device is given up"),
	       "nor does it end after an abort: %s", t.err);
	tap_ok(state->lost, "the device is given up");
	state->lost = 0;	/* it has ended in truth */
	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:2:719,hipEventQuery:1+:719", 1);
	hip_device_reset();
	reset(1000000, 0);
	tap_ok(run() == -EIO && strstr(t.err, "; what was launched before can't be waited for (hipEventQuery: ") && state->lost, "nor can it be asked: %s", t.err);
	state->lost = 0;
	unsetenv("HIP_STANDIN_FAIL");
	run();		/* what was given up adds to x, too */
	reset(1000000, 0);
	tap_ok(!run() && added(N_OPS), "the next job is well");
}

/* What the runtime launches at most, for the refusals of programs to be of use: the stand-in has the same limits. */
static void test_grids(void)
{
	static const struct { uint32_t grid[3]; const char *what; } too_large[] = {
		{ { 1 << 24, 1, 1 }, "2^32 lanes" }, { { 1, 65537, 1 }, "65537 groups in y" }, { { 1, 1, 65537 }, "65537 groups in z" },
	};
	struct hip_state *state = t.hip;
	struct dsk_elementwise_params params = { 0 };
	const void *buffers[3] = { NULL };
	size_t i;

	for (i = 0; i < sizeof(too_large) / sizeof(*too_large); i++)
		tap_ok(hip_kernel_launch(&state->kernels, HIP_dsk_elementwise, state->streams.of[0], too_large[i].grid, buffers, &params, t.err,
					 sizeof(t.err)) == -EIO && strstr(t.err, "(9)"), "%s are more than a launch can have: %s", too_large[i].what, t.err);
}

static void test_refusals(void)
{
	char why[300] = "";
	float other[16];

	reset(1000000, 0);
	t.bindings[0] = other;
	tap_ok(run() == -EFAULT && strstr(t.err, "binding 0 isn't registered"), "memory the device has not been told of: %s", t.err);
	t.bindings[0] = t.data;
	tap_ok(dseek_backend_hip.buffer_map(t.hip, t.data + 16, 64, 1, why, sizeof(why)) == -EEXIST && strstr(why, "overlaps"),
	       "a buffer in another: %s", why);
	dseek_backend_hip.buffer_unmap(t.hip, other);
	reset(1000000, 0);
	tap_ok(!run() && added(N_OPS), "forgetting what was never there changes nothing");
}

/* What one tenant's ops leave in the device's scratch is cleared before another's. */
static void test_scrub(void)
{
	struct hip_state *state = t.hip;
	int32_t load[DSK_MAX_EXPERTS], tenant, dirty, i;

	for (tenant = 1; tenant < 3; tenant++) {
		memset(load, 0x11, sizeof(load));
		state->api.Memcpy(state->scratch->load, load, sizeof(load), HIP_MEMCPY_HOST_TO_DEVICE);
		reset(1000000, 0);
		t.run.tenant = (uint64_t)tenant;
		dirty = run();
		state->api.Memcpy(load, state->scratch->load, sizeof(load), HIP_MEMCPY_DEVICE_TO_HOST);
		for (i = 0; i < DSK_MAX_EXPERTS; i++)
			dirty += load[i] != 0;
		tap_ok(dirty == (tenant == 1 ? DSK_MAX_EXPERTS : 0), "scratch after a job of %s tenant: %d words left",
		       tenant == 1 ? "the same" : "another", dirty);
	}
}

/* Many buffers, in any order. */
static void test_buffers(void)
{
	enum { COUNT = 300 };
	char *base = aligned_alloc(4096, COUNT * 8192), why[200];
	struct hip_state *state = t.hip;
	int i, good = 1;

	for (i = 0; i < COUNT; i++)
		good &= !dseek_backend_hip.buffer_map(t.hip, base + i * 7 % COUNT * 8192, 4096, i % 2, why, sizeof(why));
	for (i = 0; i < COUNT; i++) {
		good &= hip_memory_device(&state->memory, base + i * 8192 + 4095) == (char *)hip_memory_device(&state->memory, base + i * 8192) + 4095;
		good &= hip_memory_device(&state->memory, base + i * 8192) != base + i * 8192;
		good &= !hip_memory_device(&state->memory, base + i * 8192 + 4096);
	}
	for (i = 0; i < COUNT; i++)
		dseek_backend_hip.buffer_unmap(t.hip, base + i * 11 % COUNT * 8192);
	for (i = 0; i < COUNT; i++)
		good &= !hip_memory_device(&state->memory, base + i * 8192);
	tap_ok(good, "%d buffers, each at the device's address", COUNT);
	free(base);
}

static void test_hang(void)
{
	tap_ok(!dseek_backend_hip.lost(t.hip), "whatever went before, the device wasn't given up");
	setenv("HIP_STANDIN_FAIL", "hipEventQuery:1+:600", 1);
	hip_device_reset();
	reset(5, -ETIMEDOUT);
	tap_ok(run() == -EIO && strstr(t.err, "op 0 did not end 30 ms after the job was aborted: the device is given up"), "a hang: %s", t.err);
	unsetenv("HIP_STANDIN_FAIL");
	tap_ok(dseek_backend_hip.lost(t.hip), "which the executor is told");
	reset(1000000, 0);
	tap_ok(run() == -EIO && strstr(t.err, "the device was given up"), "and jobs behind it: %s", t.err);
	dseek_backend_hip.buffer_unmap(t.hip, t.data);
	tap_ok(hip_device_calls("hipHostUnregister") == 0, "what a device that hangs may still write to is not taken from it");
}

int main(void)
{
	if (hip_device_why_not()) {
		tap_skip("how the hip backend runs programs", hip_device_why_not());
		return tap_end();
	}
	if (!tap_ok(!make(), "a program of %d ops", N_OPS)) {
		printf("# %s\n", t.err);
		return tap_end();
	}
	test_ahead();
	test_yield();
	test_abort();
	test_spin();
	test_failed_launch();
	test_grids();
	test_refusals();
	test_scrub();
	test_buffers();
	test_hang();
	dseek_backend_hip.program_release(t.hip, t.prepared);
	dseek_backend_hip.close(t.hip);
	free(t.data);
	return tap_end();
}

// SPDX-License-Identifier: MIT
/*
 * How the npu backend runs programs: yielding and going on, aborts, a device that hangs, commands that end badly. And every call that
 * opening, mapping, running and closing make fails in turn: the step says which, and nothing is left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <dseek_program.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/npu/npu_uapi.h"
#include "../tap.h"
#include "files.h"
#include "model.h"

#define N_OPS	6
#define K	64
#define N	16
#define T	10
#define SIZE	16384

/* y += W x, N_OPS times, in one buffer: x, W, y. x and W are such that each adds K to each y. */
static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensors[3];
	struct dseek_program_op ops[N_OPS];
	struct dseek_program_view view;
	char *data;
	void *bindings[1];
	struct dseek_run run;
	int polls, stop_at, stop_with;
	char err[400];
} t;

static const struct npu_model machine = { .drivers = { NPU_DRIVER }, .cols = 4, .core_rows = 4, .user_memory = 1 };

static int poll_test(void *arg)
{
	return t.polls++ >= t.stop_at ? t.stop_with : 0;
}

static float *y(void)
{
	return (float *)(t.data + 8192);
}

static void make(void)
{
	static const uint32_t at[] = { 0, 4096, 8192 }, ne0[] = { K, K, N }, ne1[] = { T, N, T };
	float *x, row[K];
	int i;

	npu_product("p", DSEEK_LAYOUT_ROWS, K, N, 4, "cu");
	t.data = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	t.bindings[0] = t.data;
	t.header = (struct dseek_program_header){ .n_ops = N_OPS, .n_tensors = 3, .n_bindings = 1 };
	for (i = 0; i < 3; i++) {
		uint32_t dtype = i == 1 ? DSEEK_Q8_0 : DSEEK_F32;
		uint64_t row_bytes = dseek_row_bytes(dtype, ne0[i]);

		t.tensors[i] = (struct dseek_program_tensor){
			.dtype = (uint16_t)dtype, .offset = at[i], .ne = { ne0[i], ne1[i], 1, 1 },
			.stride = { row_bytes, row_bytes * ne1[i], row_bytes * ne1[i] },
		};
		memset(t.tensors[i].ne_param, DSEEK_NO_PARAM, 4);
	}
	for (i = 0; i < N_OPS; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = DSEEK_OP_LINEAR;
		t.ops[i].flags = DSEEK_OPF_ACCUMULATE;
		t.ops[i].t[0] = 0;
		t.ops[i].t[1] = 1;
		t.ops[i].t[4] = 2;
	}
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = t.tensors, .ops = t.ops };
	x = (float *)t.data;
	for (i = 0; i < K * T; i++)
		x[i] = 127;
	for (i = 0; i < K; i++)
		row[i] = 1;
	for (i = 0; i < N; i++)
		dseek_row_from_f32(DSEEK_Q8_0, row, K, t.data + 4096 + i * dseek_row_bytes(DSEEK_Q8_0, K));
}

static void reset(int stop_at, int stop_with)
{
	memset(y(), 0, N * T * sizeof(float));
	t.polls = 0;
	t.stop_at = stop_at;
	t.stop_with = stop_with;
	*t.err = 0;
	t.run = (struct dseek_run){
		.program = &t.view, .bindings = t.bindings, .poll = poll_test, .depth = 2, .err = t.err, .err_size = sizeof(t.err),
	};
}

static int added(int times)
{
	int i;

	for (i = 0; i < N * T; i++)
		if (y()[i] < times * K * 127 * 0.99f || y()[i] > times * K * 127 * 1.01f)
			return 0;
	return 1;
}

static int open_and_map(const struct npu_model *model, const char *more, void **ret_state)
{
	int r;

	npu_model_reset(model);
	r = npu_folder_open(more, ret_state, t.err, sizeof(t.err));
	if (r)
		return r;
	return dseek_backend_npu.buffer_map(*ret_state, t.data, SIZE, 1, t.err, sizeof(t.err));
}

static int close_all(void *state)
{
	dseek_backend_npu.buffer_unmap(state, t.data);
	dseek_backend_npu.close(state);
	return !npu_model_left() && !*npu_model_complaint();
}

static void test_yield(void)
{
	void *state;
	int r, jobs = 0, good = 1;

	if (!tap_ok(!open_and_map(&machine, NULL, &state), "a program of %d ops", N_OPS))
		return;
	reset(1000000, 0);
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS) && t.run.cursor == N_OPS, "all of it");
	reset(1000000, 0);
	t.run.poll = NULL;
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS), "nobody to ask");
	reset(4, -EAGAIN);
	while ((r = dseek_backend_npu.run(state, &t.run)) == -EAGAIN && jobs < 20) {
		good &= added((int)t.run.cursor);
		t.polls = 0;
		jobs++;
	}
	tap_ok(!r && good && jobs == 2 && added(N_OPS), "a job yields %d times, at an op's end, and each op is done once", jobs);
	reset(1000000, 0);
	t.run.cursor = 4;
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS - 4), "from a cursor");
	t.ops[2].code = DSEEK_OP_NOP;
	t.ops[3].code = DSEEK_OP_SPIN;
	t.ops[3].i[0] = 1000;
	reset(1000000, 0);
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS - 2), "nop and spin among others");
	t.ops[3].i[0] = 10000000;
	reset(100, -ETIMEDOUT);
	tap_ok(dseek_backend_npu.run(state, &t.run) == -ETIMEDOUT && t.run.cursor == 3 && added(2), "an abort ends a spin");
	t.ops[2].code = t.ops[3].code = DSEEK_OP_LINEAR;
	tap_ok(close_all(state), "nothing is left%s", npu_model_complaint());
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void test_abort(void)
{
	struct npu_model model = machine;
	void *state;
	double began;
	int r;

	model.slow = 5;
	if (!tap_ok(!open_and_map(&model, "abort_ms=60000", &state), "a slow device"))
		return;
	reset(1000000, 0);
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS) && t.polls > 3 * N_OPS, "while a command runs, the loop is asked: %d times", t.polls);
	reset(3, -ETIMEDOUT);
	r = dseek_backend_npu.run(state, &t.run);
	tap_ok(r == -ETIMEDOUT && t.run.cursor == 0 && npu_model_calls("DESTROY_HWCTX") == 0, "aborted: a command that ends within the grace ends well");
	tap_ok(close_all(state), "nothing is left%s", npu_model_complaint());

	if (!tap_ok(!open_and_map(&machine, "abort_ms=20", &state), "a device that will hang"))
		return;
	reset(1000000, 0);
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS), "at first it does not");
	npu_model.hang = 1;
	reset(3, -ETIMEDOUT);
	began = seconds();
	r = dseek_backend_npu.run(state, &t.run);
	tap_ok(r == -ETIMEDOUT && seconds() - began >= 0.02 && npu_model_calls("DESTROY_HWCTX") == 1 && npu_model_calls("CREATE_HWCTX") == 2 &&
	       npu_model_calls("CONFIG_HWCTX") == 2, "its context is destroyed after the grace, and made anew");
	npu_model.hang = 0;
	reset(1000000, 0);
	tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS), "the next job is well");
	npu_model.hang = 1;
	npu_model_fail("CREATE_HWCTX", 1, -ENOSPC);
	reset(3, -ETIMEDOUT);
	r = dseek_backend_npu.run(state, &t.run);
	tap_ok(r == -EIO && strstr(t.err, "op 0, linear: CREATE_HWCTX: No space left on device (28), on 4 columns of 4: the NPU is given up"),
	       "none can be made: %s", t.err);
	reset(1000000, 0);
	tap_ok(dseek_backend_npu.lost(state), "which the executor is told");
	tap_ok(dseek_backend_npu.run(state, &t.run) == -EIO && strstr(t.err, "the NPU was given up: restart the executor"), "jobs behind it: %s", t.err);
	tap_ok(close_all(state), "nothing is left%s", npu_model_complaint());
}

static void test_states(void)
{
	static const struct {
		unsigned int state;
		const char *name;
	} states[] = { { NPU_STATE_NEW, "new" }, { NPU_STATE_ERROR, "error" }, { NPU_STATE_ABORT, "abort" }, { NPU_STATE_TIMEOUT, "timeout" },
		       { 15, "unknown" } };
	char want[100];
	void *state;
	size_t i;
	int r;

	if (!tap_ok(!open_and_map(&machine, NULL, &state), "commands that end badly"))
		return;
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		npu_model.bad_state = states[i].state;
		reset(1000000, 0);
		r = dseek_backend_npu.run(state, &t.run);
		snprintf(want, sizeof(want), "op 0, linear: a command of p ended in state %s (%u)", states[i].name, states[i].state);
		tap_ok(r == -EIO && !strcmp(t.err, want) && t.run.cursor == 0, "%s", t.err);
		npu_model.bad_state = 0;
		reset(1000000, 0);
		tap_ok(!dseek_backend_npu.run(state, &t.run) && added(N_OPS), "the next job is well, in a new context");
	}
	tap_ok(close_all(state), "nothing is left%s", npu_model_complaint());
}

static void test_buffers(void)
{
	enum { COUNT = 200 };
	char *base = mmap(NULL, COUNT * 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), other[64];
	void *state;
	int i, good = 1;

	if (!tap_ok(!open_and_map(&machine, NULL, &state), "buffers"))
		return;
	for (i = 0; i < COUNT; i++)
		good &= !dseek_backend_npu.buffer_map(state, base + i * 7 % COUNT * 8192, 4096, i % 2, t.err, sizeof(t.err));
	tap_ok(good, "%d of them", COUNT);
	tap_ok(dseek_backend_npu.buffer_map(state, base + 4096 - 64, 128, 1, t.err, sizeof(t.err)) == -EEXIST && strstr(t.err, "overlaps"),
	       "one over another: %s", t.err);
	for (i = 0; i < COUNT; i++)
		dseek_backend_npu.buffer_unmap(state, base + i * 11 % COUNT * 8192);
	dseek_backend_npu.buffer_unmap(state, other);
	t.bindings[0] = base;
	reset(1000000, 0);
	t.run.cursor = 0;
	tap_ok(dseek_backend_npu.run(state, &t.run) == -EFAULT && strstr(t.err, "op 0, linear: weights that aren't in a buffer of the job"),
	       "weights elsewhere: %s", t.err);
	t.bindings[0] = t.data;
	npu_model_fail("CREATE_BO", 1, -ENOMEM);
	tap_ok(dseek_backend_npu.buffer_map(state, base, 4096, 1, t.err, sizeof(t.err)) == -ENOMEM &&
	       strstr(t.err, "CREATE_BO: Cannot allocate memory (12), of 4096 bytes of a tenant's: it counts as locked memory"), "one too many: %s", t.err);
	tap_ok(close_all(state), "nothing is left%s", npu_model_complaint());
	munmap(base, COUNT * 8192);
}

/* The life of an executor: what the first step that fails says; *ret_second: of the job behind one that failed. */
static int life(int *ret_second)
{
	void *state;
	int r;

	*ret_second = 1;
	*t.err = 0;
	r = npu_folder_open("abort_ms=10", &state, t.err, sizeof(t.err));
	if (r)
		return r;
	r = dseek_backend_npu.buffer_map(state, t.data, SIZE, 1, t.err, sizeof(t.err));
	if (!r) {
		reset(1000000, 0);
		r = dseek_backend_npu.run(state, &t.run);
		if (!r && !added(N_OPS))
			r = -EBADMSG;
		if (r) {
			char first[400];

			snprintf(first, sizeof(first), "%s", t.err);
			reset(1000000, 0);
			*ret_second = dseek_backend_npu.run(state, &t.run);
			snprintf(t.err, sizeof(t.err), "%s", first);
		}
	}
	dseek_backend_npu.buffer_unmap(state, t.data);
	dseek_backend_npu.close(state);
	return r;
}

static void test_failures(void)
{
	static const int errors[] = { -EIO, -ENOMEM };
	unsigned int calls[20], n, e, told = 0, all = 0;
	int i, r, second;

	npu_model_reset(&machine);
	npu_model_fail(NULL, 0, 0);
	if (!tap_ok(!life(&second) && !npu_model_left(), "without a failure nothing fails, and nothing is left"))
		printf("# %s\n", t.err);
	for (i = 0; npu_model_names[i]; i++)
		calls[i] = npu_model_calls(npu_model_names[i]);
	for (i = 0; npu_model_names[i]; i++) {
		const char *name = npu_model_names[i];
		int good = 1, gives_back = !strcmp(name, "GEM_CLOSE") || !strcmp(name, "SYNCOBJ_DESTROY") || !strcmp(name, "DESTROY_HWCTX");

		for (n = 1; n <= calls[i]; n++)
			for (e = 0; e < 2; e++) {
				unsigned int left;

				npu_model_reset(&machine);
				npu_model_fail(name, n, errors[e]);
				r = life(&second);
				left = npu_model_left();
				all++;
				told += r != 0;
				/* What may be lacked, or is given back: nobody is told. Else the sentence names the call. */
				if (gives_back)
					good &= !r && left >= 1;
				else if (!r)
					good &= !strcmp(name, "GET_INFO") || ((!strcmp(name, "CREATE_BO") || !strcmp(name, "GET_BO_INFO")) && n == 1);
				else
					good &= (r == errors[e]) && (strstr(t.err, name) || !strcmp(name, "open")) &&
						strstr(t.err, strerror(-errors[e])) && !left && second >= 0;
				if (!good) {
					printf("# call %u of %s: %d, \"%s\", %u left, second %d\n", n, name, r, t.err, left, second);
					break;
				}
			}
		tap_ok(good && calls[i], "%s: each of %u calls fails in turn, by two errors", name, calls[i]);
	}
	printf("# %u failures, %u of them told\n", all, told);
}

int main(void)
{
	make();
	test_yield();
	test_abort();
	test_states();
	test_buffers();
	test_failures();
	munmap(t.data, SIZE);
	return tap_end();
}

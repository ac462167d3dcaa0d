// SPDX-License-Identifier: MIT
/*
 * What keeps queues and tenants apart on the device: each class's stream with its priority or its compute units, and the scrub that comes before
 * a tenant's first op, whatever became of the job before. What was launched, where and in which order, the stand-in tells; on its own
 * processor, too, what was in the LDS before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <dseek.h>
#include <dseek_program.h>

#include "../../userspace/executor/hip/hip_state.h"
#include "../tap.h"
#include "device.h"

#define N	64
#define OP	"dsk_argmax"
#define SCRUB	"dsk_scrub_lds dsk_scrub_registers "

/* argmax of x, N_OPS times: it leaves in the LDS what it has read. */
#define N_OPS	2
static struct {
	struct dseek_program_header header;
	struct dseek_program_binding binding;
	struct dseek_program_tensor tensors[2];
	struct dseek_program_op ops[N_OPS];
	struct dseek_program_view view;
	float *data;
	void *hip, *prepared;
	void *bindings[1];
	const struct dseek_run *run;
	uint64_t stop_at;
	int asks;
	int stop_with;
	char err[400];
} t;

static int poll_test(void *arg)
{
	return t.asks-- <= 0 && t.run->cursor >= t.stop_at ? t.stop_with : 0;
}

static void make(void)
{
	int i;

	t.header = (struct dseek_program_header){ .n_ops = N_OPS, .n_tensors = 2, .n_bindings = 1 };
	for (i = 0; i < 2; i++) {
		t.tensors[i] = (struct dseek_program_tensor){
			.dtype = i ? DSEEK_I32 : DSEEK_F32, .offset = (uint64_t)i * N * 4, .ne = { i ? 1 : N, 1, 1, 1 },
			.stride = { N * 4, N * 4, N * 4 },
		};
		memset(t.tensors[i].ne_param, DSEEK_NO_PARAM, 4);
	}
	for (i = 0; i < N_OPS; i++) {
		memset(t.ops[i].t, 0xff, sizeof(t.ops[i].t));
		t.ops[i].code = DSEEK_OP_ARGMAX;
		t.ops[i].t[0] = 0;
		t.ops[i].t[1] = 1;
	}
	t.view = (struct dseek_program_view){ .header = &t.header, .bindings = &t.binding, .tensors = t.tensors, .ops = t.ops };
	t.data = aligned_alloc(4096, 4096);
	for (i = 0; i < N; i++)
		t.data[i] = 1000 + (float)i;
	t.bindings[0] = t.data;
}

static int open_on(const char *more)
{
	int r;

	*t.err = 0;
	t.hip = NULL;
	r = hip_device_open(more, &t.hip, t.err, sizeof(t.err));
	if (!r)
		r = dseek_backend_hip.program_prepare(t.hip, &t.view, &t.prepared, t.err, sizeof(t.err));
	if (!r)
		r = dseek_backend_hip.buffer_map(t.hip, t.data, 4096, 1, t.err, sizeof(t.err));
	if (!tap_ok(!r, "opened with %s", more ? more : "nothing else"))
		printf("# %s\n", t.err);
	return r;
}

static void close_it(void)
{
	dseek_backend_hip.buffer_unmap(t.hip, t.data);
	dseek_backend_hip.program_release(t.hip, t.prepared);
	dseek_backend_hip.close(t.hip);
}

/*
 * A job; what it launched is in the stand-in's log. It is told to stop with @stop once @ops are done, but not before it has asked
 * @asks times; 0: it isn't.
 */
static int run_asking(uint64_t tenant, uint32_t sched_class, uint64_t ops, int asks, int stop)
{
	struct dseek_run run = {
		.program = &t.view, .prepared = t.prepared, .bindings = t.bindings, .depth = 1, .tenant = tenant, .sched_class = sched_class,
		.poll = stop ? poll_test : NULL, .err = t.err, .err_size = sizeof(t.err),
	};
	int r;

	t.run = &run;
	t.stop_at = ops;
	t.asks = asks;
	t.stop_with = stop;
	*t.err = 0;
	((int *)t.data)[N] = -1;
	hip_device_reset();
	r = dseek_backend_hip.run(t.hip, &run);
	return !r && ((int *)t.data)[N] != N - 1 ? -EBADMSG : r;
}

static int run_as(uint64_t tenant, uint32_t sched_class, uint64_t ops, int stop)
{
	return run_asking(tenant, sched_class, ops, 0, stop);
}

/* Names of the kernels launched, a blank behind each. */
static const char *launched(void)
{
	static char names[800];
	const struct standin_launch *l;
	unsigned int i;

	*names = 0;
	for (i = 0; (l = hip_device_launch(i)); i++) {
		strcat(names, l->kernel);
		strcat(names, " ");
	}
	return names;
}

static int expect(int got, int result, const char *kernels, const char *what)
{
	int good = got == result && !strcmp(launched(), kernels);

	if (!tap_ok(good, "%s: %s", what, *kernels ? kernels : "nothing is launched"))
		printf("# %d, not %d; %s; %s\n", got, result, launched(), t.err);
	return good;
}

/* ---- classes */

static void test_priorities(void)
{
	static const struct {
		const char *range;
		int of[DRM_DSEEK_CLASS_COUNT];
		unsigned int streams;
	} cases[] = {
		{ "1:-1", { -1, 0, 1 }, 3 },	/* AMD's */
		{ "0:-5", { -5, 0, 0 }, 2 },
		{ "2:0", { 0, 0, 2 }, 2 },
		{ "0:0", { 0, 0, 0 }, 1 },	/* a device without */
		{ "-1:-3", { -3, -1, -1 }, 2 },
		{ "4:2", { 2, 2, 4 }, 2 },
	};
	size_t i;
	uint32_t c;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned int made;
		int good = 1;

		setenv("HIP_STANDIN_PRIORITIES", cases[i].range, 1);
		hip_device_reset();
		if (open_on(NULL))
			return;
		made = hip_device_calls("hipStreamCreateWithFlags") + hip_device_calls("hipStreamCreateWithPriority");
		for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++) {
			good &= !run_as(1, 1 + c, 0, 0);
			good &= hip_device_launch(0) && hip_device_launch(0)->priority == cases[i].of[c];
		}
		tap_ok(good && made == cases[i].streams, "priorities from %s: %d, %d and %d, by %u streams", cases[i].range, cases[i].of[0],
		       cases[i].of[1], cases[i].of[2], made);
		close_it();
	}
	unsetenv("HIP_STANDIN_PRIORITIES");
}

/* From a queue through transport and loop to the stream. */
static void test_from_queues(void)
{
	struct dseek_queue_params params[DRM_DSEEK_CLASS_COUNT] = {
		{ .sched_class = DSEEK_CLASS_DEADLINE, .budget_ns = 100000000, .period_ns = 1000000000 },
		{ .sched_class = DSEEK_CLASS_INTERACTIVE, .weight = 1 },
		{ .sched_class = DSEEK_CLASS_BATCH, .weight = 1 },
	};
	struct dseek_program_tensor x = t.tensors[0], out = t.tensors[1];
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_job_result result;
	struct dseek_program *prog;
	struct dseek_device *dev;
	struct dseek_bo *bo;
	char spec[1400];
	size_t size;
	void *blob;
	uint32_t c;

	x.binding = out.binding = (uint32_t)dseek_builder_binding(b, 0, 0);
	dseek_builder_tensor(b, &x);
	dseek_builder_tensor(b, &out);
	dseek_builder_op(b, &t.ops[0]);
	snprintf(spec, sizeof(spec), "embed:hip-classes,engine=hip,%s", hip_device_options(NULL));
	if (!tap_ok(!dseek_builder_finish(b, &blob, &size) && !dseek_open(spec, NULL, &dev) && !dseek_program_create(dev, blob, size, &prog) &&
		    !dseek_bo_create(dev, 4096, 0, -1, &bo), "an embedded engine")) {
		printf("# %s; %s\n", dseek_builder_error(b), dseek_strerror_detail());
		return;
	}
	for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++) {
		struct dseek_binding binding = { bo, 0, 4096, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE };
		const struct dseek_job job = { .program = prog, .bindings = &binding, .binding_count = 1 };
		const struct standin_launch *last = NULL;
		struct dseek_queue *queue;
		uint64_t seqno;
		unsigned int i;
		int good;

		hip_device_reset();
		good = !dseek_queue_create(dev, &params[c], &queue) && dseek_submit(queue, &job, 1, &seqno, NULL) == 1 &&
		       !dseek_wait(queue, seqno, 1ull << 62, &result) && !result.error;
		for (i = 0; hip_device_launch(i); i++)
			last = hip_device_launch(i);
		if (!tap_ok(good && last && last->priority == (int)c - 1, "a job of a queue of class %s has priority %d", hip_class_name(c), (int)c - 1))
			printf("# %s; priority %d\n", dseek_strerror_detail(), last ? last->priority : 99);
		dseek_queue_destroy(queue);
	}
	dseek_bo_destroy(bo);
	dseek_program_destroy(prog);
	dseek_close(dev);
	dseek_builder_destroy(b);
	free(blob);
}

/* By a module before 1.2 the class isn't told. */
static void test_untold(void)
{
	struct dseek_run run = { .program = &t.view, .bindings = t.bindings, .tenant = 1 };
	int i;

	if (open_on(NULL))
		return;
	run.prepared = t.prepared;
	for (i = 0; i < 2; i++) {
		run.deadline_ns = (uint64_t)i;
		run.cursor = 0;
		hip_device_reset();
		tap_ok(!dseek_backend_hip.run(t.hip, &run) && hip_device_launch(0)->priority == (i ? -1 : 0), "a class that isn't told, %s deadline",
		       i ? "with a" : "without");
	}
	run.sched_class = DRM_DSEEK_CLASS_COUNT + 1;
	run.deadline_ns = run.cursor = 0;
	hip_device_reset();
	tap_ok(!dseek_backend_hip.run(t.hip, &run) && hip_device_launch(0)->priority == 0, "a class of a newer module");
	close_it();
}

static void test_masks(void)
{
	static const struct {
		unsigned int words, mask;
	} want[DRM_DSEEK_CLASS_COUNT] = { { 1, 0x3 }, { 0, 0 }, { 2, 0xfffffff0 } };
	void *state = NULL;
	uint32_t c;
	int good = 1;

	setenv("HIP_STANDIN_CUS", "38", 1);
	hip_device_reset();
	if (open_on("cu_batch=4-37,cu_deadline=0-1"))
		return;
	tap_ok(hip_device_calls("hipExtStreamCreateWithCUMask") == 2 && hip_device_calls("hipStreamCreateWithFlags") == 1 &&
	       hip_device_calls("hipStreamCreateWithPriority") == 0, "two streams with masks, one without");
	for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++) {
		unsigned int i;

		good &= !run_as(c + 1, c + 1, 0, 0);
		for (i = 0; hip_device_launch(i); i++)
			good &= hip_device_launch(i)->mask_words == want[c].words && hip_device_launch(i)->mask == want[c].mask;
		good &= i == 2 + N_OPS;
	}
	tap_ok(good, "each class's ops, and the scrub before them, are on its units");
	close_it();
	tap_ok(hip_device_open("cu_batch=0-38", &state, t.err, sizeof(t.err)) == -EINVAL &&
	       strstr(t.err, "hip: the stream of class batch: no compute unit 38: the device has 38"), "a unit too many: %s", t.err);
	setenv("HIP_STANDIN_ARCH", "gfx1100", 1);
	setenv("HIP_STANDIN_CUS", "2", 1);
	if (tap_ok(!hip_device_open("cu_batch=2-3", &state, t.err, sizeof(t.err)), "where it counts pairs of units, there are twice as many: %s", t.err))
		dseek_backend_hip.close(state);
	tap_ok(hip_device_open("cu_batch=4", &state, t.err, sizeof(t.err)) == -EINVAL && strstr(t.err, "no compute unit 4: the device has 4"),
	       "and not more: %s", t.err);
	unsetenv("HIP_STANDIN_ARCH");
	hip_device_reset();
	setenv("HIP_STANDIN_FAIL", "hipExtStreamCreateWithCUMask:1:1", 1);
	tap_ok(hip_device_open("cu_batch=0", &state, t.err, sizeof(t.err)) == -EIO &&
	       strstr(t.err, "the stream of class batch: hipExtStreamCreateWithCUMask: "), "a mask that HIP refuses: %s", t.err);
	unsetenv("HIP_STANDIN_FAIL");
	unsetenv("HIP_STANDIN_CUS");
}

/* ---- tenants */

/* Words of LDS before launch @n; those of another processor aren't told, and are as they should be. */
static int lds(unsigned int n, int dirty)
{
	const struct standin_launch *l = hip_device_launch(n);

	return l && (l->lds < 0 || !!l->lds == dirty);
}

static void test_order(void)
{
	if (open_on(NULL))
		return;
	expect(run_as(1, 2, 0, 0), 0, SCRUB OP " " OP " ", "the first job of all");
	tap_ok(lds(2, 0) && lds(3, 1), "what it finds in the LDS is nobody's, and it leaves something there: %d words",
	       hip_device_launch(3)->lds);
	expect(run_as(1, 2, 0, 0), 0, OP " " OP " ", "another of the same tenant");
	tap_ok(lds(0, 1), "finds what its tenant left: %d words", hip_device_launch(0)->lds);
	expect(run_as(2, 2, 0, 0), 0, SCRUB OP " " OP " ", "one of another tenant");
	tap_ok(lds(0, 1) && lds(1, 0) && lds(2, 0), "finds none of that: %d, %d, %d words", hip_device_launch(0)->lds,
	       hip_device_launch(1)->lds, hip_device_launch(2)->lds);
	tap_ok(hip_device_launch(0)->groups == 4 * 2 && hip_device_launch(1)->groups == 32 * 2, "each of 2 units is scrubbed by several groups");
	expect(run_as(2, 3, 0, 0), 0, OP " " OP " ", "the same tenant's in another class");
	expect(run_as(1, 1, 0, 0), 0, SCRUB OP " " OP " ", "the first tenant again, with a deadline");
	dseek_backend_hip.status(t.hip, t.err, sizeof(t.err));
	tap_ok(!strcmp(t.err, "16 launches, 6 of them to scrub at 3 changes of tenant"), "what it cost is told: %s", t.err);
	close_it();
}

static void test_after_trouble(void)
{
	int r;

	if (open_on("abort_ms=200"))
		return;
	expect(run_as(1, 2, 1, -ETIMEDOUT), -ETIMEDOUT, SCRUB OP " ", "a job that is aborted after its first op");
	expect(run_as(2, 2, 0, 0), 0, SCRUB OP " " OP " ", "another tenant's behind it");
	expect(run_as(1, 2, 0, -EAGAIN), -EAGAIN, "", "a job that yields at once: nothing is scrubbed for it");
	expect(run_asking(1, 2, 0, 1, -EAGAIN), -EAGAIN, SCRUB OP " ", "one that is asked to yield while it is scrubbed for has its first op");
	expect(run_asking(2, 2, 0, 1, -ETIMEDOUT), -ETIMEDOUT, SCRUB, "one that is aborted meanwhile has not");
	expect(run_as(2, 2, 0, 0), 0, OP " " OP " ", "the next of that tenant: the scrub was waited for");
	expect(run_as(2, 2, 0, -ETIMEDOUT), -ETIMEDOUT, "", "one that is aborted at once");
	expect(run_as(1, 2, 0, 0), 0, SCRUB OP " " OP " ", "another tenant's behind that");
	setenv("HIP_STANDIN_FAIL", "hipEventRecord:1:719", 1);
	expect(run_as(1, 2, 0, 0), -EIO, OP " ", "a fault of the device's");
	unsetenv("HIP_STANDIN_FAIL");
	expect(run_as(2, 2, 0, 0), 0, SCRUB OP " " OP " ", "another tenant's behind it");

	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:1:719", 1);
	r = run_as(1, 2, 0, 0);
	if (expect(r, -EIO, "", "LDS that can't be scrubbed: no op follows"))
		tap_ok(strstr(t.err, "dsk_scrub_lds: hipModuleLaunchKernel: ") != NULL, "it says why: %s", t.err);
	setenv("HIP_STANDIN_FAIL", "hipModuleLaunchKernel:2:719", 1);
	r = run_as(1, 2, 0, 0);
	if (expect(r, -EIO, "dsk_scrub_lds ", "registers that can't be scrubbed: no op follows"))
		tap_ok(strstr(t.err, "dsk_scrub_registers: hipModuleLaunchKernel: ") != NULL, "it says why: %s", t.err);
	unsetenv("HIP_STANDIN_FAIL");
	expect(run_as(1, 2, 0, 0), 0, SCRUB OP " " OP " ", "when both can be they are");
	close_it();
}

/* A tenant that comes to units where it hasn't been yet finds another's there. */
static void test_sets_of_units(void)
{
	if (open_on("cu_batch=0,cu_deadline=1"))
		return;
	run_as(1, 2, 0, 0);
	expect(run_as(2, 3, 0, 0), 0, SCRUB OP " " OP " ", "another tenant on one unit");
	expect(run_as(2, 2, 0, 0), 0, SCRUB OP " " OP " ", "the same on all units");
	expect(run_as(2, 1, 0, 0), 0, SCRUB OP " " OP " ", "the same on the other unit");
	expect(run_as(2, 3, 0, 0), 0, OP " " OP " ", "the same where it was");
	expect(run_as(2, 2, 0, 0), 0, OP " " OP " ", "and there");
	expect(run_as(1, 1, 0, 0), 0, SCRUB OP " " OP " ", "the first tenant again");
	expect(run_as(2, 2, 0, 0), 0, SCRUB OP " " OP " ", "the second again");
	close_it();
}

static void test_off(void)
{
	if (open_on("scrub=0"))
		return;
	expect(run_as(1, 2, 0, 0), 0, OP " " OP " ", "without scrub, the first job");
	expect(run_as(2, 2, 0, 0), 0, OP " " OP " ", "without scrub, another tenant's");
	close_it();
}

/* Without the kernels for it it doesn't serve, unless it is told that it needn't. */
static void test_no_kernels(void)
{
	const char *dir = getenv("TMPDIR");
	char folder[500], target[520], more[560];
	void *state = NULL;

	snprintf(folder, sizeof(folder), "%s/hip-no-scrub-%d", dir && *dir ? dir : "/tmp", getpid());
	snprintf(target, sizeof(target), "%s/gfx942", folder);
	mkdir(folder, 0777);
	mkdir(target, 0777);
	snprintf(more, sizeof(more), "kernels=%s", folder);
	*t.err = 0;
	tap_ok(hip_device_open(more, &state, t.err, sizeof(t.err)) == -ENOTSUP &&
	       strstr(t.err, "hip: what clears the GPU between tenants (scrub=0 does without): ") && strstr(t.err, "/gfx942/scrub.co: No such file"),
	       "no kernels to scrub with: %s", t.err);
	strcat(more, ",scrub=0");
	if (tap_ok(!hip_device_open(more, &state, t.err, sizeof(t.err)), "and without scrub"))
		dseek_backend_hip.close(state);
	rmdir(target);
	rmdir(folder);
}

int main(void)
{
	if (hip_device_why_not()) {
		tap_skip("streams and scrubs of the hip backend", hip_device_why_not());
		return tap_end();
	}
	make();
	test_priorities();
	test_from_queues();
	test_untold();
	test_masks();
	test_order();
	test_after_trouble();
	test_sets_of_units();
	test_off();
	test_no_kernels();
	tap_ok(hip_device_live() == 0, "nothing is left on the device: %u", hip_device_live());
	free(t.data);
	return tap_end();
}

// SPDX-License-Identifier: MIT
/* The executor's loop on a transport and a backend made for the purpose. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/profile.h"
#include "../../userspace/lib/transport.h"
#include "../check_run.h"

/* ---- a transport that hands out a script of jobs and keeps what comes back */

#define MAX_JOBS	16

struct fake {
	struct dseek_exec base;
	struct drm_dseek_control control;
	struct drm_dseek_job_desc desc[8];
	struct drm_dseek_job_desc script[MAX_JOBS];
	uint32_t script_count, next_job;
	uint32_t busy;				/* tags, a bit each */
	struct drm_dseek_completion got[MAX_JOBS];
	uint64_t got_job[MAX_JOBS];
	uint32_t got_count;
	uint64_t retire;			/* a buffer to report, once */
	uint64_t request;			/* memory to ask for, once */
	int answer_error;			/* what the answer is told */
	uint64_t answered;			/* and what it says */
	int answered_error, answered_fd;
	int interrupt;				/* EINTR so often, having processed nothing */
	int next_error;				/* of next(), from that call on */
	uint32_t next_error_from, nexts;
	int map_error;
	uint32_t maps, unmaps, programs;
	int stop;
	uint64_t longest_ns;			/* as reported */
	int report_error;
	void *blob;
	size_t blob_size;
	char memory[4096];
	char (*pages)[4096];			/* or one after the other, for each mapping */
};

static int fake_next(struct dseek_exec *base, struct drm_dseek_next *next)
{
	struct fake *f = container_of(base, struct fake, base);
	const struct drm_dseek_completion *c = (const void *)(uintptr_t)next->completions;
	uint32_t *tags = (uint32_t *)(uintptr_t)next->tags;
	uint32_t tag;

	next->completed = next->tag_count = next->retired_count = next->request_count = 0;
	if (f->next_error && ++f->nexts >= f->next_error_from)
		return f->next_error;
	if (f->interrupt) {
		f->interrupt--;
		return -EINTR;
	}
	for (; next->completed < next->completion_count; next->completed++, c++) {
		ck_assert(f->busy & 1u << c->tag);
		f->busy &= ~(1u << c->tag);
		f->got[f->got_count] = *c;
		f->got_job[f->got_count++] = f->desc[c->tag].job_id;
	}
	if (f->retire && next->retired_max) {
		((uint64_t *)(uintptr_t)next->retired)[next->retired_count++] = f->retire;
		f->retire = 0;
	}
	if (f->request && next->request_max) {	/* jobs that name it come after the answer */
		((struct drm_dseek_memory_request *)(uintptr_t)next->requests)[next->request_count++] =
			(struct drm_dseek_memory_request){ f->request, 4096, 1 };
		f->request = 0;
		return 0;
	}
	while (next->tag_count < next->tag_max && f->next_job < f->script_count) {
		for (tag = 0; f->busy & 1u << tag; tag++)
			;
		ck_assert_uint_lt(tag, base->depth);
		f->busy |= 1u << tag;
		f->desc[tag] = f->script[f->next_job++];
		tags[next->tag_count++] = tag;
	}
	if (next->tag_max && !next->tag_count && !next->retired_count && !f->busy && f->next_job == f->script_count)
		return -ENODEV;		/* the end of the script */
	return 0;
}

static int fake_map(struct dseek_exec *base, uint32_t tag, uint32_t binding, void **ret_base)
{
	struct fake *f = container_of(base, struct fake, base);

	if (f->map_error)
		return f->map_error;
	*ret_base = f->pages ? f->pages[f->maps] : f->memory;
	f->maps++;
	return 0;
}

static int fake_unmap(struct dseek_exec *base, uint64_t bo_id)
{
	container_of(base, struct fake, base)->unmaps++;
	return 0;
}

static int fake_program(struct dseek_exec *base, uint32_t tag, void *buf, size_t size)
{
	struct fake *f = container_of(base, struct fake, base);

	ck_assert_uint_ge(size, f->blob_size);
	memcpy(buf, f->blob, f->blob_size);
	if (f->desc[tag].program_id == 666)
		((char *)buf)[0] ^= 1;
	f->programs++;
	return 0;
}

static int fake_report(struct dseek_exec *base, uint64_t longest_op_ns)
{
	struct fake *f = container_of(base, struct fake, base);

	ck_assert_uint_gt(longest_op_ns, f->longest_ns);
	f->longest_ns = longest_op_ns;
	return f->report_error;
}

static int fake_memory(struct dseek_exec *base, uint64_t bo_id, int error, int fd)
{
	struct fake *f = container_of(base, struct fake, base);

	f->answered = bo_id;
	f->answered_error = error;
	f->answered_fd = fd >= 0 && !lseek(fd, 0, SEEK_CUR);	/* it is open */
	return f->answer_error;
}

static const struct dseek_exec_ops fake_ops = {
	.next = fake_next, .map = fake_map, .unmap = fake_unmap, .program = fake_program, .report = fake_report, .memory = fake_memory,
};

/* ---- a backend that does what the job's first constant says */

#define OPS	3		/* of the program */
#define SLOW_NS	3000000		/* its second */

enum behaviour { GOOD, FAIL, POSITIVE, YIELD_UNASKED, WAIT_POLL, ACCOUNT, STOP, STOP_POLL, STEPS, PAIRS, LOSE, LOSE_YIELD };

static struct fake *fake;
static uint32_t prepared, released, runs;
static uint64_t last_cursor;
static uint32_t last_class;
static void *last_binding, *second_binding;
static int engine_lost;

static int prepare(void *state, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size)
{
	*ret_prepared = &prepared;
	prepared++;
	return 0;
}

static int prepare_refuse(void *state, const struct dseek_program_view *view, void **ret_prepared, char *err, size_t err_size)
{
	snprintf(err, err_size, "op 0: no kernel");
	return -ENOTSUP;
}

/* ---- what backends with an address space of their own are told, and what all say of errors */

static uint32_t buffers, notices;
static char notice[100];

static int buffer_map(void *state, void *base, uint64_t size, int writable, char *err, size_t err_size)
{
	ck_assert_ptr_eq(base, fake->memory);
	ck_assert_uint_eq(size, 4096);
	ck_assert_int_eq(writable, 1);
	buffers++;
	return 0;
}

static int buffer_map_fails(void *state, void *base, uint64_t size, int writable, char *err, size_t err_size)
{
	snprintf(err, err_size, "no room on the device");
	return -ENOMEM;
}

static void buffer_unmap(void *state, void *base)
{
	ck_assert_ptr_eq(base, fake->memory);
	ck_assert_uint_eq(fake->unmaps, 0);	/* it is still mapped */
	buffers--;
}

static void on_notice(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why)
{
	ck_assert_ptr_eq(arg, &notices);
	notices++;
	snprintf(notice, sizeof(notice), "%llu %d %s", (unsigned long long)job->job_id, error, why);
}

static void release(void *state, void *p)
{
	ck_assert_ptr_eq(p, &prepared);
	released++;
}

static int run(void *state, struct dseek_run *r)
{
	runs++;
	last_cursor = r->cursor;
	last_class = r->sched_class;
	last_binding = r->bindings[0];
	second_binding = r->program->header->n_bindings > 1 ? r->bindings[1] : NULL;
	switch (r->params[0]) {
	case FAIL:
		return -ERANGE;
	case POSITIVE:
		return 5;
	case YIELD_UNASKED:
		return -EAGAIN;
	case WAIT_POLL:
		r->cursor = 1;
		return r->poll(r->poll_arg);
	case ACCOUNT:
		r->engine_ns = 123456789;
		return 0;
	case STOP:
		fake->stop = 1;
		return 0;
	case STOP_POLL:
		fake->stop = 1;
		r->cursor = 1;
		return r->poll(r->poll_arg);
	case LOSE:
	case LOSE_YIELD:
		engine_lost = 1;
		snprintf(r->err, r->err_size, "op 0 did not end");
		return r->params[0] == LOSE ? -EIO : -EAGAIN;
	case STEPS:
	case PAIRS:
		for (; r->cursor < OPS; r->cursor++) {
			int rc = r->params[0] == PAIRS && r->cursor == 1 ? 0 : r->poll(r->poll_arg);

			if (rc)
				return rc;
			if (r->cursor == 1)
				usleep(SLOW_NS / 1000);
		}
		return 0;
	}
	return 0;
}

static int lost(void *state)
{
	return engine_lost;
}

static struct dseek_backend backend = {
	.abi = DSEEK_BACKEND_ABI, .type = DRM_DSEEK_ENGINE_NULL, .name = "test", .run = run,
	.program_prepare = prepare, .program_release = release,
};

/* ---- */

static void setup(void)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { 16 } };
	struct dseek_program_op op = { .code = DSEEK_OP_ARGMAX };
	struct dseek_builder *b = dseek_builder_create(0);

	memset(op.t, 0xff, sizeof(op.t));
	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	fake = calloc(1, sizeof(*fake));
	fake->base = (struct dseek_exec) { &fake_ops, fake->desc, &fake->control, 4 };
	dseek_builder_param(b, 0, 100);
	t.binding = dseek_builder_binding(b, DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE, 256);
	op.t[0] = dseek_builder_tensor(b, &t);
	t.dtype = DSEEK_I32;
	t.ne[0] = 1;
	t.offset = 128;
	op.t[1] = dseek_builder_tensor(b, &t);
	for (int i = 0; i < OPS; i++)
		dseek_builder_op(b, &op);
	ck_assert_msg(dseek_builder_finish(b, &fake->blob, &fake->blob_size) == 0, "%s", dseek_builder_error(b));
	dseek_builder_destroy(b);
}

static void teardown(void)
{
	free(fake->blob);
	free(fake);
}

static struct drm_dseek_job_desc *add(enum behaviour what)
{
	struct drm_dseek_job_desc *job = &fake->script[fake->script_count++];
	uint32_t param = what;

	*job = (struct drm_dseek_job_desc) {
		.job_id = fake->script_count, .program_id = 1, .program_size = fake->blob_size,
		.binding_count = 1, .const_size = 4,
		.bindings = { { .bo_id = 7, .bo_size = 4096, .offset = 64, .size = 256, .access = 3 } },
	};
	memcpy(job->consts, &param, 4);
	return job;
}

static int go(void)
{
	int r = dseek_exec_run(&fake->base, &backend, NULL, &fake->stop);

	ck_assert_uint_eq(fake->busy, 0);	/* everything was given back */
	ck_assert_uint_eq(prepared, released);
	ck_assert_uint_eq(fake->maps, fake->unmaps);
	return r;
}

static void check(uint32_t n, uint64_t job, uint32_t outcome, int error)
{
	ck_assert_uint_eq(fake->got_job[n], job);
	ck_assert_uint_eq(fake->got[n].outcome, outcome);
	ck_assert_int_eq(fake->got[n].error, error);
}

START_TEST(results)
{
	add(GOOD);
	add(FAIL);
	add(POSITIVE);
	add(YIELD_UNASKED);
	add(ACCOUNT);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->got_count, 5);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, 0);
	check(1, 2, DRM_DSEEK_OUTCOME_DONE, -ERANGE);
	check(2, 3, DRM_DSEEK_OUTCOME_DONE, -EIO);
	check(3, 4, DRM_DSEEK_OUTCOME_DONE, -EIO);
	check(4, 5, DRM_DSEEK_OUTCOME_DONE, 0);
	ck_assert_uint_eq(fake->got[4].engine_ns, 123456789);
	ck_assert_uint_gt(fake->got[0].engine_ns, 0);
	/* One program and one buffer, whatever the number of jobs; the binding's offset is applied. */
	ck_assert_uint_eq(fake->programs, 1);
	ck_assert_uint_eq(fake->maps, 1);
	ck_assert_ptr_eq(last_binding, fake->memory + 64);
}
END_TEST

/* Of a kernel before 1.2 none is told. */
START_TEST(classes)
{
	const uint32_t flags = _i ? DRM_DSEEK_DESC_CLASS(_i - 1) : 0;

	add(GOOD)->flags = flags | DRM_DSEEK_JOB_IDEMPOTENT;
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(last_class, _i);
}
END_TEST

/* What a tenant could send past its own library. None reaches the backend. */
#define SPOIL(name, statement) static void name(struct drm_dseek_job_desc *job) { statement; }
SPOIL(bad_program, job->program_id = 666)
SPOIL(no_program, job->program_size = 0)
SPOIL(huge_program, job->program_size = DRM_DSEEK_MAX_PROGRAM + 1)
SPOIL(many_bindings, job->binding_count = DRM_DSEEK_MAX_BINDINGS + 1)
SPOIL(few_bindings, job->binding_count = 0)
SPOIL(many_consts, job->const_size = DRM_DSEEK_MAX_CONSTS + 4)
SPOIL(few_consts, job->const_size = 0)
SPOIL(param_range, job->consts[0] = 101)
SPOIL(small_binding, job->bindings[0].size = 255)
SPOIL(odd_offset, job->bindings[0].offset = 32)
SPOIL(outside, job->bindings[0].offset = 4096 - 192)
SPOIL(wraps, job->bindings[0].offset = ~0ull - 63)
SPOIL(read_only, job->bindings[0].access = DRM_DSEEK_ACCESS_READ)
SPOIL(far_cursor, job->cursor = OPS + 1)

static const struct {
	const char *name;
	int error;
	void (*fn)(struct drm_dseek_job_desc *job);
} spoils[] = {
	{ "program that isn't one", -ENOEXEC, bad_program }, { "program of no size", -EPROTO, no_program },
	{ "program too large", -EPROTO, huge_program }, { "17 bindings", -EPROTO, many_bindings },
	{ "binding missing", -EINVAL, few_bindings }, { "260 bytes of constants", -EPROTO, many_consts },
	{ "constants missing", -EINVAL, few_consts }, { "parameter out of range", -EINVAL, param_range },
	{ "binding too small", -EINVAL, small_binding }, { "binding's offset", -EINVAL, odd_offset },
	{ "binding outside its buffer", -EPROTO, outside }, { "binding's end wraps", -EPROTO, wraps },
	{ "binding not writable", -EINVAL, read_only }, { "cursor past the end", -EPROTO, far_cursor },
};

START_TEST(bad_jobs)
{
	spoils[_i].fn(add(GOOD));
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->got_count, 2);
	ck_assert_msg(fake->got[0].error == spoils[_i].error, "%s: %d, not %d", spoils[_i].name, fake->got[0].error,
		      spoils[_i].error);
	check(1, 2, DRM_DSEEK_OUTCOME_DONE, 0);
	ck_assert_uint_eq(runs, 1);
}
END_TEST

START_TEST(refused_program)
{
	backend.program_prepare = prepare_refuse;
	add(GOOD);
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -ENOTSUP);
	check(1, 2, DRM_DSEEK_OUTCOME_DONE, -ENOTSUP);
	ck_assert_uint_eq(fake->programs, 1);	/* refused once and for all */
	ck_assert_uint_eq(runs, 0);
}
END_TEST

/* b = a + a, each in a binding of its own. */
static void two_bindings(void)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { 16 } };
	struct dseek_program_op op = { .code = DSEEK_OP_ADD };
	struct dseek_builder *b = dseek_builder_create(0);

	free(fake->blob);
	memset(op.t, 0xff, sizeof(op.t));
	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	dseek_builder_param(b, 0, 100);
	t.binding = dseek_builder_binding(b, DSEEK_ACCESS_READ, 64);
	op.t[0] = op.t[1] = dseek_builder_tensor(b, &t);
	t.binding = dseek_builder_binding(b, DSEEK_ACCESS_WRITE, 64);
	op.t[2] = dseek_builder_tensor(b, &t);
	dseek_builder_op(b, &op);
	ck_assert_msg(dseek_builder_finish(b, &fake->blob, &fake->blob_size) == 0, "%s", dseek_builder_error(b));
	dseek_builder_destroy(b);
}

static void add_two(uint64_t read, uint64_t write)
{
	struct drm_dseek_job_desc *job = add(GOOD);

	job->binding_count = 2;
	job->bindings[0] = (struct drm_dseek_job_binding) { .bo_id = read, .bo_size = 4096, .size = 64, .access = DRM_DSEEK_ACCESS_READ };
	job->bindings[1] = (struct drm_dseek_job_binding) {
		.bo_id = write, .bo_size = 4096, .offset = 256, .size = 64, .access = DRM_DSEEK_ACCESS_WRITE,
	};
}

/* A buffer that one binding reads and another writes is mapped once for both, also if it was mapped for reading before. */
START_TEST(read_and_written)
{
	two_bindings();
	fake->pages = calloc(4, sizeof(*fake->pages));
	if (_i)
		add_two(7, 8);
	add_two(7, 7);
	ck_assert_int_eq(go(), -ENODEV);
	check(_i, 1 + _i, DRM_DSEEK_OUTCOME_DONE, 0);
	ck_assert_uint_eq(fake->maps, 1 + 2 * _i);
	ck_assert_ptr_eq(last_binding, fake->pages[2 * _i]);
	ck_assert_ptr_eq(second_binding, fake->pages[2 * _i] + 256);
	free(fake->pages);
}
END_TEST

START_TEST(map_fails)
{
	fake->map_error = -ENOMEM;
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -ENOMEM);
}
END_TEST

/* ---- memory of the backend's own */

static uint32_t given, taken;
static int given_fd;
static char own_memory[4096];

static int memory_alloc(void *state, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	ck_assert_uint_eq(size, 4096);
	given++;
	*ret_base = own_memory;
	*ret_fd = given_fd = memfd_create("loop", 0);
	return 0;
}

static int memory_alloc_fails(void *state, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	return -ENOMEM;
}

static void memory_free(void *state, void *base)
{
	ck_assert_ptr_eq(base, own_memory);
	taken++;
}

static void own(int (*alloc)(void *, uint64_t, void **, int *, char *, size_t))
{
	backend.memory_alloc = alloc;
	backend.memory_free = memory_free;
	fake->request = 9;
}

static struct drm_dseek_job_desc *add_own(uint64_t bo_id)
{
	struct drm_dseek_job_desc *job = add(GOOD);

	job->bindings[0].bo_id = bo_id;
	job->bindings[0].access |= DRM_DSEEK_ACCESS_DEVICE;
	return job;
}

/* It is not mapped, and what an executor before this one had given is not there. */
START_TEST(memory_given)
{
	own(memory_alloc);
	fake->base.depth = 1;
	add_own(9);
	add_own(8);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->answered, 9);
	ck_assert_int_eq(fake->answered_error, 0);
	ck_assert_int_eq(fake->answered_fd, 1);
	ck_assert_int_eq(lseek(given_fd, 0, SEEK_CUR), -1);	/* closed */
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, 0);
	check(1, 2, DRM_DSEEK_OUTCOME_DONE, -ENODEV);
	ck_assert_ptr_eq(last_binding, own_memory + 64);
	ck_assert_uint_eq(fake->maps, 0);
	ck_assert_uint_eq(given, 1);
	ck_assert_uint_eq(taken, 1);		/* at the end, as nobody said so before */
}
END_TEST

START_TEST(memory_retired)
{
	own(memory_alloc);
	add_own(9);
	fake->retire = 9;	/* told before it is asked for: nothing */
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(taken, 1);
	fake->stop = 0;
	fake->request = 0;
	fake->retire = 9;
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(taken, 1);
}
END_TEST

START_TEST(memory_unwanted)
{
	own(memory_alloc);
	fake->answer_error = -ENOENT;
	add_own(9);
	ck_assert_int_eq(go(), -ENODEV);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -ENODEV);
	ck_assert_uint_eq(given, 1);
	ck_assert_uint_eq(taken, 1);
}
END_TEST

START_TEST(memory_lacking)
{
	own(memory_alloc_fails);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->answered, 9);
	ck_assert_int_eq(fake->answered_error, -ENOMEM);
	ck_assert_int_eq(fake->answered_fd, 0);
	ck_assert_uint_eq(taken, 0);
}
END_TEST

START_TEST(buffers_told)
{
	backend.buffer_map = buffer_map;
	backend.buffer_unmap = buffer_unmap;
	add(GOOD);
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(runs, 2);
	ck_assert_uint_eq(buffers, 0);
	ck_assert_uint_eq(fake->maps, 1);
}
END_TEST

START_TEST(errors_explained)
{
	dseek_exec_set_notice(&fake->base, on_notice, &notices);
	backend.buffer_map = buffer_map_fails;
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -ENOMEM);
	ck_assert_uint_eq(notices, 1);
	ck_assert_str_eq(notice, "1 -12 no room on the device");
	ck_assert_uint_eq(fake->unmaps, 1);
}
END_TEST

START_TEST(refusals_explained)
{
	dseek_exec_set_notice(&fake->base, on_notice, &notices);
	backend.program_prepare = prepare_refuse;
	add(GOOD);
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(notices, 2);		/* a refused program's is kept for its later jobs */
	ck_assert_str_eq(notice, "2 -95 op 0: no kernel");
}
END_TEST

START_TEST(tenants_error_unexplained)
{
	dseek_exec_set_notice(&fake->base, on_notice, &notices);
	add(FAIL);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(notices, 0);
}
END_TEST

/* The word is raised: what runs goes back with its cursor, what was fetched behind it as it came. */
START_TEST(preempted)
{
	add(WAIT_POLL);
	add(GOOD)->cursor = 1;
	add(GOOD);
	fake->control.preempt = 1;
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->got_count, 3);
	check(0, 1, DRM_DSEEK_OUTCOME_YIELD, 0);
	ck_assert_uint_eq(fake->got[0].cursor, 1);
	check(1, 2, DRM_DSEEK_OUTCOME_YIELD, 0);
	ck_assert_uint_eq(fake->got[1].cursor, 1);
	ck_assert_uint_eq(fake->got[1].engine_ns, 0);
	check(2, 3, DRM_DSEEK_OUTCOME_YIELD, 0);
	ck_assert_uint_eq(runs, 1);
}
END_TEST

START_TEST(aborted)
{
	add(WAIT_POLL);
	add(GOOD);
	fake->control.abort_mask = 1;	/* tag 0 */
	ck_assert_int_eq(go(), -ENODEV);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -ETIMEDOUT);
	check(1, 2, DRM_DSEEK_OUTCOME_DONE, 0);
}
END_TEST

START_TEST(resumed)
{
	add(GOOD)->cursor = 1;
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(last_cursor, 1);
}
END_TEST

START_TEST(stops)
{
	add(STOP);
	add(WAIT_POLL);
	add(GOOD);
	ck_assert_int_eq(go(), 0);
	ck_assert_uint_eq(fake->got_count, 3);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, 0);
	check(1, 2, DRM_DSEEK_OUTCOME_YIELD, 0);
	check(2, 3, DRM_DSEEK_OUTCOME_YIELD, 0);
}
END_TEST

START_TEST(interrupted)
{
	add(GOOD);
	add(GOOD);
	fake->interrupt = 3;
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->got_count, 2);
}
END_TEST

START_TEST(retired)
{
	fake->base.depth = 1;
	add(GOOD);
	add(GOOD);
	fake->retire = 7;	/* reported with the first job, which maps it anew */
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_eq(fake->maps, 1);
	fake->retire = 7;
	fake->next_job = fake->longest_ns = 0;
	add(GOOD);
	ck_assert_int_eq(go(), -ENODEV);
}
END_TEST

/* The longest op is told, and again when it grows. */
START_TEST(longest_op)
{
	add(GOOD);
	add(STEPS);
	ck_assert_int_eq(go(), -ENODEV);
	ck_assert_uint_ge(fake->longest_ns, SLOW_NS);
}
END_TEST

/* A transport that knows no such call is no reason to stop; one that lost us is. */
START_TEST(report_fails)
{
	add(STEPS);
	fake->report_error = -ENOTTY;
	ck_assert_int_eq(go(), -ENODEV);
	fake->next_job = fake->longest_ns = 0;
	fake->report_error = -ESTALE;
	ck_assert_int_eq(dseek_exec_run(&fake->base, &backend, NULL, &fake->stop), -ESTALE);
}
END_TEST

/* The job that an engine was given up for fails, whatever the backend says of it; what is behind it goes back as it came, and the loop ends. */
START_TEST(gives_up)
{
	backend.lost = lost;
	dseek_exec_set_notice(&fake->base, on_notice, &notices);
	add(_i ? LOSE_YIELD : LOSE);
	add(GOOD)->cursor = 1;
	add(GOOD);
	add(GOOD);
	add(GOOD);
	ck_assert_int_eq(go(), -EIO);
	ck_assert_ptr_nonnull(strstr(dseek_strerror_detail(), "backend test has given up its engine"));
	ck_assert_uint_eq(fake->got_count, 4);
	check(0, 1, DRM_DSEEK_OUTCOME_DONE, -EIO);
	check(1, 2, DRM_DSEEK_OUTCOME_YIELD, 0);
	ck_assert_uint_eq(fake->got[1].cursor, 1);
	check(2, 3, DRM_DSEEK_OUTCOME_YIELD, 0);
	check(3, 4, DRM_DSEEK_OUTCOME_YIELD, 0);
	ck_assert_uint_eq(fake->next_job, 4);	/* the last was never fetched */
	ck_assert_uint_eq(runs, 1);
	ck_assert_str_eq(notice, "1 -5 op 0 did not end");
}
END_TEST

/* Giving back after that may fail; nobody is told, for the executor ends. */
START_TEST(gives_up_and_is_lost)
{
	backend.lost = lost;
	fake->next_error = -ESTALE;
	fake->next_error_from = 2;
	add(LOSE);
	ck_assert_int_eq(dseek_exec_run(&fake->base, &backend, NULL, &fake->stop), -EIO);
	ck_assert_ptr_nonnull(strstr(dseek_strerror_detail(), "has given up its engine"));
}
END_TEST

struct recording {
	char *bytes;
	long size, at;
	struct profile_chunk chunk;
};

static void recording_open(struct recording *r, const char *path)
{
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	fseek(f, 0, SEEK_END);
	r->size = ftell(f);
	rewind(f);
	r->bytes = malloc(r->size);
	ck_assert_uint_eq(fread(r->bytes, 1, r->size, f), r->size);
	fclose(f);
	memcpy(&r->chunk, r->bytes, sizeof(r->chunk));
	ck_assert_uint_eq(r->chunk.magic, PROFILE_MAGIC);
	ck_assert_uint_eq(r->chunk.version, PROFILE_VERSION);
	ck_assert_uint_eq(r->chunk.size, r->size);
	ck_assert_uint_eq(r->chunk.pid, getpid());
	ck_assert_str_eq(r->chunk.engine, "fake0");
	r->at = sizeof(r->chunk);
}

static const void *next_record(struct recording *r, enum profile_kind kind)
{
	const struct profile_record *record = (const void *)(r->bytes + r->at);

	ck_assert_int_le(r->at + (long)sizeof(*record), r->size);
	ck_assert_uint_eq(record->kind, kind);
	ck_assert_uint_eq(record->size % 8, 0);
	r->at += record->size;
	ck_assert_int_le(r->at, r->size);
	return record + 1;
}

static const struct profile_op *next_run(struct recording *r, uint64_t job, int outcome, uint32_t ops)
{
	const struct profile_run *run = next_record(r, PROFILE_RUN);
	const struct profile_op *op = (const void *)(run + 1);
	uint64_t last = run->start_ns;

	ck_assert_uint_eq(run->job, job);
	ck_assert_int_eq(run->outcome, outcome);
	ck_assert_uint_eq(run->op_count, ops);
	for (uint32_t i = 0; i < ops; i++) {
		ck_assert_uint_ge(op[i].end_ns, last);
		last = op[i].end_ns;
	}
	ck_assert_uint_ge(run->end_ns, last);
	return op;
}

START_TEST(recorded)
{
	char path[] = "/tmp/dseek-profile-XXXXXX";
	const struct profile_program *program;
	const struct profile_op *op;
	struct recording r;

	close(mkstemp(path));
	setenv("DSEEK_PROFILE", path, 1);
	strcpy(fake->base.name, "fake0");
	add(STEPS);
	add(PAIRS);
	add(GOOD)->cursor = 1;
	add(FAIL);
	add(GOOD);
	add(STOP_POLL);	/* in one: after a stall the loop looks at *stop between jobs */
	add(GOOD);
	ck_assert_int_eq(go(), 0);
	recording_open(&r, path);
	program = next_record(&r, PROFILE_PROGRAM);
	ck_assert_uint_eq(program->id, 1);
	ck_assert_uint_eq(program->size, fake->blob_size);
	ck_assert_int_eq(memcmp(program + 1, fake->blob, fake->blob_size), 0);
	op = next_run(&r, 1, 0, 3);
	ck_assert_uint_ge(op[1].end_ns - op[0].end_ns, SLOW_NS);
	ck_assert_uint_eq(op[2].first, 2);
	op = next_run(&r, 2, 0, 2);	/* it asks once for two of its ops */
	ck_assert_uint_eq(op[0].first, 0);
	ck_assert_uint_eq(op[0].count, 2);
	ck_assert_uint_eq(op[1].first, 2);
	ck_assert_uint_eq(op[1].count, 1);
	op = next_run(&r, 3, 0, 1);	/* asks never, and goes on where it was */
	ck_assert_uint_eq(op[0].first, 1);
	ck_assert_uint_eq(op[0].count, 2);
	next_run(&r, 4, -ERANGE, 1);
	next_run(&r, 5, 0, 1);
	op = next_run(&r, 6, -EAGAIN, 1);
	ck_assert_uint_eq(op[0].count, 1);
	next_record(&r, PROFILE_END);
	ck_assert_int_eq(r.at, r.size);
	free(r.bytes);
	unlink(path);
	unsetenv("DSEEK_PROFILE");
}
END_TEST

START_TEST(not_recordable)
{
	setenv("DSEEK_PROFILE", "/nonexistent/profile", 1);
	add(GOOD);
	ck_assert_int_eq(dseek_exec_run(&fake->base, &backend, NULL, &fake->stop), -ENOENT);
	ck_assert_str_eq(dseek_strerror_detail(), "DSEEK_PROFILE=/nonexistent/profile: No such file or directory");
	ck_assert_uint_eq(runs, 0);
	unsetenv("DSEEK_PROFILE");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("executor");
	TCase *c = tcase_create("loop");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, results);
	tcase_add_loop_test(c, classes, 0, DRM_DSEEK_CLASS_COUNT + 1);
	tcase_add_loop_test(c, bad_jobs, 0, sizeof(spoils) / sizeof(spoils[0]));
	tcase_add_test(c, refused_program);
	tcase_add_loop_test(c, read_and_written, 0, 2);
	tcase_add_test(c, map_fails);
	tcase_add_test(c, preempted);
	tcase_add_test(c, aborted);
	tcase_add_test(c, resumed);
	tcase_add_test(c, stops);
	tcase_add_test(c, interrupted);
	tcase_add_test(c, retired);
	tcase_add_test(c, buffers_told);
	tcase_add_test(c, memory_given);
	tcase_add_test(c, memory_retired);
	tcase_add_test(c, memory_unwanted);
	tcase_add_test(c, memory_lacking);
	tcase_add_test(c, errors_explained);
	tcase_add_test(c, refusals_explained);
	tcase_add_test(c, tenants_error_unexplained);
	tcase_add_test(c, longest_op);
	tcase_add_test(c, report_fails);
	tcase_add_loop_test(c, gives_up, 0, 2);
	tcase_add_test(c, gives_up_and_is_lost);
	tcase_add_test(c, recorded);
	tcase_add_test(c, not_recordable);
	suite_add_tcase(suite, c);
	return check_run(suite);
}

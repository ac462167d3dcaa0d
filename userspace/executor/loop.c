// SPDX-License-Identifier: MIT
/*
 * The executor's loop: fetch jobs, run them one after the other, give them back. One call into the transport does the
 * giving back and the fetching. It trusts no tenant: what a job names is checked against its program here,
 * whoever may have checked before.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include "../lib/object.h"
#include "backend.h"
#include "cache.h"
#include "profile.h"

#define TICK_NS		1000000000ull	/* how long a set *stop may go unseen */
#define BATCH_NS	30000ull	/* finished jobs are held back no longer than this to be given back together */

struct loop {
	struct dseek_exec *exec;
	const struct dseek_backend *backend;
	void *backend_state;
	const int *stop;
	const volatile struct drm_dseek_control *control;
	struct cache cache;
	uint32_t depth;
	uint32_t tags[DRM_DSEEK_MAX_DEPTH];	/* held, in the order in which they were fetched */
	uint32_t tag_count;
	struct drm_dseek_completion completions[DRM_DSEEK_MAX_DEPTH];
	uint32_t completion_count;
	uint32_t running;			/* tag */
	bool asked_to_yield;
	const struct dseek_run *run;		/* being run */
	uint64_t op, op_ns;			/* its op that runs, and since when */
	uint64_t longest_op_ns, reported_ns;	/* seen, and told */
	struct profile *profile;		/* NULL: not asked for */
};

static bool stopped(const struct loop *loop)
{
	return __atomic_load_n(loop->stop, __ATOMIC_RELAXED);
}

/* The ops before @next are done: what they took. */
static void ops_done(struct loop *loop, uint64_t next)
{
	uint64_t now = dseek_now();

	if (now - loop->op_ns > loop->longest_op_ns)
		loop->longest_op_ns = now - loop->op_ns;
	if (loop->profile)
		profile_op(loop->profile, loop->op, next - loop->op, now);
	loop->op = next;
	loop->op_ns = now;
}

/* Between ops. The control page is written by others at any time. */
static int poll_control(void *arg)
{
	struct loop *loop = arg;

	if (loop->run->cursor > loop->op && loop->run->cursor <= loop->run->program->header->n_ops)
		ops_done(loop, loop->run->cursor);
	if (__atomic_load_n(&loop->control->abort_mask, __ATOMIC_RELAXED) & 1ull << loop->running)
		return -ETIMEDOUT;
	if (__atomic_load_n(&loop->control->preempt, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&loop->control->detach, __ATOMIC_RELAXED) || stopped(loop)) {
		loop->asked_to_yield = true;
		return -EAGAIN;
	}
	return 0;
}

static int check_fit(const struct dseek_program_view *view, const struct drm_dseek_job_desc *job)
{
	uint64_t offsets[DRM_DSEEK_MAX_BINDINGS], sizes[DRM_DSEEK_MAX_BINDINGS];
	uint32_t access[DRM_DSEEK_MAX_BINDINGS], i;
	struct dseek_job_shape shape = {
		offsets, sizes, access, job->consts, job->binding_count, job->const_size
	};
	char why[160];

	if (job->binding_count > DRM_DSEEK_MAX_BINDINGS || job->const_size > DRM_DSEEK_MAX_CONSTS)
		return -EPROTO;
	for (i = 0; i < job->binding_count; i++) {
		const struct drm_dseek_job_binding *b = &job->bindings[i];

		if (b->size > b->bo_size || b->offset > b->bo_size - b->size)
			return -EPROTO;
		offsets[i] = b->offset;
		sizes[i] = b->size;
		access[i] = b->access & ~DRM_DSEEK_ACCESS_DEVICE;
	}
	return dseek_job_check(view, &shape, why, sizeof(why));
}

static int run_ops(struct loop *loop, const struct drm_dseek_job_desc *job, struct cached_program *prog, struct dseek_run *run)
{
	uint32_t n_ops = run->program->header->n_ops;
	int r;

	loop->run = run;
	loop->op = run->cursor;
	loop->op_ns = dseek_now();
	if (loop->profile && !prog->profiled) {
		profile_program(loop->profile, job->program_id, prog->blob, job->program_size);
		prog->profiled = true;
	}
	if (loop->profile)
		profile_begin(loop->profile, job, n_ops - run->cursor, loop->op_ns);
	r = loop->backend->run(loop->backend_state, run);
	if (r != -EAGAIN && loop->op < n_ops)
		ops_done(loop, r ? loop->op + 1 : n_ops);
	if (loop->profile)
		profile_finish(loop->profile, r, dseek_now());
	return r;
}

/* As struct dseek_run has it. */
static uint32_t sched_class(const struct drm_dseek_job_desc *job)
{
	uint32_t c;

	for (c = 0; c < DRM_DSEEK_CLASS_COUNT; c++)
		if (job->flags & DRM_DSEEK_DESC_CLASS(c))
			return c + 1;
	return 0;
}

/*
 * First those that the job writes to: a buffer that was mapped for reading is mapped anew for them, elsewhere, and another binding of the same buffer
 * must not have the old address.
 */
static int map_bindings(struct loop *loop, uint32_t tag, const struct drm_dseek_job_desc *job, void **bindings)
{
	const uint32_t order[2] = { DRM_DSEEK_ACCESS_WRITE, 0 };
	uint32_t pass, i;
	int r;

	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < job->binding_count; i++) {
			if ((job->bindings[i].access & DRM_DSEEK_ACCESS_WRITE) != order[pass])
				continue;
			r = cache_bo(&loop->cache, tag, i, &job->bindings[i], &bindings[i]);
			if (r)
				return r;
			bindings[i] = (char *)bindings[i] + job->bindings[i].offset;
		}
	return 0;
}

/* 0, -EAGAIN with the cursor to go on from, or the job's error. *engine_ns: what the engine says it took, or 0. */
static int run_job(struct loop *loop, uint32_t tag, uint64_t *cursor, uint64_t *engine_ns)
{
	const struct drm_dseek_job_desc *job = dseek_exec_job(loop->exec, tag);
	void *bindings[DRM_DSEEK_MAX_BINDINGS];
	struct cached_program *prog;
	struct dseek_run run;
	int r;

	r = cache_program(&loop->cache, tag, job, &prog);
	if (r)
		return r;
	r = check_fit(&prog->view, job);
	if (r)
		return r;
	if (job->cursor > prog->view.header->n_ops)
		return -EPROTO;
	r = map_bindings(loop, tag, job, bindings);
	if (r)
		return r;
	run = (struct dseek_run) {
		.program = &prog->view,
		.prepared = prog->prepared,
		.bindings = bindings,
		.params = (const uint32_t *)job->consts,
		.cursor = job->cursor,
		.poll = poll_control,
		.poll_arg = loop,
		.depth = loop->depth,
		.sched_class = sched_class(job),
		.tenant = job->tenant_id,
		.deadline_ns = job->deadline_ns,
		.err = loop->cache.why,
		.err_size = sizeof(loop->cache.why),
	};
	loop->asked_to_yield = false;
	r = run_ops(loop, job, prog, &run);
	*cursor = run.cursor;
	*engine_ns = run.engine_ns;
	if (r == -EAGAIN && !loop->asked_to_yield)
		return -EIO;	/* a job that yields when nobody asks would be fetched again at once, for ever */
	return r > 0 || r < -4095 ? -EIO : r;
}

static bool engine_lost(const struct loop *loop)
{
	return loop->backend->lost && loop->backend->lost(loop->backend_state);
}

static void give_back(struct loop *loop, uint32_t tag, uint32_t outcome, int error, uint64_t cursor, uint64_t engine_ns)
{
	loop->completions[loop->completion_count++] = (struct drm_dseek_completion) {
		.tag = tag, .outcome = outcome, .error = error, .engine_ns = engine_ns, .cursor = cursor,
	};
}

/* Everything held and not started goes back as it came. */
static void yield_rest(struct loop *loop, uint32_t from)
{
	for (; from < loop->tag_count; from++)
		give_back(loop, loop->tags[from], DRM_DSEEK_OUTCOME_YIELD, 0,
			  dseek_exec_job(loop->exec, loop->tags[from])->cursor, 0);
	loop->tag_count = 0;
}

/* Run what is held until it is used up, something better waits, or it is time to tell of what is done. */
static void run_held(struct loop *loop)
{
	uint64_t begin = dseek_now(), start = begin, end, cursor, used;
	uint32_t n = 0;
	int r;

	while (n < loop->tag_count) {
		loop->running = loop->tags[n];
		cursor = used = 0;
		r = run_job(loop, loop->running, &cursor, &used);
		if (r == -EAGAIN && engine_lost(loop))
			r = -EIO;	/* what it has begun may still run: nobody may go on with it */
		if (r && r != -EAGAIN && *loop->cache.why && loop->exec->notice)
			loop->exec->notice(loop->exec->notice_arg, dseek_exec_job(loop->exec, loop->running), r, loop->cache.why);
		end = dseek_now();
		if (!used)
			used = end - start;
		n++;
		if (r == -EAGAIN) {
			give_back(loop, loop->running, DRM_DSEEK_OUTCOME_YIELD, 0, cursor, used);
			yield_rest(loop, n);
			return;
		}
		give_back(loop, loop->running, DRM_DSEEK_OUTCOME_DONE, r, 0, used);
		start = end;
		if (end - begin > BATCH_NS || engine_lost(loop))
			break;
	}
	loop->tag_count -= n;
	memmove(loop->tags, loop->tags + n, loop->tag_count * sizeof(loop->tags[0]));
}

static int exchange(struct loop *loop, bool fetch)
{
	struct drm_dseek_memory_request request;
	uint64_t retired[32];
	struct drm_dseek_next next = {
		.completions = (uintptr_t)loop->completions,
		.completion_count = loop->completion_count,
		.tags = (uintptr_t)(loop->tags + loop->tag_count),
		.tag_max = fetch ? loop->depth - loop->tag_count : 0,
		.retired = (uintptr_t)retired,
		.retired_max = sizeof(retired) / sizeof(retired[0]),
		.deadline_ns = loop->tag_count ? 0 : dseek_now() + TICK_NS,
		/* One: jobs that are ready wait for no more than that. */
		.requests = (uintptr_t)&request,
		.request_max = fetch && loop->backend->memory_alloc ? 1 : 0,
	};
	uint32_t i;
	int r;

	if (loop->longest_op_ns > loop->reported_ns) {
		/* What published the bound is told of it when it grows: that is seldom, after the first jobs. */
		r = dseek_exec_report(loop->exec, loop->longest_op_ns);
		if (r && r != -ENOTTY)
			return r;
		loop->reported_ns = loop->longest_op_ns;
	}
	if (loop->profile && !loop->tag_count)
		profile_idle(loop->profile);
	r = dseek_exec_next(loop->exec, &next);
	if (r && r != -EINTR)
		return r;
	loop->completion_count -= next.completed;
	memmove(loop->completions, loop->completions + next.completed,
		loop->completion_count * sizeof(loop->completions[0]));
	if (r)
		return 0;
	loop->tag_count += next.tag_count;
	for (i = 0; i < next.retired_count; i++)
		cache_retire(&loop->cache, retired[i]);
	if (next.request_count)
		cache_memory(&loop->cache, &request);
	return 0;
}

int dseek_exec_run(struct dseek_exec *exec, const struct dseek_backend *backend, void *backend_state, const int *stop)
{
	struct loop loop = {
		.exec = exec, .backend = backend, .backend_state = backend_state, .stop = stop,
		.control = dseek_exec_control(exec), .depth = exec->depth,
	};
	bool lost = false;
	int r, r2;

	r = profile_open(exec->name, backend->type, &loop.profile);
	if (r)
		return r;
	cache_init(&loop.cache, exec, backend, backend_state);
	while (!r && !lost && !stopped(&loop)) {
		r = exchange(&loop, true);
		if (!r)
			run_held(&loop);
		lost = engine_lost(&loop);
	}
	yield_rest(&loop, 0);
	for (r2 = r; !r2 && loop.completion_count;)
		r2 = exchange(&loop, false);
	cache_fini(&loop.cache);
	profile_close(loop.profile);
	/* Not to stay is the point: who fetches jobs fast, to fail them all, is what no watchdog sees. */
	return lost ? dseek_fail(-EIO, "backend %s has given up its engine", backend->name) : r2;
}

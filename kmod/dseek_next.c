// SPDX-License-Identifier: GPL-2.0-only
/*
 * NEXT: an executor gives jobs back and takes new ones, whose descriptors lie in memory it has mapped. The other half of the
 * hot path.
 */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>

#include "dseek_compat.h"
#include "dseek_copy.h"
#include "dseek_trace.h"

#define CHUNK 16	/* completions, jobs, and then retired buffers, at once, on the stack */
#define NEXT_1_0 offsetofend(struct drm_dseek_next, pad)

/* What this call is to tell the executor of. */
struct news {
	u32 tags[DRM_DSEEK_MAX_DEPTH];		/* jobs */
	u32 jobs[DRM_DSEEK_MAX_DEPTH];		/* ends of their ids: another thread may give one back, and take another by its tag */
	u64 memory[DRM_DSEEK_MAX_REQUESTS];	/* ids of buffers */
};

/* ---- giving back */

/* @last: of this queue, returned before, and what ends with it is not taken off yet. NULL: there is none. */
static bool may_return(struct dseek_job *job, struct dseek_job *last, u32 outcome)
{
	struct dseek_job *before = last ?: list_first_entry(&job->queue->jobs, struct dseek_job, link);

	if (outcome == DRM_DSEEK_OUTCOME_DONE) {
		list_for_each_entry_from(before, &job->queue->jobs, link)
			if (before->state != DSEEK_JOB_ENDED)
				return before == job;
		return false;
	}
	list_for_each_entry(before, &job->queue->jobs, link) {
		if (before == job)
			return true;
		if (before->state == DSEEK_JOB_RUNNING)
			return false;
	}
	return false;
}

static void release_tag(struct dseek_exec *exec, struct dseek_job *job)
{
	exec->jobs[job->tag] = NULL;
	WRITE_ONCE(exec->held, exec->held & ~BIT_ULL(job->tag));
	if (exec->abort_ns && job == dseek_engine_runs(exec->engine)) {
		exec->abort_ns = 0;
		WRITE_ONCE(exec->control->abort_mask, 0);
	}
}

/* What its program costs here, with all that was learned from those before it. */
static void keep_cost(struct dseek_job *job)
{
	if (!job->error)
		arb_cost_keep(job->queue->arb.share, job->cost);
}

/* Jobs of its queue have come back, the last of them @last. */
static void returned(struct dseek_job *last, u64 now)
{
	struct dseek_queue *queue = last->queue;

	arb_queue_settle(&queue->arb);
	keep_cost(last);
	dseek_queue_settle(queue, now);
	/* What follows may be done sooner elsewhere by now. */
	if (queue->ready || !list_empty(&queue->waiting))
		dseek_queue_ask(queue);
}

/* Jobs of one queue that come back one after the other are taken off it together: after the last of them, which is *last. */
static int return_job(struct dseek_exec *exec, const struct drm_dseek_completion *done, struct dseek_job **last, u64 now)
{
	struct dseek_job *job;
	bool yield;
	u64 used;

	if (done->pad || done->tag >= exec->depth || !exec->jobs[done->tag] ||
	    done->outcome >= DRM_DSEEK_OUTCOME_COUNT || done->error > 0 || done->error < -MAX_ERRNO ||
	    (done->outcome == DRM_DSEEK_OUTCOME_YIELD && done->error))
		return -EINVAL;
	job = exec->jobs[done->tag];
	yield = done->outcome == DRM_DSEEK_OUTCOME_YIELD;
	if (*last && (yield || (*last)->queue != job->queue)) {
		returned(*last, now);
		*last = NULL;
	}
	if (!may_return(job, *last, done->outcome))
		return -EINVAL;
	used = min_t(u64, done->engine_ns, ARB_USED_MAX_NS);
	release_tag(exec, job);
	if (yield && !job->queue->dead && !job->aborted) {
		job->cursor = done->cursor;
		dseek_job_yielded(job, DSEEK_YIELD_ASKED, used, now);
		return 0;
	}
	dseek_job_returned(job, !yield ? done->error : job->aborted ? -ETIMEDOUT : -ECANCELED, used, now);
	if (!job->error) {
		arb_cost_update(job->cost, job->arb.used_ns);
		if (job->queue->set)
			dseek_job_score(job, now);
	}
	/* One that failed teaches nothing, and its predecessor is about to be forgotten. */
	if (*last && (job->error || (*last)->cost != job->cost))
		keep_cost(*last);
	*last = job;
	return 0;
}

static int return_all(struct dseek_exec *exec, const struct drm_dseek_completion *done, u32 count, u32 *completed, u64 now)
{
	struct dseek_job *last = NULL;
	u32 before = *completed;
	int err = 0;

	for (; count-- && !err; done++) {
		err = return_job(exec, done, &last, now);
		*completed += !err;
	}
	if (last)
		returned(last, now);
	if (*completed != before)
		WRITE_ONCE(exec->engine->events, exec->engine->events + 1);
	return err;
}

/* ---- taking */

/*
 * describe() stands again in userspace/lib/embed_exec.c, name_valid() in exec.c. The ABI header is the one file both may
 * include, and it declares and does not do; what would be shared is a copy out of two kinds of job. The conformance suite
 * compares every member, and both refusals, on both.
 */
static void describe(struct dseek_exec *exec, struct dseek_job *job)
{
	struct drm_dseek_job_desc *desc = &exec->descs[job->tag];
	u32 i;

	desc->job_id = job->id;
	desc->tenant_id = job->queue->tenant->id;
	desc->queue_id = job->queue->id;
	desc->program_id = job->program->id;
	desc->program_size = job->program->size;
	desc->binding_count = job->binding_count;
	desc->const_size = job->const_size;
	desc->flags = job->flags | DRM_DSEEK_DESC_CLASS(job->queue->arb.class);
	desc->cursor = job->cursor;
	desc->deadline_ns = job->arb.deadline_ns;
	desc->limit_ns = job->limit_ns;
	for (i = 0; i < job->binding_count; i++) {
		desc->bindings[i].bo_id = job->bindings[i].bo->id;
		desc->bindings[i].bo_size = job->bindings[i].bo->base.size;
		desc->bindings[i].offset = job->bindings[i].offset;
		desc->bindings[i].size = job->bindings[i].size;
		desc->bindings[i].access = job->bindings[i].access | (job->bindings[i].bo->memory ? DRM_DSEEK_ACCESS_DEVICE : 0);
		desc->bindings[i].pad = 0;
	}
	if (job->const_size)
		memcpy(desc->consts, job->consts, job->const_size);
}

static void hold(struct dseek_exec *exec, struct dseek_job *job, u64 now)
{
	job->queue->ready--;
	job->queue->running++;
	dseek_queue_track(job->queue);
	job->state = DSEEK_JOB_RUNNING;
	job->tag = __ffs64(~exec->held);
	WRITE_ONCE(exec->held, exec->held | BIT_ULL(job->tag));
	exec->jobs[job->tag] = job;
	if (!job->start_ns)
		job->start_ns = now;
	describe(exec, job);
	trace_dseek_job_run(job);
}

static u32 take_jobs(struct dseek_exec *exec, struct news *news, u32 max, u64 now)
{
	struct arb_job *picked[CHUNK] __uninitialized;
	struct dseek_engine *engine = exec->engine;
	u32 count = 0, most, n, i;
	struct dseek_job *job;
	bool contended;
	s32 left;

	if (engine->exec != exec)	/* it stands by */
		return 0;
	exec->seen_ns = now;
	left = (s32)dseek_engine_depth(engine) - (s32)dseek_exec_holds(exec);
	max = min_t(u32, max, max(left, 0));
	while (count < max && engine->ready) {
		most = min_t(u32, max - count, CHUNK);
		n = arb_pick_many(&engine->arb, picked, most, now);
		engine->ready -= n;
		for (i = 0; i < n; i++) {
			job = container_of(picked[i], struct dseek_job, arb);
			hold(exec, job, now);
			news->jobs[count] = (u32)job->id;
			news->tags[count++] = job->tag;
		}
		if (n < most)
			break;
	}
	contended = dseek_engine_contended(engine);
	if (READ_ONCE(exec->control->preempt) || contended) {
		bool preempt = exec->abort_ns || (contended && arb_wants_preempt(&engine->arb, now));

		if (preempt)
			dseek_exec_ask(exec, DSEEK_PREEMPT_BETTER, now);
		else
			WRITE_ONCE(exec->control->preempt, 0);
	}
	dseek_engine_arm(engine, now);
	return count;
}

/* The executor can't be told of them: they go back as if they had not been fetched. */
static void untake_jobs(struct dseek_exec *exec, const struct news *news, u32 count)
{
	struct dseek_engine *engine = exec->engine;
	u64 now;

	spin_lock_irq(&engine->lock);
	now = ktime_get_ns();
	WRITE_ONCE(engine->events, engine->events + 1);
	while (count-- && !exec->lost) {
		struct dseek_job *job = exec->jobs[news->tags[count]];

		if (!job || (u32)job->id != news->jobs[count])
			continue;
		release_tag(exec, job);
		if (job->queue->dead) {
			dseek_job_end(job, -ECANCELED, 0, now);
			dseek_queue_advance(job->queue, now);
			continue;
		}
		dseek_job_yielded(job, DSEEK_YIELD_UNTOLD, 0, now);
	}
	spin_unlock_irq(&engine->lock);
	dseek_engine_drain(engine);
}

/*
 * Gives jobs back; the last of them and the first look for new ones share one section of the lock. Jobs are
 * finished (fences, waiters) before anything can sleep.
 */
static int return_jobs(struct dseek_exec *exec, struct drm_dseek_next *args, struct news *news, u32 *events)
{
	struct drm_dseek_completion done[CHUNK] __uninitialized;
	struct dseek_engine *engine = exec->engine;
	LIST_HEAD(finished);
	u32 count, before;
	int err = 0;
	u64 now;

	do {
		count = min_t(u32, args->completion_count - args->completed, CHUNK);
		if (count)
			err = dseek_copy_in_array(done, args->completions + args->completed * sizeof(*done),
						  sizeof(*done), count, DSEEK_COPIED_DESCRIPTORS);
		if (err)
			break;
		spin_lock_irq(&engine->lock);
		now = ktime_get_ns();
		if (exec->lost)
			err = -ESTALE;
		before = args->completed;
		if (!err)
			err = return_all(exec, done, count, &args->completed, now);
		if (!err && args->completed == args->completion_count && args->tag_max)
			args->tag_count = take_jobs(exec, news, args->tag_max, now);
		*events = engine->events;
		list_splice_tail_init(&engine->finished, &finished);
		spin_unlock_irq(&engine->lock);
		if (err == -EINVAL)
			drm_dbg(&dseek->drm, "NEXT: engine %s: tag %u isn't held, is out of order, or its outcome is no such thing\n",
				engine->name, done[args->completed - before].tag);
	} while (!err && args->completed < args->completion_count);
	dseek_jobs_finish(engine, &finished);
	if (!list_empty_careful(&engine->choosing))
		dseek_engine_drain(engine);
	return err;
}

/* Nothing to do here: is there elsewhere? */
static int pull_jobs(struct dseek_exec *exec, struct drm_dseek_next *args, struct news *news)
{
	struct dseek_engine *engine = exec->engine;
	int err = 0;

	if (!dseek_engine_pull(engine))
		return 0;
	spin_lock_irq(&engine->lock);
	if (exec->lost)
		err = -ESTALE;
	else
		args->tag_count = take_jobs(exec, news, args->tag_max, ktime_get_ns());
	spin_unlock_irq(&engine->lock);
	return err;
}

static bool has_retired(const struct dseek_exec *exec)
{
	return !list_empty_careful(&exec->retired) || !list_empty_careful(&exec->unwanted);
}

/* It is to be told of something besides jobs. */
static bool has_notices(const struct dseek_exec *exec)
{
	return has_retired(exec) || !list_empty_careful(&exec->wanted);
}

static bool stirred(const struct dseek_exec *exec, u32 events)
{
	return READ_ONCE(exec->engine->events) != events || has_notices(exec);
}

/* One thread of the executor looks, the others sleep. */
static void poll_for_jobs(struct dseek_exec *exec, u32 events, u64 began, u64 deadline_ns)
{
	struct dseek_engine *engine = exec->engine;
	u64 until = min(dseek_poll_until(&engine->poll, began), deadline_ns);

	if (until <= began || test_and_set_bit(0, &engine->polling))
		return;
	while (!stirred(exec, events) && dseek_poll_on(until))
		;
	/* Who found the bit set has woken nobody: what it did is seen from here on, by the barrier of falling asleep. */
	clear_bit(0, &engine->polling);
}

/* @events: what had happened when this executor last looked and found nothing. */
static int wait_for_jobs(struct dseek_exec *exec, struct drm_dseek_next *args, struct news *news, u32 events)
{
	struct dseek_engine *engine = exec->engine;
	ktime_t expires = ns_to_ktime(min_t(u64, args->deadline_ns, KTIME_MAX));
	u64 began = dseek_poll_begin();
	bool over = false;
	DEFINE_WAIT(wait);
	int err = 0;

	poll_for_jobs(exec, events, began, args->deadline_ns);
	for (;;) {
		prepare_to_wait_exclusive(&engine->wait, &wait, TASK_INTERRUPTIBLE);
		/* Completions were processed: a restart would give them back twice. */
		if (signal_pending(current))
			err = -EINTR;
		else if (stirred(exec, events))
			;
		else if (expires == KTIME_MAX)
			schedule();
		else
			over = !schedule_hrtimeout(&expires, HRTIMER_MODE_ABS);
		if (err)
			break;
		spin_lock_irq(&engine->lock);
		events = engine->events;
		if (exec->lost)
			err = -ESTALE;
		else
			args->tag_count = take_jobs(exec, news, args->tag_max, ktime_get_ns());
		spin_unlock_irq(&engine->lock);
		if (err || over || args->tag_count || has_notices(exec))
			break;
	}
	finish_wait(&engine->wait, &wait);
	dseek_poll_end(&engine->poll, began);
	return err;
}

/* Until this executor serves the engine; on a queue of its own, as one wake-up there is for one who can take a job. */
static int wait_for_turn(struct dseek_exec *exec, u64 deadline_ns)
{
	struct dseek_engine *engine = exec->engine;
	ktime_t expires = ns_to_ktime(min_t(u64, deadline_ns, KTIME_MAX));
	DEFINE_WAIT(wait);
	int err = 0;

	if (!deadline_ns)
		return 0;
	do {
		prepare_to_wait(&engine->standby_wait, &wait, TASK_INTERRUPTIBLE);
		if (READ_ONCE(exec->control->generation))
			break;
		if (READ_ONCE(exec->lost))
			err = -ESTALE;
		else if (signal_pending(current))
			err = -EINTR;
		else if (expires == KTIME_MAX)
			schedule();
		else if (!schedule_hrtimeout(&expires, HRTIMER_MODE_ABS))
			break;
	} while (!err);
	finish_wait(&engine->standby_wait, &wait);
	return err;
}

static int tell_requests(struct dseek_exec *exec, struct drm_dseek_next *args, struct news *news)
{
	struct drm_dseek_memory_request request;
	u64 to;

	while (args->request_count < args->request_max && !list_empty_careful(&exec->wanted) && dseek_memory_tell(exec, &request)) {
		to = args->requests + args->request_count * sizeof(request);
		news->memory[args->request_count++] = request.bo_id;
		if (dseek_copy_out(to, &request, sizeof(request), DSEEK_COPIED_DESCRIPTORS))
			return -EFAULT;
	}
	return 0;
}

static int tell_retired(struct dseek_exec *exec, struct drm_dseek_next *args)
{
	u64 retired[CHUNK] __uninitialized;
	u32 count;

	while (args->retired_count < args->retired_max && has_retired(exec)) {
		count = dseek_exec_take_retired(exec, retired, min_t(u32, CHUNK, args->retired_max - args->retired_count));
		if (!count)
			break;
		if (dseek_copy_out(args->retired + args->retired_count * sizeof(u64), retired, count * sizeof(u64),
				   DSEEK_COPIED_DESCRIPTORS))
			return -EFAULT;
		args->retired_count += count;
	}
	return 0;
}

/* It could not be told all: then nothing, of what can be told again. */
static void untell(struct dseek_exec *exec, struct drm_dseek_next *args, const struct news *news)
{
	if (args->tag_count)
		untake_jobs(exec, news, args->tag_count);
	if (args->request_count)
		dseek_memory_untell(exec, news->memory, args->request_count);
	args->tag_count = 0;
	args->request_count = 0;
}

static int next_jobs(struct dseek_exec *exec, struct drm_dseek_next *args, struct news *news)
{
	struct dseek_engine *engine = exec->engine;
	u32 events = 0;
	int err;

	args->completed = 0;
	args->tag_count = 0;
	args->retired_count = 0;
	args->request_count = 0;
	if (args->flags || args->pad || args->completion_count > DRM_DSEEK_MAX_DEPTH ||
	    args->tag_max > DRM_DSEEK_MAX_DEPTH || args->request_max > DRM_DSEEK_MAX_REQUESTS) {
		drm_dbg(&dseek->drm, "NEXT: flags 0x%x, pad, %u completions, %u tags or %u requests\n", args->flags,
			args->completion_count, args->tag_max, args->request_max);
		return -EINVAL;
	}
	if (!engine)
		return -ENOTCONN;
	err = return_jobs(exec, args, news, &events);
	if (err)
		return err;
	if (!READ_ONCE(exec->control->generation))
		return wait_for_turn(exec, args->deadline_ns);
	if (args->tag_max) {
		if (!args->tag_count && !READ_ONCE(exec->held))
			err = pull_jobs(exec, args, news);
		if (!err && !args->tag_count && args->deadline_ns && !has_notices(exec))
			err = wait_for_jobs(exec, args, news, events);
		if (err) {
			/* A wake-up may have been meant for this thread: hand it on. */
			dseek_engine_wake(engine);
			return err;
		}
		if (args->tag_count && dseek_copy_out_array(args->tags, news->tags, sizeof(*news->tags), args->tag_count,
							    DSEEK_COPIED_DESCRIPTORS))
			return -EFAULT;
	}
	err = tell_retired(exec, args);
	/* What it is to free comes first: else it has no room for what it is asked for. */
	if (!err && (!args->retired_max || !has_retired(exec)))
		err = tell_requests(exec, args, news);
	if (err)
		return err;
	/* More than was taken, and another thread that waits: its turn. */
	if (dseek_exec_holds(exec) < exec->depth)
		dseek_engine_wake(engine);
	return 0;
}

int dseek_exec_next(struct dseek_exec *exec, u64 arg, bool short_arg)
{
	struct news news __uninitialized;
	struct drm_dseek_next args;
	int err;

	args.requests = 0;
	args.request_max = 0;
	if (short_arg)
		err = dseek_copy_in(&args, arg, NEXT_1_0, DSEEK_COPIED_DESCRIPTORS);
	else
		err = dseek_copy_in(&args, arg, sizeof(args), DSEEK_COPIED_DESCRIPTORS);
	if (err)
		return err;
	err = next_jobs(exec, &args, &news);
	if (err == -EFAULT)
		untell(exec, &args, &news);
	if (!(short_arg ? dseek_copy_out(arg, &args, NEXT_1_0, DSEEK_COPIED_DESCRIPTORS) :
			  dseek_copy_out(arg, &args, sizeof(args), DSEEK_COPIED_DESCRIPTORS)))
		return err;
	untell(exec, &args, &news);
	return -EFAULT;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * SUBMIT. Of each job everything that can fail is prepared first, with no trace outside; then it is published
 * without failing, a few jobs in one section of the lock. A wait names a fence that exists already (-EINVAL where a syncobj has none yet), and the
 * job's own fence comes into being after its waits were looked up: so there are no cycles of fences.
 */
#include <linux/dma-fence-chain.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <drm/drm_syncobj.h>

#include "dseek_compat.h"
#include "dseek_copy.h"
#include "dseek_drv.h"
#include "dseek_trace.h"

#define TOGETHER 16	/* jobs published in one section of the lock */
#define COPIED 8	/* descriptors of jobs copied at once, to the stack */

struct signal {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;	/* for a timeline point */
	u64 point;
};

struct submission {
	struct drm_file *drm_file;
	struct dseek_queue *queue;
	struct dseek_job *prepared[TOGETHER];	/* to be published */
	u32 prepared_count;
	u32 done;			/* jobs published */
	u32 left;			/* jobs not prepared yet */
	u32 charged;			/* for jobs not prepared yet */
	struct dseek_job *spare;	/* memory for them */
	u32 program_handle;
	struct dseek_program *program;	/* of the last job: mostly the next one's too */
	struct arb_cost *cost;
	struct signal signals[DRM_DSEEK_MAX_SYNCS];
	u32 signal_count;
};

static int prepare_bindings(struct submission *sub, struct dseek_job *job, const struct drm_dseek_job *args)
{
	u64 set = sub->queue->set ?: BIT_ULL(sub->queue->engine->id);
	struct drm_device *drm = &dseek->drm;
	struct drm_dseek_binding binding;
	struct drm_gem_object *obj;
	u32 i;
	int err;

	for (i = 0; i < args->binding_count; i++) {
		err = dseek_copy_in(&binding, args->bindings + i * sizeof(binding), sizeof(binding),
				    DSEEK_COPIED_DESCRIPTORS);
		if (err)
			return err;
		if (!binding.access || binding.access & ~(DRM_DSEEK_ACCESS_READ | DRM_DSEEK_ACCESS_WRITE)) {
			drm_dbg(drm, "SUBMIT: binding %u: access 0x%x\n", i, binding.access);
			return -EINVAL;
		}
		obj = drm_gem_object_lookup(sub->drm_file, binding.handle);
		if (!obj) {
			drm_dbg(drm, "SUBMIT: binding %u: no buffer %u\n", i, binding.handle);
			return -ENOENT;
		}
		if (!binding.size || binding.offset > obj->size || binding.size > obj->size - binding.offset) {
			drm_dbg(drm, "SUBMIT: binding %u: %llu bytes at %llu are not within %zu\n", i,
				binding.size, binding.offset, obj->size);
			drm_gem_object_put(obj);
			return -EINVAL;
		}
		err = to_bo(obj)->memory ? dseek_memory_check(to_bo(obj)->memory, set) : 0;
		if (err) {
			drm_dbg(drm, "SUBMIT: binding %u: buffer %u is in the memory of %s\n", i, binding.handle,
				err == -EXDEV ? "another engine" : "an executor that is gone");
			drm_gem_object_put(obj);
			return err;
		}
		if (dseek_bo_use(to_bo(obj), binding.access & DRM_DSEEK_ACCESS_WRITE)) {
			drm_dbg(drm, "SUBMIT: binding %u: buffer %u is marked DONTNEED\n", i, binding.handle);
			drm_gem_object_put(obj);
			return -EINVAL;
		}
		job->bindings[i] = (struct dseek_job_binding) {
			.bo = to_bo(obj), .offset = binding.offset, .size = binding.size, .access = binding.access,
		};
		job->binding_count++;
	}
	return 0;
}

static int prepare_waits(struct submission *sub, struct dseek_job *job, const struct drm_dseek_job *args)
{
	struct drm_dseek_sync sync;
	struct dma_fence *fence;
	u32 i;
	int err;

	if (!args->wait_count)
		return 0;
	job->waits = kcalloc(args->wait_count, sizeof(*job->waits), DSEEK_GFP);
	if (!job->waits)
		return -ENOMEM;
	for (i = 0; i < args->wait_count; i++) {
		err = dseek_copy_in(&sync, args->waits + i * sizeof(sync), sizeof(sync), DSEEK_COPIED_DESCRIPTORS);
		if (err)
			return err;
		if (sync.flags) {
			drm_dbg(&dseek->drm, "SUBMIT: wait %u: flags 0x%x must be 0\n", i, sync.flags);
			return -EINVAL;
		}
		err = drm_syncobj_find_fence(sub->drm_file, sync.handle, sync.point, 0, &fence);
		if (err) {
			drm_dbg(&dseek->drm, "SUBMIT: wait %u: syncobj %u has no fence at %llu (%d)\n", i,
				sync.handle, sync.point, err);
			return err;
		}
		job->waits[i].fence = fence;
		job->waits[i].job = job;
		job->wait_count++;
	}
	return 0;
}

static int prepare_signals(struct submission *sub, struct dseek_job *job, const struct drm_dseek_job *args)
{
	struct drm_dseek_sync sync;
	struct signal *signal;
	u32 i;
	int err;

	if (!args->signal_count)
		return 0;
	for (i = 0; i < args->signal_count; i++) {
		err = dseek_copy_in(&sync, args->signals + i * sizeof(sync), sizeof(sync), DSEEK_COPIED_DESCRIPTORS);
		if (err)
			return err;
		if (sync.flags) {
			drm_dbg(&dseek->drm, "SUBMIT: signal %u: flags 0x%x must be 0\n", i, sync.flags);
			return -EINVAL;
		}
		signal = &sub->signals[i];
		signal->point = sync.point;
		signal->chain = NULL;
		signal->syncobj = drm_syncobj_find(sub->drm_file, sync.handle);
		if (!signal->syncobj) {
			drm_dbg(&dseek->drm, "SUBMIT: signal %u: no syncobj %u\n", i, sync.handle);
			return -ENOENT;
		}
		sub->signal_count++;
		if (sync.point) {
			signal->chain = dma_fence_chain_alloc();
			if (!signal->chain)
				return -ENOMEM;
		}
	}
	job->fence = dseek_fence_alloc();
	return job->fence ? 0 : -ENOMEM;
}

/* On each engine where the job may run. Returned: of the one that the queue has, if it has no set. */
static struct arb_cost *prepare_costs(struct dseek_queue *queue, struct dseek_program *program)
{
	struct arb_cost *cost;
	u64 left;

	if (!queue->set)
		return dseek_program_cost(program, queue->engine->id);
	for (left = queue->set; left; left &= left - 1) {
		cost = dseek_program_cost(program, __ffs64(left));
		if (IS_ERR(cost))
			return cost;
	}
	return NULL;
}

static int prepare_program(struct submission *sub, struct dseek_job *job, u32 handle)
{
	struct dseek_program *program;
	struct arb_cost *cost;

	if (!sub->program || sub->program_handle != handle) {
		program = dseek_program_find(sub->drm_file->driver_priv, handle);
		if (!program) {
			drm_dbg(&dseek->drm, "SUBMIT: no program %u\n", handle);
			return -ENOENT;
		}
		cost = prepare_costs(sub->queue, program);
		if (IS_ERR(cost)) {
			dseek_program_put(program);
			return PTR_ERR(cost);
		}
		if (sub->program)
			dseek_program_put(sub->program);
		sub->program = program;
		sub->program_handle = handle;
		sub->cost = cost;
	}
	kref_get(&sub->program->ref);
	job->program = sub->program;
	job->cost = sub->cost;
	return 0;
}

static int prepare(struct submission *sub, struct dseek_job *job, const struct drm_dseek_job *args)
{
	int err;

	if (args->flags & ~DRM_DSEEK_JOB_IDEMPOTENT || args->binding_count > DRM_DSEEK_MAX_BINDINGS ||
	    args->const_size > DRM_DSEEK_MAX_CONSTS || args->const_size % 4 ||
	    args->wait_count > DRM_DSEEK_MAX_SYNCS || args->signal_count > DRM_DSEEK_MAX_SYNCS) {
		drm_dbg(&dseek->drm, "SUBMIT: flags 0x%x, %u bindings, %u bytes of constants, %u waits or %u signals\n",
			args->flags, args->binding_count, args->const_size, args->wait_count, args->signal_count);
		return -EINVAL;
	}
	if (args->deadline_ns && sub->queue->params.class != ARB_CLASS_DEADLINE) {
		drm_dbg(&dseek->drm, "SUBMIT: a deadline in a queue that isn't of the deadline class\n");
		return -EINVAL;
	}
	job->flags = args->flags;
	job->limit_ns = args->limit_ns ?: dseek_setting_ns(&sub->queue->engine->limit_ms_set, &dseek_limit_ms);
	err = prepare_program(sub, job, args->program);
	if (err)
		return err;
	job->arb.queue = &sub->queue->arb;
	job->arb.cost = job->cost;
	job->arb.deadline_ns = args->deadline_ns;
	if (args->const_size) {
		err = dseek_copy_in(job->consts, args->consts, args->const_size, DSEEK_COPIED_DESCRIPTORS);
		if (err)
			return err;
		job->const_size = args->const_size;
	}
	err = prepare_bindings(sub, job, args);
	if (!err)
		err = prepare_waits(sub, job, args);
	if (!err)
		err = prepare_signals(sub, job, args);
	return err;
}

/* Nothing of it was seen by anybody. */
static void drop(struct dseek_job *job)
{
	struct dseek_tenant *tenant = job->queue->tenant;

	if (job->fence)
		dseek_fence_free(job->fence);
	dseek_job_put(job);
	dseek_uncharge(tenant, DSEEK_JOBS, 1);
}

/* The last thing that can refuse a job of a queue that takes any, and the first of its publication. */
static int admit(struct dseek_queue *queue, struct dseek_job *job, u64 now)
{
	int err;

	if (job->cost)
		arb_cost_recall(queue->arb.share, job->cost);
	err = arb_job_admit(&queue->arb, &job->arb, now);
	if (err)
		return err;
	job->submit_ns = now;
	job->seqno = queue->submitted + 1;
	WRITE_ONCE(queue->submitted, job->seqno);
	queue->engine->jobs++;
	if (job->fence) {
		dseek_fence_init(job->fence, queue->fence_context, job->seqno, queue->id);
		dma_fence_get(&job->fence->base);	/* the submitter's */
	}
	job->state = DSEEK_JOB_WAITING;
	trace_dseek_job_submit(job);
	if (!job->wait_count) {
		dseek_queue_append(queue, job, now);	/* the next is judged with this one before it */
		return 0;
	}
	list_add_tail(&job->link, &queue->waiting);
	/* One more than there are: released when all callbacks are in place. */
	job->waits_left = job->wait_count + 1;
	kref_get(&job->ref);
	return 0;
}

/* What is prepared, in its order; from the first that is refused on it is dropped. */
static int publish(struct submission *sub)
{
	struct dseek_queue *queue = sub->queue;
	struct dseek_engine *engine;
	u64 now = ktime_get_ns();
	u32 i = 0;
	int err;

	engine = dseek_queue_lock(queue);
	err = queue->dead ? -ENOENT : dseek_queue_closed(queue) ? -ESHUTDOWN : 0;
	while (!err && i < sub->prepared_count) {
		err = admit(queue, sub->prepared[i], now);
		i += !err;
	}
	dseek_engine_kick(engine, now);
	dseek_engine_unlock(engine);
	sub->done += i;
	for (; i < sub->prepared_count; i++)
		drop(sub->prepared[i]);
	sub->prepared_count = 0;
	if (!err)
		return 0;
	drm_dbg(&dseek->drm, "SUBMIT: engine %s: %s\n", engine->name,
		err == -ETIME ? "the deadline can't be met" :
		err == -ESHUTDOWN ? "no executor, or it is drained" : "the queue was destroyed");
	return err;
}

static void arm_waits(struct dseek_queue *queue, struct dseek_job *job)
{
	struct dseek_engine *engine;
	u32 over = 1, i;
	s32 error = 0;
	u64 now;

	for (i = 0; i < job->wait_count; i++) {
		struct dseek_job_wait *wait = &job->waits[i];

		wait->armed = !dma_fence_add_callback(wait->fence, &wait->cb, dseek_job_wait_done);
		if (!wait->armed) {
			error = error ?: dseek_fence_error(wait->fence);
			over++;
		}
	}
	now = ktime_get_ns();
	engine = dseek_queue_lock(queue);
	if (error && !job->error)
		job->error = error;
	job->waits_left -= over;
	if (over > 1 || !job->waits_left)
		trace_dseek_job_wait_done(job, job->waits_left, error);
	if (!job->waits_left) {
		dseek_queue_advance(queue, now);
		dseek_engine_kick(engine, now);
	}
	dseek_engine_unlock(engine);
	dseek_job_put(job);
}

static void drop_signals(struct submission *sub)
{
	while (sub->signal_count--) {
		dma_fence_chain_free(sub->signals[sub->signal_count].chain);
		drm_syncobj_put(sub->signals[sub->signal_count].syncobj);
	}
	sub->signal_count = 0;
}

static struct dseek_job *prepare_one(struct submission *sub, const struct drm_dseek_job *args)
{
	struct dseek_queue *queue = sub->queue;
	struct dseek_job *job;
	int err;

	if (!sub->charged)
		sub->charged = dseek_charge_some(queue->tenant, DSEEK_JOBS, sub->left);
	if (!sub->charged)
		return ERR_PTR(-EDQUOT);
	if (!sub->spare)
		sub->spare = dseek_spare_take(&READ_ONCE(queue->engine)->spare, min_t(u32, sub->left, TOGETHER));
	job = dseek_job_alloc(queue, &sub->spare);
	if (!job)
		return ERR_PTR(-ENOMEM);
	sub->charged--;
	sub->left--;
	err = dseek_charge_rate(queue->tenant);
	if (!err)
		err = prepare(sub, job, args);
	if (!err)
		return job;
	drop_signals(sub);
	drop(job);
	return ERR_PTR(err);
}

/* It waits for fences or has one: a section of its own, as the next may wait for that fence, which has to be in place. */
static int publish_alone(struct submission *sub, struct dseek_job *job)
{
	/* From its publication on the job may be over at any time. */
	struct dma_fence *fence = job->fence ? &job->fence->base : NULL;
	bool has_waits = job->wait_count;
	struct signal *signal;
	int err;

	sub->prepared[sub->prepared_count++] = job;
	err = publish(sub);
	if (err) {
		drop_signals(sub);
		return err;
	}
	for (signal = sub->signals; signal < sub->signals + sub->signal_count; signal++) {
		if (signal->chain)
			drm_syncobj_add_point(signal->syncobj, signal->chain, fence, signal->point);
		else
			drm_syncobj_replace_fence(signal->syncobj, fence);
		drm_syncobj_put(signal->syncobj);
	}
	sub->signal_count = 0;
	if (fence)
		dma_fence_put(fence);
	if (has_waits)
		arm_waits(sub->queue, job);
	return 0;
}

static int submit_one(struct submission *sub, const struct drm_dseek_job *args)
{
	bool alone = args->wait_count || args->signal_count;
	struct dseek_job *job;
	int err = 0;

	if (alone && sub->prepared_count)
		err = publish(sub);
	if (err)
		return err;
	job = prepare_one(sub, args);
	if (IS_ERR(job))
		return PTR_ERR(job);
	if (alone)
		return publish_alone(sub, job);
	sub->prepared[sub->prepared_count++] = job;
	return sub->prepared_count < TOGETHER ? 0 : publish(sub);
}

/* Descriptors from the @at-th on: how many, or the error of the first. Where one can't be read, those before it count. */
static int copy_jobs(struct drm_dseek_job *jobs, const struct drm_dseek_submit *args, u32 at)
{
	u64 from = args->jobs + (u64)at * args->stride;
	u32 count = min_t(u32, args->count - at, COPIED);

	if (args->stride == sizeof(*jobs) && !dseek_copy_in_array(jobs, from, sizeof(*jobs), count, DSEEK_COPIED_DESCRIPTORS))
		return count;
	return dseek_copy_in_struct(jobs, sizeof(*jobs), from, args->stride) ?: 1;
}

/* Up to the first job that is refused. */
static int submit_each(struct submission *sub, const struct drm_dseek_submit *args)
{
	struct drm_dseek_job jobs[COPIED] __uninitialized;
	int err = 0, err_before = 0, copied, i;
	u32 at;

	for (at = 0; at < args->count && !err; at += copied) {
		copied = copy_jobs(jobs, args, at);
		if (copied < 0) {
			err = copied;
			break;
		}
		for (i = 0; i < copied && !err; i++)
			err = submit_one(sub, &jobs[i]);
	}
	if (sub->charged)
		dseek_uncharge(sub->queue->tenant, DSEEK_JOBS, sub->charged);
	dseek_spare_give(&READ_ONCE(sub->queue->engine)->spare, sub->spare);
	if (sub->prepared_count)
		err_before = publish(sub);
	return err_before ?: err;
}

static int submit_all(struct submission *sub, struct drm_dseek_submit *args)
{
	struct dseek_queue *queue = sub->queue;
	u64 first;
	int err;

	mutex_lock(&queue->submit_lock);
	first = queue->submitted + 1;
	err = submit_each(sub, args);
	mutex_unlock(&queue->submit_lock);
	if (sub->program)
		dseek_program_put(sub->program);
	if (!sub->done)
		return err;
	args->first_seqno = first;
	args->done = sub->done;
	args->error = err;
	return 0;
}

int dseek_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_dseek_submit *args = data;
	struct submission sub __uninitialized;
	int err;

	if (args->flags || !args->count || args->count > DRM_DSEEK_MAX_JOBS ||
	    args->stride < sizeof(struct drm_dseek_job) || args->stride % 8 || args->stride > PAGE_SIZE) {
		drm_dbg(drm, "SUBMIT: flags 0x%x, count %u or stride %u\n", args->flags, args->count, args->stride);
		return -EINVAL;
	}
	sub.prepared_count = 0;
	sub.spare = NULL;
	sub.done = 0;
	sub.left = args->count;
	sub.charged = 0;
	sub.program = NULL;
	sub.signal_count = 0;
	sub.drm_file = drm_file;
	sub.queue = dseek_queue_find(drm_file->driver_priv, args->queue);
	if (!sub.queue)
		return -ENOENT;
	err = submit_all(&sub, args);
	dseek_engine_wake(READ_ONCE(sub.queue->engine));
	dseek_queue_choose_asked(sub.queue);
	dseek_queue_put(sub.queue);
	return err;
}

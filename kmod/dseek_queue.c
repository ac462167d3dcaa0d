// SPDX-License-Identifier: GPL-2.0-only
/* Queues: their making and end, and their counters. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "dseek_drv.h"
#include "dseek_trace.h"

static void queue_free(struct kref *ref)
{
	struct dseek_queue *queue = container_of(ref, struct dseek_queue, ref);

	dseek_uncharge(queue->tenant, DSEEK_QUEUES, 1);
	dseek_tenant_put(queue->tenant);
	if (queue->set)
		atomic_dec(&dseek->movable_queues);
	kfree(queue->shares);
	dseek_client_put(queue->client);
	mutex_destroy(&queue->submit_lock);
	kvfree(queue);
	dseek_count(DSEEK_COUNT_QUEUES, -1);
}

void dseek_queue_put_many(struct dseek_queue *queue, u32 count)
{
	if (refcount_sub_and_test(count, &queue->ref.refcount))
		queue_free(&queue->ref);
}

void dseek_queue_put(struct dseek_queue *queue)
{
	dseek_queue_put_many(queue, 1);
}

struct dseek_queue *dseek_queue_find(struct dseek_file *file, u32 handle)
{
	struct dseek_queue *queue;

	xa_lock(&file->queues);
	queue = xa_load(&file->queues, handle);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&file->queues);
	return queue;
}

static int queue_check(struct drm_device *drm, struct dseek_tenant *tenant, struct drm_dseek_queue_create *args)
{
	bool deadline = args->sched_class == DRM_DSEEK_CLASS_DEADLINE;

	if (args->flags || args->pad || args->sched_class >= DRM_DSEEK_CLASS_COUNT) {
		drm_dbg(drm, "QUEUE_CREATE: flags, pad, or unknown class %u\n", args->sched_class);
		return -EINVAL;
	}
	if (deadline ? args->weight : !args->weight || args->weight > ARB_WEIGHT_MAX) {
		drm_dbg(drm, "QUEUE_CREATE: weight %u: 1..65536, and 0 for the deadline class\n", args->weight);
		return -EINVAL;
	}
	if (deadline ? args->budget_ns < ARB_PERIOD_MIN_NS || args->budget_ns > args->period_ns ||
		       args->period_ns > ARB_PERIOD_MAX_NS :
		       args->budget_ns || args->period_ns) {
		drm_dbg(drm, "QUEUE_CREATE: budget %llu, period %llu: for the deadline class, %llu <= budget <= period <= %llu\n",
			args->budget_ns, args->period_ns, ARB_PERIOD_MIN_NS, ARB_PERIOD_MAX_NS);
		return -EINVAL;
	}
	if (!(dseek_limit(tenant, DSEEK_CLASSES) & (1 << args->sched_class)) ||
	    args->weight > dseek_limit(tenant, DSEEK_WEIGHT)) {
		drm_dbg(drm, "QUEUE_CREATE: %s may not have class %u with weight %u\n", tenant->label,
			args->sched_class, args->weight);
		return -EPERM;
	}
	if (args->engines && (args->engine >= 64 || !(args->engines & BIT_ULL(args->engine)) ||
			      (deadline && args->engines != BIT_ULL(args->engine)))) {
		drm_dbg(drm, "QUEUE_CREATE: engines 0x%llx: engine %u must be among them, and alone for the deadline class\n",
			args->engines, args->engine);
		return -EINVAL;
	}
	return 0;
}

/* One that may have @file's queues. */
static struct dseek_engine *queue_engine(struct drm_device *drm, const struct dseek_file *file, u32 id)
{
	struct dseek_engine *engine = dseek_engine_find(id);

	if (!engine) {
		drm_dbg(drm, "QUEUE_CREATE: no engine %u\n", id);
		return ERR_PTR(-ENOENT);
	}
	if (!dseek_engine_admits(engine, file)) {
		drm_dbg(drm, "QUEUE_CREATE: engine %s is another user's\n", engine->name);
		return ERR_PTR(-EACCES);
	}
	return engine;
}

/* Its shares of all engines of a set, so that none has to be made while it moves. */
static int queue_shares(struct drm_device *drm, const struct dseek_file *file, struct dseek_queue *queue, u64 set)
{
	u64 left;

	if (!(set & (set - 1)))
		return 0;
	queue->shares = kcalloc(fls64(set), sizeof(*queue->shares), GFP_KERNEL_ACCOUNT);
	if (!queue->shares)
		return -ENOMEM;
	for (left = set; left; left &= left - 1) {
		struct dseek_engine *engine = queue_engine(drm, file, __ffs64(left));
		struct arb_share *share;

		if (IS_ERR(engine))
			return PTR_ERR(engine);
		share = dseek_tenant_share(queue->tenant, engine);
		if (IS_ERR(share))
			return PTR_ERR(share);
		queue->shares[engine->id] = share;
	}
	queue->set = set;
	atomic_inc(&dseek->movable_queues);
	return 0;
}

/* What has not started faults with -ECANCELED; what runs finishes on its own references. */
static void queue_destroy(struct dseek_queue *queue)
{
	struct dseek_engine *engine;
	struct dseek_job *job, *next;
	LIST_HEAD(waiting);
	u64 now;
	u32 i;

	mutex_lock(&queue->submit_lock);
	engine = dseek_queue_lock(queue);
	now = ktime_get_ns();
	queue->dead = true;
	trace_dseek_queue_destroy(queue);
	list_for_each_entry(job, &queue->jobs, link)
		if (job->state == DSEEK_JOB_READY)
			dseek_job_end(job, -ECANCELED, 0, now);
	list_for_each_entry(job, &queue->waiting, link) {
		kref_get(&job->ref);
		list_add_tail(&job->cancel_link, &waiting);
	}
	dseek_queue_advance(queue, now);
	dseek_engine_unlock(engine);

	/* Callbacks are taken back one by one; those that run meanwhile count themselves off. */
	list_for_each_entry_safe(job, next, &waiting, cancel_link) {
		u32 removed = 0;

		list_del(&job->cancel_link);
		for (i = 0; i < job->wait_count; i++)
			if (job->waits[i].armed && dma_fence_remove_callback(job->waits[i].fence, &job->waits[i].cb))
				removed++;
		engine = dseek_queue_lock(queue);	/* from its death on it stays where it is */
		if (removed) {
			job->waits_left -= removed;
			dseek_queue_advance(queue, ktime_get_ns());
		}
		dseek_engine_unlock(engine);
		dseek_job_put(job);
	}
	mutex_unlock(&queue->submit_lock);
	dseek_queue_put(queue);
}

int dseek_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_queue_create *args = data;
	struct dseek_tenant *tenant = file->tenant;
	struct dseek_engine *engine;
	struct dseek_queue *queue;
	struct arb_share *share;
	u32 handle;
	int err;

	err = queue_check(drm, tenant, args);
	if (err)
		return err;
	engine = queue_engine(drm, file, args->engine);
	if (IS_ERR(engine))
		return PTR_ERR(engine);
	share = dseek_tenant_share(tenant, engine);
	if (IS_ERR(share))
		return PTR_ERR(share);
	err = dseek_charge(tenant, DSEEK_QUEUES, 1);
	if (err)
		return err;
	queue = dseek_room(sizeof(*queue)) ? NULL : kvzalloc(sizeof(*queue), DSEEK_GFP);
	if (!queue) {
		dseek_uncharge(tenant, DSEEK_QUEUES, 1);
		return -ENOMEM;
	}
	kref_init(&queue->ref);
	queue->id = dseek_new_id();
	queue->fence_context = dma_fence_context_alloc(1);
	queue->engine = engine;
	queue->tenant = dseek_tenant_get(tenant);
	queue->client = dseek_client_get(file->client);
	dseek_submit_lock_init(&queue->submit_lock);
	init_waitqueue_head(&queue->wait);
	INIT_LIST_HEAD(&queue->waiting);
	INIT_LIST_HEAD(&queue->jobs);
	INIT_LIST_HEAD(&queue->movable_link);
	INIT_LIST_HEAD(&queue->choosing_link);
	queue->params.class = args->sched_class;
	queue->params.weight = args->weight;
	queue->params.budget_ns = args->budget_ns;
	queue->params.period_ns = args->period_ns;
	queue->arb = queue->params;
	dseek_count(DSEEK_COUNT_QUEUES, 1);
	err = queue_shares(drm, file, queue, args->engines);
	if (err) {
		dseek_queue_put(queue);
		return err;
	}

	spin_lock_irq(&engine->lock);
	err = arb_queue_add(&queue->arb, share, ktime_get_ns());
	if (!err) {
		trace_dseek_queue_create(queue);
		list_add_tail(&queue->engine_link, &engine->queues);
	}
	spin_unlock_irq(&engine->lock);
	if (err) {
		drm_dbg(drm, "QUEUE_CREATE: engine %s has not so much deadline share left\n", engine->name);
		dseek_queue_put(queue);
		return err;
	}
	err = xa_alloc(&file->queues, &handle, queue, xa_limit_32b, DSEEK_GFP);
	if (err) {
		queue_destroy(queue);
		return err;
	}
	args->handle = handle;
	return 0;
}

int dseek_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_queue_destroy *args = data;
	struct dseek_queue *queue;

	if (args->pad) {
		drm_dbg(drm, "QUEUE_DESTROY: pad must be 0\n");
		return -EINVAL;
	}
	queue = xa_erase(&file->queues, args->handle);
	if (!queue)
		return -ENOENT;
	queue_destroy(queue);
	return 0;
}

void dseek_queues_close(struct dseek_file *file)
{
	struct dseek_queue *queue;
	unsigned long handle;

	xa_for_each(&file->queues, handle, queue)
		queue_destroy(queue);
	xa_destroy(&file->queues);
}

int dseek_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_dseek_queue_query *args = data;
	struct dseek_engine *engine;
	struct dseek_queue *queue;
	u64 left;

	if (args->pad || args->pad2) {
		drm_dbg(drm, "QUEUE_QUERY: pad must be 0\n");
		return -EINVAL;
	}
	queue = dseek_queue_find(drm_file->driver_priv, args->handle);
	if (!queue)
		return -ENOENT;
	engine = dseek_queue_lock(queue);
	if (queue->arb.share)
		arb_share_settle(queue->arb.share);
	args->submitted = queue->submitted;
	args->completed = queue->completed;
	args->faulted = queue->faulted;
	args->engine_ns = queue->past.used_ns + queue->arb.used_ns;
	args->queued_ns = queue->past.queued_ns + queue->arb.queued_ns;
	args->preemptions = queue->past.preemptions + queue->arb.preemptions;
	args->deadline_misses = queue->past.deadline_misses + queue->arb.deadline_misses;
	args->entitled_ns = queue->arb.share ? queue->arb.share->entitled_ns : 0;
	args->engine = engine->id;
	args->moves = queue->moves;
	args->predicted = dseek_accuracy(&queue->predicted);
	spin_unlock_irq(&engine->lock);
	for (left = queue->set & ~BIT_ULL(args->engine); left; left &= left - 1) {
		engine = dseek_engine_find(__ffs64(left));
		spin_lock_irq(&engine->lock);
		arb_share_settle(queue->shares[engine->id]);
		args->entitled_ns += queue->shares[engine->id]->entitled_ns;
		spin_unlock_irq(&engine->lock);
	}
	dseek_queue_put(queue);
	return 0;
}

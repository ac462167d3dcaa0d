// SPDX-License-Identifier: MIT
/* Queues and the checks a job passes before a transport sees it. */
#include "object.h"

int dseek_queue_create(struct dseek_device *dev, const struct dseek_queue_params *params,
		       struct dseek_queue **ret_queue)
{
	struct dseek_queue *queue;
	int r;

	if (!dev || !params || !ret_queue)
		return dseek_fail(-EINVAL, "dseek_queue_create: %s is NULL",
				  !dev ? "dev" : !params ? "params" : "ret_queue");
	if (params->sched_class >= DSEEK_CLASS_COUNT)
		return dseek_fail(-EINVAL, "queue: unknown class %u", params->sched_class);
	if (params->sched_class == DSEEK_CLASS_DEADLINE) {
		if (params->weight)
			return dseek_fail(-EINVAL, "queue: the deadline class takes no weight");
		if (params->engines & (params->engines - 1))
			return dseek_fail(-EINVAL, "queue: the deadline class reserves time on one engine, not on several");
		if (params->budget_ns == 0 || params->budget_ns > params->period_ns)
			return dseek_fail(-EINVAL, "queue: a budget of %llu ns in a period of %llu ns",
					  (unsigned long long)params->budget_ns,
					  (unsigned long long)params->period_ns);
	} else {
		if (params->weight < 1 || params->weight > 65536)
			return dseek_fail(-EINVAL, "queue: weight %u, not 1 to 65536", params->weight);
		if (params->budget_ns || params->period_ns)
			return dseek_fail(-EINVAL, "queue: only the deadline class takes a budget and a period");
	}
	if (params->engines && (params->engine >= 64 || !(params->engines & 1ull << params->engine)))
		return dseek_fail(-EINVAL, "queue: engine %u isn't among the engines 0x%llx", params->engine,
				  (unsigned long long)params->engines);
	r = dev->ops->queue_create(dev, params, &queue);
	if (r)
		return r;
	queue->dev = dev;
	queue->sched_class = params->sched_class;
	dseek_device_get(dev);
	*ret_queue = queue;
	return 0;
}

void dseek_queue_destroy(struct dseek_queue *queue)
{
	struct dseek_device *dev;

	if (!queue)
		return;
	dev = queue->dev;
	dev->ops->queue_destroy(queue);
	dseek_device_put(dev);
}

int dseek_queue_stats(struct dseek_queue *queue, struct dseek_queue_stats *ret_stats)
{
	if (!queue || !ret_stats)
		return dseek_fail(-EINVAL, "dseek_queue_stats: %s is NULL", queue ? "ret_stats" : "queue");
	return queue->dev->ops->queue_stats(queue, ret_stats);
}

static int check_syncs(const struct dseek_queue *queue, uint32_t n, const char *what,
		       const struct dseek_sync *syncs, uint32_t count)
{
	uint32_t i;

	if (count > DRM_DSEEK_MAX_SYNCS)
		return dseek_fail(-EINVAL, "job %u: %u %ss, at most %d", n, count, what, DRM_DSEEK_MAX_SYNCS);
	if (count && !syncs)
		return dseek_fail(-EINVAL, "job %u: %u %ss and no array of them", n, count, what);
	for (i = 0; i < count; i++)
		if (!syncs[i].syncobj || syncs[i].syncobj->dev != queue->dev)
			return dseek_fail(-EINVAL, "job %u: the syncobj of %s %u is %s", n, what, i,
					  syncs[i].syncobj ? "of another device" : "NULL");
	return 0;
}

static int check_job(const struct dseek_queue *queue, uint32_t n, const struct dseek_job *job)
{
	uint64_t offsets[DRM_DSEEK_MAX_BINDINGS], sizes[DRM_DSEEK_MAX_BINDINGS];
	uint32_t access[DRM_DSEEK_MAX_BINDINGS];
	struct dseek_job_shape shape;
	char why[160];
	uint32_t i;
	int r;

	if (!job->program || job->program->dev != queue->dev)
		return dseek_fail(-EINVAL, "job %u: its program is %s", n,
				  job->program ? "of another device" : "NULL");
	if (job->flags & ~DSEEK_JOB_IDEMPOTENT)
		return dseek_fail(-EINVAL, "job %u: unknown flags 0x%x", n, job->flags & ~DSEEK_JOB_IDEMPOTENT);
	if (job->binding_count > DRM_DSEEK_MAX_BINDINGS)
		return dseek_fail(-EINVAL, "job %u: %u bindings, at most %d", n, job->binding_count,
				  DRM_DSEEK_MAX_BINDINGS);
	if (job->binding_count && !job->bindings)
		return dseek_fail(-EINVAL, "job %u: %u bindings and no array of them", n, job->binding_count);
	for (i = 0; i < job->binding_count; i++) {
		const struct dseek_binding *b = &job->bindings[i];

		if (!b->bo || b->bo->dev != queue->dev)
			return dseek_fail(-EINVAL, "job %u: the buffer of binding %u is %s", n, i,
					  b->bo ? "of another device" : "NULL");
		if (b->access == 0 || b->access & ~(DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE))
			return dseek_fail(-EINVAL, "job %u: binding %u has access 0x%x", n, i, b->access);
		if (b->size == 0 || b->size > b->bo->size || b->offset > b->bo->size - b->size)
			return dseek_fail(-EINVAL, "job %u: binding %u, %llu bytes at %llu, isn't inside its buffer of %llu",
					  n, i, (unsigned long long)b->size, (unsigned long long)b->offset,
					  (unsigned long long)b->bo->size);
		offsets[i] = b->offset;
		sizes[i] = b->size;
		access[i] = b->access;
	}
	if (job->const_size > DRM_DSEEK_MAX_CONSTS || job->const_size % 4)
		return dseek_fail(-EINVAL, "job %u: %u bytes of constants, not a multiple of 4 up to %d", n,
				  job->const_size, DRM_DSEEK_MAX_CONSTS);
	if (job->const_size && !job->consts)
		return dseek_fail(-EINVAL, "job %u: %u bytes of constants and no pointer to them", n, job->const_size);
	r = check_syncs(queue, n, "wait", job->waits, job->wait_count);
	if (r)
		return r;
	r = check_syncs(queue, n, "signal", job->signals, job->signal_count);
	if (r)
		return r;
	if (job->deadline_ns && queue->sched_class != DSEEK_CLASS_DEADLINE)
		return dseek_fail(-EINVAL, "job %u: a deadline in a queue that isn't of the deadline class", n);
	shape = (struct dseek_job_shape) { offsets, sizes, access, job->consts, job->binding_count, job->const_size };
	r = dseek_job_check(&job->program->view, &shape, why, sizeof(why));
	if (r)
		return dseek_fail(r, "job %u: %s", n, why);
	return 0;
}

int dseek_submit(struct dseek_queue *queue, const struct dseek_job *jobs, uint32_t count,
		 uint64_t *ret_seqno, int *ret_error)
{
	int r = 0, error = 0, done;
	uint64_t seqno;
	uint32_t good;

	if (!queue || !jobs || !ret_seqno)
		return dseek_fail(-EINVAL, "dseek_submit: %s is NULL",
				  !queue ? "queue" : !jobs ? "jobs" : "ret_seqno");
	if (count == 0 || count > DRM_DSEEK_MAX_JOBS)
		return dseek_fail(-EINVAL, "submit: %u jobs, not 1 to %d", count, DRM_DSEEK_MAX_JOBS);
	for (good = 0; good < count; good++) {
		r = check_job(queue, good, &jobs[good]);
		if (r)
			break;
	}
	if (good == 0) {
		done = r;
		error = r;
	} else {
		done = queue->dev->ops->submit(queue, jobs, good, &seqno, &error);
		if (done < 0)
			error = done;
		else
			*ret_seqno = seqno;
		if (done == (int)good && good < count)
			error = check_job(queue, good, &jobs[good]);	/* again, for its sentence */
	}
	if (ret_error)
		*ret_error = error;
	return done;
}

int dseek_wait(struct dseek_queue *queue, uint64_t seqno, uint64_t deadline_ns,
	       struct dseek_job_result *ret_result)
{
	struct dseek_job_result result;
	int r;

	if (!queue)
		return dseek_fail(-EINVAL, "dseek_wait: queue is NULL");
	if (seqno == 0)
		return dseek_fail(-EINVAL, "wait: jobs are numbered from 1");
	dseek_fail(0, "%s", "");
	r = queue->dev->ops->wait(queue, seqno, deadline_ns, &result);
	if (r == -EOVERFLOW && !ret_result)
		return 0;	/* complete, its result forgotten, and nobody asks for it */
	if (r == 0 && ret_result)
		*ret_result = result;
	return r;
}

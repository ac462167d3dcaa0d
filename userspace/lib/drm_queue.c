// SPDX-License-Identifier: MIT
/* Programs, queues, submission and the wait by number. */
#include <stdio.h>
#include <stdlib.h>
#include "drm.h"

int drm_program_create(struct dseek_device *dev, const void *blob, size_t size, struct dseek_program **ret_prog)
{
	struct drm_dseek_program_create create = { .pointer = (uintptr_t)blob, .size = size };
	struct drm_program *prog = calloc(1, sizeof(*prog));
	int r;

	if (!prog)
		return dseek_fail(-ENOMEM, "program: no memory");
	r = drm_call(dev, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &create);
	if (r) {
		free(prog);
		return drm_fail(r, "program");
	}
	prog->handle = create.handle;
	*ret_prog = &prog->base;
	return 0;
}

void drm_program_destroy(struct dseek_program *base)
{
	struct drm_program *prog = container_of(base, struct drm_program, base);
	struct drm_dseek_program_destroy destroy = { .handle = prog->handle };

	drm_call(base->dev, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &destroy);
	free(prog);
}

int drm_queue_create(struct dseek_device *dev, const struct dseek_queue_params *params, struct dseek_queue **ret_queue)
{
	struct drm_dseek_queue_create create = {
		.engine = params->engine, .sched_class = params->sched_class, .weight = params->weight,
		.budget_ns = params->budget_ns, .period_ns = params->period_ns, .engines = params->engines,
	};
	struct drm_queue *queue = calloc(1, sizeof(*queue));
	int r;

	if (!queue)
		return dseek_fail(-ENOMEM, "queue: no memory");
	/* An older module would take no notice of the set, and one engine of it would do it all. */
	if (params->engines & (params->engines - 1) && !(drm_device_of(dev)->features & DRM_DSEEK_FEATURE_ENGINE_SET)) {
		free(queue);
		return dseek_fail(-EOPNOTSUPP, "queue: this module knows no queues over several engines");
	}
	r = drm_call(dev, DRM_IOCTL_DSEEK_QUEUE_CREATE, &create);
	if (r) {
		free(queue);
		if (r == -ENOENT)
			return dseek_fail(r, params->engines ? "queue: no engine has the id of one of the bits of 0x%llx" :
					  "queue: no engine has the id %llu",
					  (unsigned long long)(params->engines ? params->engines : params->engine));
		if (r == -EACCES)
			return dseek_fail(r, "queue: the engine, or one of the set, serves another user alone");
		if (r == -EBUSY)
			return dseek_fail(r, "queue: %llu ns in %llu are more than the engine has left for deadlines",
					  (unsigned long long)params->budget_ns, (unsigned long long)params->period_ns);
		return drm_fail(r, "queue");
	}
	queue->handle = create.handle;
	*ret_queue = &queue->base;
	return 0;
}

void drm_queue_destroy(struct dseek_queue *base)
{
	struct drm_queue *queue = container_of(base, struct drm_queue, base);
	struct drm_dseek_queue_destroy destroy = { .handle = queue->handle };

	drm_call(base->dev, DRM_IOCTL_DSEEK_QUEUE_DESTROY, &destroy);
	free(queue);
}

int drm_queue_stats(struct dseek_queue *base, struct dseek_queue_stats *ret_stats)
{
	struct drm_queue *queue = container_of(base, struct drm_queue, base);
	struct drm_dseek_queue_query q = { .handle = queue->handle };
	int r = drm_call(base->dev, DRM_IOCTL_DSEEK_QUEUE_QUERY, &q);

	if (r)
		return drm_fail(r, "queue query");
	*ret_stats = (struct dseek_queue_stats) {
		.submitted = q.submitted, .completed = q.completed, .faulted = q.faulted,
		.engine_ns = q.engine_ns, .queued_ns = q.queued_ns, .preemptions = q.preemptions,
		.deadline_misses = q.deadline_misses, .entitled_ns = q.entitled_ns,
		.engine = q.engine, .moves = q.moves, .predicted = drm_accuracy(&q.predicted),
	};
	return 0;
}

/* The arrays a job points to; the jobs themselves lie together, as what follows one within its stride must be zero. */
struct packed_arrays {
	struct drm_dseek_binding bindings[DRM_DSEEK_MAX_BINDINGS];
	struct drm_dseek_sync waits[DRM_DSEEK_MAX_SYNCS], signals[DRM_DSEEK_MAX_SYNCS];
};

static void pack_syncs(struct drm_dseek_sync *to, const struct dseek_sync *from, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		to[i] = (struct drm_dseek_sync) {
			.handle = container_of(from[i].syncobj, struct drm_syncobj, base)->handle,
			.point = from[i].point,
		};
}

static void pack(struct drm_dseek_job *job, struct packed_arrays *to, const struct dseek_job *from)
{
	uint32_t i;

	*job = (struct drm_dseek_job) {
		.program = container_of(from->program, struct drm_program, base)->handle,
		.flags = from->flags,
		.bindings = (uintptr_t)to->bindings,
		.consts = (uintptr_t)from->consts,
		.waits = (uintptr_t)to->waits,
		.signals = (uintptr_t)to->signals,
		.binding_count = from->binding_count,
		.const_size = from->const_size,
		.wait_count = from->wait_count,
		.signal_count = from->signal_count,
		.deadline_ns = from->deadline_ns,
		.limit_ns = from->limit_ns,
	};
	for (i = 0; i < from->binding_count; i++)
		to->bindings[i] = (struct drm_dseek_binding) {
			.handle = container_of(from->bindings[i].bo, struct drm_bo, base)->handle->handle,
			.access = from->bindings[i].access,
			.offset = from->bindings[i].offset,
			.size = from->bindings[i].size,
		};
	pack_syncs(to->waits, from->waits, from->wait_count);
	pack_syncs(to->signals, from->signals, from->signal_count);
}

static int job_fail(int error, uint32_t n)
{
	char what[32];

	if (error == -ETIME)
		return dseek_fail(error, "job %u: its deadline can't be met", n);
	if (error == -EINVAL)	/* the front end has seen to everything else */
		return dseek_fail(error, "job %u: a wait for something that nothing was submitted to signal", n);
	snprintf(what, sizeof(what), "job %u", n);
	if (error == -EXDEV)
		return dseek_fail(error, "%s: a buffer of it is in the memory of another engine", what);
	if (error == -ENODEV)
		return dseek_fail(error, "%s: the memory of a buffer went with its executor", what);
	return drm_fail(error, what);
}

int drm_submit(struct dseek_queue *base, const struct dseek_job *jobs, uint32_t count, uint64_t *ret_seqno,
	       int *ret_error)
{
	struct drm_queue *queue = container_of(base, struct drm_queue, base);
	struct drm_dseek_submit submit = {
		.queue = queue->handle, .count = count, .stride = sizeof(struct drm_dseek_job),
	};
	struct drm_dseek_job few_jobs[2], *packed = few_jobs;
	struct packed_arrays few_arrays[2], *arrays = few_arrays;
	void *many = NULL;
	uint32_t i;
	int r;

	if (count > sizeof(few_jobs) / sizeof(few_jobs[0])) {
		many = malloc(count * (sizeof(*packed) + sizeof(*arrays)));
		if (!many) {
			*ret_error = -ENOMEM;
			return dseek_fail(-ENOMEM, "submit: no memory for %u jobs", count);
		}
		packed = many;
		arrays = (struct packed_arrays *)(packed + count);
	}
	for (i = 0; i < count; i++)
		pack(&packed[i], &arrays[i], &jobs[i]);
	submit.jobs = (uintptr_t)packed;
	r = drm_call(base->dev, DRM_IOCTL_DSEEK_SUBMIT, &submit);
	free(many);
	if (r) {
		*ret_error = r;
		return job_fail(r, 0);
	}
	*ret_error = submit.error ? job_fail(submit.error, submit.done) : 0;
	*ret_seqno = submit.first_seqno;
	return submit.done;
}

int drm_wait(struct dseek_queue *base, uint64_t seqno, uint64_t deadline_ns, struct dseek_job_result *ret_result)
{
	struct drm_queue *queue = container_of(base, struct drm_queue, base);
	struct drm_dseek_wait wait = { .queue = queue->handle, .seqno = seqno, .deadline_ns = deadline_ns };
	int r = drm_call(base->dev, DRM_IOCTL_DSEEK_WAIT, &wait);

	if (r == -ETIME)
		return dseek_fail(r, "wait: job %llu isn't complete", (unsigned long long)seqno);
	if (r == -ENOENT)
		return dseek_fail(r, "wait: job %llu was never submitted", (unsigned long long)seqno);
	if (r == -EOVERFLOW)
		return dseek_fail(r, "wait: job %llu is complete, its result forgotten (only %d are kept)",
				  (unsigned long long)seqno, DRM_DSEEK_STATUS_RING);
	if (r)
		return drm_fail(r, "wait");
	*ret_result = (struct dseek_job_result) {
		.error = wait.error, .preemptions = wait.preemptions, .submit_ns = wait.submit_ns,
		.start_ns = wait.start_ns, .end_ns = wait.end_ns, .engine_ns = wait.engine_ns,
		.engine = wait.engine, .placed_ns = wait.placed_ns, .predicted_ns = wait.predicted_ns,
	};
	return 0;
}

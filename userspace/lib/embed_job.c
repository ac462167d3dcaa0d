// SPDX-License-Identifier: MIT
/* The life of a job: submitted, blocked, ready, (running: embed_engine.c), finished in its queue's order. */
#include <stdlib.h>
#include "embed.h"

static struct embed_job *job_alloc(struct embed_instance *inst)
{
	struct embed_job *job;

	if (list_empty(&inst->free_jobs)) {
		job = malloc(sizeof(*job));
		if (!job)
			return NULL;
	} else {
		job = container_of(inst->free_jobs.next, struct embed_job, link);
		list_del(&job->link);
	}
	/* All but the bulk, whose valid part the counts tell. */
	memset(job, 0, offsetof(struct embed_job, bindings));
	list_init(&job->link);
	list_init(&job->state_link);
	list_init(&job->order_link);
	return job;
}

static void job_free(struct embed_instance *inst, struct embed_job *job)
{
	list_add_tail(&job->link, &inst->free_jobs);
}

/* ---- the end */

static void drop_waits(struct embed_job *job)
{
	uint32_t i;

	for (i = 0; i < job->wait_count; i++) {
		struct embed_wait *wait = &job->waits[i];

		if (!wait->fence)
			continue;
		list_del(&wait->link);
		embed_fence_put(wait->fence);
		wait->fence = NULL;
	}
	job->wait_count = 0;
}

static void retire(struct embed_queue *queue, struct embed_job *job, uint64_t now)
{
	struct embed_instance *inst = queue->inst;
	struct embed_result *slot = &queue->ring[job->seqno % DRM_DSEEK_STATUS_RING];
	uint32_t i;

	slot->seqno = job->seqno;
	slot->result = (struct dseek_job_result) {
		.error = job->error,
		.preemptions = job->preemptions + job->arb.preemptions,
		.submit_ns = job->submit_ns,
		.start_ns = job->start_ns,
		.end_ns = now,
		.engine_ns = job->engine_ns,
		.engine = queue->engine->id,
		.placed_ns = job->placed_ns,
		.predicted_ns = job->predicted_ns,
	};
	queue->completed = job->seqno;
	if (job->error)
		queue->faulted++;
	if (queue->completed >= queue->wake_at) {
		queue->wake_at = ~0ull;
		embed_wake(inst, &queue->event);
	}
	if (job->fence) {
		embed_fence_signal(inst, job->fence, job->error);
		embed_fence_put(job->fence);
	}
	for (i = 0; i < job->binding_count; i++)
		embed_bo_put(job->bindings[i].bo);
	embed_program_put(job->prog);
	queue->tenant->jobs--;
	list_del(&job->link);
	job_free(inst, job);
}

void embed_job_finish(struct embed_job *job, int error)
{
	struct embed_queue *queue = job->queue;
	uint64_t now = dseek_now();

	drop_waits(job);
	list_del(&job->state_link);
	job->state = EMBED_JOB_FINISHED;
	job->error = error;
	while (!list_empty(&queue->jobs)) {
		job = container_of(queue->jobs.next, struct embed_job, link);
		if (job->state != EMBED_JOB_FINISHED)
			break;
		retire(queue, job, now);
	}
	embed_engine_dirty(queue->engine);
	embed_queue_track(queue);
	embed_queue_release(queue);
}

void embed_job_cancel(struct embed_job *job, int error)
{
	if (job->state == EMBED_JOB_READY) {
		arb_traced_job_cancel(job->queue->inst->trace, &job->arb, dseek_now());
		job->queue->engine->ready--;
		job->queue->ready--;
	}
	embed_job_finish(job, error);
}

/* ---- the start */

void embed_queue_hand(struct embed_queue *queue)
{
	struct embed_job *job;
	uint64_t now = dseek_now();

	while (!list_empty(&queue->blocked)) {
		job = container_of(queue->blocked.next, struct embed_job, state_link);
		if (job->waits_left || (queue->set && !embed_queue_takes(queue)))
			break;
		if (job->wait_error) {
			embed_job_finish(job, job->wait_error);
			continue;	/* the queue stays: a closed one has nothing blocked */
		}
		list_del(&job->state_link);
		job->state = EMBED_JOB_READY;
		if (queue->set) {
			job->arb.cost = &job->prog->cost[queue->engine->id];
			arb_cost_recall(queue->arb.share, job->arb.cost);
			embed_job_predict(job, now);
		}
		arb_traced_job_ready(queue->inst->trace, &job->arb, now);
		embed_engine_ready(queue->engine, now);
		queue->ready++;
	}
	embed_queue_track(queue);
}

void embed_queue_advance(struct embed_queue *queue)
{
	if (embed_queue_undecided(queue))
		embed_queue_choose(queue, false);
	else
		embed_queue_hand(queue);
}

static void wait_done(struct embed_wait *wait, int error)
{
	struct embed_job *job = wait->owner;

	if (error && !job->wait_error)
		job->wait_error = error;
	if (--job->waits_left == 0)
		embed_queue_advance(job->queue);
}

/* What a submission needs and may fail to get, before anything is published. */
struct prepared {
	struct embed_fence *waits[DRM_DSEEK_MAX_SYNCS];	/* NULL: signalled long ago */
	struct embed_fence *nodes[DRM_DSEEK_MAX_SYNCS];	/* for timeline signals */
	struct embed_fence *fence;
};

/* As rate_at() in kmod/dseek_ledger.c, the generic cell rate algorithm: jobs may be a second ahead of their rate. */
static bool rate_allows(struct embed_tenant *tenant, uint64_t now)
{
	const uint64_t second = 1000000000, rate = tenant->inst->params.rate_limit;
	uint64_t until = tenant->rate_at > now ? tenant->rate_at : now;

	if (rate == UINT64_MAX)
		return true;
	if (!rate || until + second / rate > now + second)
		return false;
	tenant->rate_at = until + second / rate;
	return true;
}

static int prepare(struct embed_queue *queue, uint32_t n, const struct dseek_job *in, struct embed_job *job,
		   struct prepared *p, uint64_t now)
{
	struct embed_tenant *tenant = queue->tenant;
	uint32_t i;
	bool missing;
	int r;

	if (tenant->jobs >= queue->inst->params.job_limit)
		return dseek_fail(-EDQUOT, "job %u: tenant %s has %u jobs in flight, as many as it may", n,
				  tenant->name, tenant->jobs);
	if (!rate_allows(tenant, now))
		return dseek_fail(-EDQUOT, "job %u: one more would exceed the %llu jobs a second of tenant %s", n,
				  (unsigned long long)queue->inst->params.rate_limit, tenant->name);
	if (embed_queue_dead(queue))
		return dseek_fail(-ESHUTDOWN, "job %u: engine %s lost its executor and none came back", n,
				  queue->engine->name);
	for (i = 0; i < in->binding_count; i++) {
		const struct embed_bo *bo = container_of(in->bindings[i].bo, struct embed_bo, base);

		if (!bo->engine)
			continue;
		if ((queue->set ? queue->set : 1ull << queue->engine->id) != 1ull << bo->engine->id)
			return dseek_fail(-EXDEV, "job %u: the buffer of binding %u is in the memory of engine %s", n, i, bo->engine->name);
		if (embed_memory_lost(bo))
			return dseek_fail(-ENODEV, "job %u: the memory of binding %u went with its executor", n, i);
	}
	for (i = 0; i < in->wait_count; i++) {
		struct embed_syncobj *s = container_of(in->waits[i].syncobj, struct embed_syncobj, base);

		p->waits[i] = embed_syncobj_find(s, in->waits[i].point, &missing);
		if (missing)
			return dseek_fail(-EINVAL, "job %u: wait %u, point %llu: nothing was submitted that signals it",
					  n, i, (unsigned long long)in->waits[i].point);
	}
	job->arb.queue = &queue->arb;
	job->arb.cost = &job->prog->cost[queue->engine->id];
	arb_cost_recall(queue->arb.share, job->arb.cost);
	job->arb.deadline_ns = in->deadline_ns;
	r = in->deadline_ns ? arb_traced_job_admit(queue->inst->trace, &queue->arb, &job->arb, now) : 0;
	if (r)
		return dseek_fail(r, "job %u: its deadline, in %lld us, can't be met", n,
				  ((long long)in->deadline_ns - (long long)now) / 1000);
	if (!in->signal_count)
		return 0;
	p->fence = embed_fence_create();
	if (!p->fence)
		return dseek_fail(-ENOMEM, "job %u: no memory", n);
	for (i = 0; i < in->signal_count; i++) {
		p->nodes[i] = in->signals[i].point ? embed_fence_create() : NULL;
		if (in->signals[i].point && !p->nodes[i])
			return dseek_fail(-ENOMEM, "job %u: no memory", n);
	}
	return 0;
}

static void publish(struct embed_queue *queue, const struct dseek_job *in, struct embed_job *job,
		    struct prepared *p, uint64_t now)
{
	struct embed_instance *inst = queue->inst;
	uint32_t i;

	job->queue = queue;
	job->prog->refs++;
	job->flags = in->flags;
	job->limit_ns = in->limit_ns ? in->limit_ns : inst->params.limit_ns;
	job->submit_ns = now;
	job->id = ++inst->last_id;
	job->seqno = ++queue->submitted;
	job->binding_count = in->binding_count;
	for (i = 0; i < in->binding_count; i++) {
		const struct dseek_binding *b = &in->bindings[i];

		job->bindings[i] = (struct embed_binding) {
			container_of(b->bo, struct embed_bo, base), b->offset, b->size, b->access
		};
		job->bindings[i].bo->users++;
	}
	job->const_size = in->const_size;
	if (in->const_size)
		memcpy(job->consts, in->consts, in->const_size);
	queue->tenant->jobs++;
	list_add_tail(&job->link, &queue->jobs);
	list_add_tail(&job->state_link, &queue->blocked);
	job->state = EMBED_JOB_BLOCKED;

	job->wait_count = in->wait_count;
	for (i = 0; i < in->wait_count; i++) {
		struct embed_wait *wait = &job->waits[i];

		wait->fence = NULL;
		wait->owner = job;
		if (!p->waits[i])
			continue;
		if (!p->waits[i]->signalled) {
			embed_wait_on(wait, p->waits[i], wait_done);
			job->waits_left++;
		} else if (p->waits[i]->error && !job->wait_error) {
			job->wait_error = p->waits[i]->error;
		}
	}
	job->fence = p->fence;	/* takes over the reference */
	for (i = 0; i < in->signal_count; i++) {
		struct embed_syncobj *s = container_of(in->signals[i].syncobj, struct embed_syncobj, base);

		embed_syncobj_install(inst, s, in->signals[i].point, p->fence, p->nodes[i]);
		embed_fence_put(p->nodes[i]);
	}
}

static int submit_one(struct embed_queue *queue, uint32_t n, const struct dseek_job *in, uint64_t now)
{
	struct embed_instance *inst = queue->inst;
	struct prepared p = { .fence = NULL };
	struct embed_job *job;
	uint32_t i;
	int r;

	job = job_alloc(inst);
	if (!job)
		return dseek_fail(-ENOMEM, "job %u: no memory", n);
	job->prog = container_of(in->program, struct embed_program, base);
	r = prepare(queue, n, in, job, &p, now);
	if (r) {
		for (i = 0; i < in->signal_count; i++)
			embed_fence_put(p.nodes[i]);
		embed_fence_put(p.fence);
		job_free(inst, job);
		return r;
	}
	publish(queue, in, job, &p, now);
	embed_queue_advance(queue);
	return 0;
}

int embed_submit(struct dseek_queue *base, const struct dseek_job *jobs, uint32_t count,
		 uint64_t *ret_seqno, int *ret_error)
{
	struct embed_queue *queue = container_of(base, struct embed_queue, base);
	struct embed_instance *inst = queue->inst;
	uint64_t now, first;
	uint32_t n;
	int r = 0;

	embed_lock(inst);
	now = dseek_now();
	first = queue->submitted + 1;
	for (n = 0; n < count; n++) {
		r = submit_one(queue, n, &jobs[n], now);
		if (r)
			break;
	}
	embed_unlock(inst);
	*ret_error = r;
	if (n == 0)
		return r;
	*ret_seqno = first;
	return n;
}

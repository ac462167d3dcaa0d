// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "embed.h"

int embed_queue_create(struct dseek_device *base, const struct dseek_queue_params *params,
		       struct dseek_queue **ret_queue)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	struct embed_instance *inst = dev->inst;
	struct embed_tenant *tenant = dev->tenant;
	const struct embed_params *limits = &inst->params;
	struct embed_queue *queue = calloc(1, sizeof(*queue));
	uint64_t left, set = params->engines ? params->engines : 1ull << params->engine % 64;
	struct embed_engine *engine;
	struct embed_share *share;
	int r;

	if (!queue)
		return dseek_fail(-ENOMEM, "queue: no memory");
	embed_lock(inst);
	engine = embed_engine_find(inst, params->engine);
	if (!engine) {
		r = dseek_fail(-ENOENT, "queue: no engine has the id %u", params->engine);
		goto err_unlock;
	}
	if (set >> inst->engine_count) {
		r = dseek_fail(-ENOENT, "queue: no engine has the id %u", inst->engine_count + __builtin_ctzll(set >> inst->engine_count));
		goto err_unlock;
	}
	if (!(limits->class_mask & 1u << params->sched_class)) {
		r = dseek_fail(-EPERM, "queue: tenant %s may not use class %u", tenant->name, params->sched_class);
		goto err_unlock;
	}
	if (params->weight > limits->weight_limit) {
		r = dseek_fail(-EPERM, "queue: weight %u, tenant %s may ask for %u", params->weight,
			       tenant->name, limits->weight_limit);
		goto err_unlock;
	}
	if (tenant->queues >= limits->queue_limit) {
		r = dseek_fail(-EDQUOT, "queue: tenant %s has %u, as many as it may", tenant->name, tenant->queues);
		goto err_unlock;
	}
	for (left = set; left; left &= left - 1) {
		if (embed_engine_foreign(inst->engines[__builtin_ctzll(left)])) {
			r = dseek_fail(-EACCES, "queue: engine %s serves another user alone", inst->engines[__builtin_ctzll(left)]->name);
			goto err_unlock;
		}
		share = embed_share_get(tenant, inst->engines[__builtin_ctzll(left)]);
		if (!share) {
			r = dseek_fail(-ENOMEM, "queue: no memory");
			goto err_unlock;
		}
	}
	share = tenant->shares[engine->id];
	queue->params.class = params->sched_class;
	queue->params.weight = params->weight;
	queue->params.budget_ns = params->budget_ns;
	queue->params.period_ns = params->period_ns;
	queue->arb = queue->params;
	r = arb_traced_queue_add(inst->trace, &queue->arb, &share->arb, dseek_now());
	if (r) {
		dseek_fail(r, r == -EBUSY ? "queue: %llu ns in %llu are more than engine %s has left for deadlines" :
			   "queue: %llu ns in %llu can't be reserved on engine %s",
			   (unsigned long long)params->budget_ns, (unsigned long long)params->period_ns, engine->name);
		goto err_unlock;
	}
	queue->inst = inst;
	queue->tenant = tenant;
	tenant->refs++;
	tenant->queues++;
	queue->engine = engine;
	queue->set = set & (set - 1) ? set : 0;
	queue->id = ++inst->last_id;
	queue->wake_at = ~0ull;
	list_init(&queue->jobs);
	list_init(&queue->blocked);
	list_init(&queue->flight);
	list_init(&queue->movable_link);
	list_add_tail(&queue->link, &engine->queues);
	embed_unlock(inst);
	*ret_queue = &queue->base;
	return 0;

err_unlock:
	embed_unlock(inst);
	free(queue);
	return r;
}

void embed_queue_release(struct embed_queue *queue)
{
	struct embed_tenant *tenant = queue->tenant;

	if (!queue->closed || queue->pinned || !list_empty(&queue->jobs))
		return;
	arb_traced_queue_remove(tenant->inst->trace, &queue->arb, dseek_now());
	embed_engine_dirty(queue->engine);
	list_del(&queue->link);
	tenant->queues--;
	embed_tenant_put(tenant);
	free(queue);
}

void embed_queue_destroy(struct dseek_queue *base)
{
	struct embed_queue *queue = container_of(base, struct embed_queue, base);
	struct embed_instance *inst = queue->inst;
	struct list *first;

	embed_lock(inst);
	/* From the youngest, so that no cancelled one makes the next ready. */
	for (first = queue->jobs.prev; first != &queue->jobs;) {
		struct embed_job *job = container_of(first, struct embed_job, link);

		first = first->prev;
		if (!job->start_ns && job->state != EMBED_JOB_FINISHED)
			embed_job_cancel(job, -ECANCELED);
	}
	queue->closed = true;
	embed_queue_release(queue);
	embed_unlock(inst);
}

int embed_queue_stats(struct dseek_queue *base, struct dseek_queue_stats *ret_stats)
{
	struct embed_queue *queue = container_of(base, struct embed_queue, base);
	struct embed_instance *inst = queue->inst;
	uint64_t entitled_ns = 0, left;
	struct arb_share *share;

	embed_lock(inst);
	for (left = queue->set ? queue->set : 1ull << queue->engine->id; left; left &= left - 1) {
		share = &queue->tenant->shares[__builtin_ctzll(left)]->arb;
		arb_share_settle(share);
		entitled_ns += share->entitled_ns;
	}
	*ret_stats = (struct dseek_queue_stats) {
		.submitted = queue->submitted,
		.completed = queue->completed,
		.faulted = queue->faulted,
		.engine_ns = queue->engine_ns,
		.queued_ns = queue->past.queued_ns + queue->arb.queued_ns,
		.preemptions = queue->past.preemptions + queue->arb.preemptions,
		.deadline_misses = queue->past.deadline_misses + queue->arb.deadline_misses,
		.entitled_ns = entitled_ns,
		.engine = queue->engine->id,
		.moves = queue->moves,
		.predicted = embed_accuracy(&queue->predicted),
	};
	embed_unlock(inst);
	return 0;
}

int embed_wait_seqno(struct dseek_queue *base, uint64_t seqno, uint64_t deadline_ns,
		     struct dseek_job_result *ret_result)
{
	struct embed_queue *queue = container_of(base, struct embed_queue, base);
	struct embed_instance *inst = queue->inst;
	const struct embed_result *slot = &queue->ring[seqno % DRM_DSEEK_STATUS_RING];
	int r = 0;

	embed_lock(inst);
	if (seqno > queue->submitted) {
		r = dseek_fail(-ENOENT, "wait: job %llu was never submitted, %llu was the last",
			       (unsigned long long)seqno, (unsigned long long)queue->submitted);
		goto out;
	}
	while (queue->completed < seqno) {
		if (seqno < queue->wake_at)
			queue->wake_at = seqno;
		if (!embed_sleep(inst, &queue->event, deadline_ns)) {
			r = dseek_fail(-ETIME, "wait: job %llu isn't complete", (unsigned long long)seqno);
			goto out;
		}
	}
	if (slot->seqno == seqno) {
		*ret_result = slot->result;
		if (slot->result.error && slot->result.error == inst->notice_error && queue->id == inst->notice_queue)
			dseek_fail(0, "%s", inst->notice);
	} else {
		r = dseek_fail(-EOVERFLOW, "wait: job %llu is complete, its result forgotten (only %d are kept)",
			       (unsigned long long)seqno, DRM_DSEEK_STATUS_RING);
	}
out:
	embed_unlock(inst);
	return r;
}

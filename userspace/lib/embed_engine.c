// SPDX-License-Identifier: MIT
/* Engines: what arb decides, carried out; jobs between arb and the executor that holds them. */
#include <unistd.h>
#include "embed.h"

struct embed_engine *embed_engine_find(struct embed_instance *inst, uint32_t id)
{
	return id < inst->engine_count ? inst->engines[id] : NULL;
}

bool embed_engine_foreign(const struct embed_engine *engine)
{
	return engine->owned && engine->owner != geteuid();
}

void embed_engine_dirty(struct embed_engine *engine)
{
	engine->dirty = true;
}

void embed_engine_ready(struct embed_engine *engine, uint64_t now)
{
	if (!engine->ready++)
		engine->ready_ns = now;
	embed_engine_dirty(engine);
}

uint64_t embed_engine_fetch_by(const struct embed_engine *engine)
{
	const struct embed_exec *exec = engine->exec;
	uint64_t since = exec->seen_ns ? exec->seen_ns : exec->serve_ns;
	uint64_t within = exec->seen_ns ? engine->inst->params.grace_ns : engine->inst->params.limit_ns;

	if (!engine->ready || !list_empty(&exec->order))
		return ~0ull;
	since = since > engine->ready_ns ? since : engine->ready_ns;
	return within < ~0ull - since ? since + within : ~0ull;
}

void embed_engine_kick(struct embed_engine *engine, uint64_t now)
{
	struct embed_exec *exec = engine->exec;
	uint32_t preempt = 0;

	engine->dirty = false;
	if (!exec)
		return;
	if (engine->ready) {
		embed_wake(engine->inst, &exec->event);
		embed_timer_at(engine->inst, embed_engine_fetch_by(engine));
	}
	/* Better than what runs may also be what was fetched behind it. */
	if (exec->order.next != exec->order.prev || (engine->ready && !list_empty(&exec->order))) {
		preempt = arb_traced_wants_preempt(engine->inst->trace, &engine->arb, now);
		/* What runs may fall behind what waits by the mere passing of time. */
		if (!preempt)
			embed_timer_at(engine->inst, arb_traced_next_event(engine->inst->trace, &engine->arb, now));
	}
	__atomic_store_n(&exec->control.preempt, preempt, __ATOMIC_RELAXED);
}

/* From the youngest, so that no cancelled one makes the next ready. The queue goes with its last job. */
static void queue_fail(struct embed_queue *queue, int error)
{
	struct list *pos;

	for (pos = queue->jobs.prev; pos != &queue->jobs;) {
		struct embed_job *job = container_of(pos, struct embed_job, link);
		bool last = pos->prev == &queue->jobs;

		pos = pos->prev;
		if (job->state == EMBED_JOB_BLOCKED || job->state == EMBED_JOB_READY)
			embed_job_cancel(job, error);
		if (last)
			break;
	}
}

/* Queues that may be on others too fail with the last of them, wherever they are. */
void embed_engine_fail(struct embed_engine *engine, int error)
{
	struct embed_instance *inst = engine->inst;
	uint32_t i;

	engine->dead = true;
	for (i = 0; i < inst->engine_count; i++) {
		if (!inst->engines[i]->dead)
			continue;
		list_for_each(link, &inst->engines[i]->queues) {
			struct embed_queue *queue = container_of(link, struct embed_queue, link);

			if (embed_queue_dead(queue))
				queue_fail(queue, error);
		}
	}
	embed_engine_evict(engine);
}

struct embed_job *embed_engine_pick(struct embed_engine *engine, uint64_t now)
{
	struct arb_job *picked = arb_traced_pick(engine->inst->trace, &engine->arb, now);
	struct embed_job *job;

	if (!picked)
		return NULL;
	job = container_of(picked, struct embed_job, arb);
	engine->ready--;
	engine->dirty = true;
	job->queue->ready--;
	job->state = EMBED_JOB_RUNNING;
	list_add_tail(&job->state_link, &job->queue->flight);
	job->queue->flying++;
	embed_queue_track(job->queue);
	if (!job->start_ns)
		job->start_ns = now;
	return job;
}

/* The executor has it no more. */
static void let_go(struct embed_exec *exec, struct embed_job *job, uint64_t used_ns, uint64_t now)
{
	if (exec->order.next == &job->order_link)
		exec->head_ns = now;
	list_del(&job->order_link);
	exec->held[job->tag] = NULL;
	if (job->abort)
		__atomic_and_fetch(&exec->control.abort_mask, ~(1ull << job->tag), __ATOMIC_RELAXED);
	job->abort = false;
	job->engine_ns += used_ns;
	job->queue->engine_ns += used_ns;
	exec->engine->busy_ns += used_ns;
	exec->engine->dirty = true;
}

static void finish(struct embed_exec *exec, struct embed_job *job, uint64_t used_ns, int error, uint64_t now)
{
	struct arb_cost *cost = &job->prog->cost[exec->engine->id];
	struct embed_queue *queue = job->queue;

	queue->flying--;
	arb_traced_job_done(exec->engine->inst->trace, &job->arb, used_ns, now);
	if (!error) {
		arb_traced_cost_update(exec->engine->inst->trace, cost, job->engine_ns);
		arb_cost_keep(queue->arb.share, cost);
		embed_job_score(job, now);
	}
	if (!queue->set) {
		embed_job_finish(job, error);
		return;
	}
	queue->pinned = true;
	embed_job_finish(job, error);
	embed_queue_choose(queue, false);
	queue->pinned = false;
	embed_queue_release(queue);
}

/*
 * arb puts a job that yields at the head of its queue. Those fetched after it yield too, so they go back
 * together, the youngest first.
 */
static void give_back(struct embed_queue *queue, uint64_t now)
{
	struct embed_job *job;

	list_for_each(link, &queue->flight) {
		job = container_of(link, struct embed_job, state_link);
		if (job->state == EMBED_JOB_RUNNING)
			return;
	}
	while (!list_empty(&queue->flight)) {
		job = container_of(queue->flight.prev, struct embed_job, state_link);
		list_del(&job->state_link);
		queue->flying--;
		job->state = EMBED_JOB_READY;
		arb_traced_job_yield(queue->inst->trace, &job->arb, job->yield_ns, now);
		embed_engine_ready(queue->engine, now);
		queue->ready++;
	}
	embed_queue_track(queue);
	if (queue->leaving)
		embed_queue_choose(queue, true);
}

int embed_exec_complete(struct embed_exec *exec, const struct drm_dseek_completion *c, uint64_t now)
{
	struct embed_job *job = c->tag < exec->base.depth ? exec->held[c->tag] : NULL;
	struct embed_queue *queue;

	if (!job)
		return dseek_fail(-EINVAL, "completion: tag %u isn't held", c->tag);
	if (c->outcome >= DRM_DSEEK_OUTCOME_COUNT || c->pad || c->error > 0 || c->error < -4095 ||
	    (c->outcome == DRM_DSEEK_OUTCOME_YIELD && c->error))
		return dseek_fail(-EINVAL, "completion: tag %u with outcome %u and error %d", c->tag, c->outcome, c->error);
	queue = job->queue;
	list_for_each(link, &queue->flight) {
		struct embed_job *earlier = container_of(link, struct embed_job, state_link);

		if (earlier == job)
			break;
		if (earlier->state == EMBED_JOB_RUNNING)
			return dseek_fail(-EINVAL, "completion: tag %u before tag %u of the same queue", c->tag, earlier->tag);
		if (c->outcome != DRM_DSEEK_OUTCOME_YIELD)
			return dseek_fail(-EINVAL, "completion: tag %u is done, an earlier job of its queue yielded", c->tag);
	}
	let_go(exec, job, c->engine_ns, now);
	if (c->outcome == DRM_DSEEK_OUTCOME_DONE) {
		finish(exec, job, c->engine_ns, c->error, now);
	} else {
		job->state = EMBED_JOB_YIELDED;
		job->cursor = c->cursor;
		job->yield_ns = c->engine_ns;
		give_back(queue, now);
	}
	return 0;
}

/* Nobody does. What its executor says of the engine holds while it serves it. */
void embed_engine_serve(struct embed_engine *engine, struct embed_exec *exec, uint64_t now)
{
	engine->exec = exec;
	exec->serve_ns = now;
	engine->depth = exec->base.depth;
	engine->numa_node = exec->numa_node;
	engine->caps = exec->caps;
	engine->generation++;
	engine->dead = false;
	engine->longest_op_ns = 0;
	__atomic_store_n(&exec->control.generation, engine->generation, __ATOMIC_RELAXED);
	embed_engine_dirty(engine);
	embed_wake(engine->inst, &exec->event);
}

void embed_exec_lose(struct embed_exec *exec, uint64_t now)
{
	struct embed_engine *engine = exec->engine;
	struct embed_instance *inst = engine->inst;
	struct embed_job *job, *head = NULL;
	uint64_t used;

	if (exec->lost)
		return;
	exec->lost = true;
	if (engine->exec != exec) {
		list_del(&exec->standby_link);
		embed_wake(inst, &exec->event);
		return;
	}
	engine->exec = NULL;
	engine->lost_ns = now;
	embed_memory_lose(exec);
	embed_wake(inst, &exec->event);
	if (!list_empty(&exec->order))
		head = container_of(exec->order.next, struct embed_job, order_link);
	used = head ? now - exec->head_ns : 0;	/* the others had not started, for all we know */
	/* First those that end: what goes back to a queue goes back together. */
	list_for_each(link, &exec->order) {
		struct embed_queue *queue;
		bool timed_out, earlier;

		job = container_of(link, struct embed_job, order_link);
		queue = job->queue;
		timed_out = job->abort;
		earlier = queue->flight.next != &job->state_link;
		if (!timed_out && job->flags & DRM_DSEEK_JOB_IDEMPOTENT)
			continue;
		let_go(exec, job, job == head ? used : 0, now);
		finish(exec, job, job == head ? used : 0, timed_out ? -ETIMEDOUT : -ECANCELED, now);
		if (earlier)	/* and may have yielded, and waited for this one */
			give_back(queue, now);
	}
	list_for_each(link, &exec->order) {
		job = container_of(link, struct embed_job, order_link);
		job->state = EMBED_JOB_YIELDED;
		job->cursor = 0;
		job->yield_ns = job == head ? used : 0;
		let_go(exec, job, job->yield_ns, now);
		give_back(job->queue, now);
	}
	if (!list_empty(&engine->standby)) {
		exec = container_of(engine->standby.next, struct embed_exec, standby_link);
		list_del(&exec->standby_link);
		embed_engine_serve(engine, exec, now);
		embed_engine_evict(engine);
		return;
	}
	embed_engine_evict(engine);
	if (exec->own >= 0 && !inst->stopping)
		inst->respawn |= 1u << exec->own;
	embed_timer_at(inst, now);
}

// SPDX-License-Identifier: MIT
/*
 * Which engine a queue with several is on. Its jobs stay together: it moves only while nothing of it is in flight, and no job that
 * was begun goes along, so jobs run and complete in order whatever happens. Where to is the core's decision (arb.h, "Choice"); here is when
 * it is asked: when a job becomes ready and none is in the core's hands, when one is done and others follow, when an engine
 * has nothing to do, when an executor is lost or comes.
 */
#include "embed.h"

#define PULL_LOOKS	8	/* queues of an engine that an idle one looks at */

static struct embed_engine *engine_of(const struct embed_queue *queue, uint32_t id)
{
	return queue->inst->engines[id];
}

bool embed_queue_dead(const struct embed_queue *queue)
{
	uint64_t left;

	if (!queue->set)
		return queue->engine->dead;
	for (left = queue->set; left; left &= left - 1)
		if (!engine_of(queue, __builtin_ctzll(left))->dead)
			return false;
	return true;
}

void embed_queue_track(struct embed_queue *queue)
{
	bool movable = queue->set && queue->ready && list_empty(&queue->flight);

	if (movable && list_empty(&queue->movable_link))
		list_add_tail(&queue->movable_link, &queue->engine->movable);
	else if (!movable)
		list_del(&queue->movable_link);
}

/* The first that isn't in flight, if it is handed over or may be. */
static struct embed_job *next_job(const struct embed_queue *queue)
{
	list_for_each(link, &queue->jobs) {
		struct embed_job *job = container_of(link, struct embed_job, link);

		if (job->state == EMBED_JOB_READY)
			return job;
		if (job->state == EMBED_JOB_BLOCKED)
			return job->waits_left ? NULL : job;
	}
	return NULL;
}

/*
 * The one that decides where the queue goes, if it may go. One that was begun goes on where it was, as long as that has an executor or
 * may get one; if it may run again from its start it needs not wait for that.
 */
static struct embed_job *deciding_job(struct embed_queue *queue)
{
	struct embed_engine *engine = queue->engine;
	struct embed_job *job;

	while ((job = next_job(queue))) {
		if (!job->cursor)
			return job;
		if (engine->exec)
			break;
		if (job->flags & DRM_DSEEK_JOB_IDEMPOTENT)
			job->cursor = 0;
		else if (engine->dead)
			embed_job_cancel(job, -ESHUTDOWN);
		else
			break;
	}
	return NULL;
}

bool embed_queue_undecided(const struct embed_queue *queue)
{
	return queue->set && !queue->ready && list_empty(&queue->flight) && next_job(queue);
}

/*
 * As many as the executor holds at once are enough to keep it busy with them. The others wait for what is chosen then; that they aren't in
 * the core's sums makes no difference to what is predicted, but for the queue itself.
 */
bool embed_queue_takes(const struct embed_queue *queue)
{
	return !queue->leaving && queue->ready + queue->flying < (queue->engine->depth ? queue->engine->depth : 1);
}

/* Back from the core's hands, in their order. */
static void withdraw(struct embed_queue *queue)
{
	struct embed_engine *engine = queue->engine;

	for (struct list *link = queue->jobs.prev; queue->ready; link = link->prev) {
		struct embed_job *job = container_of(link, struct embed_job, link);

		if (job->state != EMBED_JOB_READY)
			continue;
		arb_traced_job_cancel(engine->inst->trace, &job->arb, dseek_now());
		job->preemptions += job->arb.preemptions;
		job->arb.preemptions = 0;
		job->state = EMBED_JOB_BLOCKED;
		list_add_head(&job->state_link, &queue->blocked);
		engine->ready--;
		queue->ready--;
	}
	embed_queue_track(queue);
	embed_engine_dirty(engine);
}

static void move(struct embed_queue *queue, struct embed_engine *engine)
{
	struct embed_instance *inst = engine->inst;
	uint64_t now = dseek_now();

	withdraw(queue);
	queue->past.used_ns += queue->arb.used_ns;
	queue->past.queued_ns += queue->arb.queued_ns;
	queue->past.preemptions += queue->arb.preemptions;
	queue->past.deadline_misses += queue->arb.deadline_misses;
	arb_traced_queue_remove(inst->trace, &queue->arb, now);
	list_del(&queue->link);
	queue->engine = engine;
	queue->arb = queue->params;
	/* Nothing is reserved, so nothing can be refused. */
	arb_traced_queue_add(inst->trace, &queue->arb, &queue->tenant->shares[engine->id]->arb, now);
	list_add_tail(&queue->link, &engine->queues);
	queue->moves++;
}

static struct embed_engine *best_engine(const struct embed_queue *queue, const struct embed_job *job, bool again)
{
	uint64_t now = dseek_now(), not_before, left;
	bool undecided = embed_queue_undecided(queue);
	struct arb_choice choice;
	int best;

	not_before = list_empty(&queue->flight) ? 0 : arb_out_end(&queue->engine->arb, now);
	arb_choice_init(&choice);
	for (left = queue->set; left; left &= left - 1) {
		struct embed_engine *engine = engine_of(queue, __builtin_ctzll(left));
		bool here = engine == queue->engine;
		uint32_t flags = (engine->exec ? 0 : ARB_CHOICE_AWAY) | (again ? ARB_CHOICE_AGAIN : 0) |
				 (here && !undecided ? ARB_CHOICE_STAYS : 0);

		if (!engine->dead)
			arb_traced_choice_add(queue->inst->trace, &choice, engine->id, flags,
					      &queue->tenant->shares[engine->id]->arb, &queue->arb,
					      &job->prog->cost[engine->id], here ? 0 : not_before, now);
	}
	best = arb_traced_choice_best(queue->inst->trace, &choice, &queue->arb, now);
	return best < 0 ? queue->engine : engine_of(queue, best);
}

void embed_queue_choose(struct embed_queue *queue, bool again)
{
	bool undecided, pinned = queue->pinned;
	struct embed_engine *best;
	struct embed_job *job;

	if (!queue->set)
		return;
	queue->leaving = false;
	queue->pinned = true;
	job = deciding_job(queue);
	queue->pinned = pinned;
	if (!job) {
		embed_queue_hand(queue);
		embed_queue_release(queue);
		return;
	}
	undecided = embed_queue_undecided(queue);
	best = best_engine(queue, job, again);
	if (best != queue->engine && !list_empty(&queue->flight)) {
		withdraw(queue);
		queue->leaving = true;
		return;
	}
	if (best != queue->engine)
		move(queue, best);
	else if (!undecided)
		best = NULL;
	if (best)
		arb_cost_chosen(&job->prog->cost[best->id]);
	embed_queue_hand(queue);
}

void embed_engine_pull(struct embed_engine *engine)
{
	struct embed_instance *inst = engine->inst;
	uint32_t i, looks;

	for (i = 0; i < inst->engine_count; i++) {
		looks = 0;
		list_for_each(link, &inst->engines[i]->movable) {
			struct embed_queue *queue = container_of(link, struct embed_queue, movable_link);
			bool came;

			if (i == engine->id || looks++ == PULL_LOOKS)
				break;
			if (!(queue->set & 1ull << engine->id))
				continue;
			queue->pinned = true;
			embed_queue_choose(queue, true);
			came = queue->engine == engine;
			queue->pinned = false;
			embed_queue_release(queue);
			if (came)
				return;
		}
	}
}

void embed_engine_evict(struct embed_engine *engine)
{
	list_for_each(link, &engine->queues)
		embed_queue_choose(container_of(link, struct embed_queue, link), true);
}

void embed_engine_invite(struct embed_engine *engine)
{
	struct embed_instance *inst = engine->inst;
	uint32_t i;

	for (i = 0; i < inst->engine_count; i++) {
		if (inst->engines[i]->exec)
			continue;
		list_for_each(link, &inst->engines[i]->queues) {
			struct embed_queue *queue = container_of(link, struct embed_queue, link);

			if (queue->set & 1ull << engine->id)
				embed_queue_choose(queue, true);
		}
	}
}

/* ---- what was predicted, and what came of it */

void embed_job_predict(struct embed_job *job, uint64_t now)
{
	struct embed_queue *queue = job->queue;
	struct arb_prediction predicted;

	if (!queue->set)
		return;
	arb_traced_predict(queue->inst->trace, &queue->arb, job->arb.cost, now, &predicted);
	job->placed_ns = now;
	job->predicted_ns = predicted.finish_ns;
	job->predicted_cost_ns = predicted.cost_ns;
}

void embed_job_score(struct embed_job *job, uint64_t now)
{
	struct embed_queue *queue = job->queue;
	uint64_t predicted = job->predicted_ns - job->placed_ns, took = now > job->placed_ns ? now - job->placed_ns : 0;

	if (!queue->set)
		return;
	arb_accuracy_add(&queue->predicted, predicted, took, job->predicted_cost_ns, job->engine_ns);
	arb_accuracy_add(&queue->engine->predicted, predicted, took, job->predicted_cost_ns, job->engine_ns);
}

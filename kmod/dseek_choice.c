// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which engine a queue with a set is on. Its jobs stay together: it moves only while the executor has none of them, and no job that was
 * begun goes along, so jobs run and complete in order whatever happens. Where to is the core's decision (arb.h, "Choice"); here is
 * when it is asked, and how a queue moves without two engines' locks.
 *
 * A move: under the old engine's lock the queue's jobs are taken back from the core, as if their turn to become ready had not come
 * yet, the queue leaves the core, and queue->engine changes. That is all there is to it: the queue is whole, and under the new
 * engine's lock. Whoever takes that lock for the queue first tells the new core of it (arrive()). The engines of a set are looked at
 * one after the other, so the choice may be out of date when it is made; what is checked again under the lock is that the queue may move.
 */
#include <linux/slab.h>

#include "dseek_drv.h"
#include "dseek_trace.h"

#define PULL_LOOKS	4	/* queues of an engine that an idle one looks at */

static void arrive(struct dseek_queue *queue)
{
	struct dseek_engine *engine = queue->engine;

	queue->arriving = false;
	queue->arb = queue->params;
	/* Nothing is reserved, so nothing can be refused. */
	WARN_ON(arb_queue_add(&queue->arb, queue->shares[engine->id], ktime_get_ns()));
	list_add_tail(&queue->engine_link, &engine->queues);
	engine->jobs += queue->submitted - queue->finished;
}

struct dseek_engine *dseek_queue_lock_irqsave(struct dseek_queue *queue, unsigned long *flags)
	__acquires(&queue->engine->lock)
{
	struct dseek_engine *engine;

	for (;;) {
		/* Pair with the release of who moved it: what was done to the queue under its old engine's lock is seen. */
		engine = smp_load_acquire(&queue->engine);
		spin_lock_irqsave(&engine->lock, *flags);
		if (likely(smp_load_acquire(&queue->engine) == engine))	/* likewise */
			break;
		spin_unlock_irqrestore(&engine->lock, *flags);
	}
	if (unlikely(queue->arriving))
		arrive(queue);
	return engine;
}

struct dseek_engine *dseek_queue_lock(struct dseek_queue *queue) __acquires(&queue->engine->lock)
{
	unsigned long flags;

	return dseek_queue_lock_irqsave(queue, &flags);
}

/* Engines that are gone may come back at any time: the answer is for now. */
bool dseek_queue_gone(const struct dseek_queue *queue)
{
	u64 left = queue->set;

	if (!left)
		return queue->engine->gone;
	for (; left; left &= left - 1)
		if (!READ_ONCE(dseek_engine_find(__ffs64(left))->gone))
			return false;
	return true;
}

static bool closed(const struct dseek_engine *engine)
{
	return READ_ONCE(engine->gone) || READ_ONCE(engine->draining);
}

bool dseek_queue_closed(const struct dseek_queue *queue)
{
	u64 left = queue->set;

	if (!left)
		return closed(queue->engine);
	for (; left; left &= left - 1)
		if (!closed(dseek_engine_find(__ffs64(left))))
			return false;
	return true;
}

/*
 * As many as the executor holds at once are enough to keep it busy with them. The others wait for what is chosen then; so a move takes
 * no more than those out of the core, under the lock.
 */
bool dseek_queue_takes(const struct dseek_queue *queue)
{
	return !queue->leaving && queue->ready + queue->running < max(dseek_engine_depth(queue->engine), 1u);
}

void dseek_queue_track_movable(struct dseek_queue *queue)
{
	bool movable = queue->ready && !queue->running;

	if (movable && list_empty(&queue->movable_link))
		list_add_tail(&queue->movable_link, &queue->engine->movable);
	else if (!movable && !list_empty(&queue->movable_link))
		list_del_init(&queue->movable_link);
}

void dseek_queue_ask(struct dseek_queue *queue)
{
	lockdep_assert_held(&queue->engine->lock);
	if (!queue->set || !list_empty(&queue->choosing_link))
		return;
	kref_get(&queue->ref);
	list_add_tail(&queue->choosing_link, &queue->engine->choosing);
}

/* Off the list: whether it was on it, and its reference is the caller's now. */
static bool unask(struct dseek_queue *queue)
{
	lockdep_assert_held(&queue->engine->lock);
	if (list_empty(&queue->choosing_link))
		return false;
	list_del_init(&queue->choosing_link);
	return true;
}

/* The first that the executor doesn't have, if it is ready or may be. */
static struct dseek_job *next_job(struct dseek_queue *queue)
{
	struct dseek_job *job;

	list_for_each_entry(job, &queue->jobs, link)
		if (job->state == DSEEK_JOB_READY)
			return job;
	job = list_first_entry_or_null(&queue->waiting, struct dseek_job, link);
	return job && !job->waits_left ? job : NULL;
}

/*
 * The one that decides where the queue goes, if it may go. One that was begun goes on where it was, as long as that has an executor or
 * may get one; if it may run again from its start it needs not wait for that.
 */
static struct dseek_job *deciding_job(struct dseek_queue *queue, u64 now)
{
	struct dseek_engine *engine = queue->engine;
	struct dseek_job *job;

	while (!queue->dead && (job = next_job(queue))) {
		if (!job->cursor)
			return job;
		if (engine->exec)
			break;
		if (job->flags & DRM_DSEEK_JOB_IDEMPOTENT)
			job->cursor = 0;
		else if (engine->gone)
			dseek_job_end(job, -ESHUTDOWN, 0, now);
		else
			break;
	}
	return NULL;
}

/*
 * Back from the core's hands, in their order: the ready ones behind all that the executor has, and with them those of that part that have ended
 * meanwhile, taken from an executor that was lost or over their limits: they are not over before what stands before them.
 */
static void withdraw(struct dseek_queue *queue, u64 now)
{
	struct dseek_engine *engine = queue->engine;
	struct dseek_job *job, *next, *first = NULL;

	list_for_each_entry_reverse(job, &queue->jobs, link) {
		if (job->state == DSEEK_JOB_RUNNING)
			break;
		if (job->state == DSEEK_JOB_READY)
			first = job;
	}
	if (!first)
		return;
	list_for_each_entry_safe_reverse(job, next, &queue->jobs, link) {
		list_move(&job->link, &queue->waiting);
		if (job->state == DSEEK_JOB_READY) {
			arb_job_cancel(&job->arb, now);
			job->past_ns += job->arb.used_ns;
			job->preemptions += job->arb.preemptions;
			job->arb.used_ns = 0;
			job->arb.preemptions = 0;
			job->state = DSEEK_JOB_WAITING;
			trace_dseek_job_withdraw(job);
			engine->ready--;
			queue->ready--;
		}
		if (job == first)
			break;
	}
	dseek_queue_track(queue);
}

static void depart(struct dseek_queue *queue, struct dseek_engine *to, u64 now)
{
	withdraw(queue, now);
	queue->past.used_ns += queue->arb.used_ns;
	queue->past.queued_ns += queue->arb.queued_ns;
	queue->past.preemptions += queue->arb.preemptions;
	queue->past.deadline_misses += queue->arb.deadline_misses;
	arb_queue_remove(&queue->arb, now);
	list_del(&queue->engine_link);
	queue->engine->jobs -= queue->submitted - queue->finished;
	queue->moves++;
	queue->leaving = false;
	queue->arriving = true;
	smp_store_release(&queue->engine, to);	/* pairs with dseek_queue_lock_irqsave() */
}

/* Where the job would be done first; -1: no engine is left. No lock held. */
static int best_engine(struct dseek_queue *queue, struct dseek_program *program, u32 flags, u64 not_before, u64 now)
{
	struct arb_choice choice;
	u64 left;

	arb_choice_init(&choice);
	for (left = queue->set; left; left &= left - 1) {
		struct dseek_engine *engine = dseek_engine_find(__ffs64(left));
		struct arb_cost *cost = xa_load(&program->costs, engine->id);
		struct arb_queue probe = queue->params;
		u32 its = flags & ~ARB_CHOICE_STAYS;
		bool here;

		spin_lock_irq(&engine->lock);
		here = READ_ONCE(queue->engine) == engine && !queue->arriving;
		if (here) {
			probe = queue->arb;
			its = flags;
		}
		if (!engine->exec || engine->draining)
			its |= ARB_CHOICE_AWAY;
		if (!engine->gone)
			arb_choice_add(&choice, engine->id, its, queue->shares[engine->id], &probe, cost, here ? 0 : not_before, now);
		spin_unlock_irq(&engine->lock);
	}
	return arb_choice_best(&choice);
}

/* Nobody will run what is ready. What still waits for fences faults when those are over. */
static void fail_ready(struct dseek_queue *queue, u64 now)
{
	struct dseek_job *job;

	list_for_each_entry(job, &queue->jobs, link)
		if (job->state == DSEEK_JOB_READY)
			dseek_job_end(job, -ESHUTDOWN, 0, now);
}

/* After a change to the queue under its engine's lock, which is given up: what a submission does for its jobs. */
static void stir(struct dseek_engine *engine, u64 now) __releases(&engine->lock)
{
	bool drain;

	dseek_engine_kick(engine, now);
	drain = dseek_engine_undrained(engine);
	spin_unlock_irq(&engine->lock);
	dseek_engine_wake(engine);
	if (drain)
		queue_work(dseek->wq, &engine->work);
}

void dseek_queue_choose(struct dseek_queue *queue, bool again)
{
	u32 flags = again ? ARB_CHOICE_AGAIN : 0;
	struct dseek_engine *engine, *from;
	struct dseek_program *program;
	bool asked = false, undecided;
	struct dseek_job *job;
	u64 now, not_before;
	int best;

	from = dseek_queue_lock(queue);
	now = ktime_get_ns();
	job = deciding_job(queue, now);
	if (!job) {
		queue->leaving = false;
		dseek_queue_hand(queue, now);
		stir(from, now);
		return;
	}
	program = job->program;
	kref_get(&program->ref);
	undecided = !queue->ready && !queue->running;
	not_before = queue->running ? arb_out_end(&from->arb, now) : 0;
	spin_unlock_irq(&from->lock);

	best = best_engine(queue, program, undecided ? flags : flags | ARB_CHOICE_STAYS, not_before, now);

	engine = dseek_queue_lock(queue);
	now = ktime_get_ns();
	if (engine != from || !deciding_job(queue, now)) {
		queue->leaving = false;	/* somebody else has chosen, or there is nothing to choose any more */
	} else if (best < 0) {
		queue->leaving = false;
		if (engine->gone)
			fail_ready(queue, now);
	} else if (best != engine->id && queue->running) {
		withdraw(queue, now);
		queue->leaving = true;
	} else if (best != engine->id) {
		/* Before it departs: from then on the link is under the other engine's lock. */
		asked = unask(queue);
		depart(queue, dseek_engine_find(best), now);
		spin_unlock_irq(&engine->lock);
		engine = dseek_queue_lock(queue);
		now = ktime_get_ns();
		arb_cost_chosen(xa_load(&program->costs, engine->id));
		if (!engine->exec)	/* lost before the queue came, so it was not among those that were asked then */
			dseek_queue_ask(queue);
	} else {
		queue->leaving = false;
		if (undecided)
			arb_cost_chosen(xa_load(&program->costs, engine->id));
	}
	dseek_queue_hand(queue, now);
	stir(engine, now);
	dseek_program_put(program);
	if (asked)
		dseek_queue_put(queue);
}

void dseek_queue_choose_asked(struct dseek_queue *queue)
{
	struct dseek_engine *engine;
	bool asked;

	if (list_empty_careful(&queue->choosing_link))
		return;
	engine = dseek_queue_lock(queue);
	asked = unask(queue);
	spin_unlock_irq(&engine->lock);
	if (asked) {
		dseek_queue_choose(queue, false);
		dseek_queue_put(queue);
	}
}

bool dseek_engine_pull(struct dseek_engine *engine)
{
	struct dseek_queue *queue, *look[PULL_LOOKS];
	struct dseek_engine *other;
	bool came = false;
	unsigned long id;
	u32 count, i;

	if (!atomic_read(&dseek->movable_queues))
		return false;
	xa_for_each(&dseek->engines, id, other) {
		if (other == engine || list_empty_careful(&other->movable))
			continue;
		count = 0;
		spin_lock_irq(&other->lock);
		list_for_each_entry(queue, &other->movable, movable_link) {
			if (!(queue->set & BIT_ULL(engine->id)))
				continue;
			kref_get(&queue->ref);
			look[count++] = queue;
			if (count == PULL_LOOKS)
				break;
		}
		spin_unlock_irq(&other->lock);
		for (i = 0; i < count; i++) {
			if (!came)
				dseek_queue_choose(look[i], true);
			came = came || READ_ONCE(look[i]->engine) == engine;
			dseek_queue_put(look[i]);
		}
		if (came)
			break;
	}
	return came;
}

void dseek_engine_evict(struct dseek_engine *engine)
{
	struct dseek_queue *queue;

	lockdep_assert_held(&engine->lock);
	list_for_each_entry(queue, &engine->queues, engine_link)
		dseek_queue_ask(queue);
}

void dseek_engine_invite(struct dseek_engine *engine)
{
	struct dseek_engine *other;
	struct dseek_queue *queue;
	unsigned long id;

	xa_for_each(&dseek->engines, id, other) {
		if (READ_ONCE(other->exec))
			continue;
		spin_lock_irq(&other->lock);
		list_for_each_entry(queue, &other->queues, engine_link)
			if (queue->set & BIT_ULL(engine->id))
				dseek_queue_ask(queue);
		spin_unlock_irq(&other->lock);
		dseek_engine_drain(other);
	}
}

void dseek_job_predict(struct dseek_job *job, u64 now)
{
	struct dseek_queue *queue = job->queue;
	struct arb_prediction predicted;

	if (!queue->set)
		return;
	arb_predict(queue->arb.share, &queue->arb, job->cost, now, &predicted);
	job->placed_ns = now;
	job->predicted_ns = predicted.finish_ns;
	job->predicted_cost_ns = predicted.cost_ns;
}

void dseek_job_score(struct dseek_job *job, u64 now)
{
	struct dseek_queue *queue = job->queue;
	u64 predicted = job->predicted_ns - job->placed_ns, took = now > job->placed_ns ? now - job->placed_ns : 0;

	arb_accuracy_add(&queue->predicted, predicted, took, job->predicted_cost_ns, job->arb.used_ns);
	arb_accuracy_add(&queue->engine->predicted, predicted, took, job->predicted_cost_ns, job->arb.used_ns);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs and their states (kmod/README.md has the picture). All transitions happen under engine->lock; the
 * end of a job has two halves: job_over() takes it off its queue and records the result, under the lock, and
 * dseek_engine_drain() signals its fence, wakes waiters and lets go of what it holds, in process context.
 */
#include <linux/dma-fence.h>
#include <linux/slab.h>

#include "dseek_drv.h"
#include "dseek_trace.h"

static struct kmem_cache *jobs;

int dseek_job_cache_init(void)
{
	/*
	 * Constants are copied in place: the only part of a job that user memory may reach. Not charged to memory
	 * cgroups: a tenant's number of jobs is limited, and the charge is a tenth of a round trip.
	 */
	jobs = kmem_cache_create_usercopy("dseek_job", sizeof(struct dseek_job), 0, 0,
					  offsetof(struct dseek_job, consts), DRM_DSEEK_MAX_CONSTS, NULL);
	return jobs ? 0 : -ENOMEM;
}

void dseek_job_cache_fini(void)
{
	kmem_cache_destroy(jobs);
}

#define IDS 64		/* taken at once: all queues take them from one counter */

static u64 job_id(struct dseek_queue *queue)
{
	lockdep_assert_held(&queue->submit_lock);
	if (!queue->job_ids_left) {
		queue->next_job_id = dseek_new_ids(IDS);
		queue->job_ids_left = IDS;
	}
	queue->job_ids_left--;
	return queue->next_job_id++;
}

/*
 * Jobs that are over serve again. The allocator clears each that it gives out, and takes one back slowly on another CPU than
 * gave it out: a seventh of all that a job costs. An engine keeps what its executor holds and as many behind; with
 * KASAN none, so that the use of one after its end is seen.
 */
#define SPARE	(IS_ENABLED(CONFIG_KASAN) ? 0 : 2 * DRM_DSEEK_MAX_DEPTH)

struct dseek_job *dseek_spare_take(struct dseek_spare *spare, u32 most)
{
	struct dseek_job *first, *last;
	u32 count;

	if (!READ_ONCE(spare->count))
		return NULL;
	spin_lock(&spare->lock);
	first = spare->first;
	count = min(most, spare->count);
	if (count) {
		spare->count -= count;
		for (last = first; --count; last = last->next_spare)
			;
		spare->first = last->next_spare;
		last->next_spare = NULL;
	}
	spin_unlock(&spare->lock);
	return first;
}

void dseek_spare_give(struct dseek_spare *spare, struct dseek_job *first)
{
	struct dseek_job *job;

	if (!first)
		return;
	spin_lock(&spare->lock);
	while (first && spare->count < SPARE) {
		job = first;
		first = job->next_spare;
		job->next_spare = spare->first;
		spare->first = job;
		spare->count++;
	}
	spin_unlock(&spare->lock);
	while (first) {
		job = first;
		first = job->next_spare;
		kmem_cache_free(jobs, job);
	}
}

void dseek_spare_free(struct dseek_spare *spare)
{
	struct dseek_job *job;

	while ((job = spare->first)) {
		spare->first = job->next_spare;
		kmem_cache_free(jobs, job);
	}
}

struct dseek_job *dseek_job_alloc(struct dseek_queue *queue, struct dseek_job **spare)
{
	struct dseek_job *job = *spare;

	if (job)
		*spare = job->next_spare;
	else
		job = kmem_cache_alloc(jobs, DSEEK_GFP & ~__GFP_ACCOUNT);
	if (!job)
		return NULL;
	memset(job, 0, offsetof(struct dseek_job, arb));
	job->arb.used_ns = 0;
	job->arb.preemptions = 0;
	kref_init(&job->ref);
	job->id = job_id(queue);
	job->queue = queue;
	kref_get(&queue->ref);
	dseek_count(DSEEK_COUNT_JOBS, 1);
	return job;
}

/* What it holds but its queue and program, and what its tenant wrote into it. */
static void job_clear(struct dseek_job *job)
{
	u32 i;

	if (job->waits) {
		for (i = 0; i < job->wait_count; i++)
			dma_fence_put(job->waits[i].fence);
		kfree(job->waits);
	}
	for (i = 0; i < job->binding_count; i++) {
		dseek_bo_unuse(job->bindings[i].bo);
		dseek_bo_put(job->bindings[i].bo);
	}
	if (job->const_size)
		memset(job->consts, 0, job->const_size);
	dseek_count(DSEEK_COUNT_JOBS, -1);
}

/* Of @count jobs; one that was never published may have no program. */
static void put_refs(struct dseek_queue *queue, struct dseek_program *program, u32 count)
{
	if (!count)
		return;
	if (program)
		dseek_program_put_many(program, count);
	dseek_queue_put_many(queue, count);
}

/* Process context. */
void dseek_job_put(struct dseek_job *job)
{
	if (!refcount_dec_and_test(&job->ref.refcount))
		return;
	job_clear(job);
	put_refs(job->queue, job->program, 1);
	kmem_cache_free(jobs, job);
}

/* Who else has a reference to one of them doesn't look at its link. */
void dseek_jobs_put(struct dseek_engine *engine, struct list_head *over)
{
	struct dseek_job *job, *next, *spare = NULL;
	struct dseek_program *program = NULL;
	struct dseek_queue *queue = NULL;
	u32 count = 0;

	list_for_each_entry_safe(job, next, over, link) {
		if (!refcount_dec_and_test(&job->ref.refcount))
			continue;
		if (job->queue != queue || job->program != program) {
			put_refs(queue, program, count);
			queue = job->queue;
			program = job->program;
			count = 0;
		}
		count++;
		job_clear(job);
		job->next_spare = spare;
		spare = job;
	}
	put_refs(queue, program, count);
	dseek_spare_give(&engine->spare, spare);
}

static void record(struct dseek_queue *queue, struct dseek_job *job, u64 now)
{
	struct dseek_result *result = &queue->results[job->seqno % DRM_DSEEK_STATUS_RING];

	/* Read without a lock, by result_of() of dseek_wait.c, whose barriers these pair with. */
	WRITE_ONCE(result->seqno, 0);
	smp_wmb();	/* who reads a member of the new result finds the number 0 or new */
	WRITE_ONCE(result->error, job->error);
	WRITE_ONCE(result->preemptions, job->preemptions + job->arb.preemptions);
	WRITE_ONCE(result->engine, queue->engine->id);
	WRITE_ONCE(result->submit_ns, job->submit_ns);
	WRITE_ONCE(result->start_ns, job->start_ns);
	WRITE_ONCE(result->end_ns, now);
	WRITE_ONCE(result->engine_ns, job->past_ns + job->arb.used_ns);
	WRITE_ONCE(result->placed_ns, job->placed_ns);
	WRITE_ONCE(result->predicted_ns, job->predicted_ns);
	smp_store_release(&result->seqno, job->seqno);	/* who finds the number finds all of it */
	if (job->error)
		queue->faulted++;
	job->state = DSEEK_JOB_OVER;
	trace_dseek_job_over(job);
}

/* The core may pick it from now on. */
static void make_ready(struct dseek_queue *queue, struct dseek_job *job, u64 now)
{
	job->state = DSEEK_JOB_READY;
	queue->ready++;
	trace_dseek_job_ready(job);
	dseek_engine_ready(queue->engine, now);
	if (queue->set) {
		job->cost = xa_load(&job->program->costs, queue->engine->id);
		job->arb.cost = job->cost;
		arb_cost_recall(queue->arb.share, job->cost);
		dseek_job_predict(job, now);
	}
	arb_job_ready(&job->arb, now);
}

/* Jobs at the head that are done or have faulted are over. */
static void settle(struct dseek_queue *queue, u64 now)
{
	struct dseek_job *job, *last = NULL;
	LIST_HEAD(finished);
	u64 completed = 0;
	u32 over = 0;

	list_for_each_entry(job, &queue->jobs, link) {
		if (job->state != DSEEK_JOB_ENDED)
			break;
		record(queue, job, now);
		over++;
		last = job;
		queue->finished = job->seqno;
		/* Who sees the number finds the fence signalled. */
		if (job->fence || queue->signalling)
			queue->signalling++;
		else
			completed = job->seqno;
	}
	if (last) {
		list_cut_position(&finished, &queue->jobs, &last->link);
		list_splice_tail(&finished, &queue->engine->finished);
		queue->engine->jobs -= over;
		/* Who learns that it is complete may submit the next. */
		dseek_uncharge(queue->tenant, DSEEK_JOBS, over);
	}
	if (completed)	/* not before the results; pairs with completed() of dseek_wait.c */
		smp_store_release(&queue->completed, completed);
	if (queue->dead && !queue->removed && list_empty(&queue->jobs) && list_empty(&queue->waiting)) {
		queue->removed = true;
		list_del(&queue->engine_link);
		arb_queue_remove(&queue->arb, now);
	}
}

/*
 * Bring the queue as far as it goes: jobs whose waits are over become ready in their order, then settle().
 * A queue with a set of which the core has nothing is asked about first.
 */
static void advance(struct dseek_queue *queue, bool decided, u64 now)
{
	struct dseek_engine *engine = queue->engine;
	struct dseek_job *job, *next;

	lockdep_assert_held(&engine->lock);
	list_for_each_entry_safe(job, next, &queue->waiting, link) {
		if (job->waits_left)
			break;
		if (queue->dead && !job->error)
			job->error = -ECANCELED;
		if (queue->set && !job->error) {
			if (!dseek_queue_takes(queue))
				break;
			if ((!decided && !queue->ready && !queue->running) ||
			    (engine->gone && !dseek_queue_gone(queue))) {
				dseek_queue_ask(queue);
				break;
			}
		}
		list_move_tail(&job->link, &queue->jobs);
		if (job->state == DSEEK_JOB_ENDED)	/* on an engine that the queue has left */
			continue;
		if (engine->gone && !job->error)
			job->error = -ESHUTDOWN;
		if (job->error) {
			trace_dseek_job_end(job, 0, job->error);
			job->state = DSEEK_JOB_ENDED;
			continue;
		}
		make_ready(queue, job, now);
	}
	dseek_queue_track(queue);
	settle(queue, now);
}

void dseek_queue_advance(struct dseek_queue *queue, u64 now)
{
	advance(queue, false, now);
}

/* A job that was admitted and waits for no fence, behind those of its queue. */
void dseek_queue_append(struct dseek_queue *queue, struct dseek_job *job, u64 now)
{
	lockdep_assert_held(&queue->engine->lock);
	if (queue->set || !list_empty(&queue->waiting)) {
		list_add_tail(&job->link, &queue->waiting);
		advance(queue, false, now);
		return;
	}
	/* Nothing is asked, nothing before it waits; and what is admitted has neither a dead queue nor an engine that is gone. */
	list_add_tail(&job->link, &queue->jobs);
	make_ready(queue, job, now);
}

/* A job of the queue has ended. */
void dseek_queue_settle(struct dseek_queue *queue, u64 now)
{
	lockdep_assert_held(&queue->engine->lock);
	if (queue->set)		/* it takes another, maybe */
		advance(queue, false, now);
	else
		settle(queue, now);
}

void dseek_queue_hand(struct dseek_queue *queue, u64 now)
{
	advance(queue, true, now);
}

/* RUNNING: one of some of its queue in a row, after which the caller does arb_queue_settle(). */
void dseek_job_returned(struct dseek_job *job, int error, u64 used_ns, u64 now)
{
	struct dseek_engine *engine = job->queue->engine;

	lockdep_assert_held(&engine->lock);
	trace_dseek_job_end(job, used_ns, error);
	arb_job_done_more(&job->arb, used_ns, now);
	dseek_engine_charge(engine, job->queue, used_ns);
	job->queue->running--;
	job->state = DSEEK_JOB_ENDED;
	job->error = error;
}

/* RUNNING: back into the core's hands, to run from its cursor on. */
void dseek_job_yielded(struct dseek_job *job, enum dseek_yield_reason reason, u64 used_ns, u64 now)
{
	struct dseek_queue *queue = job->queue;

	lockdep_assert_held(&queue->engine->lock);
	trace_dseek_job_yield(job, used_ns, reason);
	job->state = DSEEK_JOB_READY;
	queue->running--;
	queue->ready++;
	dseek_engine_ready(queue->engine, now);
	dseek_engine_charge(queue->engine, queue, used_ns);
	arb_job_yield(&job->arb, used_ns, now);
	dseek_queue_track(queue);
	if (queue->leaving)
		dseek_queue_ask(queue);
}

/* Take a job that is READY or RUNNING from the core; it is over once all before it are (dseek_queue_advance). */
void dseek_job_end(struct dseek_job *job, int error, u64 used_ns, u64 now)
{
	struct dseek_engine *engine = job->queue->engine;

	lockdep_assert_held(&engine->lock);
	if (job->state == DSEEK_JOB_RUNNING) {
		dseek_job_returned(job, error, used_ns, now);
		arb_queue_settle(&job->queue->arb);
		return;
	}
	trace_dseek_job_end(job, used_ns, error);
	arb_job_cancel(&job->arb, now);
	engine->ready--;
	job->queue->ready--;
	job->state = DSEEK_JOB_ENDED;
	job->error = error;
}

/* A fence that the job waited for has signalled. Any context, under that fence's lock. */
void dseek_job_wait_done(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct dseek_job_wait *wait = container_of(cb, struct dseek_job_wait, cb);
	struct dseek_job *job = wait->job;
	struct dseek_engine *engine;
	int error = dseek_fence_error(fence);
	u64 now = ktime_get_ns();
	unsigned long flags;
	bool drain;

	engine = dseek_queue_lock_irqsave(job->queue, &flags);
	if (error && !job->error)
		job->error = error;
	job->waits_left--;
	trace_dseek_job_wait_done(job, job->waits_left, error);
	/* One fence may be waited for by all jobs of a tenant, and whoever signals it does this for each. */
	if (job->waits_left) {
		spin_unlock_irqrestore(&engine->lock, flags);
		return;
	}
	/* The job may be over, and gone, from here on. */
	dseek_queue_advance(job->queue, now);
	dseek_engine_kick(engine, now);
	drain = dseek_engine_undrained(engine);
	spin_unlock_irqrestore(&engine->lock, flags);
	dseek_engine_wake(engine);
	if (drain)
		queue_work(dseek->wq, &engine->work);
}

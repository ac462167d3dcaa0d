// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Engines, shares, queues, and the life of a job. */
#include "arb_core.h"

int arb_engine_init(struct arb_engine *engine, const struct arb_engine_params *params, u64 now_ns)
{
	static const struct arb_engine_params defaults = ARB_ENGINE_DEFAULTS;

	if (!params)
		params = &defaults;
	if (params->deadline_permille > 950 || !params->interactive_permille ||
	    params->interactive_permille > 999 || params->slice_ns > ARB_USED_MAX_NS ||
	    params->burst_ns > ARB_USED_MAX_NS || !params->default_cost_ns ||
	    params->default_cost_ns > ARB_USED_MAX_NS)
		return -EINVAL;
	memset(engine, 0, sizeof(*engine));
	engine->params = *params;
	engine->now_ns = now_ns;
	arb_list_init(&engine->running);
	arb_list_init(&engine->stale);
	return 0;
}

void arb_share_init(struct arb_share *share, struct arb_engine *engine)
{
	u32 class;

	memset(share, 0, sizeof(*share));
	share->engine = engine;
	for (class = 0; class < ARB_CLASS_COUNT; class++)
		share->member[class].share = share;
}

void arb_share_settle(struct arb_share *share)
{
	u32 class;

	for (class = 0; class < ARB_CLASS_COUNT; class++)
		arb_fluid_fold(&share->member[class]);
}

void arb_share_fini(struct arb_share *share)
{
	u32 class;

	for (class = 0; class < ARB_CLASS_COUNT; class++) {
		arb_fluid_drop(&share->member[class]);
		arb_backlog_drop(&share->member[class]);
	}
}

static int queue_valid(const struct arb_queue *queue)
{
	switch (queue->class) {
	case ARB_CLASS_DEADLINE:
		return !queue->weight && queue->budget_ns >= ARB_PERIOD_MIN_NS &&
		       queue->budget_ns <= queue->period_ns && queue->period_ns <= ARB_PERIOD_MAX_NS;
	case ARB_CLASS_INTERACTIVE:
	case ARB_CLASS_BATCH:
		return queue->weight && queue->weight <= ARB_WEIGHT_MAX && !queue->budget_ns &&
		       !queue->period_ns;
	}
	return 0;
}

int arb_queue_add(struct arb_queue *queue, struct arb_share *share, u64 now_ns)
{
	struct arb_queue set = { .class = queue->class, .weight = queue->weight,
				 .budget_ns = queue->budget_ns, .period_ns = queue->period_ns, .share = share };
	struct arb_engine *engine = share->engine;
	u32 rate = 0;

	if (!queue_valid(queue))
		return -EINVAL;
	if (queue->class == ARB_CLASS_DEADLINE) {
		rate = arb_server_rate(queue);
		if (rate > arb_server_free(engine))
			return -EBUSY;
	}
	*queue = set;
	queue->member = &share->member[queue->class];
	arb_list_init(&queue->ready);
	arb_list_init(&queue->running);
	arb_queue_member(queue)->queue_count++;
	if (queue->class == ARB_CLASS_DEADLINE) {
		arb_server_add(queue, arb_now(engine, now_ns));
		arb_fluid_rate(arb_queue_member(queue), arb_queue_member(queue)->entity.weight += rate);
		arb_backlog_stale(arb_queue_member(queue));
	} else {
		arb_fair_add(queue);
	}
	return 0;
}

void arb_queue_remove(struct arb_queue *queue, u64 now_ns)
{
	struct arb_member *member = arb_queue_member(queue);

	member->queue_count--;
	if (queue->class == ARB_CLASS_DEADLINE) {
		arb_server_remove(queue, arb_now(queue->share->engine, now_ns));
		member->entity.weight -= arb_server_rate(queue);
		/* A member without queues keeps its rate until it is caught up with. */
		if (member->entity.weight)
			arb_fluid_rate(member, member->entity.weight);
		arb_backlog_stale(member);
	} else {
		arb_fair_remove(queue);
	}
	queue->share = NULL;
	queue->member = NULL;
}

static void queue_update(struct arb_queue *queue)
{
	if (queue->class == ARB_CLASS_DEADLINE)
		arb_server_update(queue);
	else
		arb_fair_update(queue);
}

static void queue_wake(struct arb_queue *queue, u64 now_ns)
{
	struct arb_engine *engine = queue->share->engine;
	struct arb_member *member = arb_queue_member(queue);

	if (!engine->working[queue->class]++)
		arb_split_wake(engine, queue->class, now_ns);
	if (!member->working++) {
		arb_fluid_elapse(engine);
		arb_fluid_join(member);
	}
	if (queue->class == ARB_CLASS_DEADLINE)
		arb_server_wake(queue, now_ns);
	else
		arb_fair_wake(queue);
}

static void queue_sleep(struct arb_queue *queue)
{
	struct arb_member *member = arb_queue_member(queue);

	queue->share->engine->working[queue->class]--;
	if (!--member->working)
		arb_fluid_leave(member);
}

/* Sorted by seq; a job that comes back passes at most those that were out with it. */
static void queue_insert(struct arb_queue *queue, struct arb_job *job)
{
	struct arb_list *at = queue->ready.next;

	while (at != &queue->ready && arb_container_of(at, struct arb_job, in_queue)->seq < job->seq)
		at = at->next;
	arb_list_add_before(&job->in_queue, at);
}

void arb_job_ready(struct arb_job *job, u64 now_ns)
{
	struct arb_queue *queue = job->queue;
	u64 default_ns = queue->share->engine->params.default_cost_ns;
	int first;

	now_ns = arb_now(queue->share->engine, now_ns);
	job->ready_ns = now_ns;
	job->predicted_ns = 0;
	job->used_ns = 0;
	job->preemptions = 0;
	job->state = ARB_JOB_READY;
	job->seq = queue->next_seq++;
	job->bound_ns = arb_min(arb_cost_bound(job->cost, default_ns), ARB_USED_MAX_NS);
	queue->backlog_ns += job->bound_ns;
	if (!queue->jobs++)
		queue_wake(queue, now_ns);
	first = arb_list_empty(&queue->ready);
	arb_list_add_before(&job->in_queue, &queue->ready);
	arb_backlog_add(job);
	if (first)	/* behind others it changes nobody's turn */
		queue_update(queue);
}

static void job_gone(struct arb_job *job)
{
	struct arb_queue *queue = job->queue;

	job->state = ARB_JOB_IDLE;
	queue->backlog_ns -= job->bound_ns;
	queue->jobs--;
}

void arb_queue_settle(struct arb_queue *queue)
{
	if (!queue->jobs)
		queue_sleep(queue);
	queue_update(queue);
}

void arb_job_cancel(struct arb_job *job, u64 now_ns)
{
	arb_backlog_remove(job);
	arb_list_del(&job->in_queue);
	job_gone(job);
	arb_queue_settle(job->queue);
}

/* From the head of its queue to what runs. */
static void take(struct arb_queue *queue, struct arb_job *job, u64 now_ns)
{
	struct arb_engine *engine = queue->share->engine;

	arb_backlog_remove(job);
	arb_list_del(&job->in_queue);
	engine->queues_out += arb_list_empty(&queue->running);
	arb_list_add_before(&job->in_queue, &queue->running);
	arb_list_add_before(&job->in_engine, &engine->running);
	job->state = ARB_JOB_RUNNING;
	job->start_ns = now_ns;
	job->predicted_ns = arb_job_rest(job);
	engine->out_ns[queue->class] += job->predicted_ns;
	queue->queued_ns += now_ns - job->ready_ns;
}

static struct arb_job *pick_deadline(struct arb_queue *queue, u64 now_ns)
{
	struct arb_job *job = arb_queue_first(queue);

	take(queue, job, now_ns);
	job->run_deadline = queue->server.deadline_ns;
	job->run_budget = queue->server.left_ns;
	arb_server_charge(queue, job->predicted_ns);
	arb_server_update(queue);
	return job;
}

/* The first of @queue, as no server is ready, and up to @most of it if no other is at all: then it is first again. */
static u32 pick_fair(struct arb_engine *engine, struct arb_queue *queue, struct arb_job **jobs, u32 most, u64 now_ns)
{
	struct arb_job *job, *last = NULL;
	u32 count = 0;

	if (most > 1 && !arb_fair_alone(queue))
		most = 1;
	do {
		job = arb_queue_first(queue);
		take(queue, job, now_ns);
		job->turn = queue->class == ARB_CLASS_BATCH && arb_heap_first(&engine->class[ARB_CLASS_INTERACTIVE].ready);
		arb_fair_charge(job, last);
		arb_split_charge(engine, job);
		last = job;
		jobs[count++] = job;
	} while (count < most && arb_queue_pickable(queue));
	arb_fair_update(queue);
	return count;
}

u32 arb_pick_many(struct arb_engine *engine, struct arb_job **jobs, u32 most, u64 now_ns)
{
	struct arb_node *node;
	u32 count = 0, class;

	now_ns = arb_now(engine, now_ns);
	while (count < most) {
		arb_servers_renew(engine, now_ns);
		node = arb_heap_first(&engine->servers);
		class = arb_split_class(engine);
		if (node)
			jobs[count++] = pick_deadline(arb_node_queue(node), now_ns);
		else if (class != ARB_CLASS_COUNT)
			count += pick_fair(engine, arb_fair_first(engine, class), jobs + count, most - count, now_ns);
		else
			break;
	}
	return count;
}

struct arb_job *arb_pick(struct arb_engine *engine, u64 now_ns)
{
	struct arb_job *job;

	return arb_pick_many(engine, &job, 1, now_ns) ? job : NULL;
}

static u64 job_settle(struct arb_job *job, u64 used_ns, u64 now_ns)
{
	struct arb_queue *queue = job->queue;
	struct arb_engine *engine = queue->share->engine;
	u64 used = arb_min(used_ns, ARB_USED_MAX_NS);
	struct arb_list *next = job->in_engine.next;

	job->used_ns += used;
	queue->used_ns += used;
	queue->share->used_ns += used;
	engine->used_ns += used;
	engine->out_ns[queue->class] -= job->predicted_ns;
	arb_queue_member(queue)->used_ns += used;
	arb_fluid_supply(engine, job, used);
	if (engine->running.next == &job->in_engine && next != &engine->running)
		arb_container_of(next, struct arb_job, in_engine)->start_ns = now_ns;
	arb_list_del(&job->in_engine);
	arb_list_del(&job->in_queue);
	engine->queues_out -= arb_list_empty(&queue->running);
	if (queue->class == ARB_CLASS_DEADLINE) {
		arb_server_correct(queue, job->predicted_ns, used);
	} else {
		arb_fair_correct(job, used);
		arb_split_correct(engine, job, used, now_ns);
	}
	return used;
}

void arb_job_yield(struct arb_job *job, u64 used_ns, u64 now_ns)
{
	struct arb_queue *queue = job->queue;
	u64 used, rest;

	now_ns = arb_now(queue->share->engine, now_ns);
	used = job_settle(job, used_ns, now_ns);
	rest = job->bound_ns > used ? job->bound_ns - used : 0;
	rest = arb_max(rest, arb_min(job->bound_ns, 1));
	queue->backlog_ns -= job->bound_ns - rest;
	job->bound_ns = rest;
	job->state = ARB_JOB_READY;
	job->ready_ns = now_ns;
	if (used) {
		job->preemptions++;
		queue->preemptions++;
	}
	queue_insert(queue, job);
	arb_backlog_add(job);
	queue_update(queue);
}

void arb_job_done_more(struct arb_job *job, u64 used_ns, u64 now_ns)
{
	struct arb_queue *queue = job->queue;

	now_ns = arb_now(queue->share->engine, now_ns);
	job_settle(job, used_ns, now_ns);
	queue->jobs_done++;
	if (job->deadline_ns && now_ns > job->deadline_ns)
		queue->deadline_misses++;
	arb_trial_over(job, now_ns);
	job_gone(job);
}

void arb_job_done(struct arb_job *job, u64 used_ns, u64 now_ns)
{
	arb_job_done_more(job, used_ns, now_ns);
	arb_queue_settle(job->queue);
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Whether, and when, what runs has had enough. */
#include "arb_core.h"

#define NEVER	(~0ULL)

static u64 after_split(const struct arb_engine *engine, const struct arb_job *job)
{
	u64 share = engine->params.interactive_permille, slice = engine->params.slice_ns;
	s64 over;

	if (job->queue->class == ARB_CLASS_BATCH) {
		over = engine->balance;
		return arb_max(over > 0 ? (over + share - 1) / share : 0, job->turn ? slice : 0);
	}
	over = (s64)(slice * (1000 - share)) - engine->balance;
	return (over < 0 ? 0 : over / (1000 - share) + 1) +
	       arb_max(job->start_ns, engine->since[ARB_CLASS_BATCH]) - job->start_ns;
}

static struct arb_vtime settled(const struct arb_entity *entity)
{
	return arb_vtime_sub(entity->vt, entity->ahead);
}

/* The engine time after which @waits is owed more than a slice. */
static u64 after_slice(const struct arb_entity *runs, const struct arb_entity *waits, u64 slice_ns)
{
	struct arb_vtime to = arb_vtime_add(settled(waits), arb_vtime_of(slice_ns, waits->weight));

	return arb_vtime_ns(arb_vtime_sub(to, settled(runs)), runs->weight);
}

/* A server that is past its deadline by then gets the next budget at once, so it has that too. */
static u64 after_budget(const struct arb_job *job)
{
	return job->run_budget + (job->start_ns + job->run_budget < job->run_deadline ? 0 : job->queue->budget_ns);
}

/* How long the job may run, from its start, before @waits is better; @deadline_ns: of its server. */
static u64 patience(const struct arb_engine *engine, const struct arb_job *job, const struct arb_queue *waits,
		    u64 deadline_ns)
{
	const struct arb_queue *runs = job->queue;

	if (waits == runs)
		return NEVER;
	if (waits->class == ARB_CLASS_DEADLINE &&
	    (runs->class != ARB_CLASS_DEADLINE || deadline_ns < job->run_deadline))
		return 0;
	if (runs->class == ARB_CLASS_DEADLINE)
		return after_budget(job);
	if (waits->class != runs->class)
		return after_split(engine, job);
	if (waits->share == runs->share)
		return after_slice(&runs->entity, &waits->entity, engine->params.slice_ns);
	return after_slice(&arb_queue_member(runs)->entity, &arb_queue_member(waits)->entity, engine->params.slice_ns);
}

/*
 * Against the best that is ready of each kind, and against all that was picked later than what runs: a better one
 * may have been fetched ahead, behind it. (Of the ready, those with the least virtual time stand for
 * their class: who has something out besides is among the others.)
 */
static u64 least_patience(const struct arb_engine *engine, const struct arb_job *job)
{
	struct arb_node *node = arb_heap_first(&engine->servers);
	const struct arb_list *at;
	const struct arb_job *later;
	struct arb_queue *waits;
	u64 after = NEVER;
	u32 class;

	if (node)
		after = patience(engine, job, arb_node_queue(node), arb_node_queue(node)->server.deadline_ns);
	for (class = ARB_CLASS_INTERACTIVE; class < ARB_CLASS_COUNT; class++) {
		waits = arb_fair_first(engine, class);
		if (waits)
			after = arb_min(after, patience(engine, job, waits, 0));
	}
	if (engine->queues_out == 1)	/* mostly: what runs it never outruns */
		return after;
	for (at = job->in_engine.next; at != &engine->running; at = at->next) {
		later = arb_container_of(at, struct arb_job, in_engine);
		if (later->queue == job->queue)
			continue;
		after = arb_min(after, patience(engine, job, later->queue, later->run_deadline));
	}
	return after;
}

/* The moment at which arb_wants_preempt() says yes if nothing else happens. */
static u64 preempt_ns(const struct arb_engine *engine)
{
	struct arb_job *job;
	u64 after;

	if (arb_list_empty(&engine->running))
		return NEVER;
	job = arb_container_of(engine->running.next, struct arb_job, in_engine);
	after = least_patience(engine, job);
	return after < NEVER - job->start_ns ? job->start_ns + after : NEVER;
}

int arb_wants_preempt(struct arb_engine *engine, u64 now_ns)
{
	now_ns = arb_now(engine, now_ns);
	arb_servers_renew(engine, now_ns);
	return preempt_ns(engine) <= now_ns;
}

u64 arb_next_event(struct arb_engine *engine, u64 now_ns)
{
	struct arb_node *node;
	u64 next;

	now_ns = arb_now(engine, now_ns);
	arb_servers_renew(engine, now_ns);
	node = arb_heap_first(&engine->spent);
	next = arb_min(node ? node->key : NEVER, preempt_ns(engine));
	return arb_max(next, now_ns);
}

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
	       arb_max(job->start_ns, engine->batch_since) - job->start_ns;
}

/* The engine time after which @waits is owed more than a slice. */
static u64 after_slice(const struct arb_entity *runs, const struct arb_entity *waits, u64 slice_ns)
{
	struct arb_vtime to = arb_vtime_add(waits->vt, arb_vtime_of(slice_ns, waits->weight));

	return arb_vtime_ns(arb_vtime_sub(to, arb_vtime_sub(runs->vt, runs->ahead)), runs->weight);
}

static u64 after_fair(const struct arb_engine *engine, const struct arb_job *job)
{
	struct arb_member *member = arb_queue_member(job->queue);
	struct arb_queue *first = arb_fair_first(engine, job->queue->class);
	struct arb_member *other;

	if (!first || first == job->queue)
		return NEVER;
	other = arb_queue_member(first);
	if (other == member)
		return after_slice(&job->queue->entity, &first->entity, engine->params.slice_ns);
	return after_slice(&member->entity, &other->entity, engine->params.slice_ns);
}

/* A server that is past its deadline by then gets the next budget at once, so it has that too. */
static u64 after_budget(const struct arb_job *job)
{
	return job->run_budget + (job->start_ns + job->run_budget < job->run_deadline ? 0 : job->queue->budget_ns);
}

/* How long the job may run, from its start, before something that is ready now is better. */
static u64 patience(const struct arb_engine *engine, const struct arb_job *job)
{
	struct arb_node *node = arb_heap_first(&engine->servers);
	struct arb_queue *server = node ? arb_node_queue(node) : NULL;
	int fair = arb_split_class(engine) != ARB_CLASS_COUNT;
	u32 other = ARB_CLASS_INTERACTIVE + ARB_CLASS_BATCH - job->queue->class;
	u64 after;

	if (job->queue->class == ARB_CLASS_DEADLINE) {
		if (server && server->server.deadline_ns < job->run_deadline)
			return 0;
		return fair || (server && server != job->queue) ? after_budget(job) : NEVER;
	}
	if (server)
		return 0;
	after = after_fair(engine, job);
	if (arb_heap_first(&engine->class[other].ready))
		after = arb_min(after, after_split(engine, job));
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
	after = patience(engine, job);
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

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Ready work, summed up by queue, tenant and class as jobs come and go: what a prediction would otherwise have to walk
 * over. The work of a job is what it was predicted to cost when it became ready. A tenant is entered in its slot of the
 * class when somebody asks: jobs come and go more often than that.
 */
#include "arb_core.h"

static struct arb_backlog *backlog_of(const struct arb_member *member)
{
	return &member->share->engine->backlog[member - member->share->member];
}

static u32 slot_of(u64 ns, u32 weight)
{
	u64 fluid = ns / weight;

	return fluid ? arb_min(64 - __builtin_clzll(fluid), ARB_BACKLOG_SLOTS - 1) : 0;
}

void arb_backlog_stale(struct arb_member *member)
{
	if (!member->stale.next)
		arb_list_add_before(&member->stale, &member->share->engine->stale);
}

/* What the class has of the tenant. */
static void enter(struct arb_member *member)
{
	struct arb_backlog *backlog = backlog_of(member);
	u64 ns = member->waits_ns;
	u32 weight = ns ? member->entity.weight : 0;
	u32 slot = weight ? slot_of(ns, weight) : member->slot;

	arb_list_del(&member->stale);
	backlog->weight += weight - (u64)member->slot_weight;
	backlog->slot[member->slot].ns -= member->slot_ns;
	backlog->slot[member->slot].weight -= member->slot_weight;
	backlog->slot[slot].ns += ns;
	backlog->slot[slot].weight += weight;
	member->slot_ns = ns;
	member->slot_weight = weight;
	member->slot = slot;
}

void arb_backlog_add(struct arb_job *job)
{
	struct arb_queue *queue = job->queue;
	struct arb_member *member = arb_queue_member(queue);

	job->waits_ns = arb_job_rest(job);
	if (!queue->waits_ns)
		member->waits_weight += queue->weight;
	queue->waits_ns += job->waits_ns;
	member->waits_ns += job->waits_ns;
	queue->share->engine->backlog[queue->class].ns += job->waits_ns;
	arb_backlog_stale(member);
}

void arb_backlog_remove(struct arb_job *job)
{
	struct arb_queue *queue = job->queue;
	struct arb_member *member = arb_queue_member(queue);

	queue->waits_ns -= job->waits_ns;
	if (!queue->waits_ns)
		member->waits_weight -= queue->weight;
	member->waits_ns -= job->waits_ns;
	queue->share->engine->backlog[queue->class].ns -= job->waits_ns;
	arb_backlog_stale(member);
	job->waits_ns = 0;
}

/* No more often than jobs came and went: what that took is paid back here. */
void arb_backlog_settle(struct arb_engine *engine)
{
	while (!arb_list_empty(&engine->stale))
		enter(arb_container_of(engine->stale.next, struct arb_member, stale));
}

/* It goes; it has no ready work. */
void arb_backlog_drop(struct arb_member *member)
{
	if (member->stale.next)
		enter(member);
}

/* What the other tenants of the class get of their ready work until each has had @until by weight. */
u64 arb_backlog_within(const struct arb_member *member, struct arb_vtime until)
{
	const struct arb_backlog *backlog = backlog_of(member);
	u64 sum = 0, ns, weight;
	u32 i;

	for (i = 0; i < ARB_BACKLOG_SLOTS; i++) {
		ns = backlog->slot[i].ns;
		weight = backlog->slot[i].weight;
		if (member->slot_weight && member->slot == i) {
			ns -= member->slot_ns;
			weight -= member->slot_weight;
		}
		if (weight)
			sum += arb_min(ns, arb_vtime_ns(until, weight));
	}
	return sum;
}

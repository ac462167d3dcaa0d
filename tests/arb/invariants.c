// SPDX-License-Identifier: MIT
#include <stdio.h>
#include "invariants.h"
#include "../../kmod/arb/arb_core.h"

struct report {
	char *error;
	size_t size;
};

static void broken(struct report *report, const char *what)
{
	if (!report->error[0])
		snprintf(report->error, report->size, "invariant: %s", what);
}

/* Order, ranks and parent links of a leftist heap; returns how many it holds. */
static int heap(const struct arb_node *node, const struct arb_node *parent, struct report *report)
{
	u32 left, right;

	if (!node)
		return 0;
	left = node->left ? node->left->rank : 0;
	right = node->right ? node->right->rank : 0;
	if (node->parent != parent)
		broken(report, "a heap node's parent");
	if (left < right || node->rank != right + 1)
		broken(report, "a heap node's rank");
	if (parent && (node->key < parent->key || (node->key == parent->key && node->frac < parent->frac)))
		broken(report, "heap order");
	return 1 + heap(node->left, node, report) + heap(node->right, node, report);
}

static int held(struct arb_node *node, const struct arb_heap *in)
{
	if (!arb_heap_holds(node))
		return 0;
	while (node->parent)
		node = node->parent;
	return node == in->root;
}

static int listed(const struct arb_list *head, struct report *report)
{
	const struct arb_list *at;
	const struct arb_job *job, *last = NULL;
	int n = 0;

	for (at = head->next; at != head; at = at->next, n++) {
		job = arb_container_of(at, struct arb_job, in_queue);
		if (last && last->seq >= job->seq)
			broken(report, "the order of jobs in a queue");
		last = job;
	}
	return n;
}

static void queue_invariants(const struct arb_engine *engine, const struct arb_queue *queue, struct report *report)
{
	struct arb_node *node = (struct arb_node *)&queue->entity.node;
	const struct arb_member *member = arb_queue_member(queue);
	const struct arb_heap *in = &member->queues.ready;
	int ready = listed(&queue->ready, report), running = listed(&queue->running, report);

	if (queue->class == ARB_CLASS_DEADLINE)
		in = queue->server.left_ns > 0 ? &engine->servers : &engine->spent;
	if ((u32)(ready + running) != queue->jobs)
		broken(report, "the number of a queue's jobs");
	if (arb_queue_pickable(queue) != held(node, in) || arb_queue_pickable(queue) != arb_heap_holds(node))
		broken(report, "a queue that may run is in its heap, and no other");
	if (!running && (queue->entity.ahead.ns || queue->entity.ahead.frac || queue->server.ahead_ns))
		broken(report, "a charge ahead without a job that is out");
	if (arb_vtime_before(queue->entity.vt, queue->entity.ahead))
		broken(report, "virtual time below what is charged ahead");
	if (queue->class == ARB_CLASS_DEADLINE && queue->server.left_ns > (s64)queue->budget_ns)
		broken(report, "more left than the budget");
	if (!queue->jobs && queue->backlog_ns)
		broken(report, "a backlog without jobs");
	if ((ready > 0) != (queue->waits_ns > 0))
		broken(report, "ready work without ready jobs");
	if (queue->class != ARB_CLASS_DEADLINE && arb_queue_pickable(queue) &&
	    !held((struct arb_node *)&member->entity.node, &engine->class[queue->class].ready))
		broken(report, "a tenant with a queue that may run is in its heap");
}

/* The sums that predictions are made from, made anew. */
static void backlogs(struct arb_engine *engine, const struct arb_share *shares, int share_count, struct report *report)
{
	u64 out[ARB_CLASS_COUNT] = { 0 }, ns, weight, slot_ns, slot_weight;
	const struct arb_list *at;
	int i, c;

	for (at = engine->running.next; at != &engine->running; at = at->next) {
		const struct arb_job *job = arb_container_of(at, struct arb_job, in_engine);

		out[job->queue->class] += job->predicted_ns;
	}
	if (engine->seq % 4 == 0)	/* else what comes and goes till then is entered at once */
		arb_backlog_settle(engine);
	for (c = 0; c < ARB_CLASS_COUNT; c++) {
		const struct arb_backlog *backlog = &engine->backlog[c];

		ns = weight = slot_ns = slot_weight = 0;
		for (i = 0; i < share_count; i++) {
			const struct arb_member *member = &shares[i].member[c];

			ns += member->waits_ns;
			weight += member->waits_ns ? member->entity.weight : 0;
			if (member->waits_ns != member->slot_ns && !member->stale.next)
				broken(report, "a tenant's ready work as it is entered in its class");
		}
		for (i = 0; i < ARB_BACKLOG_SLOTS; i++) {
			slot_ns += backlog->slot[i].ns;
			slot_weight += backlog->slot[i].weight;
		}
		if (ns != backlog->ns || slot_weight != backlog->weight ||
		    (arb_list_empty(&engine->stale) && (weight != backlog->weight || slot_ns != ns)))
			broken(report, "the sums of ready work");
		if (out[c] != engine->out_ns[c])
			broken(report, "the sum of what is out");
	}
}

void invariants(struct arb_engine *engine, const struct arb_share *shares, int share_count,
		const struct arb_queue *queues, int queue_count, char *error, size_t size)
{
	struct report report = { error, size };
	u64 used = 0, entitled = 0, rate[ARB_CLASS_COUNT] = { 0 }, reserved = 0;
	int i, c, servers = 0, fair = 0, members;
	u32 out = 0;

	for (i = 0; i < queue_count; i++) {
		if (!queues[i].share)
			continue;
		out += !arb_list_empty(&queues[i].running);
		queue_invariants(engine, &queues[i], &report);
		if (queues[i].class == ARB_CLASS_DEADLINE)
			reserved += arb_server_rate(&queues[i]);
		if (queues[i].class == ARB_CLASS_DEADLINE)
			servers += arb_heap_holds(&queues[i].entity.node);
	}
	if (out != engine->queues_out)
		broken(&report, "the number of queues that have jobs out");
	if (heap(engine->servers.root, NULL, &report) + heap(engine->spent.root, NULL, &report) != servers)
		broken(&report, "the number of servers");
	for (c = ARB_CLASS_INTERACTIVE; c < ARB_CLASS_COUNT; c++) {
		members = heap(engine->class[c].ready.root, NULL, &report);
		for (i = 0; i < share_count; i++) {
			fair = heap(shares[i].member[c].queues.ready.root, NULL, &report);
			members -= fair > 0;
			heap(shares[i].member[c].weights.root, NULL, &report);
			if (shares[i].member[c].weights.root && shares[i].member[c].entity.weight !=
			    ARB_WEIGHT_MAX - shares[i].member[c].weights.root->key)
				broken(&report, "a tenant's weight");
		}
		if (members)
			broken(&report, "the number of tenants with ready work");
	}
	for (i = 0; i < share_count; i++) {
		used += shares[i].used_ns;
		entitled += shares[i].entitled_ns;
		for (c = 0; c < ARB_CLASS_COUNT; c++)
			rate[c] += shares[i].member[c].active ? shares[i].member[c].rate : 0;
	}
	for (c = 0; c < ARB_CLASS_COUNT; c++) {
		if (rate[c] != engine->fluid[c].rate)
			broken(&report, "the sum of fluid rates");
		heap(engine->fluid[c].leaving.root, NULL, &report);
	}
	backlogs(engine, shares, share_count, &report);
	if (used != engine->used_ns)
		broken(&report, "conservation of charge");
	/* A clock is rounded down where it is advanced and up where it is read: below a ns a member and event. */
	if (entitled > used + engine->fluid_ahead_ns + engine->fluid_debt_ns + share_count * ARB_CLASS_COUNT * 2 + (engine->seq >> 4))
		broken(&report, "more entitled than used");
	if (reserved != engine->reserved)
		broken(&report, "the sum of reservations");
	if (engine->lingering.until_ns > engine->now_ns &&
	    (engine->lingering.rate > arb_server_free(engine) || engine->lingering.until_ns > engine->now_ns + ARB_PERIOD_MAX_NS))
		broken(&report, "more lingers than is free, or for longer than a period");
	if (arb_list_empty(&engine->running) && engine->balance_ahead)
		broken(&report, "a balance ahead without a job that is out");
}

void invariant_idle(const struct arb_engine *engine, const struct arb_queue *queues, int queue_count,
		    char *error, size_t size)
{
	struct report report = { error, size };
	int i;

	for (i = 0; i < queue_count; i++)
		if (queues[i].share && arb_queue_pickable(&queues[i]) &&
		    (queues[i].class != ARB_CLASS_DEADLINE || queues[i].server.left_ns > 0))
			broken(&report, "an idle engine beside a queue that may run");
}

// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Deadline queues as constant-bandwidth servers with hard reservations. */
#include "arb_core.h"

u32 arb_server_rate(const struct arb_queue *queue)
{
	return (queue->budget_ns << ARB_RATE_SHIFT) / queue->period_ns;
}

/* What deadline queues may reserve still. */
u64 arb_server_free(const struct arb_engine *engine)
{
	return ((u64)engine->params.deadline_permille << ARB_RATE_SHIFT) / 1000 - engine->reserved;
}

/* Budgets until something is left again: one, or more if the server overran by whole budgets. */
static u64 budgets_owed(const struct arb_server *server, u64 budget_ns)
{
	return server->left_ns > 0 ? 0 : (u64)-server->left_ns / budget_ns + 1;
}

/* A spent server gets the last of those at the start of the last period. */
static u64 renewal_ns(const struct arb_queue *queue)
{
	return queue->server.deadline_ns +
	       (budgets_owed(&queue->server, queue->budget_ns) - 1) * queue->period_ns;
}

static void fresh(struct arb_server *server, const struct arb_queue *queue, u64 now_ns)
{
	server->left_ns = (s64)queue->budget_ns - (s64)server->ahead_ns;
	server->deadline_ns = now_ns + queue->period_ns;
}

/* What it is owed, whether or not it is time. */
static void pay(struct arb_server *server, const struct arb_queue *queue)
{
	u64 owed = budgets_owed(server, queue->budget_ns);

	server->left_ns += owed * queue->budget_ns;
	server->deadline_ns += owed * queue->period_ns;
}

static void renew(struct arb_server *server, const struct arb_queue *queue, u64 now_ns)
{
	pay(server, queue);
	/* Whole periods behind (the engine stood still): it must not make up for them at once. */
	if (server->deadline_ns <= now_ns)
		fresh(server, queue, now_ns);
}

/* The rule for work that arrives at an idle server; both products stay below 2^64 as periods do below 2^32. */
static void wake(struct arb_server *server, const struct arb_queue *queue, u64 now_ns)
{
	if (server->left_ns <= 0) {
		if (now_ns < renewal_ns(queue))
			return;
		renew(server, queue, now_ns);
	}
	if (now_ns >= server->deadline_ns ||
	    (u64)server->left_ns * queue->period_ns > (server->deadline_ns - now_ns) * queue->budget_ns)
		fresh(server, queue, now_ns);
}

void arb_server_wake(struct arb_queue *queue, u64 now_ns)
{
	wake(&queue->server, queue, now_ns);
}

/* How long the rate takes to make up for what the server was given sooner: until its 0-lag time. */
static u64 zero_lag_in(const struct arb_queue *queue, u64 now_ns)
{
	struct arb_server server = queue->server;
	u64 before;

	pay(&server, queue);
	before = server.left_ns * queue->period_ns / queue->budget_ns;
	return server.deadline_ns > now_ns + before ? server.deadline_ns - now_ns - before : 0;
}

static u64 divide_up(u64 a, u64 b)
{
	return (a + b - 1) / b;
}

static void forget(struct arb_lingering *left, u64 now_ns)
{
	if (now_ns >= left->until_ns)
		*left = (struct arb_lingering){ .until_ns = now_ns };
}

void arb_server_add(struct arb_queue *queue, u64 now_ns)
{
	struct arb_engine *engine = queue->share->engine;
	struct arb_lingering *left = &engine->lingering;
	u64 rate = arb_server_rate(queue), room, taken;

	forget(left, now_ns);
	room = arb_server_free(engine) - left->rate;
	taken = rate > room ? rate - room : 0;
	queue->server.left_ns = taken ? 0 : queue->budget_ns;
	queue->server.deadline_ns = now_ns + divide_up(taken * (left->until_ns - now_ns), rate);
	left->rate -= taken;
	engine->reserved += rate;
}

/* Rates are below 2^24 and periods below 2^32: no product here reaches 2^58. */
void arb_server_remove(struct arb_queue *queue, u64 now_ns)
{
	struct arb_engine *engine = queue->share->engine;
	struct arb_lingering *left = &engine->lingering;
	u64 rate = arb_server_rate(queue), in_ns = zero_lag_in(queue, now_ns), free, most, ahead;

	engine->reserved -= rate;
	if (!in_ns)
		return;
	forget(left, now_ns);
	free = arb_server_free(engine);
	most = free * ARB_PERIOD_MAX_NS;
	ahead = in_ns > most / rate ? most : in_ns * rate;
	/* What its rate takes longer than a period for, as it overran, is laid on as much more of what is free. */
	rate = arb_max(rate, divide_up(ahead, queue->period_ns));
	ahead += left->rate * (left->until_ns - now_ns);
	left->rate = arb_min(left->rate + rate, free);
	left->until_ns = now_ns + arb_min(divide_up(ahead, left->rate), ARB_PERIOD_MAX_NS);
}

void arb_server_charge(struct arb_queue *queue, u64 ns)
{
	queue->server.left_ns -= ns;
	queue->server.ahead_ns += ns;
}

void arb_server_correct(struct arb_queue *queue, u64 charged_ns, u64 used_ns)
{
	struct arb_server *server = &queue->server;

	server->ahead_ns -= charged_ns;
	server->left_ns += charged_ns;
	server->left_ns -= used_ns;
	/* A budget may have been renewed on a prediction that was too high. */
	if (server->left_ns > (s64)queue->budget_ns)
		server->left_ns = queue->budget_ns;
}

/* Put the queue where it belongs: among the servers, the spent, or neither. */
void arb_server_update(struct arb_queue *queue)
{
	struct arb_engine *engine = queue->share->engine;
	struct arb_node *node = &queue->entity.node;
	u32 spent = queue->server.left_ns <= 0;
	u64 key = spent ? renewal_ns(queue) : queue->server.deadline_ns;

	if (arb_heap_holds(node)) {
		if (arb_queue_pickable(queue) && queue->spent == spent && node->key == key)
			return;
		arb_heap_remove(queue->spent ? &engine->spent : &engine->servers, node);
	}
	if (!arb_queue_pickable(queue))
		return;
	queue->spent = spent;
	arb_heap_insert(spent ? &engine->spent : &engine->servers, node, key, 0, engine->seq++);
}

void arb_servers_renew(struct arb_engine *engine, u64 now_ns)
{
	struct arb_node *node;

	while ((node = arb_heap_first(&engine->spent)) && node->key <= now_ns) {
		struct arb_queue *queue = arb_node_queue(node);

		renew(&queue->server, queue, now_ns);
		arb_server_update(queue);
	}
}

/* Would a job of this bound, behind what is queued, be over in time? */
static int fits(const struct arb_queue *queue, u64 bound_ns, u64 deadline_ns, u64 now_ns)
{
	u64 work = queue->backlog_ns + arb_min(bound_ns, ARB_USED_MAX_NS), end, periods;
	struct arb_server server = queue->server;

	/* Jobs that are out count with their bounds, so not with what was charged ahead for them. */
	server.left_ns += server.ahead_ns;
	if (!queue->jobs)
		wake(&server, queue, now_ns);
	end = server.deadline_ns;
	if ((s64)work > server.left_ns) {
		periods = (work - server.left_ns + queue->budget_ns - 1) / queue->budget_ns;
		if (periods > ARB_USED_MAX_NS / queue->period_ns)
			return 0;
		end += periods * queue->period_ns;
	}
	return arb_max(end, now_ns + work) <= deadline_ns;
}

int arb_job_admit(const struct arb_queue *queue, struct arb_job *job, u64 now_ns)
{
	u64 default_ns = queue->share->engine->params.default_cost_ns;
	struct arb_cost *cost = job->cost;

	job->trial = 0;
	if (queue->class != ARB_CLASS_DEADLINE || !job->deadline_ns)
		return 0;
	if (fits(queue, arb_cost_bound(cost, default_ns), job->deadline_ns, now_ns)) {
		if (cost) {
			cost->trial_ns = 0;
			cost->failed = 0;
		}
		return 0;
	}
	if (!cost)
		return -ETIME;
	if (!cost->trial_ns)
		cost->trial_ns = now_ns + queue->period_ns;
	if (now_ns < cost->trial_ns || queue->jobs ||
	    !fits(queue, cost->samples < ARB_COST_FEW ? 0 : cost->least_ns, job->deadline_ns, now_ns))
		return -ETIME;
	/* Counted as failed until it is over in time: it may never be. */
	cost->trial_ns = now_ns + (queue->period_ns << arb_min(cost->failed, 31));
	cost->failed++;
	job->trial = 1;
	return 0;
}

void arb_trial_over(const struct arb_job *job, u64 now_ns)
{
	if (job->trial && now_ns <= job->deadline_ns && job->cost->failed)
		job->cost->failed--;
}

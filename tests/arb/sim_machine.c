// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include "drive.h"
#include "sim_machine.h"

#define NEVER	(~0ULL)

static u64 least(u64 a, u64 b)
{
	return a < b ? a : b;
}

static u64 cost_of(struct sim *sim, const struct client *client)
{
	u64 spread = client->spread_ns;

	return client->cost_ns - spread + (spread ? splitmix64(&sim->seed) % (2 * spread + 1) : 0);
}

static int submit(struct sim *sim, struct client *client, struct sim_job *job, u64 deadline_ns)
{
	u32 again = client->tries;

	job->arb = (struct arb_job){ .queue = &client->queue[job->queue], .cost = &client->cost,
				     .deadline_ns = deadline_ns };
	while (arb_traced_job_admit(sim->trace, job->arb.queue, &job->arb, sim->now_ns))
		if (!again--) {
			client->refused++;
			return -1;
		}
	job->busy = 1;
	job->started = 0;
	job->left_ns = client->cold_ns && !client->submitted ? client->cold_ns : cost_of(sim, client);
	client->submitted++;
	job->first_ready_ns = sim->now_ns;
	arb_traced_job_ready(sim->trace, &job->arb, sim->now_ns);
	return 0;
}

static void come(struct sim *sim, struct client *client)
{
	int i;

	client->queues = client->queues ? client->queues : 1;
	client->pipeline = client->pipeline ? client->pipeline : 1;
	client->job_count = client->queues * client->pipeline;
	client->queue = calloc(client->queues, sizeof(*client->queue));
	client->job = calloc(client->job_count, sizeof(*client->job));
	if (client->believed_ns)
		client->cost = (struct arb_cost){ .mean_ns = client->believed_ns, .least_ns = client->believed_ns,
						  .samples = ARB_COST_FEW };
	for (i = 0; i < client->queues; i++) {
		client->queue[i] = client->model;
		if (arb_traced_queue_add(sim->trace, &client->queue[i], &sim->share[client->share], 0))
			abort();
	}
	for (i = 0; i < client->job_count; i++) {
		client->job[i].client = client;
		client->job[i].queue = i / client->pipeline;
	}
	client->next_ns = client->from_ns;
}

static struct sim_job *spare(struct client *client)
{
	int i;

	for (i = 0; i < client->job_count; i++)
		if (!client->job[i].busy)
			return &client->job[i];
	return NULL;
}

/* At the same rate, with the model's period or that divided by up to 2048, as far as a budget may be so small. */
static void recreate(struct sim *sim, struct client *client)
{
	struct arb_queue *queue = &client->queue[0];
	u64 shift = splitmix64(&sim->seed) % 12;
	struct sim_job *job = &client->job[0];

	if (job->busy)
		arb_traced_job_cancel(sim->trace, &job->arb, sim->now_ns);
	job->busy = 0;
	arb_traced_queue_remove(sim->trace, queue, sim->now_ns);
	*queue = client->model;
	while (shift-- && queue->budget_ns >= 2 * ARB_PERIOD_MIN_NS) {
		queue->budget_ns /= 2;
		queue->period_ns /= 2;
	}
	if (arb_traced_queue_add(sim->trace, queue, &sim->share[client->share], sim->now_ns))
		abort();
	submit(sim, client, job, 0);
	client->next_ns = sim->now_ns + client->gap_ns;
}

/* The client's own moment has come. */
static void act(struct sim *sim, struct client *client)
{
	struct sim_job *job;

	client->next_ns = NEVER;
	if (client->until_ns && sim->now_ns >= client->until_ns)
		return;
	if (client->mode == CLIENT_PERIODIC) {
		job = spare(client);
		client->next_ns = sim->now_ns + client->gap_ns;
		if (job)
			submit(sim, client, job, client->next_ns);
		return;
	}
	if (client->mode == CLIENT_RECREATE) {
		client->next_ns = sim->now_ns + client->gap_ns;
		if (client->job[0].arb.state != ARB_JOB_RUNNING)
			recreate(sim, client);
		return;
	}
	while ((job = spare(client)))
		submit(sim, client, job, 0);
}

static void finished(struct sim *sim, struct sim_job *job)
{
	struct client *client = job->client;

	job->busy = 0;
	client->jobs++;
	client->late += job->arb.deadline_ns && sim->now_ns > job->arb.deadline_ns;
	if (job->arb.deadline_ns && sim->now_ns > job->arb.deadline_ns &&
	    sim->now_ns - job->arb.deadline_ns > client->late_ns)
		client->late_ns = sim->now_ns - job->arb.deadline_ns;
	if (!client->believed_ns)
		arb_traced_cost_update(sim->trace, &client->cost, job->arb.used_ns);
	if (client->until_ns && sim->now_ns >= client->until_ns)
		return;
	if (client->mode == CLIENT_SATURATE)
		submit(sim, client, job, 0);
	else if (client->mode == CLIENT_RECREATE)
		recreate(sim, client);
	else if (client->mode == CLIENT_LOOP)
		client->next_ns = sim->now_ns + client->gap_ns;
}

static void start_op(struct sim *sim)
{
	struct sim_job *job = sim->held[0];
	u64 wait;

	if (!job->started) {
		job->started = 1;
		wait = sim->now_ns - job->first_ready_ns;
		if (wait > job->client->wait_ns)
			job->client->wait_ns = wait;
	}
	sim->op_len_ns = least(sim->op_ns, job->left_ns);
	sim->op_end_ns = sim->now_ns + sim->op_len_ns;
}

static void give_back_first(struct sim *sim, int done)
{
	struct sim_job *job = sim->held[0];
	u64 used = sim->given_ns;
	int i;

	sim->given_ns = 0;
	for (i = 1; i < sim->held_count; i++)
		sim->held[i - 1] = sim->held[i];
	sim->held_count--;
	job->client->used_ns += used;
	if (done) {
		arb_traced_job_done(sim->trace, &job->arb, used, sim->now_ns);
		finished(sim, job);
	} else {
		arb_traced_job_yield(sim->trace, &job->arb, used, sim->now_ns);
		if (job->client->mode == CLIENT_RECREATE)
			recreate(sim, job->client);
	}
}

/* Completions first, then fetch, as DRM_IOCTL_DSEEK_NEXT does. */
static void fetch(struct sim *sim)
{
	struct arb_job *job;
	int idle = !sim->held_count;

	while (sim->held_count < sim->depth && (job = arb_traced_pick(sim->trace, &sim->engine, sim->now_ns)))
		sim->held[sim->held_count++] = arb_container_of(job, struct sim_job, arb);
	if (idle && sim->held_count)
		start_op(sim);
}

static void end_op(struct sim *sim)
{
	struct sim_job *job = sim->held[0];
	int preempt = sim->raised_ns != NEVER;

	job->left_ns -= sim->op_len_ns;
	sim->given_ns += sim->op_len_ns;
	sim->op_end_ns = NEVER;
	if (!job->left_ns)
		give_back_first(sim, 1);
	else if (!preempt)
		start_op(sim);
	if (preempt) {
		sim->preempt_ns = sim->now_ns - sim->raised_ns > sim->preempt_ns ?
				  sim->now_ns - sim->raised_ns : sim->preempt_ns;
		sim->preemptions += sim->held_count > 0;
		while (sim->held_count)
			give_back_first(sim, 0);
	} else if (sim->held_count && sim->op_end_ns == NEVER) {
		start_op(sim);
	}
}

static void start(struct sim *sim)
{
	int i;

	sim->depth = sim->depth ? sim->depth : 1;
	sim->op_ns = sim->op_ns ? sim->op_ns : MS / 10;
	sim->op_end_ns = NEVER;
	sim->raised_ns = NEVER;
	if (!sim->params.interactive_permille)
		sim->params = (struct arb_engine_params)ARB_ENGINE_DEFAULTS;
	if (arb_traced_engine_init(sim->trace, &sim->engine, &sim->params, 0))
		abort();
	for (i = 0; i < 16; i++)
		arb_traced_share_init(sim->trace, &sim->share[i], &sim->engine);
	for (i = 0; i < sim->client_count; i++)
		come(sim, &sim->clients[i]);
}

void sim_run(struct sim *sim, u64 for_ns)
{
	u64 timer = NEVER, next;
	int i;

	start(sim);
	for (;;) {
		next = least(sim->op_end_ns, timer);
		for (i = 0; i < sim->client_count; i++)
			next = least(next, sim->clients[i].next_ns);
		if (next >= for_ns)
			break;
		sim->now_ns = next > sim->now_ns ? next : sim->now_ns;
		if (sim->op_end_ns <= sim->now_ns)
			end_op(sim);
		for (i = 0; i < sim->client_count; i++)
			if (sim->clients[i].next_ns <= sim->now_ns)
				act(sim, &sim->clients[i]);
		fetch(sim);
		if (!arb_traced_wants_preempt(sim->trace, &sim->engine, sim->now_ns))
			sim->raised_ns = NEVER;
		else if (sim->raised_ns == NEVER)
			sim->raised_ns = sim->now_ns;
		timer = arb_traced_next_event(sim->trace, &sim->engine, sim->now_ns);
		if (timer <= sim->now_ns)
			timer = NEVER;
	}
	sim->now_ns = for_ns;
}

void sim_free(struct sim *sim)
{
	int i;

	for (i = 0; i < sim->client_count; i++) {
		free(sim->clients[i].queue);
		free(sim->clients[i].job);
		sim->clients[i].queue = NULL;
		sim->clients[i].job = NULL;
	}
}

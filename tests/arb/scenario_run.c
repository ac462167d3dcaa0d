// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include "scenario.h"

static int queue_step(struct scenario_state *state, const struct step *step)
{
	struct arb_queue *queue = &state->queue[step->a];
	int deadline = step->c == ARB_CLASS_DEADLINE;

	queue->class = step->c;
	queue->weight = deadline ? 0 : step->x;
	queue->budget_ns = deadline ? step->x * 1000 : 0;
	queue->period_ns = step->y * 1000;
	return arb_queue_add(queue, &state->share[step->b], 0);
}

static struct arb_job *job_step(struct scenario_state *state, const struct step *step, int slot)
{
	struct arb_cost *cost = &state->cost[slot];
	struct arb_job *job = &state->job[slot];

	*cost = (struct arb_cost){ .mean_ns = step->x * 1000, .least_ns = step->x * 1000, .samples = 8 };
	*job = (struct arb_job){ .queue = &state->queue[step->b], .cost = cost, .deadline_ns = step->y * 1000 };
	return job;
}

/* A job of a program that learns: admitted as a submission is. */
static int submit_step(struct scenario_state *state, const struct step *step, int slot)
{
	struct arb_job *job = &state->job[slot];

	*job = (struct arb_job){ .queue = &state->queue[step->b], .cost = &state->program[step->c],
				 .deadline_ns = step->y * 1000 };
	return arb_job_admit(job->queue, job, step->t * 1000);
}

static void done_step(struct scenario_state *state, const struct step *step)
{
	struct arb_job *job = &state->job[step->a];

	arb_job_done(job, step->x * 1000, step->t * 1000);
	if (job->cost >= state->program && job->cost < state->program + SCENARIO_PROGRAMS)
		arb_cost_update(job->cost, job->used_ns);
}

/* What the core says to this step, in the units of the table. */
static s64 decide(struct scenario_state *state, const struct step *step)
{
	struct arb_job *job;
	u64 t = step->t * 1000, x, n;
	int r;

	switch (step->op) {
	case STEP_QUEUE:
		return queue_step(state, step);
	case STEP_REMOVE:
		arb_queue_remove(&state->queue[step->a], t);
		return 0;
	case STEP_READY:
		arb_job_ready(job_step(state, step, step->a), t);
		return 0;
	case STEP_CANCEL:
		arb_job_cancel(&state->job[step->a], t);
		return 0;
	case STEP_PICK:
		job = arb_pick(&state->engine, t);
		return job ? job - state->job : -1;
	case STEP_DONE:
		done_step(state, step);
		return 0;
	case STEP_YIELD:
		arb_job_yield(&state->job[step->a], step->x * 1000, t);
		return 0;
	case STEP_PREEMPT:
		return arb_wants_preempt(&state->engine, t);
	case STEP_NEXT:
		x = arb_next_event(&state->engine, t);
		return x == ~0ULL ? -1 : (s64)((x + 999) / 1000);
	case STEP_ADMIT:
		return arb_job_admit(&state->queue[step->b], job_step(state, step, SCENARIO_JOBS - 1), t);
	case STEP_LEARN:
		for (n = 0; n < step->y; n++)
			arb_cost_update(&state->program[step->c], step->x * 1000);
		return 0;
	case STEP_SUBMIT:
		r = submit_step(state, step, step->a);
		if (!r)
			arb_job_ready(&state->job[step->a], t);
		return r;
	case STEP_SPAM:
		for (n = 0; n < step->x && submit_step(state, step, SCENARIO_JOBS - 1) == -ETIME; n++)
			;
		return n;
	case STEP_QUEUE_USED:
		return state->queue[step->a].used_ns / 1000;
	case STEP_USED:
		return state->share[step->a].used_ns / 1000;
	case STEP_QUEUED:
		return state->queue[step->a].queued_ns / 1000;
	case STEP_MISSES:
		return state->queue[step->a].deadline_misses;
	case STEP_ENTITLED:
		arb_share_settle(&state->share[step->a]);
		return (state->share[step->a].entitled_ns + 500) / 1000;
	default:
		return 0;
	}
}

static s64 expected(const struct step *step)
{
	switch (step->op) {
	case STEP_PICK:
		return step->a;
	case STEP_NEXT:
	case STEP_SPAM:
	case STEP_QUEUE_USED:
	case STEP_USED:
	case STEP_QUEUED:
	case STEP_MISSES:
	case STEP_ENTITLED:
		return step->x;
	default:
		return step->r;
	}
}

int scenario_run(const struct scenario *scenario, struct scenario_state *state, s64 *ret_got)
{
	struct arb_engine_params params = ARB_ENGINE_DEFAULTS;
	const struct step *step = scenario->steps;
	int i, n = 1;

	if (step->op == STEP_PARAMS) {
		params.deadline_permille = step->x;
		params.interactive_permille = step->y;
		params.slice_ns = step->z * 1000;
		params.burst_ns = step->w * 1000;
		step++;
		n++;
	}
	memset(state, 0, sizeof(*state));
	arb_engine_init(&state->engine, &params, 0);
	for (i = 0; i < SCENARIO_TENANTS; i++)
		arb_share_init(&state->share[i], &state->engine);
	for (; step->op != STEP_END; step++, n++) {
		*ret_got = decide(state, step);
		if (*ret_got != expected(step))
			return n;
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Scenario tables of the arbitration core: what happens, and what it must decide. Pure data over arb.h, so that
 * the same tables run in user space (scenario.c) and can run under KUnit. Times and costs are in
 * microseconds; jobs, queues and tenants are small numbers.
 */
#ifndef TESTS_ARB_SCENARIO_H
#define TESTS_ARB_SCENARIO_H

#include "../../kmod/arb/arb.h"

enum step_op {
	STEP_END,
	STEP_PARAMS,		/* x deadline permille, y interactive permille, z slice, w burst: must come first */
	STEP_QUEUE,		/* a queue, b tenant, c class, x weight or budget, y period, r expected result */
	STEP_REMOVE,		/* a queue */
	STEP_READY,		/* t, a job, b queue, x predicted cost, y deadline (0: none) */
	STEP_CANCEL,		/* t, a job */
	STEP_PICK,		/* t, a expected job or -1 */
	STEP_DONE,		/* t, a job, x used */
	STEP_YIELD,		/* t, a job, x used */
	STEP_PREEMPT,		/* t, r expected answer */
	STEP_NEXT,		/* t, x expected time, ~0 for never */
	STEP_ADMIT,		/* t, b queue, x bound, y deadline, r expected result */
	STEP_LEARN,		/* c program, x used, y times */
	STEP_SUBMIT,		/* t, a job, b queue, c program, y deadline, r expected of admission; ready if 0; learns when done */
	STEP_SPAM,		/* t, b queue, c program, x times, y deadline: every one refused */
	STEP_QUEUE_USED,	/* a queue, x expected */
	STEP_USED,		/* a tenant, x expected */
	STEP_QUEUED,		/* a queue, x expected time from ready to picked */
	STEP_MISSES,		/* a queue, x expected */
	STEP_ENTITLED,		/* a tenant, x expected, within 1 us */
};

struct step {
	enum step_op op;
	u64 t;
	int a, b, c, r;
	u64 x, y, z, w;
};

#define PARAMS(dl, ia, slice, burst)	{ .op = STEP_PARAMS, .x = dl, .y = ia, .z = slice, .w = burst }
#define DEADLINE(q, ten, budget, period) \
	{ .op = STEP_QUEUE, .a = q, .b = ten, .c = ARB_CLASS_DEADLINE, .x = budget, .y = period }
#define INTERACTIVE(q, ten, weight)	{ .op = STEP_QUEUE, .a = q, .b = ten, .c = ARB_CLASS_INTERACTIVE, .x = weight }
#define BATCH(q, ten, weight)		{ .op = STEP_QUEUE, .a = q, .b = ten, .c = ARB_CLASS_BATCH, .x = weight }
#define REFUSED(q, ten, cls, wgt, per, err) \
	{ .op = STEP_QUEUE, .a = q, .b = ten, .c = cls, .x = wgt, .y = per, .r = err }
#define REMOVE(q)			{ .op = STEP_REMOVE, .a = q }
#define READY(at, job, q, cost)		{ .op = STEP_READY, .t = at, .a = job, .b = q, .x = cost }
#define READY_BY(at, job, q, cost, by)	{ .op = STEP_READY, .t = at, .a = job, .b = q, .x = cost, .y = by }
#define CANCEL(at, job)			{ .op = STEP_CANCEL, .t = at, .a = job }
#define PICK(at, job)			{ .op = STEP_PICK, .t = at, .a = job }
#define PICK_NONE(at)			{ .op = STEP_PICK, .t = at, .a = -1 }
#define DONE(at, job, used)		{ .op = STEP_DONE, .t = at, .a = job, .x = used }
#define YIELD(at, job, used)		{ .op = STEP_YIELD, .t = at, .a = job, .x = used }
#define PREEMPT(at, yes)		{ .op = STEP_PREEMPT, .t = at, .r = yes }
#define NEXT(at, when)			{ .op = STEP_NEXT, .t = at, .x = when }
#define NEXT_NEVER(at)			{ .op = STEP_NEXT, .t = at, .x = ~0ULL }
#define ADMIT(at, q, cost, by, err)	{ .op = STEP_ADMIT, .t = at, .b = q, .x = cost, .y = by, .r = err }
#define LEARN(program, used, times)	{ .op = STEP_LEARN, .c = program, .x = used, .y = times }
#define SUBMIT(at, job, q, program, by, err) \
	{ .op = STEP_SUBMIT, .t = at, .a = job, .b = q, .c = program, .y = by, .r = err }
#define SPAM(at, times, q, program, by)	{ .op = STEP_SPAM, .t = at, .b = q, .c = program, .x = times, .y = by }
#define QUEUE_USED(q, us)		{ .op = STEP_QUEUE_USED, .a = q, .x = us }
#define USED(ten, us)			{ .op = STEP_USED, .a = ten, .x = us }
#define QUEUED(q, us)			{ .op = STEP_QUEUED, .a = q, .x = us }
#define MISSES(q, n)			{ .op = STEP_MISSES, .a = q, .x = n }
#define ENTITLED(ten, us)		{ .op = STEP_ENTITLED, .a = ten, .x = us }

struct scenario {
	const char *name;
	const struct step *steps;
};

#define SCENARIO_TENANTS	4
#define SCENARIO_QUEUES		8
#define SCENARIO_JOBS		32
#define SCENARIO_PROGRAMS	2

struct scenario_state {
	struct arb_engine engine;
	struct arb_share share[SCENARIO_TENANTS];
	struct arb_queue queue[SCENARIO_QUEUES];
	struct arb_job job[SCENARIO_JOBS];
	struct arb_cost cost[SCENARIO_JOBS];
	struct arb_cost program[SCENARIO_PROGRAMS];	/* those that learn */
};

extern const struct scenario arb_scenarios[];	/* ends with a NULL name */

/* Returns 0, or the number (from 1) of the first step that went wrong; *ret_got is what was decided there. */
int scenario_run(const struct scenario *scenario, struct scenario_state *state, s64 *ret_got);

#endif /* TESTS_ARB_SCENARIO_H */

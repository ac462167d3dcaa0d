/* SPDX-License-Identifier: MIT */
/*
 * The slow, obvious form of the policy in kmod/arb/arb.h: arrays, linear scans and 128-bit integers, no heap and
 * no incremental sum that could be computed afresh. Every decision of the core is compared with it. Entitlements
 * are followed in long double.
 */
#ifndef TESTS_ARB_ORACLE_H
#define TESTS_ARB_ORACLE_H

#include "../../kmod/arb/arb.h"

#define ORACLE_SHARES	8
#define ORACLE_QUEUES	24
#define ORACLE_JOBS	64

typedef unsigned __int128 u128;		/* virtual time, 2^-32 ns */

struct oracle_turn {			/* who competes, and since when at this key */
	int in;
	u128 key;
	u64 tie;
};

struct oracle_job {
	int queue, state, split, turn, trial;
	struct arb_cost *cost;
	u64 deadline, ready, predicted, used, seq, bound, start, order, run_deadline, waits;
	s64 run_budget;
	u128 charged_queue, charged_member;
};

struct oracle_queue {
	int live, share, known, spent;
	u32 class, weight;
	u64 budget, period, next_seq, deadline, used, queued, misses, preemptions;
	s64 left;
	u128 vt;
	struct oracle_turn turn;
};

struct oracle_member {
	int known, active;
	u32 weight, rate;
	u128 vt, floor;
	struct oracle_turn turn;
	long double used, entitled;
};

struct oracle {
	struct arb_engine_params params;
	u64 now, ties, orders, since[ARB_CLASS_COUNT], waited;
	u64 left_rate, left_until;	/* lingering bandwidth of removed servers */
	s64 balance;
	long double fluid_ahead, fluid_debt;
	u128 floor[ARB_CLASS_COUNT];
	struct oracle_member member[ORACLE_SHARES][ARB_CLASS_COUNT];
	struct oracle_queue queue[ORACLE_QUEUES];
	struct oracle_job job[ORACLE_JOBS];
};

void oracle_init(struct oracle *o, const struct arb_engine_params *params, u64 now);
int oracle_queue_add(struct oracle *o, int queue, int share, u32 class, u32 weight, u64 budget, u64 period, u64 now);
void oracle_queue_remove(struct oracle *o, int queue, u64 now);
/* *ret_trial: for oracle_ready() */
int oracle_admit(struct oracle *o, int queue, struct arb_cost *cost, u64 deadline, u64 now, int *ret_trial);
void oracle_ready(struct oracle *o, int job, int queue, struct arb_cost *cost, u64 deadline, int trial, u64 now);
void oracle_cancel(struct oracle *o, int job);
int oracle_pick(struct oracle *o, u64 now);	/* -1: none */
int oracle_wants_preempt(struct oracle *o, u64 now);
u64 oracle_next_event(struct oracle *o, u64 now);
void oracle_give_back(struct oracle *o, int job, u64 used, u64 now, int done);
long double oracle_entitled(const struct oracle *o, int share);
int oracle_running(const struct oracle *o);	/* the job that runs, -1: none */
/*
 * predict_oracle.c: when a job of @queue, which is there, would be done by fluid sharing, followed event by event; and the latest
 * that arb_predict() may say.
 */
void oracle_predict(const struct oracle *o, int queue, const struct arb_cost *cost, u64 now, long double *ret_fluid,
		    long double *ret_latest);

#endif /* TESTS_ARB_ORACLE_H */

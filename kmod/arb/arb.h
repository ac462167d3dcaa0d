/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * arb: who runs next on an engine. This header is the specification of the policy.
 *
 * Sans I/O: the core reads no clock, allocates nothing, takes no lock. The caller owns every
 * structure (embed them where convenient), holds one lock an engine around every call, and passes
 * the time. Decisions depend on the calls and their arguments alone, so a recorded run replays
 * exactly (tools/dseek-replay). Every operation is O(log n) in queues.
 *
 * Time is in nanoseconds; engine time is what the executor measured. The unit of choice is a job;
 * jobs of one queue run in order.
 *
 * Policy of an engine, in the order in which it is applied:
 *
 *  1. deadline. Each deadline queue is a constant-bandwidth server (Abeni and Buttazzo 1998, "Integrating
 *     multimedia applications in hard real-time systems", section 3): @budget_ns of engine time in each
 *     @period_ns, its own deadline postponed when the budget is spent. Eligible servers go first, the
 *     earliest server deadline before others. The sum of budget/period over the engine is kept at or
 *     below @deadline_permille by arb_queue_add(). A server whose budget is spent waits for
 *     its next period (it borrows nothing), so the classes below keep theirs.
 *  2. interactive before batch, as long as the interactive class has used no more than
 *     @interactive_permille of the engine time both have used since batch last came to have work; beyond that
 *     batch goes first. So batch never starves, and interactive work never waits behind batch
 *     work while it keeps to its share.
 *  3. Inside a class, weighted fair by virtual time on two levels: first the tenant with the least
 *     virtual time (its weight is the largest of its queues' in the class), then the queue
 *     with the least inside it. Virtual time advances by engine time divided by weight. A job is
 *     charged its predicted cost when it is picked and corrected when it ends. One that returns from
 *     idleness is lifted to the least virtual time of those that have work: it can't hoard, nor be starved.
 *
 * Ties break by order of arrival (a sequence number), never by address.
 *
 * Preemption: arb_wants_preempt() says whether something that is ready now is better than what runs:
 * a deadline server before another with a later deadline or any fair queue, interactive before batch
 * within its share, and a fair queue before one of its class that is ahead of it by more than @slice_ns.
 */
#ifndef DSEEK_ARB_H
#define DSEEK_ARB_H

#include "arb_env.h"

enum arb_class {			/* same numbers as enum drm_dseek_class */
	ARB_CLASS_DEADLINE,
	ARB_CLASS_INTERACTIVE,
	ARB_CLASS_BATCH,
	ARB_CLASS_COUNT,
};

struct arb_engine_params {
	u32 deadline_permille;		/* of engine time deadline budgets may reserve, 0..950; default 750 */
	u32 interactive_permille;	/* before batch goes first, 1..999; default 800 */
	u64 slice_ns;			/* lead that a running fair queue may have; default 2 ms */
	u64 default_cost_ns;		/* predicted cost of a program never seen; default 1 ms */
};

#define ARB_ENGINE_DEFAULTS { .deadline_permille = 750, .interactive_permille = 800, \
			      .slice_ns = 2000000, .default_cost_ns = 1000000 }

/*
 * Learned cost of one program on one engine: exponentially weighted mean and mean deviation
 * (Jacobson 1988, "Congestion avoidance and control", appendix A), in ns.
 */
struct arb_cost {
	u64 mean_ns;
	u64 dev_ns;
	u64 samples;
};

void arb_cost_update(struct arb_cost *cost, u64 used_ns);
u64 arb_cost_mean(const struct arb_cost *cost, u64 default_ns);		/* for charging ahead */
u64 arb_cost_bound(const struct arb_cost *cost, u64 default_ns);	/* mean + 4 deviations, for admission */

struct arb_job {
	struct arb_queue *queue;
	const struct arb_cost *cost;	/* of its program on this engine; may be NULL */
	u64 deadline_ns;		/* 0: none */
	u64 ready_ns;			/* since when it waits (set by arb_job_ready, arb_job_yield) */
	u64 predicted_ns;		/* charged ahead */
	u64 used_ns;			/* charged so far, all runs */
	u32 preemptions;
	u32 state;			/* enum arb_job_state, private */
	struct arb_node node;		/* private */
};

struct arb_queue {
	struct arb_share *share;
	u32 class;
	u32 weight;			/* interactive, batch */
	u64 budget_ns, period_ns;	/* deadline */
	/* counters, read by anyone under the engine's lock */
	u64 used_ns;
	u64 queued_ns;			/* sum over jobs of the time from ready to picked */
	u64 preemptions;
	u64 deadline_misses;
	u64 jobs_done;
	/* private from here */
};

/* One tenant on one engine. */
struct arb_share {
	struct arb_engine *engine;
	u64 used_ns;			/* engine time charged, all classes */
	u64 entitled_ns;		/* engine time it was entitled to while it had work (fluid ideal) */
	/* private from here */
};

struct arb_engine {
	struct arb_engine_params params;
	/* private from here */
};

int arb_engine_init(struct arb_engine *engine, const struct arb_engine_params *params, u64 now_ns);
void arb_share_init(struct arb_share *share, struct arb_engine *engine);
void arb_share_fini(struct arb_share *share);	/* no queues left */

/* -EINVAL: a parameter out of range; -EBUSY: the engine's deadline share is spoken for */
int arb_queue_add(struct arb_queue *queue, struct arb_share *share, u64 now_ns);
void arb_queue_remove(struct arb_queue *queue, u64 now_ns);	/* no jobs left */

/*
 * May this job be submitted? Deadline class with a deadline only: -ETIME if, by the learned
 * bound and what is reserved and queued before it, it can't be met; else 0.
 */
int arb_job_admit(const struct arb_queue *queue, const struct arb_job *job, u64 now_ns);

void arb_job_ready(struct arb_job *job, u64 now_ns);	/* may run now; in the order of its queue */
void arb_job_cancel(struct arb_job *job, u64 now_ns);	/* ready, not running */

struct arb_job *arb_pick(struct arb_engine *engine, u64 now_ns);	/* NULL: nothing may run now */
u64 arb_next_event(const struct arb_engine *engine, u64 now_ns);	/* when to ask again if arb_pick said NULL; ~0: never */
int arb_wants_preempt(const struct arb_engine *engine, u64 now_ns);	/* 1: something ready is better than what runs */

/* @used_ns: engine time of this run, from pick to now as the executor measured it */
void arb_job_yield(struct arb_job *job, u64 used_ns, u64 now_ns);	/* back to the head of its queue */
void arb_job_done(struct arb_job *job, u64 used_ns, u64 now_ns);

#endif /* DSEEK_ARB_H */

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * arb: who runs next on an engine. This header is the specification of the policy.
 *
 * Sans I/O: the core reads no clock, allocates nothing, takes no lock. The caller owns every
 * structure (embed them where convenient), holds one lock an engine around every call, and passes
 * the time (one that lies before an earlier call's counts as that). Decisions depend on the calls and their arguments alone,
 * so a recorded run replays exactly (tools/dseek-replay). Every operation is O(log n) in queues.
 *
 * Time is in nanoseconds; engine time is what the executor measured. The unit of choice is a job;
 * jobs of one queue run in order. Several jobs may be picked before the first is given back (the
 * executor holds some ahead); what runs is the one that was picked first.
 *
 * Policy of an engine, in the order in which it is applied:
 *
 *  1. deadline. Each deadline queue is a constant-bandwidth server (Abeni and Buttazzo 1998, "Integrating
 *     multimedia applications in hard real-time systems", section 3): @budget_ns of engine time in each
 *     @period_ns. When work arrives at an idle server at time r and what is left of its budget, q, is
 *     more than the reserved rate allows until its deadline d (q * period > (d - r) * budget), or d
 *     has passed, then d = r + period and q = budget. Servers with budget left go first, the least d before
 *     others. A spent server waits until d, then gets d + period and a new budget, less what it
 *     overran (it borrows nothing, so the classes below keep theirs; a hard reservation as in Linux'
 *     SCHED_DEADLINE). The sum of budget/period over the engine is kept at or below @deadline_permille
 *     by arb_queue_add().
 *     Removed servers: what one was given ahead of its rate is made up at its 0-lag time, d - q * period / budget. Until then
 *     its bandwidth lingers (Lipari and Baruah 2000, "Greedy reclamation of unused bandwidth in constant-bandwidth servers";
 *     Linux' SCHED_DEADLINE, too, keeps that of a task that ends so long): it can be reserved anew at once, but a new server
 *     that takes some of it over has its first budget at the mean of the times from which it has its bandwidth, now and the end
 *     of the lingering, weighted. One with room beside what lingers starts with a full budget. So a queue that is destroyed and
 *     made anew gets what it would have got, be it another tenant's or of another period; else it had a full budget and
 *     the earliest deadline again and again, and the reservations of others would hold nothing. What lingers is one sum of
 *     rates until one time, their weighted mean. (That is safe: what a rate from time z on may be served until t,
 *     rate * max(t - z, 0), is convex in z.) After an overrun that the rate takes longer than a period to make up, more of what is
 *     free lingers instead, up to all of it. Nothing does for longer than ARB_PERIOD_MAX_NS.
 *  2. interactive before batch, while interactive keeps to its share. A balance is kept while
 *     batch has work: interactive adds what it uses times (1 - share), batch takes off what it uses times
 *     share; interactive goes first while the balance is not above zero, batch else. What a class comes to be owed
 *     while it waits, behind ops that can't be stopped, is kept as long as it has work, however long ops
 *     are. What it is owed when it comes to have work is bounded, so that neither hoards: it can hold the
 *     other off for @burst_ns, interactive also for what one run of batch owes it since it came last, and no longer. So
 *     batch never starves, and interactive work never waits behind batch work while it keeps to its share.
 *  3. Inside a class, weighted fair by virtual time on two levels (start-time fair queueing: Goyal, Vin and
 *     Cheng 1996, section 2): first the tenant with the least virtual time (its weight is the largest of its
 *     queues' in the class), then the queue with the least inside it. Virtual time advances by engine
 *     time divided by weight. A job is charged its predicted cost when it is picked and
 *     corrected when it ends. One that returns from idleness is lifted to the virtual time of
 *     the one picked last (the least of those that had work), less a credit of at most two slices of
 *     engine time: it can't hoard, nor be starved, and one that submits its next job
 *     on the completion of the last still gets its share (the "deceptive idleness" of Iyer
 *     and Druschel 2001). A new tenant or queue starts without credit. Where a tenant's weight grows, what it is owed stays
 *     the engine time that it was (as of what is measured), so a heavier queue makes no more of the credit; where it
 *     shrinks, virtual time stays, and less is owed.
 *
 * Ties break by order of arrival (a sequence number), never by address.
 *
 * Preemption: arb_wants_preempt() says whether something that waits, ready or picked later, is better than what runs
 * (an executor that is told so gives back all it holds, so that the better one isn't behind worse ones):
 *
 *	runs			better
 *	deadline		a server with an earlier deadline; anything, once its budget is spent
 *	interactive, batch	any deadline server with budget
 *	interactive		batch, once interactive is over its share by @slice_ns
 *	batch			interactive within its share (but a batch job that got its turn because
 *				interactive was over its share keeps it for @slice_ns)
 *	same class		a tenant, or a queue of the same tenant, that is owed more than @slice_ns of engine time,
 *				that is (virtual time that runs - virtual time that waits) * weight that waits
 *
 * Entitlement: what fluid sharing (generalised processor sharing: Parekh and Gallager 1993) gives a
 * tenant of the engine time that was used by anyone, while it had work. Of each ns used, deadline tenants
 * with work get their reserved rates; the rest goes to interactive and batch in proportion of the interactive
 * share if both have work, else to the one that has; inside a class by tenant weight. If no fair class has
 * work, deadline tenants get all, in proportion. A tenant that was served sooner than the fluid and is
 * idle counts as having work until the fluid has caught up with it. So the entitlements of all
 * tenants sum to what all have used, and used / entitled is 1 in an ideal run for all that want all they can get.
 *
 * Prediction: when a job that became ready now would be done if nothing else came. What is out runs first (batch
 * jobs that would be preempted by it don't count as out); then the jobs ready before it in its queue; beside these,
 * what fluid sharing gives the others meanwhile: of each other tenant of its class, the lesser of its ready work and its weight's
 * part; of the tenant's own other queues likewise; of the other class what the balance lets go before; of the deadline class its
 * ready work, or what its rates allow if that is less. Work is counted at its learned mean. In O(1): tenants are summed up by the binary
 * logarithm of (ready work / weight), which says later than the fluid, never sooner, by less than as much again.
 *
 * Choice: a queue may have a set of engines; its jobs then go, run by run, to the one that is predicted to finish the next
 * of them first (arb_choice below). Jobs of a queue stay together: one moves only while none of its jobs is out.
 */
#ifndef DSEEK_ARB_H
#define DSEEK_ARB_H

#include "arb_heap.h"
#include "arb_list.h"
#include "arb_vtime.h"

enum arb_class {			/* same numbers as enum drm_dseek_class */
	ARB_CLASS_DEADLINE,
	ARB_CLASS_INTERACTIVE,
	ARB_CLASS_BATCH,
	ARB_CLASS_COUNT,
};

#define ARB_WEIGHT_MAX		65536
#define ARB_PERIOD_MIN_NS	10000ULL	/* 10 us */
#define ARB_PERIOD_MAX_NS	0xffffffffULL	/* 4.29 s */
#define ARB_USED_MAX_NS		(1ULL << 40)	/* 18 min: longer runs are charged as that */

struct arb_engine_params {
	u32 deadline_permille;		/* of engine time deadline budgets may reserve, 0..950; default 750 */
	u32 interactive_permille;	/* before batch goes first, 1..999; default 800 */
	u64 slice_ns;			/* lead that a running fair queue may have; default 2 ms */
	u64 default_cost_ns;		/* predicted cost of a program never seen; default 1 ms */
	u64 burst_ns;			/* a class may hold the other off after idleness; default 100 ms */
};

#define ARB_ENGINE_DEFAULTS { .deadline_permille = 750, .interactive_permille = 800, \
			      .slice_ns = 2000000, .default_cost_ns = 1000000, .burst_ns = 100000000 }

/*
 * Learned cost of one program on one engine: exponentially weighted mean and mean deviation
 * (Jacobson 1988, "Congestion avoidance and control", appendix A), in ns. A sample further than
 * one mean above the mean counts as twice the mean, so that one bad run does not close the door. Among the first
 * ARB_COST_FEW one below half the mean begins anew: what came before was a cold start (RFC 6298, section 5, on
 * estimates that are likely bogus).
 */
#define ARB_COST_FEW	4

struct arb_share;

struct arb_cost {
	u64 mean_ns;
	u64 dev_ns;
	u64 least_ns;			/* of the samples lately: rises by a 64th of the way to each */
	u64 trial_ns;			/* when a trial may be (arb_job_admit); 0: none is called for */
	u32 samples;
	u32 failed;			/* trials since the last job that its bound admitted, but those in time */
	u64 key;			/* of the program's content, set by the caller; 0: not to be remembered */
	u32 passed;			/* choices for a job since the last sample: see arb_choice_add() */
	u32 tries;			/* choices that took this engine since then */
};

#define ARB_LEARNED	32		/* programs whose costs outlive the objects, for each tenant and engine */

void arb_cost_update(struct arb_cost *cost, u64 used_ns);	/* with the job's used_ns, after it ended well */

/* For charging ahead. */
static inline u64 arb_cost_mean(const struct arb_cost *cost, u64 default_ns)
{
	return cost && cost->samples ? cost->mean_ns : default_ns;
}

/* Mean + 4 deviations, for admission. */
static inline u64 arb_cost_bound(const struct arb_cost *cost, u64 default_ns)
{
	return cost && cost->samples ? cost->mean_ns + 4 * cost->dev_ns : default_ns;
}

/*
 * What was learned is the tenant's, not the object's: a program that is made anew from the same content, by another process
 * of the tenant even, begins where the last one was. Recall before a job is admitted, keep after each update; both are
 * O(1). By its key a program may take the place of another, which then begins as if never seen.
 */
u64 arb_cost_key(const void *program, u64 size);	/* not 0 */
void arb_cost_recall(const struct arb_share *share, struct arb_cost *cost);	/* if it has no sample yet */
void arb_cost_keep(struct arb_share *share, const struct arb_cost *cost);

enum arb_job_state { ARB_JOB_IDLE, ARB_JOB_READY, ARB_JOB_RUNNING };

struct arb_job {
	/* set by the caller before arb_job_ready() */
	struct arb_queue *queue;
	struct arb_cost *cost;		/* of its program on this engine; may be NULL */
	u64 deadline_ns;		/* 0: none */
	/* set by arb_job_ready() and from there on kept up */
	u64 ready_ns;			/* since when it waits (set by arb_job_ready, arb_job_yield) */
	u64 predicted_ns;		/* charged ahead for this run */
	u64 used_ns;			/* engine time measured so far, all runs */
	u32 preemptions;
	u32 state;			/* enum arb_job_state */
	u64 start_ns;			/* running: since when it is the first of those; before that, when it was picked */
	/* private from here */
	u32 trial;			/* set by arb_job_admit() */
	u64 seq;			/* in its queue */
	u64 bound_ns;			/* in its queue's backlog */
	u64 waits_ns;			/* in the sums of ready work, while it is ready */
	u64 run_deadline;		/* its server's, when picked */
	u64 run_budget;			/* its server's, when picked */
	struct arb_vtime charged[2];	/* ahead: queue, tenant */
	u32 split;			/* charged ahead to the balance */
	u32 turn;			/* a batch job picked because interactive was over its share */
	struct arb_list in_queue;	/* ready or running */
	struct arb_list in_engine;	/* running */
};

/* private: something with a weight that competes by virtual time */
struct arb_entity {
	struct arb_node node;		/* in the heap of those with ready work */
	struct arb_vtime vt;		/* with what is charged ahead */
	struct arb_vtime ahead;		/* charged ahead, not settled */
	u32 weight;
	u32 known;			/* has had work before */
};

/* private: those that compete */
struct arb_fair {
	struct arb_heap ready;
	struct arb_vtime floor;		/* virtual time of the one picked last; never falls */
};

/* private: a constant-bandwidth server */
struct arb_server {
	s64 left_ns;			/* of the budget, less what is charged ahead */
	u64 ahead_ns;			/* charged ahead, not settled */
	u64 deadline_ns;		/* without a budget from the start: when that comes */
};

struct arb_queue {
	/* set by the caller before arb_queue_add() */
	u32 class;			/* enum arb_class */
	u32 weight;			/* interactive, batch: 1..ARB_WEIGHT_MAX; deadline: 0 */
	u64 budget_ns, period_ns;	/* deadline: ARB_PERIOD_MIN_NS <= budget <= period <= ARB_PERIOD_MAX_NS; else 0 */
	/* counters from arb_queue_add() on, read by anyone under the engine's lock */
	struct arb_share *share;
	u64 used_ns;			/* engine time measured */
	u64 queued_ns;			/* sum over jobs of the time from ready to picked */
	u64 preemptions;		/* jobs given back unfinished that had run */
	u64 deadline_misses;		/* jobs done after their deadline */
	u64 jobs_done;
	/* private from here */
	struct arb_member *member;	/* its tenant in its class */
	struct arb_list ready, running;	/* jobs, in order */
	u32 jobs;			/* on both */
	u64 next_seq;
	struct arb_entity entity;	/* interactive, batch */
	struct arb_node by_weight;
	struct arb_server server;	/* deadline */
	u32 spent;			/* its node is in which heap of the engine */
	u64 backlog_ns;			/* sum of the bounds of its jobs */
	u64 waits_ns;			/* predicted, of its ready jobs */
};

/*
 * private: ready work of a class. Tenants are summed up by the binary logarithm of their work divided by their
 * weight: those of one slot are caught up with at about the same fluid time.
 */
#define ARB_BACKLOG_SLOTS	64

struct arb_backlog {
	u64 ns;				/* of all */
	u64 weight;			/* sum over the slots */
	struct {
		u64 ns, weight;
	} slot[ARB_BACKLOG_SLOTS];
};

/* private: a tenant in one class */
struct arb_member {
	struct arb_share *share;
	struct arb_entity entity;
	struct arb_fair queues;
	struct arb_heap weights;	/* of all its queues, largest first */
	u32 queue_count;
	u32 working;			/* queues with jobs */
	/* ready work */
	u64 waits_ns, waits_weight;	/* of its queues that have some */
	struct arb_list stale;		/* engine->stale: to be entered into the class's backlog anew */
	u64 slot_ns;			/* as entered */
	u32 slot_weight;		/* 0: is not */
	u32 slot;
	/* fluid */
	u32 active;
	u32 rate;			/* weight in the fluid: tenant weight; deadline: 2^-24 of the engine */
	u64 used_ns, entitled_ns;
	struct arb_vtime since;		/* fluid time up to which entitled_ns counts */
	struct arb_node leaving;	/* by the fluid time at which it is caught up with */
};

/* One tenant on one engine. */
struct arb_share {
	struct arb_engine *engine;
	u64 used_ns;			/* engine time measured, all classes */
	u64 entitled_ns;		/* see above; exact after arb_share_settle(), else as of its last event */
	/* private from here */
	struct arb_member member[ARB_CLASS_COUNT];
	struct arb_cost learned[ARB_LEARNED];	/* by key */
};

/* private */
struct arb_fluid {
	struct arb_vtime now;
	u64 rate;			/* sum over active members */
	struct arb_heap leaving;
};

/* private: bandwidth of removed deadline queues, of what is not reserved; see "Removed servers" */
struct arb_lingering {
	u64 rate;			/* 2^-24 of the engine */
	u64 until_ns;
};

struct arb_engine {
	struct arb_engine_params params;
	u64 used_ns;			/* engine time measured, everybody's */
	/* private from here */
	u64 now_ns;
	u64 seq;
	u32 reserved;			/* deadline, 2^-24 of the engine */
	u32 working[ARB_CLASS_COUNT];	/* queues with jobs */
	struct arb_list running;	/* jobs in the order of picking */
	u32 queues_out;			/* that have some of them */
	struct arb_heap servers;	/* deadline queues with ready jobs and budget, by deadline */
	struct arb_heap spent;		/* and without budget, by the time they get a new one */
	struct arb_fair class[ARB_CLASS_COUNT];
	u64 out_ns[ARB_CLASS_COUNT];	/* predicted, of what is out */
	struct arb_backlog backlog[ARB_CLASS_COUNT];
	struct arb_list stale;		/* members whose slots are to be brought up to date */
	s64 balance, balance_ahead;	/* interactive against batch, ns * 1000 */
	u64 since[ARB_CLASS_COUNT];	/* when the class last came to have work */
	u64 waited_ns;			/* the longest that one run of batch kept interactive waiting since then */
	struct arb_fluid fluid[ARB_CLASS_COUNT];
	u64 fluid_ahead_ns;		/* handed out of what runs, before it is measured */
	u64 fluid_debt_ns;		/* handed out beyond what was measured then */
	struct arb_lingering lingering;	/* of what could be reserved */
};

/* -EINVAL: a parameter out of range. NULL: the defaults. */
int arb_engine_init(struct arb_engine *engine, const struct arb_engine_params *params, u64 now_ns);
void arb_share_init(struct arb_share *share, struct arb_engine *engine);
void arb_share_fini(struct arb_share *share);	/* no queues left */
void arb_share_settle(struct arb_share *share);	/* bring entitled_ns up to date */

/* -EINVAL: a parameter out of range; -EBUSY: the engine's deadline share is spoken for. Nothing is changed then. */
int arb_queue_add(struct arb_queue *queue, struct arb_share *share, u64 now_ns);
void arb_queue_remove(struct arb_queue *queue, u64 now_ns);	/* no jobs left */

/*
 * May this job (queue, cost and deadline_ns set, not yet ready) be submitted? For the deadline class and a
 * job with a deadline: 0 if the server, given its budgets no sooner than the last moment of each
 * period, has served the bounds of the jobs queued before it and its own by then; else -ETIME. What
 * is admitted so is late by at most what was running and can't be stopped when it came
 * (depth * longest op), as long as the bounds hold. Other jobs: 0.
 *
 * Trials: refused jobs teach nothing, so a bound learned on cold caches or while the machine stalled would hold
 * for ever (the estimator that rejects its own samples, of Karn and Partridge 1987, "Improving round-trip time
 * estimates in reliable transport protocols", section 3). Therefore, when for a period after a
 * refusal no job of the program was admitted by its bound, one that comes to an idle queue may be admitted as a
 * trial: on the least that the program takes lately, or on nothing while it has fewer than ARB_COST_FEW samples. The
 * next may be a period later, and twice as long after each that was not over by its deadline (exponential back-off,
 * RFC 6298, 5.5); a job admitted by its bound ends all that. So
 *  - a program that fits is tried once a period until its bound says so,
 *  - one whose least doesn't fit is refused for ever, after the ARB_COST_FEW that it takes to know, and
 *  - one that only sometimes fits is late at most 1 + log2(t / period) times in a time t between two jobs that
 *    its bound admitted.
 * It is time that opens the door, never the number of refusals, which cost nothing to provoke. A trial that is late harms
 * nobody else: its server throttles it as any overrun.
 */
int arb_job_admit(const struct arb_queue *queue, struct arb_job *job, u64 now_ns);

void arb_job_ready(struct arb_job *job, u64 now_ns);	/* may run now; in the order of its queue */
void arb_job_cancel(struct arb_job *job, u64 now_ns);	/* ready, not running */

/* What runs: of those that are out, the one picked first. NULL: nothing is. */
static inline struct arb_job *arb_runs(const struct arb_engine *engine)
{
	return arb_list_empty(&engine->running) ? NULL : arb_container_of(engine->running.next, struct arb_job, in_engine);
}

/* NULL: nothing may run now. The caller holds back when the engine has as many jobs as it wants (its depth). */
struct arb_job *arb_pick(struct arb_engine *engine, u64 now_ns);
/* As up to @most calls of that, until one says NULL: how many jobs. A queue that has the engine to itself is looked at once. */
u32 arb_pick_many(struct arb_engine *engine, struct arb_job **jobs, u32 most, u64 now_ns);
/*
 * When to ask again (arb_pick, arb_wants_preempt) if no other call comes before: a spent server's next budget, or the
 * moment at which what runs has had enough. May be now_ns; ~0: never.
 */
u64 arb_next_event(struct arb_engine *engine, u64 now_ns);
int arb_wants_preempt(struct arb_engine *engine, u64 now_ns);	/* 1: something that waits is better than what runs */

/*
 * Give a picked job back. @used_ns: engine time of this run as the executor measured it. Yield puts it back at its place
 * in its queue; no later job of that queue is picked before it, and it is not picked before later ones that are still
 * out have come back. After done the core has forgotten the job; its used_ns, preemptions and ready_ns may be read.
 */
void arb_job_yield(struct arb_job *job, u64 used_ns, u64 now_ns);
void arb_job_done(struct arb_job *job, u64 used_ns, u64 now_ns);
/* Some of one queue in a row: done but for its turn, which arb_queue_settle() brings up to date before any other call. */
void arb_job_done_more(struct arb_job *job, u64 used_ns, u64 now_ns);
void arb_queue_settle(struct arb_queue *queue);

struct arb_prediction {
	u64 cost_ns;			/* engine time of the job; the default where it was never measured */
	u64 finish_ns;			/* when it is done */
	u32 known;			/* it was measured on this engine */
	u32 idle;			/* nothing of another queue is ready there, nothing is out */
};

/*
 * See "Prediction" above. The job would be one of @queue, whose class (not deadline) and weight are looked at; where queue->share is @share, the
 * queue is on this engine and its ready jobs go before, else it needs not be on any.
 */
void arb_predict(const struct arb_share *share, const struct arb_queue *queue, const struct arb_cost *cost, u64 now_ns,
		 struct arb_prediction *ret);

u64 arb_out_end(const struct arb_engine *engine, u64 now_ns);	/* when all that is out now should be done */

/*
 * The choice of an engine for the next job of a queue: arb_choice_add() for each engine of the set, under that engine's lock,
 * then arb_choice_best(). The engine with the earliest predicted finish is taken, with these exceptions:
 *
 *  - Engines that are away (no executor serves them) only if all are.
 *  - The one the queue is on now (@stays), unless another is sooner by more than an eighth of the job's cost there.
 *  - Trials. An engine on which the program was never measured can't be compared: it gets the job when it has nothing else to
 *    do, or when it was passed over ARB_PATIENCE times; until then it is taken only if no engine is known. One whose cost is known is tried
 *    again, if it is idle, once the program has used ARB_RETRY times that cost elsewhere (if it is not, ARB_PATIENCE times as
 *    much): so a first run that was slow (cold caches) is not held against it for ever, and trials take no more than 1/ARB_RETRY
 *    of the time. No more trials after ARB_TRIES without a sample: jobs of the program fail there.
 *
 * Ties: the one added first.
 */
#define ARB_TRIES	3
#define ARB_RETRY	64
#define ARB_PATIENCE	8

struct arb_option {
	int id;				/* the caller's; -1: none */
	u32 rank;			/* least first */
	u32 passed, idle;
	u64 finish_ns, cost_ns;
};

struct arb_choice {
	struct arb_option best, trial, stay;
};

void arb_choice_init(struct arb_choice *choice);
/*
 * @id >= 0. @not_before_ns: the job can't start sooner, as one before it in its queue is still out elsewhere; 0: no such thing. @flags:
 * ARB_CHOICE_*. The job is the queue's first: on the engine it is on, none of its own goes before. What was learned of @cost's program
 * there is recalled.
 */
#define ARB_CHOICE_AWAY		(1 << 0)
#define ARB_CHOICE_STAYS	(1 << 1)
#define ARB_CHOICE_AGAIN	(1 << 2)	/* asked before about the same job: not counted as passed over */
void arb_choice_add(struct arb_choice *choice, int id, u32 flags, const struct arb_share *share, const struct arb_queue *queue,
		    struct arb_cost *cost, u64 not_before_ns, u64 now_ns);
int arb_choice_best(const struct arb_choice *choice);	/* the id; -1: none was added */
void arb_cost_chosen(struct arb_cost *cost);	/* on the engine that was taken, under its lock */

/*
 * How good predictions were: a sample for each job that was predicted, with what it turned out to be. The mean error relative to the
 * mean is error / actual of the sums.
 */
struct arb_accuracy {
	u64 jobs;
	u64 turnaround_ns, turnaround_error_ns;	/* from the prediction to the end; sum of absolute errors */
	u64 cost_ns, cost_error_ns;		/* engine time */
};

void arb_accuracy_add(struct arb_accuracy *sum, u64 predicted_ns, u64 turnaround_ns, u64 predicted_cost_ns, u64 used_ns);

#endif /* DSEEK_ARB_H */

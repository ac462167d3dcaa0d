/* SPDX-License-Identifier: MIT */
/*
 * A simulated engine with its executor and clients, in simulated time. The executor holds up to @depth jobs, runs
 * them in the order of picking, looks at the preemption word between ops of at most @op_ns, and when it is
 * raised gives back all it holds. A call to the arbiter takes no time.
 */
#ifndef TESTS_ARB_SIM_MACHINE_H
#define TESTS_ARB_SIM_MACHINE_H

#include "../../kmod/arb/arb_trace.h"

#define MS		1000000ULL
#define SECOND		1000000000ULL

enum client_mode {
	CLIENT_SATURATE,	/* always @pipeline jobs submitted on every queue */
	CLIENT_LOOP,		/* submits the next job @gap_ns after the last one's completion */
	CLIENT_RECREATE,	/* a job that wants all; its queue is made anew whenever that is off the engine, and each @gap_ns */
	CLIENT_PERIODIC,	/* a job every @gap_ns, with the next one's time as its deadline */
};

struct client {
	/* what it does */
	enum client_mode mode;
	int share;
	struct arb_queue model;		/* class and weight or budget and period */
	int queues, pipeline;		/* 0: one */
	u64 cost_ns, spread_ns;		/* a job's engine time: cost +- spread, uniform */
	u64 believed_ns;		/* what the arbiter is told instead of learning; 0: it learns */
	u64 cold_ns;			/* the first job's engine time, if not 0 */
	u64 gap_ns;
	u32 tries;			/* periodic: how often a refused job is submitted again at once */
	u64 from_ns, until_ns;		/* when it is there; until 0: for ever */
	/* what came of it */
	u64 used_ns, jobs, refused;	/* refused: periods in which nothing was admitted, if periodic */
	u64 late;			/* jobs that were admitted and over after their deadline */
	u64 late_ns;			/* largest lateness of a job that was admitted */
	u64 wait_ns;			/* longest from ready to first run */
	/* private */
	struct arb_queue *queue;
	struct sim_job *job;
	int job_count;
	u64 next_ns, submitted;
	struct arb_cost cost;
};

struct sim_job {
	struct arb_job arb;
	struct client *client;
	int queue, busy, started;
	u64 left_ns, first_ready_ns;
};

struct sim {
	/* set before sim_run() */
	struct arb_engine_params params;
	int depth;			/* 0: one */
	u64 op_ns;			/* 0: 100 us */
	u64 seed;
	struct arb_trace *trace;	/* NULL: not recorded */
	struct client *clients;
	int client_count;
	/* what came of it */
	u64 now_ns, preemptions;
	u64 preempt_ns;			/* longest from the preemption word being raised to everything given back */
	struct arb_engine engine;
	struct arb_share share[16];
	/* private */
	struct sim_job *held[64];
	int held_count;
	u64 op_end_ns, op_len_ns, raised_ns;
	u64 given_ns;			/* the running job's engine time in this run */
};

void sim_run(struct sim *sim, u64 for_ns);	/* from the start */
void sim_free(struct sim *sim);

#endif /* TESTS_ARB_SIM_MACHINE_H */

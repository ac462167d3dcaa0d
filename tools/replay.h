/* SPDX-License-Identifier: MIT */
/* A recorded run of the arbitration core (kmod/arb/arb_trace.h), decided again. */
#ifndef TOOLS_REPLAY_H
#define TOOLS_REPLAY_H

#include <stdio.h>
#include "../kmod/arb/arb_trace.h"

struct replay_engine {
	struct arb_engine arb;
	struct replay_engine *next;
	int id;
};

struct replay_share {
	struct arb_share arb;
	struct replay_share *next;
	struct replay_engine *engine;
	int id, queues, gone;
};

struct replay_queue {
	struct arb_queue arb;
	struct replay_queue *next;
	struct replay_share *share;
	int id, gone;
	u64 refused;		/* admission */
};

struct replay_job {
	struct arb_job arb;
	struct replay_queue *queue;
	u64 id;
};

struct replay {
	FILE *timeline;		/* a line for each record, or NULL */
	u64 records, decisions, differences;
	u64 first_ns, last_ns;
	struct replay_engine *engines;
	struct replay_share *shares;	/* latest first */
	struct replay_queue *queues;	/* latest first */
	char error[160];
	/* private */
	struct replay_object *objects[4096];
	struct arb_choice choice;	/* in the making, of @chooser */
	struct replay_queue *chooser;
	int engine_count, share_count, queue_count;
	u64 job_count;
	void *owned;
};

/*
 * Apply a record: make the call, compare what it decides. -EINVAL and a sentence in @error for a record that can't be
 * a call of the core in its present state; -ENOMEM. A decision that differs is counted and, the first few times,
 * said on stderr.
 */
int replay_record(struct replay *replay, const struct arb_trace_record *record);
void replay_free(struct replay *replay);

#endif /* TOOLS_REPLAY_H */

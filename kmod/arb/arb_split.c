// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Interactive against batch: one balance in ns * 1000, above zero if interactive has had more than its share
 * of what both used while batch had work.
 */
#include "arb_core.h"

#define BALANCE_MAX	(1LL << 60)

/* The class whose turn it is; ARB_CLASS_COUNT: none has ready work. */
u32 arb_split_class(const struct arb_engine *engine)
{
	int interactive = arb_heap_first(&engine->class[ARB_CLASS_INTERACTIVE].ready) != NULL;
	int batch = arb_heap_first(&engine->class[ARB_CLASS_BATCH].ready) != NULL;

	if (interactive && (!batch || engine->balance + engine->balance_ahead <= 0))
		return ARB_CLASS_INTERACTIVE;
	return batch ? ARB_CLASS_BATCH : ARB_CLASS_COUNT;
}

static s64 priced(const struct arb_engine *engine, u32 class, u64 ns)
{
	if (class == ARB_CLASS_BATCH)
		return -(s64)(ns * engine->params.interactive_permille);
	return ns * (1000 - engine->params.interactive_permille);
}

void arb_split_charge(struct arb_engine *engine, struct arb_job *job)
{
	job->split = job->queue->class == ARB_CLASS_BATCH || engine->working[ARB_CLASS_BATCH];
	if (job->split)
		engine->balance_ahead += priced(engine, job->queue->class, job->predicted_ns);
}

void arb_split_correct(struct arb_engine *engine, struct arb_job *job, u64 used_ns, u64 now_ns)
{
	u32 class = job->queue->class;
	u64 since, counted = used_ns;
	s64 least;

	if (job->split)
		engine->balance_ahead -= priced(engine, class, job->predicted_ns);
	if (class == ARB_CLASS_INTERACTIVE) {
		/* What it used before batch came isn't held against it. */
		since = arb_max(job->start_ns, engine->batch_since);
		if (engine->working[ARB_CLASS_BATCH])
			counted = arb_min(used_ns, now_ns > since ? now_ns - since : 0);
		else if (!job->split)
			return;
	}
	engine->balance += priced(engine, class, counted);
	least = -priced(engine, ARB_CLASS_INTERACTIVE, engine->params.burst_ns);
	if (engine->balance < least)
		engine->balance = least;
	if (engine->balance > BALANCE_MAX)
		engine->balance = BALANCE_MAX;
}

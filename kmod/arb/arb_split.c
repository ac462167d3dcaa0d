// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Interactive against batch: one balance in ns * 1000, above zero if interactive has had more than its share
 * of what both used while batch had work. Ops aren't divisible, so either overshoots; what the one that waits is owed
 * for that is kept as long as it has work.
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

static s64 clamp(s64 value, s64 least, s64 most)
{
	return value < least ? least : value > most ? most : value;
}

/* The balance at which interactive may hold batch off for the burst, and batch interactive. */
static s64 credit(const struct arb_engine *engine, u32 class)
{
	return -priced(engine, class, engine->params.burst_ns);
}

/* The first queue of @class that has jobs again. */
void arb_split_wake(struct arb_engine *engine, u32 class, u64 now_ns)
{
	s64 least;

	engine->since[class] = now_ns;
	if (class == ARB_CLASS_INTERACTIVE) {
		least = priced(engine, ARB_CLASS_BATCH, engine->waited_ns);
		least = clamp(least, -BALANCE_MAX, credit(engine, ARB_CLASS_INTERACTIVE));
		engine->balance = clamp(engine->balance, least, BALANCE_MAX);
		engine->waited_ns = 0;
	} else if (class == ARB_CLASS_BATCH) {
		engine->balance = clamp(engine->balance, -BALANCE_MAX, credit(engine, ARB_CLASS_BATCH));
	}
}

/* Of what @job used, that beside which @other had work: since it came last. */
static u64 beside(const struct arb_engine *engine, const struct arb_job *job, u32 other, u64 used_ns, u64 now_ns)
{
	u64 since = arb_max(job->start_ns, engine->since[other]);

	return engine->working[other] ? arb_min(used_ns, now_ns > since ? now_ns - since : 0) : 0;
}

void arb_split_correct(struct arb_engine *engine, struct arb_job *job, u64 used_ns, u64 now_ns)
{
	u32 class = job->queue->class;
	u64 counted;
	s64 least;

	if (job->split)
		engine->balance_ahead -= priced(engine, class, job->predicted_ns);
	if (class == ARB_CLASS_INTERACTIVE) {
		if (!job->split && !engine->working[ARB_CLASS_BATCH])
			return;
		/* What it used before batch came isn't held against it. */
		counted = engine->working[ARB_CLASS_BATCH] ? beside(engine, job, ARB_CLASS_BATCH, used_ns, now_ns) :
			  job->split ? used_ns : 0;
	} else {
		/* Before interactive came it earned no more than the credit; from then on it waited. */
		counted = beside(engine, job, ARB_CLASS_INTERACTIVE, used_ns, now_ns);
		engine->waited_ns = arb_max(engine->waited_ns, counted);
		least = clamp(engine->balance, -BALANCE_MAX, credit(engine, ARB_CLASS_INTERACTIVE));
		engine->balance = clamp(engine->balance + priced(engine, class, used_ns - counted), least, BALANCE_MAX);
	}
	engine->balance = clamp(engine->balance + priced(engine, class, counted), -BALANCE_MAX, BALANCE_MAX);
}

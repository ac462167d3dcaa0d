/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Record every call of the core and what it decided, so that tools/dseek-replay can decide it again.
 *
 * A caller that wants to be recorded calls arb_traced_X(trace, ...) wherever it would call arb_X(...);
 * with a NULL trace that is the call itself. Each call becomes one record of 64 bytes, handed
 * to @emit under whatever lock the caller holds around the core, in the order of the calls.
 *
 * A trace file is struct arb_trace_header followed by records, in the byte order of the machine. Objects are
 * named by any number that is unique while they live (here: their addresses); a name is given anew by
 * INIT (engine), SHARE_INIT, QUEUE_ADD with result 0, and READY (job). A learned cost (COST_STATE) is what it is
 * said to be. A recording therefore starts with the engine, and may end anywhere.
 *
 *	op		object	other	a			b		c		d
 *	INIT		engine	0	deadline | interactive << 32	slice	default cost	burst
 *	SHARE_INIT	share	engine
 *	SHARE_FINI	share
 *	QUEUE_ADD	queue	share	class | weight << 32	budget		period
 *	QUEUE_REMOVE	queue
 *	COST_STATE	cost	trial	mean			deviation	samples | failed << 32	least
 *	COST_UPDATE	cost	0	used
 *	ADMIT		queue	cost	deadline
 *	READY		job	queue	deadline		cost
 *	CANCEL		job
 *	PICK		engine	job	predicted
 *	WANTS_PREEMPT	engine
 *	NEXT_EVENT	engine	0	when
 *	YIELD, DONE	job	0	used
 *	PREDICT		queue	cost	finish			cost
 *	CHOICE_ADD	queue	cost	id | flags << 32	share		not before	passed | tries << 32
 *	CHOICE_BEST	queue
 *
 * @result is what the call returned where that is an int, of PREDICT known | idle << 1; the job picked is @other, 0 for none. A
 * choice is its CHOICE_ADDs and a CHOICE_BEST, of which those of one queue follow each other with nothing between but COST_STATE.
 */
#ifndef DSEEK_ARB_TRACE_H
#define DSEEK_ARB_TRACE_H

#include "arb.h"

#define ARB_TRACE_MAGIC		0x3262726b65657364ULL	/* "dseekrb2" in little-endian order */

enum arb_trace_op {
	ARB_TRACE_INIT = 1,
	ARB_TRACE_SHARE_INIT,
	ARB_TRACE_SHARE_FINI,
	ARB_TRACE_QUEUE_ADD,
	ARB_TRACE_QUEUE_REMOVE,
	ARB_TRACE_COST_STATE,
	ARB_TRACE_COST_UPDATE,
	ARB_TRACE_ADMIT,
	ARB_TRACE_READY,
	ARB_TRACE_CANCEL,
	ARB_TRACE_PICK,
	ARB_TRACE_WANTS_PREEMPT,
	ARB_TRACE_NEXT_EVENT,
	ARB_TRACE_YIELD,
	ARB_TRACE_DONE,
	ARB_TRACE_PREDICT,
	ARB_TRACE_CHOICE_ADD,
	ARB_TRACE_CHOICE_BEST,
	ARB_TRACE_COUNT,
};

struct arb_trace_header {
	u64 magic;
	u32 record_size;
	u32 flags;			/* 0 */
};

struct arb_trace_record {
	u32 op;				/* enum arb_trace_op */
	int result;
	u64 now_ns;
	u64 object, other;
	u64 a, b, c, d;
};

struct arb_trace {
	void (*emit)(struct arb_trace *trace, const struct arb_trace_record *record);
};

#define ARB_TRACE_HEADER { .magic = ARB_TRACE_MAGIC, .record_size = sizeof(struct arb_trace_record) }

static inline u64 arb_trace_name(const void *object)
{
	return (u64)(unsigned long)object;
}

static inline void arb_trace_emit(struct arb_trace *trace, struct arb_trace_record record)
{
	if (trace)
		trace->emit(trace, &record);
}

static inline void arb_trace_cost(struct arb_trace *trace, const struct arb_cost *cost, u64 now_ns)
{
	if (cost)
		arb_trace_emit(trace, (struct arb_trace_record){
			.op = ARB_TRACE_COST_STATE, .now_ns = now_ns, .object = arb_trace_name(cost),
			.other = cost->trial_ns, .a = cost->mean_ns, .b = cost->dev_ns,
			.c = cost->samples | (u64)cost->failed << 32, .d = cost->least_ns });
}

static inline int arb_traced_engine_init(struct arb_trace *trace, struct arb_engine *engine,
					 const struct arb_engine_params *params, u64 now_ns)
{
	int result = arb_engine_init(engine, params, now_ns);

	if (!result)
		arb_trace_emit(trace, (struct arb_trace_record){
			.op = ARB_TRACE_INIT, .now_ns = now_ns, .object = arb_trace_name(engine),
			.a = engine->params.deadline_permille | (u64)engine->params.interactive_permille << 32,
			.b = engine->params.slice_ns, .c = engine->params.default_cost_ns,
			.d = engine->params.burst_ns });
	return result;
}

static inline void arb_traced_share_init(struct arb_trace *trace, struct arb_share *share,
					 struct arb_engine *engine)
{
	arb_share_init(share, engine);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_SHARE_INIT, .object = arb_trace_name(share), .other = arb_trace_name(engine) });
}

static inline void arb_traced_share_fini(struct arb_trace *trace, struct arb_share *share)
{
	arb_share_fini(share);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_SHARE_FINI, .object = arb_trace_name(share) });
}

static inline int arb_traced_queue_add(struct arb_trace *trace, struct arb_queue *queue,
				       struct arb_share *share, u64 now_ns)
{
	int result = arb_queue_add(queue, share, now_ns);

	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_QUEUE_ADD, .result = result, .now_ns = now_ns, .object = arb_trace_name(queue),
		.other = arb_trace_name(share), .a = queue->class | (u64)queue->weight << 32,
		.b = queue->budget_ns, .c = queue->period_ns });
	return result;
}

static inline void arb_traced_queue_remove(struct arb_trace *trace, struct arb_queue *queue, u64 now_ns)
{
	arb_queue_remove(queue, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_QUEUE_REMOVE, .now_ns = now_ns, .object = arb_trace_name(queue) });
}

static inline void arb_traced_cost_update(struct arb_trace *trace, struct arb_cost *cost, u64 used_ns)
{
	arb_cost_update(cost, used_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_COST_UPDATE, .object = arb_trace_name(cost), .a = used_ns });
}

static inline int arb_traced_job_admit(struct arb_trace *trace, const struct arb_queue *queue,
				       struct arb_job *job, u64 now_ns)
{
	int result;

	arb_trace_cost(trace, job->cost, now_ns);
	result = arb_job_admit(queue, job, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_ADMIT, .result = result, .now_ns = now_ns, .object = arb_trace_name(queue),
		.other = arb_trace_name(job->cost), .a = job->deadline_ns });
	return result;
}

static inline void arb_traced_job_ready(struct arb_trace *trace, struct arb_job *job, u64 now_ns)
{
	arb_trace_cost(trace, job->cost, now_ns);
	arb_job_ready(job, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_READY, .now_ns = now_ns, .object = arb_trace_name(job),
		.other = arb_trace_name(job->queue), .a = job->deadline_ns, .b = arb_trace_name(job->cost) });
}

static inline void arb_traced_job_cancel(struct arb_trace *trace, struct arb_job *job, u64 now_ns)
{
	arb_job_cancel(job, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_CANCEL, .now_ns = now_ns, .object = arb_trace_name(job) });
}

static inline struct arb_job *arb_traced_pick(struct arb_trace *trace, struct arb_engine *engine, u64 now_ns)
{
	struct arb_job *job = arb_pick(engine, now_ns);

	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_PICK, .now_ns = now_ns, .object = arb_trace_name(engine),
		.other = arb_trace_name(job), .a = job ? job->predicted_ns : 0 });
	return job;
}

static inline int arb_traced_wants_preempt(struct arb_trace *trace, struct arb_engine *engine, u64 now_ns)
{
	int result = arb_wants_preempt(engine, now_ns);

	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_WANTS_PREEMPT, .result = result, .now_ns = now_ns,
		.object = arb_trace_name(engine) });
	return result;
}

static inline u64 arb_traced_next_event(struct arb_trace *trace, struct arb_engine *engine, u64 now_ns)
{
	u64 when = arb_next_event(engine, now_ns);

	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_NEXT_EVENT, .now_ns = now_ns, .object = arb_trace_name(engine), .a = when });
	return when;
}

static inline void arb_traced_job_yield(struct arb_trace *trace, struct arb_job *job, u64 used_ns, u64 now_ns)
{
	arb_job_yield(job, used_ns, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_YIELD, .now_ns = now_ns, .object = arb_trace_name(job), .a = used_ns });
}

static inline void arb_traced_job_done(struct arb_trace *trace, struct arb_job *job, u64 used_ns, u64 now_ns)
{
	arb_job_done(job, used_ns, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_DONE, .now_ns = now_ns, .object = arb_trace_name(job), .a = used_ns });
}

/* Of the next job of @queue on the engine it is on. */
static inline void arb_traced_predict(struct arb_trace *trace, const struct arb_queue *queue, const struct arb_cost *cost,
				      u64 now_ns, struct arb_prediction *ret)
{
	arb_trace_cost(trace, cost, now_ns);
	arb_predict(queue->share, queue, cost, now_ns, ret);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_PREDICT, .result = (int)(ret->known | ret->idle << 1), .now_ns = now_ns,
		.object = arb_trace_name(queue), .other = arb_trace_name(cost), .a = ret->finish_ns, .b = ret->cost_ns });
}

static inline void arb_traced_choice_add(struct arb_trace *trace, struct arb_choice *choice, int id, u32 flags,
					 const struct arb_share *share, const struct arb_queue *queue, struct arb_cost *cost,
					 u64 not_before_ns, u64 now_ns)
{
	/* As the call itself begins: a replay recalls nothing. */
	arb_cost_recall(share, cost);
	arb_trace_cost(trace, cost, now_ns);
	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_CHOICE_ADD, .now_ns = now_ns, .object = arb_trace_name(queue), .other = arb_trace_name(cost),
		.a = (u32)id | (u64)flags << 32, .b = arb_trace_name(share), .c = not_before_ns,
		.d = cost->passed | (u64)cost->tries << 32 });
	arb_choice_add(choice, id, flags, share, queue, cost, not_before_ns, now_ns);
}

static inline int arb_traced_choice_best(struct arb_trace *trace, const struct arb_choice *choice,
					 const struct arb_queue *queue, u64 now_ns)
{
	int result = arb_choice_best(choice);

	arb_trace_emit(trace, (struct arb_trace_record){
		.op = ARB_TRACE_CHOICE_BEST, .result = result, .now_ns = now_ns, .object = arb_trace_name(queue) });
	return result;
}

#endif /* DSEEK_ARB_TRACE_H */

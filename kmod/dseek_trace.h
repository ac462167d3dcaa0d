/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints (/sys/kernel/tracing/events/dseek): one for every change of state. Names and fields are kept stable;
 * kmod/README.md lists them. Those of jobs and engines are emitted under engine->lock, after what they tell of has been decided
 * and before anybody can see it, so with the clock "global" or "mono" their order in the buffer is the order of what happened.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dseek

#if !defined(DSEEK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DSEEK_TRACE_H

#include <linux/tracepoint.h>

#include "dseek_drv.h"

TRACE_DEFINE_ENUM(DSEEK_JOB_WAITING);
TRACE_DEFINE_ENUM(DSEEK_JOB_READY);
TRACE_DEFINE_ENUM(DSEEK_JOB_RUNNING);
TRACE_DEFINE_ENUM(DSEEK_YIELD_ASKED);
TRACE_DEFINE_ENUM(DSEEK_YIELD_LOST);
TRACE_DEFINE_ENUM(DSEEK_YIELD_UNTOLD);
TRACE_DEFINE_ENUM(DSEEK_PREEMPT_BETTER);
TRACE_DEFINE_ENUM(DSEEK_PREEMPT_ABORT);

#define dseek_show_state(state) __print_symbolic(state, \
	{ DSEEK_JOB_WAITING, "waiting" }, { DSEEK_JOB_READY, "ready" }, { DSEEK_JOB_RUNNING, "running" })
#define dseek_show_yield(reason) __print_symbolic(reason, \
	{ DSEEK_YIELD_ASKED, "yield" }, { DSEEK_YIELD_LOST, "lost" }, { DSEEK_YIELD_UNTOLD, "untold" })
#define dseek_show_preempt(reason) __print_symbolic(reason, \
	{ DSEEK_PREEMPT_BETTER, "better" }, { DSEEK_PREEMPT_ABORT, "abort" })

/* ---- jobs */

TRACE_EVENT(dseek_job_submit,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, seqno)
		__field(u64, tenant)
		__field(u64, program)
		__field(u64, deadline_ns)
		__field(u32, engine)
		__field(u32, waits)
		__field(u32, flags)
		__field(bool, fence)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->seqno = job->seqno;
		__entry->tenant = job->queue->tenant->id;
		__entry->program = job->program->id;
		__entry->deadline_ns = job->arb.deadline_ns;
		__entry->engine = job->queue->engine->id;
		__entry->waits = job->wait_count;
		__entry->flags = job->flags;
		__entry->fence = job->fence;
	),
	TP_printk("job=%llu queue=%llu seqno=%llu tenant=%llu program=%llu engine=%u waits=%u fence=%d flags=0x%x deadline_ns=%llu",
		  __entry->job, __entry->queue, __entry->seqno, __entry->tenant, __entry->program, __entry->engine,
		  __entry->waits, __entry->fence, __entry->flags, __entry->deadline_ns)
);

TRACE_EVENT(dseek_job_wait_done,
	TP_PROTO(const struct dseek_job *job, u32 left, int error),
	TP_ARGS(job, left, error),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u32, left)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->left = left;
		__entry->error = error;
	),
	TP_printk("job=%llu queue=%llu left=%u error=%d", __entry->job, __entry->queue, __entry->left, __entry->error)
);

DECLARE_EVENT_CLASS(dseek_job_place,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u32, engine)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->engine = job->queue->engine->id;
	),
	TP_printk("job=%llu queue=%llu engine=%u", __entry->job, __entry->queue, __entry->engine)
);

DEFINE_EVENT(dseek_job_place, dseek_job_ready, TP_PROTO(const struct dseek_job *job), TP_ARGS(job));

/* Its queue, which has a set of engines, is about to move. */
DEFINE_EVENT(dseek_job_place, dseek_job_withdraw, TP_PROTO(const struct dseek_job *job), TP_ARGS(job));

TRACE_EVENT(dseek_job_run,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, cursor)
		__field(u32, engine)
		__field(u32, tag)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->cursor = job->cursor;
		__entry->engine = job->queue->engine->id;
		__entry->tag = job->tag;
	),
	TP_printk("job=%llu queue=%llu engine=%u tag=%u cursor=%llu", __entry->job, __entry->queue, __entry->engine,
		  __entry->tag, __entry->cursor)
);

TRACE_EVENT(dseek_job_yield,
	TP_PROTO(const struct dseek_job *job, u64 used_ns, enum dseek_yield_reason reason),
	TP_ARGS(job, used_ns, reason),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, cursor)
		__field(u64, used_ns)
		__field(u32, engine)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->cursor = job->cursor;
		__entry->used_ns = used_ns;
		__entry->engine = job->queue->engine->id;
		__entry->reason = reason;
	),
	TP_printk("job=%llu queue=%llu engine=%u cursor=%llu used_ns=%llu reason=%s", __entry->job, __entry->queue,
		  __entry->engine, __entry->cursor, __entry->used_ns, dseek_show_yield(__entry->reason))
);

TRACE_EVENT(dseek_job_abort,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, limit_ns)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->limit_ns = job->limit_ns;
	),
	TP_printk("job=%llu queue=%llu limit_ns=%llu", __entry->job, __entry->queue, __entry->limit_ns)
);

/* Before job->state changes: @from is what it was. */
TRACE_EVENT(dseek_job_end,
	TP_PROTO(const struct dseek_job *job, u64 used_ns, int error),
	TP_ARGS(job, used_ns, error),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, used_ns)
		__field(s32, error)
		__field(u32, from)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->used_ns = used_ns;
		__entry->error = error;
		__entry->from = job->state;
	),
	TP_printk("job=%llu queue=%llu from=%s used_ns=%llu error=%d", __entry->job, __entry->queue,
		  dseek_show_state(__entry->from), __entry->used_ns, __entry->error)
);

TRACE_EVENT(dseek_job_over,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, seqno)
		__field(u64, engine_ns)
		__field(u32, preemptions)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->seqno = job->seqno;
		__entry->engine_ns = job->arb.used_ns;
		__entry->preemptions = job->arb.preemptions;
		__entry->error = job->error;
	),
	TP_printk("job=%llu queue=%llu seqno=%llu engine_ns=%llu preemptions=%u error=%d", __entry->job,
		  __entry->queue, __entry->seqno, __entry->engine_ns, __entry->preemptions, __entry->error)
);

/* Outside engine->lock: always after its job's dseek_job_over. */
TRACE_EVENT(dseek_fence_signal,
	TP_PROTO(const struct dseek_job *job),
	TP_ARGS(job),
	TP_STRUCT__entry(
		__field(u64, job)
		__field(u64, queue)
		__field(u64, context)
		__field(u64, seqno)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->job = job->id;
		__entry->queue = job->queue->id;
		__entry->context = job->fence->base.context;
		__entry->seqno = job->seqno;
		__entry->error = job->error;
	),
	TP_printk("job=%llu queue=%llu context=%llu seqno=%llu error=%d", __entry->job, __entry->queue,
		  __entry->context, __entry->seqno, __entry->error)
);

/* ---- queues */

TRACE_EVENT(dseek_queue_create,
	TP_PROTO(const struct dseek_queue *queue),
	TP_ARGS(queue),
	TP_STRUCT__entry(
		__field(u64, queue)
		__field(u64, tenant)
		__field(u64, budget_ns)
		__field(u64, period_ns)
		__field(u32, engine)
		__field(u32, sched_class)
		__field(u32, weight)
	),
	TP_fast_assign(
		__entry->queue = queue->id;
		__entry->tenant = queue->tenant->id;
		__entry->budget_ns = queue->arb.budget_ns;
		__entry->period_ns = queue->arb.period_ns;
		__entry->engine = queue->engine->id;
		__entry->sched_class = queue->arb.class;
		__entry->weight = queue->arb.weight;
	),
	TP_printk("queue=%llu tenant=%llu engine=%u class=%u weight=%u budget_ns=%llu period_ns=%llu", __entry->queue,
		  __entry->tenant, __entry->engine, __entry->sched_class, __entry->weight, __entry->budget_ns,
		  __entry->period_ns)
);

TRACE_EVENT(dseek_queue_destroy,
	TP_PROTO(const struct dseek_queue *queue),
	TP_ARGS(queue),
	TP_STRUCT__entry(
		__field(u64, queue)
		__field(u64, submitted)
		__field(u64, finished)
	),
	TP_fast_assign(
		__entry->queue = queue->id;
		__entry->submitted = queue->submitted;
		__entry->finished = queue->finished;
	),
	TP_printk("queue=%llu submitted=%llu finished=%llu", __entry->queue, __entry->submitted, __entry->finished)
);

/* ---- engines */

DECLARE_EVENT_CLASS(dseek_engine,
	TP_PROTO(const struct dseek_engine *engine),
	TP_ARGS(engine),
	TP_STRUCT__entry(
		__array(char, name, DRM_DSEEK_NAME_LEN)
		__field(u64, generation)
		__field(u32, engine)
		__field(u32, depth)
		__field(u32, ready)
	),
	TP_fast_assign(
		memcpy(__entry->name, engine->name, sizeof(__entry->name));
		__entry->generation = engine->generation;
		__entry->engine = engine->id;
		__entry->depth = engine->depth;
		__entry->ready = engine->ready;
	),
	TP_printk("engine=%u name=%s generation=%llu depth=%u ready=%u", __entry->engine, __entry->name,
		  __entry->generation, __entry->depth, __entry->ready)
);
DEFINE_EVENT(dseek_engine, dseek_engine_attach, TP_PROTO(const struct dseek_engine *engine), TP_ARGS(engine));
DEFINE_EVENT(dseek_engine, dseek_engine_lose, TP_PROTO(const struct dseek_engine *engine), TP_ARGS(engine));
/* Of the same name and generation: recovery_ms passed and nobody came. */
DEFINE_EVENT(dseek_engine, dseek_engine_gone, TP_PROTO(const struct dseek_engine *engine), TP_ARGS(engine));

TRACE_EVENT(dseek_engine_preempt,
	TP_PROTO(const struct dseek_engine *engine, enum dseek_preempt_reason reason),
	TP_ARGS(engine, reason),
	TP_STRUCT__entry(
		__field(u32, engine)
		__field(u32, ready)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->engine = engine->id;
		__entry->ready = engine->ready;
		__entry->reason = reason;
	),
	TP_printk("engine=%u ready=%u reason=%s", __entry->engine, __entry->ready, dseek_show_preempt(__entry->reason))
);

/* ---- buffers */

DECLARE_EVENT_CLASS(dseek_bo,
	TP_PROTO(const struct dseek_bo *bo),
	TP_ARGS(bo),
	TP_STRUCT__entry(
		__field(u64, bo)
		__field(u64, size)
		__field(u64, tenant)
		__field(u32, flags)
		__field(bool, imported)
	),
	TP_fast_assign(
		__entry->bo = bo->id;
		__entry->size = bo->base.size;
		__entry->tenant = bo->tenant ? bo->tenant->id : 0;
		__entry->flags = bo->flags;
		__entry->imported = bo->sgt;
	),
	TP_printk("bo=%llu size=%llu tenant=%llu flags=0x%x imported=%d", __entry->bo, __entry->size, __entry->tenant,
		  __entry->flags, __entry->imported)
);
DEFINE_EVENT(dseek_bo, dseek_bo_create, TP_PROTO(const struct dseek_bo *bo), TP_ARGS(bo));	/* and imports */
DEFINE_EVENT(dseek_bo, dseek_bo_purge, TP_PROTO(const struct dseek_bo *bo), TP_ARGS(bo));
DEFINE_EVENT(dseek_bo, dseek_bo_free, TP_PROTO(const struct dseek_bo *bo), TP_ARGS(bo));

#endif /* DSEEK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE dseek_trace
#include <trace/define_trace.h>

// SPDX-License-Identifier: GPL-2.0-only
/*
 * When an executor goes: by closing, by DETACH, killed, or declared lost by the watchdog. What it held runs again if it
 * says that it may (from its start), else faults with -ECANCELED. What is queued waits recovery_ms for the
 * name to be attached again, then faults with -ESHUTDOWN. One that stands by takes over at once.
 */
#include <linux/ktime.h>

#include "dseek_drv.h"
#include "dseek_trace.h"

/* Any context. What the executor used of a job that is taken from it is not known: only the oldest was surely running. */
void dseek_engine_lose(struct dseek_engine *engine, struct dseek_exec *exec, u64 now)
{
	struct dseek_exec *heir;
	struct dseek_job *job;

	lockdep_assert_held(&engine->lock);
	trace_dseek_engine_lose(engine);
	exec->lost = true;
	WRITE_ONCE(exec->control->detach, 1);
	engine->exec = NULL;
	exec->held = 0;
	memset(exec->jobs, 0, sizeof(exec->jobs));
	dseek_memory_refuse(engine, exec);
	while ((job = dseek_engine_runs(engine))) {
		u64 used = now - job->arb.start_ns;

		if (job->flags & DRM_DSEEK_JOB_IDEMPOTENT && !job->queue->dead && !job->aborted) {
			job->cursor = 0;
			dseek_job_yielded(job, DSEEK_YIELD_LOST, used, now);
		} else {
			dseek_job_end(job, job->aborted ? -ETIMEDOUT : -ECANCELED, used, now);
		}
		dseek_queue_advance(job->queue, now);
	}
	dseek_engine_evict(engine);
	heir = list_first_entry_or_null(&engine->standby, struct dseek_exec, standby_link);
	if (heir) {
		list_del_init(&heir->standby_link);
		dseek_engine_serve(engine, heir, now);
		dseek_engine_arm(engine, now);
		wake_up_interruptible_all(&engine->standby_wait);
	} else {
		queue_delayed_work(dseek->wq, &engine->recovery,
				   nsecs_to_jiffies(dseek_setting_ns(&engine->recovery_ms_set, &dseek_recovery_ms)));
	}
	WRITE_ONCE(engine->events, engine->events + 1);
	wake_up_interruptible_all(&engine->wait);
	if (dseek_engine_undrained(engine))
		queue_work(dseek->wq, &engine->work);
}

void dseek_engine_detach(struct dseek_exec *exec)
{
	struct dseek_engine *engine = exec->engine;

	spin_lock_irq(&engine->lock);
	if (engine->exec == exec) {
		dseek_engine_lose(engine, exec, ktime_get_ns());
	} else {
		list_del_init(&exec->standby_link);
		WRITE_ONCE(exec->lost, true);
		wake_up_interruptible_all(&engine->standby_wait);
	}
	spin_unlock_irq(&engine->lock);
	dseek_engine_drain(engine);
}

/* Nobody came. Jobs that still wait for fences fault when those are over. */
void dseek_engine_recovery(struct work_struct *work)
{
	struct dseek_engine *engine = container_of(to_delayed_work(work), struct dseek_engine, recovery);
	struct dseek_queue *queue, *next;
	struct dseek_job *job;
	u64 now;

	spin_lock_irq(&engine->lock);
	now = ktime_get_ns();
	if (!engine->exec) {
		engine->gone = true;
		trace_dseek_engine_gone(engine);
		list_for_each_entry_safe(queue, next, &engine->queues, engine_link) {
			if (queue->set)
				continue;	/* goes on elsewhere, or fails with the last of its engines */
			list_for_each_entry(job, &queue->jobs, link)
				if (job->state == DSEEK_JOB_READY)
					dseek_job_end(job, -ESHUTDOWN, 0, now);
			dseek_queue_advance(queue, now);
		}
		dseek_engine_evict(engine);
	}
	spin_unlock_irq(&engine->lock);
	dseek_engine_drain(engine);
}

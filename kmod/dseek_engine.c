// SPDX-License-Identifier: GPL-2.0-only
/*
 * Engines: names that executors serve and tenants' queues belong to. A name, once attached, lives until the
 * module goes. Here is what happens around the core: who is woken, when to ask again, and the
 * process-context half of the end of jobs.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "dseek_compat.h"
#include "dseek_drv.h"
#include "dseek_trace.h"

#define DSEEK_TIMER_MIN_NS (50 * NSEC_PER_USEC)

uint dseek_limit_ms = 30000;
module_param_named(job_limit_ms, dseek_limit_ms, uint, 0644);
MODULE_PARM_DESC(job_limit_ms, "engine time after which a job that states no limit is aborted (30000)");

uint dseek_grace_ms = 2000;
module_param_named(grace_ms, dseek_grace_ms, uint, 0644);
MODULE_PARM_DESC(grace_ms, "time an executor has to stop an aborted job, or to fetch one while it holds none, before it is declared lost (2000)");

uint dseek_recovery_ms = 5000;
module_param_named(recovery_ms, dseek_recovery_ms, uint, 0644);
MODULE_PARM_DESC(recovery_ms, "time jobs wait for an executor to attach again (5000)");

static uint deadline_permille = 750;
module_param(deadline_permille, uint, 0444);
MODULE_PARM_DESC(deadline_permille, "share of an engine that deadline queues may reserve, 0..950 (750)");

static uint interactive_permille = 800;
module_param(interactive_permille, uint, 0444);
MODULE_PARM_DESC(interactive_permille, "share up to which interactive goes before batch, 1..999 (800)");

static uint slice_us = 2000;
module_param(slice_us, uint, 0444);
MODULE_PARM_DESC(slice_us, "lead a running queue may have before it is preempted (2000)");

/* Engines are added under dseek->lock and stay, so a lookup needs no reference. */
struct dseek_engine *dseek_engine_find(u32 id)
{
	return xa_load(&dseek->engines, id);
}

/* The end of jobs, second half: fences first, then the numbers that tenants see, then what the jobs held. */
void dseek_jobs_finish(struct dseek_engine *engine, struct list_head *finished)
{
	struct dseek_engine *locked;
	struct dseek_queue *queue;
	struct dseek_job *job;

	list_for_each_entry(job, finished, link) {
		queue = job->queue;
		if (job->fence) {
			if (job->error)
				dma_fence_set_error(&job->fence->base, job->error);
			trace_dseek_fence_signal(job);
			dma_fence_signal(&job->fence->base);
			dma_fence_put(&job->fence->base);
		}
		if (READ_ONCE(queue->completed) < job->seqno) {
			locked = dseek_queue_lock(queue);
			if (!--queue->signalling)	/* pairs with completed() of dseek_wait.c */
				smp_store_release(&queue->completed, queue->finished);
			spin_unlock_irq(&locked->lock);
		}
		if (list_is_last(&job->link, finished) || list_next_entry(job, link)->queue != queue)
			dseek_queue_wake(queue);
	}
	dseek_jobs_put(engine, finished);
}

void dseek_engine_drain(struct dseek_engine *engine)
{
	struct dseek_queue *queue;
	LIST_HEAD(finished);

	if (!list_empty_careful(&engine->finished)) {
		spin_lock_irq(&engine->lock);
		list_splice_init(&engine->finished, &finished);
		spin_unlock_irq(&engine->lock);
		dseek_jobs_finish(engine, &finished);
	}
	while (!list_empty_careful(&engine->choosing)) {
		spin_lock_irq(&engine->lock);
		queue = list_first_entry_or_null(&engine->choosing, struct dseek_queue, choosing_link);
		if (queue)
			list_del_init(&queue->choosing_link);
		spin_unlock_irq(&engine->lock);
		if (!queue)
			break;
		dseek_queue_choose(queue, false);
		dseek_queue_put(queue);	/* the list's */
	}
}

void dseek_engine_ready(struct dseek_engine *engine, u64 now)
{
	lockdep_assert_held(&engine->lock);
	if (!engine->ready++)
		engine->ready_ns = now;
	WRITE_ONCE(engine->events, engine->events + 1);
}

/* After a change under engine->lock that may give the executor something to do. */
void dseek_engine_wake(struct dseek_engine *engine)
{
	if (!READ_ONCE(engine->ready))
		return;
	/*
	 * Whoever is about to sleep queues itself, or stops looking, before it reads engine->events for the last time: either
	 * it sees the change or is seen here. Pairs with the barrier of prepare_to_wait_exclusive().
	 */
	smp_mb();
	/* That is its barrier. */
	if (!test_bit(0, &engine->polling) && waitqueue_active(&engine->wait))
		wake_up_interruptible_sync(&engine->wait);
}

/* When an executor that holds nothing must have looked for what is ready. It may take longer before the first time. */
static u64 fetch_by(const struct dseek_engine *engine)
{
	const struct dseek_exec *exec = engine->exec;

	if (!engine->ready)
		return U64_MAX;
	if (!exec->seen_ns)
		return max(engine->ready_ns, exec->serve_ns) + dseek_setting_ns(&engine->limit_ms_set, &dseek_limit_ms);
	return max(engine->ready_ns, exec->seen_ns) + dseek_setting_ns(&engine->grace_ms_set, &dseek_grace_ms);
}

/*
 * When the oldest job that the executor holds is to be aborted, or the executor declared lost. The limit that its tenant states ends the
 * job, and can do no harm to others: however long it is, the job is aborted when it has kept better ones waiting for job_limit_ms; and however short,
 * the executor, whose other jobs are lost with it, has as much time as with a job that states none.
 */
static u64 watchdog_at(const struct dseek_engine *engine)
{
	u64 patience = dseek_setting_ns(&engine->limit_ms_set, &dseek_limit_ms), left, at;
	struct dseek_exec *exec = engine->exec;
	struct dseek_job *job = dseek_engine_runs(engine);

	if (!job)
		return fetch_by(engine);
	if (exec->abort_ns)
		return max(exec->abort_ns, job->arb.start_ns + patience) + dseek_setting_ns(&engine->grace_ms_set, &dseek_grace_ms);
	left = job->past_ns + job->arb.used_ns;
	left = job->limit_ns > left ? job->limit_ns - left : 0;
	at = left > KTIME_MAX - job->arb.start_ns ? U64_MAX : job->arb.start_ns + left;
	if (exec->control->preempt && dseek_engine_contended(engine))
		at = min(at, max(exec->asked_ns, job->arb.start_ns) + patience);
	return at;
}

/* Engine time that the executor measured, to those who are told of it; what it means for the policy is the core's. */
void dseek_engine_charge(struct dseek_engine *engine, struct dseek_queue *queue, u64 used_ns)
{
	lockdep_assert_held(&engine->lock);
	engine->busy_ns += used_ns;
	queue->client->engine_ns[engine->id] += used_ns;
}

/* To what is ready, or to what was fetched after it. */
bool dseek_engine_contended(const struct dseek_engine *engine)
{
	const struct dseek_exec *exec = engine->exec;

	return exec && exec->held && (engine->ready || !is_power_of_2(exec->held));
}

/* One that fires too early costs less than arming anew. */
static void timer_at(struct dseek_engine *engine, u64 at, u64 now)
{
	if (at >= engine->timer_at)
		return;
	/* The core may say "now" of work that nobody is free to take: don't spin on it. */
	at = max(at, now + DSEEK_TIMER_MIN_NS);
	if (at >= engine->timer_at)
		return;
	engine->timer_at = at;
	hrtimer_start(&engine->timer, ns_to_ktime(at), HRTIMER_MODE_ABS_SOFT);
}

/* Arm the timer for the next thing that happens by time alone. */
void dseek_engine_arm(struct dseek_engine *engine, u64 now)
{
	u64 at = U64_MAX;

	lockdep_assert_held(&engine->lock);
	if (!engine->exec)
		return;
	if ((engine->ready || dseek_engine_contended(engine)) && !engine->exec->control->preempt)
		at = arb_next_event(&engine->arb, now);
	timer_at(engine, min(at, watchdog_at(engine)), now);
}

/* Once, until the word is taken back. */
void dseek_exec_ask(struct dseek_exec *exec, enum dseek_preempt_reason reason, u64 now)
{
	lockdep_assert_held(&exec->engine->lock);
	if (exec->control->preempt)
		return;
	trace_dseek_engine_preempt(exec->engine, reason);
	exec->asked_ns = now;
	WRITE_ONCE(exec->control->preempt, 1);
}

/* Something became ready, or time passed: should what runs give way? */
void dseek_engine_kick(struct dseek_engine *engine, u64 now)
{
	struct dseek_exec *exec = engine->exec;

	lockdep_assert_held(&engine->lock);
	if (dseek_engine_contended(engine)) {
		if (!exec->control->preempt && arb_wants_preempt(&engine->arb, now))
			dseek_exec_ask(exec, DSEEK_PREEMPT_BETTER, now);
		dseek_engine_arm(engine, now);
	} else if (exec) {
		timer_at(engine, watchdog_at(engine), now);	/* it is about to look */
	}
}

static void watchdog(struct dseek_engine *engine, u64 now)
{
	struct dseek_exec *exec = engine->exec;
	struct dseek_job *job;

	if (now < watchdog_at(engine))
		return;
	job = dseek_engine_runs(engine);
	if (!job) {
		/* One that waits in NEXT is alive: what is ready may not run now. */
		if (waitqueue_active(&engine->wait) || test_bit(0, &engine->polling)) {
			exec->seen_ns = now;
			return;
		}
		drm_err(&dseek->drm, "engine %s: the executor did not fetch a job in time, declared lost\n", engine->name);
		dseek_engine_lose(engine, exec, now);
	} else if (!exec->abort_ns) {
		exec->abort_ns = now;
		job->aborted = true;
		trace_dseek_job_abort(job);
		WRITE_ONCE(exec->control->abort_mask, exec->control->abort_mask | BIT_ULL(job->tag));
		dseek_exec_ask(exec, DSEEK_PREEMPT_ABORT, now);
		drm_dbg(&dseek->drm, "engine %s: job %llu, whose limit is %llu ns, is to stop\n", engine->name, job->id,
			job->limit_ns);
	} else {
		drm_err(&dseek->drm, "engine %s: the executor did not stop job %llu in time, declared lost\n",
			engine->name, job->id);
		dseek_engine_lose(engine, exec, now);
	}
}

static enum hrtimer_restart engine_timer(struct hrtimer *timer)
{
	struct dseek_engine *engine = container_of(timer, struct dseek_engine, timer);
	unsigned long flags;
	bool drain;
	u64 now;

	spin_lock_irqsave(&engine->lock, flags);
	now = ktime_get_ns();
	engine->timer_at = U64_MAX;
	if (engine->exec)
		watchdog(engine, now);
	dseek_engine_kick(engine, now);
	dseek_engine_arm(engine, now);
	WRITE_ONCE(engine->events, engine->events + 1);
	drain = dseek_engine_undrained(engine);
	spin_unlock_irqrestore(&engine->lock, flags);
	dseek_engine_wake(engine);
	if (drain)
		queue_work(dseek->wq, &engine->work);
	return HRTIMER_NORESTART;
}

/*
 * By a tenant. What has ended is finished by a worker, whosever it is: the tenant may be stopped at any time (cpu.max, SCHED_IDLE), with
 * others' jobs in its hands. And by the worker of the engine where it ended: the queue may leave that at once.
 */
void dseek_engine_unlock(struct dseek_engine *engine) __releases(&engine->lock)
{
	bool over = !list_empty(&engine->finished);

	spin_unlock_irq(&engine->lock);
	if (over)
		queue_work(dseek->wq, &engine->work);
}

static void engine_work(struct work_struct *work)
{
	dseek_engine_drain(container_of(work, struct dseek_engine, work));
}

static struct dseek_engine *engine_create(const char *name, u32 type, kuid_t owner)
{
	struct arb_engine_params params = ARB_ENGINE_DEFAULTS;
	struct dseek_engine *engine;
	int err;

	if (dseek->engine_count >= DSEEK_ENGINES) {
		drm_dbg(&dseek->drm, "ATTACH: there are %d engine names already\n", DSEEK_ENGINES);
		return ERR_PTR(-ENOSPC);
	}
	engine = kzalloc(sizeof(*engine), GFP_KERNEL);
	if (!engine)
		return ERR_PTR(-ENOMEM);
	params.deadline_permille = deadline_permille;
	params.interactive_permille = interactive_permille;
	params.slice_ns = (u64)slice_us * NSEC_PER_USEC;
	err = arb_engine_init(&engine->arb, &params, ktime_get_ns());
	if (err) {
		drm_err(&dseek->drm, "deadline_permille, interactive_permille or slice_us is out of range\n");
		goto err_free;
	}
	engine->type = type;
	engine->owner = owner;
	strscpy(engine->name, name, sizeof(engine->name));
	engine->depth_set = DSEEK_SETTING_DEFAULT;
	engine->limit_ms_set = DSEEK_SETTING_DEFAULT;
	engine->grace_ms_set = DSEEK_SETTING_DEFAULT;
	engine->recovery_ms_set = DSEEK_SETTING_DEFAULT;
	dseek_engine_lock_init(&engine->lock);
	spin_lock_init(&engine->spare.lock);
	INIT_LIST_HEAD(&engine->standby);
	INIT_LIST_HEAD(&engine->queues);
	INIT_LIST_HEAD(&engine->movable);
	INIT_LIST_HEAD(&engine->choosing);
	INIT_LIST_HEAD(&engine->finished);
	init_waitqueue_head(&engine->wait);
	init_waitqueue_head(&engine->standby_wait);
	hrtimer_setup(&engine->timer, engine_timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	engine->timer_at = U64_MAX;
	INIT_WORK(&engine->work, engine_work);
	INIT_DELAYED_WORK(&engine->recovery, dseek_engine_recovery);
	engine->id = dseek->engine_count;
	err = kobject_init_and_add(&engine->kobj, &dseek_engine_ktype, dseek->engine_dir, "%s", name);
	if (err)
		goto err_put;
	err = xa_err(xa_store(&dseek->engines, engine->id, engine, GFP_KERNEL));
	if (err)
		goto err_put;
	dseek->engine_count++;
	return engine;

err_put:
	kobject_put(&engine->kobj);
	return ERR_PTR(err);
err_free:
	kfree(engine);
	return ERR_PTR(err);
}

/* Nobody does. What its executor says of the engine holds while it serves it. */
void dseek_engine_serve(struct dseek_engine *engine, struct dseek_exec *exec, u64 now)
{
	lockdep_assert_held(&engine->lock);
	engine->exec = exec;
	engine->depth = exec->depth;
	engine->numa_node = exec->numa_node;
	engine->caps = exec->caps;
	engine->generation++;
	engine->gone = false;
	engine->longest_op_ns = 0;
	exec->serve_ns = now;
	WRITE_ONCE(exec->control->generation, engine->generation);
	trace_dseek_engine_attach(engine);
}

int dseek_engine_attach(struct dseek_exec *exec, struct drm_dseek_attach *args)
{
	struct dseek_engine *engine;
	kuid_t owner = INVALID_UID;
	unsigned long id;
	bool found = false;
	int err = 0;
	u64 now;

	if (args->flags & DRM_DSEEK_ATTACH_OWNER) {
		owner = make_kuid(current_user_ns(), args->owner);
		if (!uid_valid(owner)) {
			drm_dbg(&dseek->drm, "ATTACH %s: %u is no uid here\n", args->name, args->owner);
			return -EINVAL;
		}
	}
	mutex_lock(&dseek->lock);
	xa_for_each(&dseek->engines, id, engine) {
		if (!strcmp(engine->name, args->name)) {
			found = true;
			break;
		}
	}
	if (found && engine->type != args->type) {
		err = -EMEDIUMTYPE;
	} else if (found && !uid_eq(engine->owner, owner)) {
		err = -EACCES;
	} else if (!found && args->flags & DRM_DSEEK_ATTACH_REATTACH) {
		err = -ENOENT;
	} else if (!found) {
		engine = engine_create(args->name, args->type, owner);
		err = PTR_ERR_OR_ZERO(engine);
	}
	if (err)
		goto out;
	exec->depth = args->depth;
	exec->numa_node = args->numa_node;
	exec->caps = args->caps;
	exec->memory = args->flags & DRM_DSEEK_ATTACH_MEMORY;
	spin_lock_irq(&engine->lock);
	now = ktime_get_ns();
	if (!engine->exec) {
		dseek_engine_serve(engine, exec, now);
		dseek_engine_arm(engine, now);
	} else if (args->flags & DRM_DSEEK_ATTACH_STANDBY) {
		list_add_tail(&exec->standby_link, &engine->standby);
	} else {
		err = -EBUSY;
	}
	if (!err) {
		exec->pid = get_pid(task_tgid(current));
		args->engine = engine->id;
		args->generation = exec->control->generation;
		smp_store_release(&exec->engine, engine);	/* pairs with exec_mmap() */
	}
	spin_unlock_irq(&engine->lock);
	if (!err)
		cancel_delayed_work(&engine->recovery);
out:
	mutex_unlock(&dseek->lock);
	if (!err)
		dseek_engine_invite(engine);
	if (err)
		drm_dbg(&dseek->drm, "ATTACH %s: %s\n", args->name,
			err == -EBUSY ? "it has an executor" :
			err == -EMEDIUMTYPE ? "it is of another type" :
			err == -EACCES ? "it has another owner, or none" :
			err == -ENOENT ? "there is no such engine to take over" : "failed");
	return err;
}

int dseek_engine_info(u32 index, const struct dseek_file *file, struct drm_dseek_engine_info *info)
{
	struct dseek_engine *engine = dseek_engine_find(index);

	if (!engine)
		return -ENOENT;
	memcpy(info->name, engine->name, sizeof(info->name));
	info->id = engine->id;
	info->type = engine->type;
	spin_lock_irq(&engine->lock);
	info->flags = (engine->exec ? DRM_DSEEK_ENGINE_ATTACHED : 0) |
		      (list_empty(&engine->standby) ? 0 : DRM_DSEEK_ENGINE_STANDBY) |
		      (engine->draining ? DRM_DSEEK_ENGINE_DRAINING : 0) |
		      (uid_valid(engine->owner) ? DRM_DSEEK_ENGINE_OWNED : 0) |
		      (dseek_engine_admits(engine, file) ? 0 : DRM_DSEEK_ENGINE_FOREIGN) |
		      (engine->exec && engine->exec->memory ? DRM_DSEEK_ENGINE_MEMORY : 0);
	info->depth = dseek_engine_depth(engine);
	info->numa_node = engine->numa_node;
	info->caps = engine->caps;
	info->generation = engine->generation;
	info->busy_ns = engine->busy_ns;
	info->predicted = dseek_accuracy(&engine->predicted);
	info->longest_op_ns = engine->longest_op_ns;
	info->ready = engine->ready;
	info->running = engine->exec ? dseek_exec_holds(engine->exec) : 0;
	spin_unlock_irq(&engine->lock);
	return 0;
}

u32 dseek_engine_depth(const struct dseek_engine *engine)
{
	return min(engine->depth, READ_ONCE(engine->depth_set));
}

/* Nobody has anything open: no queues, no jobs, no executor. */
void dseek_engines_stop(void)
{
	struct dseek_engine *engine;
	unsigned long id;

	xa_for_each(&dseek->engines, id, engine) {
		hrtimer_cancel(&engine->timer);
		cancel_delayed_work_sync(&engine->recovery);
		flush_work(&engine->work);
		WARN_ON(engine->exec || !list_empty(&engine->queues) || !list_empty(&engine->finished));
	}
}

/* After the tenants, whose shares name them. */
void dseek_engines_free(void)
{
	struct dseek_engine *engine;
	unsigned long id;

	xa_for_each(&dseek->engines, id, engine) {
		dseek_spare_free(&engine->spare);
		kobject_put(&engine->kobj);	/* takes its directory away first */
	}
	xa_destroy(&dseek->engines);
	kobject_put(dseek->engine_dir);
}

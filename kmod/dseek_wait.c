// SPDX-License-Identifier: GPL-2.0-only
/* WAIT: a tenant sleeps until a number of its queue is complete. The hot path of every token. */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>

#include "dseek_drv.h"

struct waiter {
	struct wait_queue_entry entry;
	struct dseek_queue *queue;
	u64 seqno;
};

/* Then the result is there and the fence signalled. */
static bool completed(const struct dseek_queue *queue, u64 seqno)
{
	/* Pairs with the releases in job_over() and dseek_jobs_finish(). */
	return smp_load_acquire(&queue->completed) >= seqno;
}

/* Wakes only those whose number has come. */
static int waiter_wake(struct wait_queue_entry *entry, unsigned int mode, int sync, void *key)
{
	struct waiter *waiter = container_of(entry, struct waiter, entry);

	if (READ_ONCE(waiter->queue->completed) < waiter->seqno)
		return 0;
	return autoremove_wake_function(entry, mode, sync, key);
}

void dseek_queue_wake(struct dseek_queue *queue)
{
	if (wq_has_sleeper(&queue->wait))
		__wake_up_sync_key(&queue->wait, TASK_INTERRUPTIBLE, NULL);
}

static int sleep_for(struct dseek_queue *queue, u64 seqno, u64 deadline_ns)
{
	struct waiter waiter = { .queue = queue, .seqno = seqno };
	ktime_t expires = ns_to_ktime(min_t(u64, deadline_ns, KTIME_MAX));
	int err = 0;

	init_wait(&waiter.entry);
	waiter.entry.func = waiter_wake;
	do {
		prepare_to_wait(&queue->wait, &waiter.entry, TASK_INTERRUPTIBLE);
		if (completed(queue, seqno))
			break;
		if (signal_pending(current))
			err = -ERESTARTSYS;
		else if (expires == KTIME_MAX)
			schedule();
		else if (!schedule_hrtimeout(&expires, HRTIMER_MODE_ABS))
			err = -ETIME;
	} while (!completed(queue, seqno) && !err);
	finish_wait(&queue->wait, &waiter.entry);
	return completed(queue, seqno) ? 0 : err;
}

static int wait_for(struct dseek_queue *queue, u64 seqno, u64 deadline_ns)
{
	u64 began, until;
	int err = 0;

	if (!deadline_ns)
		return -ETIME;
	began = dseek_poll_begin();
	until = min(dseek_poll_until(&queue->poll, began), deadline_ns);
	while (until > began && !completed(queue, seqno) && dseek_poll_on(until))
		;
	if (!completed(queue, seqno))
		err = sleep_for(queue, seqno, deadline_ns);
	dseek_poll_end(&queue->poll, began);
	return err;
}

/* No lock: a result is overwritten DRM_DSEEK_STATUS_RING jobs later, and then says so by its number. */
static int result_of(struct dseek_queue *queue, u64 seqno, struct drm_dseek_wait *args)
{
	const struct dseek_result *result = &queue->results[seqno % DRM_DSEEK_STATUS_RING];

	/* The barriers pair with those of job_over(). */
	if (smp_load_acquire(&result->seqno) != seqno)
		return -EOVERFLOW;
	args->error = READ_ONCE(result->error);
	args->preemptions = READ_ONCE(result->preemptions);
	args->submit_ns = READ_ONCE(result->submit_ns);
	args->start_ns = READ_ONCE(result->start_ns);
	args->end_ns = READ_ONCE(result->end_ns);
	args->engine_ns = READ_ONCE(result->engine_ns);
	args->engine = READ_ONCE(result->engine);
	args->placed_ns = READ_ONCE(result->placed_ns);
	args->predicted_ns = READ_ONCE(result->predicted_ns);
	smp_rmb();	/* overwritten meanwhile? */
	return READ_ONCE(result->seqno) == seqno ? 0 : -EOVERFLOW;
}

int dseek_ioctl_wait(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_dseek_wait *args = data;
	struct dseek_queue *queue;
	int err = 0;

	if (args->flags || args->pad || !args->seqno) {
		drm_dbg(drm, "WAIT: flags 0x%x and pad must be 0, seqno %llu must not\n", args->flags, args->seqno);
		return -EINVAL;
	}
	queue = dseek_queue_find(drm_file->driver_priv, args->queue);
	if (!queue)
		return -ENOENT;
	if (args->seqno > READ_ONCE(queue->submitted)) {
		drm_dbg(drm, "WAIT: number %llu was not given out yet\n", args->seqno);
		err = -ENOENT;
	} else if (!completed(queue, args->seqno)) {
		err = wait_for(queue, args->seqno, args->deadline_ns);
	}
	if (!err)
		err = result_of(queue, args->seqno, args);
	dseek_queue_put(queue);
	return err;
}

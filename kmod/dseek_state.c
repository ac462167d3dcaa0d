// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/dseek/state: engines, their queues, and the jobs at the head of each: for who looks for what hangs.
 * kmod/README.md explains the lines. Of each engine a few queues at a time are copied under its lock and written
 * without it, so the lock is held for a bounded time however much there is, and what is shown of a queue is consistent.
 */
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "dseek_drv.h"

#define QUEUES	16	/* copied at once */
#define JOBS	8	/* shown of a queue */
#define WAITS	4	/* shown of a job */

struct job_row {
	u64 id, seqno, program, cursor, age, since, used, limit;
	s64 deadline;			/* from now; 0: none */
	enum dseek_job_state state;
	u32 tag, waits_left, fence_count;
	s32 error;
	bool aborted, idempotent, head;
	struct dma_fence *fences[WAITS];
};

struct queue_row {
	struct dseek_queue *queue;
	u64 submitted, finished, completed, faulted, used;
	u32 running, job_count;
	bool dead;
	struct job_row jobs[JOBS];
};

static void copy_waits(struct job_row *row, struct dseek_job *job)
{
	u32 i;

	for (i = 0; i < job->wait_count && row->fence_count < WAITS; i++) {
		struct dma_fence *fence = job->waits[i].fence;

		if (!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
			row->fences[row->fence_count++] = dma_fence_get(fence);
	}
}

static void copy_job(struct job_row *row, struct dseek_job *job, u64 now)
{
	u64 since = job->submit_ns;

	if (job->state == DSEEK_JOB_READY)
		since = job->arb.ready_ns;
	else if (job->state == DSEEK_JOB_RUNNING)
		since = job->arb.start_ns;
	*row = (struct job_row) {
		.id = job->id, .seqno = job->seqno, .program = job->program->id, .cursor = job->cursor,
		.age = now - job->submit_ns, .since = now - since, .used = job->arb.used_ns,
		.limit = job->limit_ns, .deadline = job->arb.deadline_ns ? job->arb.deadline_ns - now : 0,
		.state = job->state, .tag = job->tag, .waits_left = job->waits_left, .error = job->error,
		.aborted = job->aborted, .idempotent = job->flags & DRM_DSEEK_JOB_IDEMPOTENT,
		.head = &job->arb == arb_runs(&job->queue->engine->arb),
	};
	if (job->state == DSEEK_JOB_WAITING)
		copy_waits(row, job);
}

static void copy_queue(struct queue_row *row, struct dseek_queue *queue, u64 now)
{
	struct dseek_job *job;

	kref_get(&queue->ref);
	row->queue = queue;
	row->submitted = queue->submitted;
	row->finished = queue->finished;
	row->completed = queue->completed;
	row->faulted = queue->faulted;
	row->used = queue->arb.used_ns;
	row->running = queue->running;
	row->dead = queue->dead;
	row->job_count = 0;
	list_for_each_entry(job, &queue->jobs, link) {
		if (row->job_count == JOBS)
			return;
		copy_job(&row->jobs[row->job_count++], job, now);
	}
	list_for_each_entry(job, &queue->waiting, link) {
		if (row->job_count == JOBS)
			return;
		copy_job(&row->jobs[row->job_count++], job, now);
	}
}

/*
 * The next queues behind @last, which the caller holds. If it was removed or has moved meanwhile its neighbour is not known: then those
 * older than it are stepped over, for engine->queues is in the order of making, but for those that came from another engine.
 */
static u32 copy_queues(struct dseek_engine *engine, struct dseek_queue *last, struct queue_row *rows)
{
	struct dseek_queue *queue;
	u32 count = 0;
	bool next;
	u64 now;

	spin_lock_irq(&engine->lock);
	now = ktime_get_ns();
	next = last && !last->removed && last->engine == engine && !last->arriving;
	queue = next ? list_next_entry(last, engine_link) :
		list_first_entry(&engine->queues, struct dseek_queue, engine_link);
	list_for_each_entry_from(queue, &engine->queues, engine_link) {
		if (last && !next && queue->id <= last->id)
			continue;
		copy_queue(&rows[count++], queue, now);
		if (count == QUEUES)
			break;
	}
	spin_unlock_irq(&engine->lock);
	return count;
}

#define us(ns) div_u64(ns, NSEC_PER_USEC)

static void show_job(struct seq_file *m, struct job_row *row)
{
	static const char *const states[] = {
		[DSEEK_JOB_NEW] = "new", [DSEEK_JOB_WAITING] = "waiting", [DSEEK_JOB_READY] = "ready",
		[DSEEK_JOB_RUNNING] = "running", [DSEEK_JOB_ENDED] = "ended", [DSEEK_JOB_OVER] = "over",
	};
	u32 i;

	seq_printf(m, "    job %llu seqno %llu state %s since_us %llu age_us %llu program %llu used_us %llu limit_us %llu",
		   row->id, row->seqno, states[row->state], us(row->since), us(row->age), row->program,
		   us(row->used), us(row->limit));
	if (row->state == DSEEK_JOB_RUNNING)
		seq_printf(m, " tag %u%s", row->tag, row->head ? " oldest" : "");
	if (row->cursor)
		seq_printf(m, " cursor %llu", row->cursor);
	if (row->deadline)
		seq_printf(m, " deadline_us %lld", div_s64(row->deadline, NSEC_PER_USEC));
	if (row->state == DSEEK_JOB_WAITING)
		seq_printf(m, " waits %u", row->waits_left);
	if (row->error)
		seq_printf(m, " error %d", row->error);
	seq_printf(m, "%s%s\n", row->idempotent ? " idempotent" : "", row->aborted ? " aborted" : "");
	for (i = 0; i < row->fence_count; i++) {
		/* Then who made it, in the words of this kernel. */
		seq_printf(m, "      fence context %llu seqno %llu: ", row->fences[i]->context, row->fences[i]->seqno);
		dma_fence_describe(row->fences[i], m);
		dma_fence_put(row->fences[i]);
	}
}

static void show_queue(struct seq_file *m, struct queue_row *row)
{
	static const char *const classes[DRM_DSEEK_CLASS_COUNT] = { "deadline", "interactive", "batch" };
	struct dseek_queue *queue = row->queue;
	u64 jobs = row->submitted - row->finished;
	u32 i;

	seq_printf(m, "  queue %llu tenant %s client %llu pid %d comm %s class %s", queue->id, queue->tenant->name,
		   queue->client->id, queue->client->pid, queue->client->comm, classes[queue->arb.class]);
	if (queue->arb.class == ARB_CLASS_DEADLINE)
		seq_printf(m, " budget_us %llu period_us %llu", us(queue->arb.budget_ns), us(queue->arb.period_ns));
	else
		seq_printf(m, " weight %u", queue->arb.weight);
	seq_printf(m, " jobs %llu running %u submitted %llu completed %llu faulted %llu used_us %llu%s\n", jobs,
		   row->running, row->submitted, row->completed, row->faulted, us(row->used), row->dead ? " destroyed" : "");
	for (i = 0; i < row->job_count; i++)
		show_job(m, &row->jobs[i]);
	if (jobs > row->job_count)
		seq_printf(m, "    and %llu jobs more\n", jobs - row->job_count);
}

static void show_engine(struct seq_file *m, struct dseek_engine *engine)
{
	static const char *const types[DRM_DSEEK_ENGINE_TYPE_COUNT] = { "null", "cpu", "gpu", "npu", "nic" };
	u64 generation, busy, longest, abort_mask = 0, abort_ns = 0, now;
	u32 depth, ready, held = 0, preempt = 0, standby = 0;
	struct dseek_exec *exec;
	bool attached, gone;
	pid_t pid = 0;

	spin_lock_irq(&engine->lock);
	now = ktime_get_ns();
	attached = engine->exec;
	gone = engine->gone;
	generation = engine->generation;
	busy = engine->busy_ns;
	longest = engine->longest_op_ns;
	depth = engine->depth;
	ready = engine->ready;
	list_for_each_entry(exec, &engine->standby, standby_link)
		standby++;
	if (attached) {
		pid = pid_vnr(engine->exec->pid);	/* as the reader's namespace knows it */
		held = dseek_exec_holds(engine->exec);
		preempt = engine->exec->control->preempt;
		abort_mask = engine->exec->control->abort_mask;
		abort_ns = engine->exec->abort_ns;
	}
	spin_unlock_irq(&engine->lock);
	seq_printf(m, "engine %u %s type %s %s generation %llu depth %u ready %u held %u busy_us %llu longest_op_us %llu", engine->id,
		   engine->name, types[engine->type], attached ? "attached" : gone ? "gone" : "unattended", generation,
		   depth, ready, held, us(busy), us(longest));
	if (attached)
		seq_printf(m, " pid %d preempt %u abort_mask 0x%llx", pid, preempt, abort_mask);
	if (standby)
		seq_printf(m, " standby %u", standby);
	if (abort_ns)
		seq_printf(m, " aborting_us %llu", us(now - abort_ns));
	if (delayed_work_pending(&engine->recovery))
		seq_printf(m, " recovery_ms %u",
			   jiffies_to_msecs(max_t(long, engine->recovery.timer.expires - jiffies, 0)));
	seq_putc(m, '\n');
}

static int state_show(struct seq_file *m, void *unused)
{
	struct queue_row *rows = kvcalloc(QUEUES, sizeof(*rows), GFP_KERNEL);
	struct dseek_engine *engine;
	unsigned long id;
	u32 count, i;

	if (!rows)
		return -ENOMEM;
	xa_for_each(&dseek->engines, id, engine) {
		struct dseek_queue *last = NULL;

		show_engine(m, engine);
		do {
			count = copy_queues(engine, last, rows);
			if (last)
				dseek_queue_put(last);
			last = NULL;
			for (i = 0; i < count; i++) {
				show_queue(m, &rows[i]);
				if (i < count - 1)
					dseek_queue_put(rows[i].queue);
				else
					last = rows[i].queue;
			}
			cond_resched();
		} while (count == QUEUES);
		if (last)
			dseek_queue_put(last);
	}
	kvfree(rows);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

void dseek_state_init(struct dentry *dir)
{
	debugfs_create_file("state", 0400, dir, NULL, &state_fops);
}

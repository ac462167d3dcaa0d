/* SPDX-License-Identifier: GPL-2.0-only */
/* Who runs it: engines, the choice of one, executors and what they map. */
#ifndef DSEEK_ENGINE_H
#define DSEEK_ENGINE_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "drm/dseek_drm.h"
#include "arb/arb.h"
#include "dseek_job.h"
#include "dseek_tenant.h"

struct dseek_bo;
struct dseek_exec;

/* ---- engines */

/* An administrator's setting of an engine that follows the module parameter, or what the executor says, until it is set. */
#define DSEEK_SETTING_DEFAULT	U32_MAX

struct dseek_engine {
	struct kobject kobj;		/* its directory in sysfs; the memory's reference count */
	u32 id;
	u32 type;
	char name[DRM_DSEEK_NAME_LEN];
	kuid_t owner;			/* whose queues it serves; INVALID_UID: everybody's */

	/* READ_ONCE(), WRITE_ONCE(): the administrator's (dseek_engine_sysfs.c) */
	u32 depth_set;			/* jobs held at once, at most what the executor attached with */
	u32 limit_ms_set, grace_ms_set, recovery_ms_set;
	bool draining;			/* refuse jobs; under @lock */

	spinlock_t lock;
	struct arb_engine arb;
	struct dseek_exec *exec;	/* NULL: nobody serves it */
	struct list_head standby;	/* struct dseek_exec, in the order of their turn */
	u32 depth;
	s32 numa_node;
	u64 caps;
	u64 generation;
	u64 busy_ns;
	u64 longest_op_ns;		/* that its executor reported */
	u32 ready;			/* jobs the core holds that are not running */
	u64 ready_ns;			/* since when there are some */
	u32 jobs;			/* admitted and not over */
	u32 events;			/* changes that may give the executor something to do */
	bool gone;			/* recovery time is over: refuse */
	bool lost;			/* the executor is to be declared lost by @work */
	struct list_head queues;	/* recovery walks it */
	struct list_head movable;	/* of those, the ones with a set, jobs ready and none held */
	struct list_head choosing;	/* of those, the ones for which dseek_engine_drain() is to choose an engine */
	struct list_head finished;
	struct dseek_spare spare;	/* not under @lock */
	struct arb_accuracy predicted;
	wait_queue_head_t wait;		/* the executor's threads that sleep in NEXT */
	unsigned long polling;		/* bit 0: one of them looks, and is not to be woken */
	struct dseek_poll poll;
	wait_queue_head_t standby_wait;	/* those that stand by */
	struct hrtimer timer;
	u64 timer_at;			/* U64_MAX: not armed */
	struct work_struct work;
	struct delayed_work recovery;
};

static inline struct drm_dseek_accuracy dseek_accuracy(const struct arb_accuracy *sum)
{
	return (struct drm_dseek_accuracy) {
		.jobs = sum->jobs,
		.turnaround_ns = sum->turnaround_ns, .turnaround_error_ns = sum->turnaround_error_ns,
		.cost_ns = sum->cost_ns, .cost_error_ns = sum->cost_error_ns,
	};
}

/* More is to be done in process context, by dseek_engine_drain(). */
static inline bool dseek_engine_undrained(const struct dseek_engine *engine)
{
	return !list_empty(&engine->finished) || !list_empty(&engine->choosing);
}

/* May @file have queues on it? */
static inline bool dseek_engine_admits(const struct dseek_engine *engine, const struct dseek_file *file)
{
	return !uid_valid(engine->owner) || uid_eq(engine->owner, file->uid);
}

/* What its executor runs; NULL: nothing. */
static inline struct dseek_job *dseek_engine_runs(const struct dseek_engine *engine)
{
	struct arb_job *job = arb_runs(&engine->arb);

	return job ? container_of(job, struct dseek_job, arb) : NULL;
}

/* Why what runs is to give way. */
enum dseek_preempt_reason {
	DSEEK_PREEMPT_BETTER,	/* something better waits */
	DSEEK_PREEMPT_ABORT,	/* it is over its limit */
};

struct dseek_engine *dseek_engine_find(u32 id);		/* NULL */
int dseek_engine_attach(struct dseek_exec *exec, struct drm_dseek_attach *args);
void dseek_engine_serve(struct dseek_engine *engine, struct dseek_exec *exec, u64 now);	/* from now on */
void dseek_engine_ready(struct dseek_engine *engine, u64 now);	/* the core has got a job (back) */
void dseek_engine_detach(struct dseek_exec *exec);	/* close, DETACH; any state */
void dseek_engine_lose(struct dseek_engine *engine, struct dseek_exec *exec, u64 now);
void dseek_engine_recovery(struct work_struct *work);
int dseek_engine_info(u32 index, const struct dseek_file *file, struct drm_dseek_engine_info *info);
void dseek_engine_charge(struct dseek_engine *engine, struct dseek_queue *queue, u64 used_ns);
bool dseek_engine_contended(const struct dseek_engine *engine);	/* what runs may have to give way */
void dseek_engine_kick(struct dseek_engine *engine, u64 now);	/* jobs became ready: preempt? */
void dseek_exec_ask(struct dseek_exec *exec, enum dseek_preempt_reason reason, u64 now);	/* that what runs gives way */
void dseek_engine_arm(struct dseek_engine *engine, u64 now);
void dseek_engine_wake(struct dseek_engine *engine);	/* without engine->lock, after a change under it */
void dseek_engine_drain(struct dseek_engine *engine);	/* process context */
void dseek_engine_unlock(struct dseek_engine *engine) __releases(&engine->lock);	/* and see that it is drained */
void dseek_jobs_finish(struct dseek_engine *engine, struct list_head *finished);	/* process context */
void dseek_engines_stop(void);
u32 dseek_engine_depth(const struct dseek_engine *engine);	/* in force; engine->lock */
void dseek_engines_free(void);

static inline u64 dseek_setting_ns(const u32 *set, const uint *parameter)
{
	u32 ms = READ_ONCE(*set);

	return (u64)(ms == DSEEK_SETTING_DEFAULT ? READ_ONCE(*parameter) : ms) * NSEC_PER_MSEC;
}

/* dseek_engine_sysfs.c */
extern const struct kobj_type dseek_engine_ktype;

/* ---- which engine a queue with a set is on (dseek_choice.c) */

/* spin_lock_irq() and so on of the engine it is on, which is returned. */
struct dseek_engine *dseek_queue_lock(struct dseek_queue *queue) __acquires(&queue->engine->lock);
struct dseek_engine *dseek_queue_lock_irqsave(struct dseek_queue *queue, unsigned long *flags) __acquires(&queue->engine->lock);
bool dseek_queue_gone(const struct dseek_queue *queue);	/* so are all of its engines */
bool dseek_queue_closed(const struct dseek_queue *queue);	/* all of its engines are gone, or drain */
bool dseek_queue_takes(const struct dseek_queue *queue); /* the core may be handed another job of it */
void dseek_queue_track_movable(struct dseek_queue *queue);
/* After any change to what is ready or held. */
static inline void dseek_queue_track(struct dseek_queue *queue)
{
	if (queue->set)
		dseek_queue_track_movable(queue);
}
void dseek_queue_ask(struct dseek_queue *queue);	/* choose in process context; engine->lock held */
void dseek_queue_choose(struct dseek_queue *queue, bool again);	/* process context */
void dseek_queue_choose_asked(struct dseek_queue *queue);	/* if that is to be done; likewise */
bool dseek_engine_pull(struct dseek_engine *engine);	/* process context; it has nothing to do: did a queue come? */
void dseek_engine_evict(struct dseek_engine *engine);	/* nobody serves it; engine->lock held */
void dseek_engine_invite(struct dseek_engine *engine);	/* process context; somebody serves it now */
void dseek_job_predict(struct dseek_job *job, u64 now);	/* as it is handed to the core */
void dseek_job_score(struct dseek_job *job, u64 now);	/* done: was the prediction right? */

/* ---- executors: an open file of /dev/dseek-exec */

struct dseek_exec {
	struct mutex lock;		/* ATTACH and DETACH against each other */
	struct pid *pid;		/* of the process that attached it */
	struct dseek_engine *engine;	/* set once */
	struct drm_dseek_job_desc *descs;
	struct drm_dseek_control *control;
	size_t desc_bytes;

	/* engine->lock */
	bool lost;			/* declared lost, or detached: every call says -ESTALE */
	struct list_head standby_link;	/* engine->standby */
	u32 depth;
	s32 numa_node;
	u64 caps;
	u64 held;			/* tags, bits (1 << tag); what runs of them is arb_runs() */
	struct dseek_job *jobs[DRM_DSEEK_MAX_DEPTH];	/* by tag */
	u64 abort_ns;			/* when the oldest was told to stop; 0: was not */
	u64 asked_ns;			/* when it was last told to give way */
	u64 serve_ns;			/* since when it serves the engine */
	u64 seen_ns;			/* when it last looked for jobs; 0: never did */
	bool memory;			/* it gives memory of the engine's own */
	struct list_head wanted, asked;	/* struct dseek_memory: it is to be asked for; it was, and didn't answer yet */
	struct list_head unwanted;	/* that it is to free */

	/* dseek->map_lock */
	struct xarray maps;		/* struct dseek_exec_map by offset >> DSEEK_MAP_SHIFT */
	struct list_head active, retired;
};

static inline u32 dseek_exec_holds(const struct dseek_exec *exec)
{
	return hweight64(READ_ONCE(exec->held));
}

extern const struct file_operations dseek_exec_fops;
int dseek_exec_next(struct dseek_exec *exec, u64 arg, bool short_arg);	/* dseek_next.c; @arg: struct drm_dseek_next, as it was before 1.3 if @short_arg */

/* Buffers are mapped on the executor's file at (index << DSEEK_MAP_SHIFT): one terabyte each. */
#define DSEEK_MAP_SHIFT	40

struct dseek_exec_map {
	struct kref ref;		/* exec->maps, each VMA */
	struct dseek_bo *bo;
	struct dseek_exec *exec;	/* NULL once out of exec->maps */
	u32 index;
	bool registered;		/* charged to the buffer's tenant: the engine is a NIC */
	bool retired;
	struct list_head bo_link;	/* bo->maps */
	struct list_head exec_link;	/* exec->active, exec->retired */
};

int dseek_exec_map(struct dseek_exec *exec, struct drm_dseek_map *args);
int dseek_exec_mmap_bo(struct dseek_exec *exec, struct vm_area_struct *vma);
void dseek_exec_retire(struct dseek_bo *bo);
void dseek_exec_unretire(struct dseek_bo *bo);
u32 dseek_exec_take_retired(struct dseek_exec *exec, u64 *ids, u32 max);
void dseek_exec_unmap_all(struct dseek_exec *exec);

#endif /* DSEEK_ENGINE_H */

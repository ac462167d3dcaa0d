/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the module share: objects, who holds them, and the lock order.
 *
 * Lock order, outermost first. dseek_lock_order() teaches it to lockdep when the module loads.
 *
 *	queue->submit_lock	mutex	one submission, or the destruction, of a queue at a time
 *	dseek->lock		mutex	the registries: engines, tenants, shares; their directories in sysfs
 *	mm->mmap_lock			faults and mmap come with it held
 *	bo->lock		mutex	pages and advice of a buffer; the shrinker only tries it
 *	fence locks		spin	ours and foreign: callbacks run under the fence's own lock
 *	engine->lock		spin	the arbitration core, its queues, jobs and executor, and what memory that is asked for
 *	spare.lock		spin	of an engine: jobs to be used again; under submit_lock at most, nothing comes under it
 *	dseek->map_lock		spin	who maps which buffer, what is to be unmapped, memory that lingers; comes under bo->lock,
 *					not under engine->lock: interrupts take that one
 *
 * A queue is guarded by the lock of the engine it is on, and that may change (dseek_choice.c): take it by
 * dseek_queue_lock(). No two engines' locks are ever held at once: they are of one lockdep class, so that it would tell.
 *
 * So no fence is signalled, and no callback added or removed, under engine->lock: jobs that are over are
 * put on engine->finished and dseek_engine_drain() does the rest. Nothing under a spinlock drops the
 * last reference of anything.
 */
#ifndef DSEEK_DRV_H
#define DSEEK_DRV_H

#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "dseek_bo.h"
#include "dseek_engine.h"
#include "dseek_job.h"
#include "dseek_memory.h"
#include "dseek_tenant.h"

struct shrinker;

/* ---- the device */

/* Objects that exist now; all but engines and tenants are zero when nobody has anything open. */
enum dseek_count {
	DSEEK_COUNT_FILES,
	DSEEK_COUNT_BOS,
	DSEEK_COUNT_IMPORTS,
	DSEEK_COUNT_PROGRAMS,
	DSEEK_COUNT_QUEUES,
	DSEEK_COUNT_JOBS,
	DSEEK_COUNT_FENCES,
	DSEEK_COUNT_EXECUTORS,
	DSEEK_COUNT_MAPS,
	DSEEK_COUNT_MEMORIES,		/* of engines' own */
	DSEEK_COUNT_COUNT,
};

/* Bytes that went through the module's own copies; nothing else copies (dseek_copy.h). */
enum dseek_copied {
	DSEEK_COPIED_DESCRIPTORS,	/* structures of the ABI, a job's constants */
	DSEEK_COPIED_PROGRAMS,		/* once a program and executor */
	DSEEK_COPIED_PAYLOAD,		/* contents of buffers: nowhere */
	DSEEK_COPIED_COUNT,
};

struct dseek_device {
	struct drm_device drm;
	struct device *parent;
	struct miscdevice exec_misc;
	struct shrinker *shrinker;
	struct workqueue_struct *wq;
	struct workqueue_struct *free_wq; /* buffers whose last user has others to serve: dseek_bo_put() */
	struct dentry *debugfs;
	struct kobject *engine_dir;

	struct mutex lock;
	struct xarray engines;		/* by id; live until the module goes */
	u32 engine_count;
	struct list_head tenants;	/* the longest unused first */
	u32 tenant_count;
	struct dseek_tenant *all;	/* the root: bounds the sum of all */
	struct kobject *uid_dir, *cgroup_dir;

	spinlock_t map_lock;
	struct xarray bos;		/* by bo->index; its lock is a leaf */
	struct list_head lingering;	/* memory of engines whose dma-buf others have */
	struct delayed_work linger_work;
	unsigned long purge_hand;	/* where the next purge begins: READ_ONCE(), WRITE_ONCE() */
	atomic_long_t purgeable_pages;	/* in buffers marked DONTNEED and not purged */
	atomic64_t purged_pages;

	atomic_t movable_queues;	/* with a set of engines */
	atomic64_t next_id;		/* of buffers, programs, queues, jobs, tenants */
	atomic64_t pinned_pages;
};

/* A part a CPU: who submits and who serves would else share a cache line in every job. The sums are what counts. */
struct dseek_stats {
	u64 copied[DSEEK_COPIED_COUNT];
	int count[DSEEK_COUNT_COUNT];
};

extern struct dseek_device *dseek;	/* one a machine */
extern struct dseek_stats __percpu *dseek_stats;

/* Locks that are many: initialised in one place each, they are one class each to lockdep, and dseek_lock_order() has them. */
void dseek_submit_lock_init(struct mutex *submit_lock);
void dseek_bo_lock_init(struct mutex *bo_lock);
void dseek_engine_lock_init(spinlock_t *engine_lock);

static inline struct dseek_device *to_dseek(struct drm_device *drm)
{
	return container_of(drm, struct dseek_device, drm);
}

/* The first of @count in a row. */
static inline u64 dseek_new_ids(u32 count)
{
	return atomic64_fetch_add(count, &dseek->next_id) + 1;
}

static inline u64 dseek_new_id(void)
{
	return dseek_new_ids(1);
}

static inline void dseek_count(enum dseek_count what, int by)
{
	this_cpu_add(dseek_stats->count[what], by);
}

int dseek_debugfs_init(struct dseek_device *dev);
void dseek_debugfs_fini(struct dseek_device *dev);
void dseek_state_init(struct dentry *dir);	/* dseek_state.c */

/* ---- module parameters (dseek_tenant.c, dseek_engine.c) */

extern uint dseek_limit_ms, dseek_grace_ms, dseek_recovery_ms;

/*
 * Allocations that a tenant causes are its memory cgroup's, and where that has no room they fail: a plain
 * GFP_KERNEL_ACCOUNT would call the OOM killer.
 */
#define DSEEK_GFP (GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

#endif /* DSEEK_DRV_H */

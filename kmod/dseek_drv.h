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
 *	engine->lock		spin	the arbitration core, its queues, jobs and executor
 *	spare.lock		spin	of an engine: jobs to be used again; under submit_lock at most, nothing comes under it
 *	dseek->map_lock		spin	who maps which buffer, what is to be unmapped; comes under bo->lock, not under
 *					engine->lock: interrupts take that one
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

#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_print.h>

#include "drm/dseek_drm.h"
#include "arb/arb.h"

struct dma_buf_attachment;
struct dseek_engine;
struct dseek_exec;
struct sg_table;
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
	struct workqueue_struct *free_wq; /* buffers whose last user was an executor */
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

/* ---- the ledger (dseek_ledger.c): what is charged, and what limits it */

enum dseek_limit {
	/* held: charged to the tenant and each of its parents, and given back */
	DSEEK_PINNED,			/* bytes of buffers that have pages */
	DSEEK_IMPORTED,			/* bytes of foreign dma-bufs */
	DSEEK_PROGRAMS,			/* bytes of programs */
	DSEEK_REGISTERED,		/* bytes of buffers that executors of NICs have mapped */
	DSEEK_QUEUES,
	DSEEK_JOBS,			/* not over */
	DSEEK_HELD_COUNT,
	/* looked at */
	DSEEK_WEIGHT = DSEEK_HELD_COUNT, /* largest that a queue may ask for */
	DSEEK_CLASSES,			/* bit (1 << enum drm_dseek_class) for each that is allowed */
	DSEEK_RATE,			/* jobs a second, in bursts of at most a second's worth */
	DSEEK_LIMIT_COUNT,
};

#define DSEEK_LIMIT_NONE	U64_MAX
#define DSEEK_LIMIT_DEFAULT	(U64_MAX - 1)	/* a tenant's own charges: the module parameter; its children's: none */

struct dseek_tenant;

int dseek_charge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by);	/* all of its line or none; -EDQUOT */
u64 dseek_charge_some(struct dseek_tenant *tenant, enum dseek_limit what, u64 most);	/* all of it; else 1, or 0: -EDQUOT */
void dseek_uncharge(struct dseek_tenant *tenant, enum dseek_limit what, u64 by);	/* any context */
int dseek_charge_rate(struct dseek_tenant *tenant);	/* one job now; -EDQUOT */
int dseek_room(size_t bytes);	/* and a few pages, in the caller's memory cgroup: 0 or -ENOMEM */
u64 dseek_limit(const struct dseek_tenant *tenant, enum dseek_limit what);	/* the least of its line; classes: what all allow */

/* ---- tenants (dseek_tenant.c): the accounting subject. A tree: all - uids; all - cgroups - their cgroups */

struct dseek_tenant {
	struct kobject kobj;		/* its directory in sysfs, named like the uid or the last part of the cgroup's path */
	struct list_head link;		/* dseek->tenants, dseek->lock */
	refcount_t refs;		/* files, buffers, queues, children; 1 of the registry */
	struct dseek_tenant *parent;	/* NULL: dseek->all */
	int policy;			/* 1: the administrator's, kept; 0; -1: being freed */
	bool cgroup;			/* of a cgroup, else of a uid */
	kuid_t uid;
	u64 id;
	char name[DRM_DSEEK_NAME_LEN];	/* the end of @label where that is longer */
	char *label;			/* "all", "uid:1001", "cgroup:/a/b" */
	struct xarray shares;		/* struct arb_share by engine id; dseek->lock */

	u64 limit[DSEEK_LIMIT_COUNT];	/* READ_ONCE(), WRITE_ONCE() */
	atomic64_t used[DSEEK_HELD_COUNT];
	atomic64_t rate_at;		/* until when the jobs so far last at DSEEK_RATE */
	atomic64_t refused;		/* charges that this tenant's limits refused */
};

static inline u64 dseek_used(const struct dseek_tenant *tenant, enum dseek_limit what)
{
	return atomic64_read(&tenant->used[what]);
}

struct dseek_tenant *dseek_tenant_get_current(void);	/* of the caller; ERR_PTR */
struct dseek_tenant *dseek_tenant_get(struct dseek_tenant *tenant);
void dseek_tenant_put(struct dseek_tenant *tenant);	/* any context */
struct arb_share *dseek_tenant_share(struct dseek_tenant *tenant, struct dseek_engine *engine);
u64 dseek_tenant_engine_ns(struct dseek_tenant *tenant);
void dseek_tenant_info(struct dseek_tenant *tenant, struct drm_dseek_tenant_info *info);
int dseek_tenant_add(const char *label);	/* a policy for it: -EINVAL, -ENOMEM */
int dseek_tenant_remove(const char *label);	/* the policy: -EINVAL, -ENOENT */
int dseek_tenants_init(struct dseek_device *dev);
void dseek_tenants_free(void);

/* dseek_tenant_sysfs.c */
extern const struct kobj_type dseek_tenant_ktype;
bool dseek_tenant_name_taken(const char *name);	/* an attribute is called so */
int dseek_tenants_sysfs_init(struct dseek_tenant *all);
void dseek_tenants_sysfs_fini(struct dseek_tenant *all);

/* ---- looking before sleeping (dseek_poll.c) */

struct dseek_poll {
	u32 window_ns;			/* for how long, by the last waits; READ_ONCE(), WRITE_ONCE(): a lost update is no harm */
};

u64 dseek_poll_begin(void);	/* of a wait: now; 0: nobody is to look */
u64 dseek_poll_until(const struct dseek_poll *poll, u64 began_ns);	/* @began_ns: sleep at once */
bool dseek_poll_on(u64 until_ns);	/* it pays to look again; process context, no lock held */
void dseek_poll_end(struct dseek_poll *poll, u64 began_ns);	/* of the wait, asleep or not */

/* ---- a tenant's open file */

struct dseek_file {
	struct dseek_tenant *tenant;
	kuid_t uid;			/* who opened it */
	struct dseek_client *client;
	struct xarray programs;		/* struct dseek_program by handle */
	struct xarray queues;		/* struct dseek_queue by handle */
};

/* ---- clients: what an open file has used; stays while its queues have jobs (dseek_fdinfo.c) */

#define DSEEK_ENGINES 64	/* names */

struct dseek_client {
	struct kref ref;		/* the file, its queues */
	u64 id;
	pid_t pid;			/* who opened it */
	char comm[TASK_COMM_LEN];
	u64 engine_ns[DSEEK_ENGINES];	/* charged, by engine id; that engine's lock */
	u64 told_ns[DSEEK_ENGINES];	/* the same lock */
};

struct dseek_client *dseek_client_create(void);	/* of the caller; NULL */
struct dseek_client *dseek_client_get(struct dseek_client *client);
void dseek_client_put(struct dseek_client *client);
u64 dseek_client_id(const struct drm_file *drm_file);
void dseek_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file);

/* ---- buffers */

struct dseek_bo {
	struct drm_gem_object base;
	u32 index;			/* in dseek->bos */
	u64 id;
	u32 flags;			/* DRM_DSEEK_BO_* */
	bool charged;			/* pinned bytes charged: to @tenant and @mm */
	bool counted;			/* in dseek->purgeable_pages, and marked in dseek->bos; under @lock */
	bool exported;			/* as a dma-buf, at any time; under @lock */
	bool purged;			/* under @lock */
	u32 advice;			/* enum drm_dseek_madvise, under @lock */
	bool writable;			/* ever bound for writing; sticky */
	struct dseek_tenant *tenant;
	struct mm_struct *mm;		/* whose pinned_vm is charged; mmgrab()bed */
	struct mutex lock;
	struct page **pages;		/* NULL: purged or imported; under @lock */
	struct sg_table *sgt;		/* imported */
	atomic_t handles;
	atomic_t jobs;			/* that name it and aren't over */
	struct list_head maps;		/* struct dseek_exec_map, dseek->map_lock */
};

static inline struct dseek_bo *to_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct dseek_bo, base);
}

extern const struct drm_gem_object_funcs dseek_bo_funcs;
extern const struct vm_operations_struct dseek_bo_vm_ops;

/* dseek->bos: those that counted are marked, so that a purge comes by no others. */
#define DSEEK_BO_COUNTED XA_MARK_1

struct dseek_bo *dseek_bo_alloc(size_t size);	/* nothing charged, no pages yet, not to be found */
void dseek_bo_publish(struct dseek_bo *bo);	/* dseek_bo_find() finds it from here on */
/* The first at or behind *at, up to @last, with a reference; *at is where it is. NULL */
struct dseek_bo *dseek_bo_find(unsigned long *at, unsigned long last, xa_mark_t which);
int dseek_bo_populate(struct dseek_bo *bo);	/* charge and pin; bo->lock held or not yet published */
void dseek_bo_depopulate(struct dseek_bo *bo);
int dseek_bo_use(struct dseek_bo *bo, bool write);	/* by a job; -EINVAL if it is marked DONTNEED */
void dseek_bo_unuse(struct dseek_bo *bo);
int dseek_bo_set_file(struct dseek_bo *bo, int node);	/* -1: where the caller's memory policy says */
int dseek_bo_pin_pages(struct dseek_bo *bo);
void dseek_bo_unpin_pages(struct dseek_bo *bo);
void dseek_backing_init(void);
void dseek_backing_fini(void);	/* no buffers left */
vm_fault_t dseek_bo_fault_page(struct dseek_bo *bo, struct vm_fault *vmf, pgoff_t page);
vm_fault_t dseek_bo_fault_huge(struct dseek_bo *bo, struct vm_fault *vmf, unsigned int order, pgoff_t base);
int dseek_mmap(struct file *file, struct vm_area_struct *vma);
int dseek_import_mmap(struct dseek_bo *bo, struct vm_area_struct *vma, pgoff_t page);
struct drm_gem_object *dseek_gem_import_sg(struct drm_device *drm, struct dma_buf_attachment *attach,
					   struct sg_table *sgt);
unsigned long dseek_purge(unsigned long pages);	/* pages dropped */
int dseek_purge_init(struct dseek_device *dev);
void dseek_purge_fini(struct dseek_device *dev);

int dseek_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_bo_madvise(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* ---- programs */

struct dseek_program {
	struct kref ref;		/* handle, jobs */
	u64 id;
	u32 size;
	void *blob;
	struct dseek_tenant *tenant;
	u64 key;			/* of the content: arb_cost_key() */
	struct xarray costs;		/* struct arb_cost by engine id; contents under engine->lock */
};

struct dseek_program *dseek_program_find(struct dseek_file *file, u32 handle);	/* NULL */
void dseek_program_put(struct dseek_program *program);
void dseek_program_put_many(struct dseek_program *program, u32 count);
struct arb_cost *dseek_program_cost(struct dseek_program *program, u32 engine_id); /* ERR_PTR */
void dseek_programs_close(struct dseek_file *file);

int dseek_ioctl_program_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_program_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* ---- fences: made only for jobs that signal syncobjs */

struct dseek_fence {
	struct dma_fence base;
	spinlock_t lock;		/* of @base: it outlives engine and queue */
	char name[24];
};

int dseek_fence_cache_init(void);
void dseek_fence_cache_fini(void);
struct dseek_fence *dseek_fence_alloc(void);
void dseek_fence_free(struct dseek_fence *fence);	/* only before dseek_fence_init() */
void dseek_fence_init(struct dseek_fence *fence, u64 context, u64 seqno, u64 queue_id);

/* ---- queues */

struct dseek_result {
	u64 seqno;
	s32 error;
	u32 preemptions, engine;
	u64 submit_ns, start_ns, end_ns, engine_ns, placed_ns, predicted_ns;
};

struct dseek_queue {
	struct kref ref;		/* handle, jobs, callers */
	u64 id;
	u64 fence_context;
	struct dseek_engine *engine;	/* where it is: see dseek_queue_lock() */
	struct dseek_tenant *tenant;
	struct dseek_client *client;
	struct mutex submit_lock;
	wait_queue_head_t wait;
	struct dseek_poll poll;
	u64 set;			/* engines it may be on, bits (1 << id); 0: this one */
	struct arb_queue params;	/* class and so on, to be on another */
	struct arb_share **shares;	/* by engine id; NULL without a set */

	/* submit_lock */
	u64 next_job_id;
	u32 job_ids_left;

	/* engine->lock from here */
	struct arb_queue arb;
	struct arb_queue past;		/* counters from engines it has left */
	struct arb_accuracy predicted;
	u64 moves;
	bool arriving;			/* has left one engine, and the core of the next doesn't know it yet */
	bool leaving;			/* goes elsewhere as soon as the executor has nothing of it */
	struct list_head engine_link;	/* engine->queues */
	struct list_head movable_link;	/* engine->movable */
	struct list_head choosing_link;	/* engine->choosing, which then has a reference */
	bool dead;			/* handle destroyed: what has not started faults */
	bool removed;			/* from the core */
	struct list_head waiting;	/* jobs in NEW order whose turn to become ready has not come */
	struct list_head jobs;		/* READY, RUNNING, ENDED: in order, all before @waiting */
	u32 running;			/* held by the executor */
	u32 ready;			/* in the core's hands besides */
	u32 signalling;			/* finished jobs whose fences are not signalled yet */
	u64 submitted;
	u64 finished;
	u64 completed;			/* what tenants see: lags @finished while @signalling */
	u64 faulted;
	struct dseek_result results[DRM_DSEEK_STATUS_RING];
};

struct dseek_queue *dseek_queue_find(struct dseek_file *file, u32 handle);	/* NULL */
void dseek_queue_put(struct dseek_queue *queue);
void dseek_queue_put_many(struct dseek_queue *queue, u32 count);
void dseek_queues_close(struct dseek_file *file);
void dseek_queue_settle(struct dseek_queue *queue, u64 now);
void dseek_queue_advance(struct dseek_queue *queue, u64 now);
void dseek_queue_hand(struct dseek_queue *queue, u64 now);	/* the same, where it is: nothing is to be chosen */
void dseek_queue_wake(struct dseek_queue *queue);

int dseek_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_queue_query(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_wait(struct drm_device *drm, void *data, struct drm_file *drm_file);

/* ---- jobs */

enum dseek_job_state {
	DSEEK_JOB_NEW,			/* being prepared, seen by nobody else */
	DSEEK_JOB_WAITING,		/* for fences, or for an earlier job that does */
	DSEEK_JOB_READY,		/* in the core's hands, for the first time or after a yield */
	DSEEK_JOB_RUNNING,		/* held by the executor under a tag */
	DSEEK_JOB_ENDED,		/* done or faulted; over, with @error, once all before it are */
	DSEEK_JOB_OVER,
};

struct dseek_job_wait {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct dseek_job *job;
	bool armed;			/* the callback was added; submit_lock */
};

struct dseek_job_binding {
	struct dseek_bo *bo;
	u64 offset, size;
	u32 access;
};

struct dseek_job {
	struct kref ref;		/* the queue until it is over; who cancels it */
	struct dseek_queue *queue;
	struct dseek_program *program;
	struct dseek_fence *fence;	/* NULL: nothing to signal */
	struct dseek_job_wait *waits;
	u32 wait_count;
	u32 flags;			/* DRM_DSEEK_JOB_* */
	u64 id, seqno;
	u64 limit_ns;
	u64 submit_ns;

	/* engine->lock from here */
	struct list_head link;		/* queue->waiting, queue->jobs, engine->finished */
	struct list_head cancel_link;	/* the canceller's list */
	struct arb_cost *cost;
	enum dseek_job_state state;
	u32 waits_left;
	u32 tag;
	s32 error;
	bool aborted;
	u64 cursor;
	u64 start_ns;			/* first fetch */
	u64 past_ns;			/* engine time used on engines it has left */
	u64 placed_ns, predicted_ns, predicted_cost_ns;	/* struct drm_dseek_wait */
	u32 preemptions;		/* on engines it has left */

	u32 binding_count;
	u32 const_size;
	struct dseek_job *next_spare;	/* while it is nobody's */
	/* not cleared at allocation from here */
	struct arb_job arb;		/* but what a job that is never ready has used; engine->lock */
	struct dseek_job_binding bindings[DRM_DSEEK_MAX_BINDINGS];
	u8 consts[DRM_DSEEK_MAX_CONSTS];
};

int dseek_job_cache_init(void);
void dseek_job_cache_fini(void);
void dseek_queue_append(struct dseek_queue *queue, struct dseek_job *job, u64 now);
struct dseek_job *dseek_job_alloc(struct dseek_queue *queue, struct dseek_job **spare); /* NULL; submit_lock; the first of @spare, or new */
void dseek_job_put(struct dseek_job *job);
void dseek_jobs_put(struct dseek_engine *engine, struct list_head *jobs);	/* by their link */

/* Jobs to be used again, linked by next_spare. */
struct dseek_spare {
	spinlock_t lock;
	struct dseek_job *first;
	u32 count;
};

struct dseek_job *dseek_spare_take(struct dseek_spare *spare, u32 most);	/* NULL: there is none */
void dseek_spare_give(struct dseek_spare *spare, struct dseek_job *first);
void dseek_spare_free(struct dseek_spare *spare);
void dseek_job_end(struct dseek_job *job, int error, u64 used_ns, u64 now);
void dseek_job_returned(struct dseek_job *job, int error, u64 used_ns, u64 now);
void dseek_job_wait_done(struct dma_fence *fence, struct dma_fence_cb *cb);
int dseek_fence_error(struct dma_fence *fence);	/* of one that has signalled */

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
void dseek_engine_arm(struct dseek_engine *engine, u64 now);
void dseek_engine_wake(struct dseek_engine *engine);	/* without engine->lock, after a change under it */
void dseek_engine_drain(struct dseek_engine *engine);	/* process context */
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
	u64 serve_ns;			/* since when it serves the engine */
	u64 seen_ns;			/* when it last looked for jobs; 0: never did */

	/* dseek->map_lock */
	struct xarray maps;		/* struct dseek_exec_map by offset >> DSEEK_MAP_SHIFT */
	struct list_head active, retired;
};

static inline u32 dseek_exec_holds(const struct dseek_exec *exec)
{
	return hweight64(READ_ONCE(exec->held));
}

extern const struct file_operations dseek_exec_fops;

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
	struct work_struct free_work;
};

int dseek_exec_map(struct dseek_exec *exec, struct drm_dseek_map *args);
int dseek_exec_mmap_bo(struct dseek_exec *exec, struct vm_area_struct *vma);
void dseek_exec_retire(struct dseek_bo *bo);
void dseek_exec_unretire(struct dseek_bo *bo);
u32 dseek_exec_take_retired(struct dseek_exec *exec, u64 *ids, u32 max);
void dseek_exec_unmap_all(struct dseek_exec *exec);

#endif /* DSEEK_DRV_H */

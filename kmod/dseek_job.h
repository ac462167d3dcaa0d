/* SPDX-License-Identifier: GPL-2.0-only */
/* What is submitted: programs, queues, jobs, the fences of those that have one, and how it is waited for. */
#ifndef DSEEK_JOB_H
#define DSEEK_JOB_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "drm/dseek_drm.h"
#include "arb/arb.h"

struct drm_device;
struct drm_file;
struct dseek_bo;
struct dseek_client;
struct dseek_engine;
struct dseek_file;
struct dseek_tenant;

/* ---- looking before sleeping (dseek_poll.c) */

struct dseek_poll {
	u32 window_ns;			/* for how long, by the last waits; READ_ONCE(), WRITE_ONCE(): a lost update is no harm */
};

u64 dseek_poll_begin(void);	/* of a wait: now; 0: nobody is to look */
u64 dseek_poll_until(const struct dseek_poll *poll, u64 began_ns);	/* @began_ns: sleep at once */
bool dseek_poll_on(u64 until_ns);	/* it pays to look again; process context, no lock held */
void dseek_poll_end(struct dseek_poll *poll, u64 began_ns);	/* of the wait, asleep or not */

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
	struct list_head waiting;	/* jobs in NEW order whose turn to become ready has not come; with a set, ENDED ones among them */
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

/* Why an executor no longer has a job that is not over. */
enum dseek_yield_reason {
	DSEEK_YIELD_ASKED,		/* it gave it back */
	DSEEK_YIELD_LOST,		/* it went: the job starts again */
	DSEEK_YIELD_UNTOLD,		/* it could not be told of it */
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
void dseek_job_yielded(struct dseek_job *job, enum dseek_yield_reason reason, u64 used_ns, u64 now);
void dseek_job_wait_done(struct dma_fence *fence, struct dma_fence_cb *cb);
int dseek_fence_error(struct dma_fence *fence);	/* of one that has signalled */

#endif /* DSEEK_JOB_H */

/* SPDX-License-Identifier: MIT */
/*
 * The embedded transport: the module's objects, in this process. One instance has one lock; under it lie
 * all of its objects, the arbitration core's state included. What must happen after a change (fences
 * calling their waiters, engines looking at their preemption word, sleepers being woken) is noted
 * while the lock is held and done by embed_unlock(), so no call recurses and no one is woken into a held lock.
 *
 *   instance ─┬─ tenants ─── shares (one an engine used)
 *             └─ engines ─── exec (what serves it: a thread of ours or dseek_exec_attach("embed:..."))
 *   device ── tenant; queue ── share, jobs; job ── program, buffers, fences
 */
#ifndef DSEEK_EMBED_H
#define DSEEK_EMBED_H

#include <pthread.h>
#include "../../kmod/arb/arb_trace.h"
#include "transport.h"

#define EMBED_MAX_ENGINES	16
#define EMBED_WAKES		8

/* A futex that counts events. Guarded by the instance's lock, but for the kernel's look at @seq. */
struct embed_event {
	uint32_t seq;
	uint32_t waiters;
};

/* An engine that a thread of ours serves. */
struct embed_engine_params {
	char backend[256];
	char name[DRM_DSEEK_NAME_LEN];	/* empty: by its type and a number */
	char options[512];		/* for the backend */
	uint64_t depth;
};

struct embed_params {
	char name[64];			/* of the instance */
	struct embed_engine_params engines[EMBED_MAX_ENGINES];
	uint32_t engine_count;		/* 0: "none" */
	char trace[256];
	uint64_t pinned_limit, device_limit, program_limit;	/* a tenant */
	uint64_t rate_limit;		/* jobs a second; all ones: none */
	uint64_t limit_ns, grace_ns, recovery_ns;
	uint32_t queue_limit, job_limit, weight_limit, class_mask;
	struct arb_engine_params arb;
};

struct embed_thread;

struct embed_instance {
	struct embed_instance *next;	/* under the list's lock, like @users */
	uint32_t users;			/* devices, and executors attached from outside */
	struct embed_params params;

	pthread_mutex_t lock;
	struct list tenants;
	struct embed_engine *engines[EMBED_MAX_ENGINES];
	uint32_t engine_count;
	uint64_t last_id;		/* of tenants, buffers, programs, queues, jobs */
	struct list signalled;		/* fences whose waits are to be called */
	struct embed_event *wakes[EMBED_WAKES];
	uint32_t wake_count;
	struct embed_event sync_event;	/* some syncobj changed */
	struct list free_jobs;
	struct embed_bo *dead_bos;	/* to be unmapped at unlock: that takes long */

	pthread_t timer;
	pthread_cond_t timer_cond;
	uint64_t timer_at;		/* when the timer thread looks again */
	bool stopping;
	struct embed_thread *threads[EMBED_MAX_ENGINES];	/* our executors, or NULL, as in params.engines */
	uint32_t respawn;		/* bits (1 << index): it was lost, start another */
	uint32_t hung;			/* threads that never came back: the instance must stay for them */
	struct arb_trace *trace;	/* or NULL */
	char notice[200];		/* the engine's sentence on the job that it failed last, */
	uint64_t notice_queue;		/* its queue, */
	int notice_error;		/* and its result */
};

struct embed_tenant {
	struct list link;
	struct embed_instance *inst;
	uint32_t refs;
	char name[DRM_DSEEK_NAME_LEN];
	uint64_t id;
	uint64_t pinned_bytes, device_bytes, program_bytes;
	uint64_t rate_at;		/* until when its jobs so far last, by rate_limit */
	uint32_t queues, jobs;
	struct embed_share *shares[EMBED_MAX_ENGINES];
};

struct embed_share {
	struct arb_share arb;
};

struct embed_device {
	struct dseek_device base;
	struct embed_instance *inst;
	struct embed_tenant *tenant;
};

struct embed_engine {
	struct embed_instance *inst;
	struct arb_engine arb;
	char name[DRM_DSEEK_NAME_LEN];
	uint32_t id, type, depth;
	bool owned;			/* it serves @owner alone; all tenants here are this process's user */
	uint32_t owner;
	int32_t numa_node;
	uint64_t caps, generation, busy_ns;
	struct arb_accuracy predicted;
	uint64_t longest_op_ns;		/* that its executor reported */
	struct embed_exec *exec;	/* NULL: nobody serves it */
	struct list standby;		/* embed_exec.standby_link, in the order of their turn */
	uint64_t lost_ns;		/* since when */
	struct list queues;
	struct list movable;		/* of those, the ones with several engines, something ready and nothing in flight */
	uint32_t ready;			/* jobs arb_pick() may return, now or later */
	uint64_t ready_ns;		/* since when there are some */
	bool dead;			/* nobody came back in time; until the next attach */
	bool dirty;			/* something changed: embed_engine_kick() */
};

struct embed_exec {
	struct dseek_exec base;
	struct embed_engine *engine;
	struct list standby_link;	/* engine's standby */
	int32_t numa_node;
	uint64_t caps;
	struct drm_dseek_control control;
	struct drm_dseek_job_desc *desc;	/* [depth] */
	struct embed_job *held[DRM_DSEEK_MAX_DEPTH];
	struct list order;		/* jobs held, as fetched */
	uint64_t head_ns;		/* since when the first of them is at the head */
	uint64_t serve_ns;		/* since when it serves the engine */
	uint64_t seen_ns;		/* when it last looked for jobs; 0: never did */
	struct embed_event event;
	struct list maps, retired, reported;	/* embed_map.exec_link */
	bool memory;			/* it gives memory of the engine's own */
	struct list wanted, asked, unwanted;	/* embed_bo.memory_link: to be asked for; asked for; to be freed */
	bool lost;
	int own;			/* which of our threads it is of, and holds no user of the instance; -1: from outside */
};

struct embed_map {
	struct list exec_link, bo_link;
	struct embed_exec *exec;
	struct embed_bo *bo;
};

enum embed_memory { EMBED_MEMORY_NONE, EMBED_MEMORY_WANTED, EMBED_MEMORY_ASKED, EMBED_MEMORY_OVER, EMBED_MEMORY_GIVEN, EMBED_MEMORY_UNWANTED };

struct embed_bo {
	struct dseek_bo base;
	struct embed_tenant *tenant;
	uint64_t id;
	int fd;
	uint32_t flags;			/* as it was asked for */
	uint32_t users;			/* the handle, jobs: charged while there are any */
	struct list maps;		/* executors' */
	struct embed_bo *next_dead;

	/* in an engine's own memory (embed_memory.c) */
	enum embed_memory memory;
	struct embed_engine *engine;
	uint64_t generation;		/* of the engine, whose executor gave it */
	int error;			/* of OVER */
	struct list memory_link;
	struct embed_event answer;
};

struct embed_program {
	struct dseek_program base;
	struct embed_instance *inst;
	struct embed_tenant *tenant;
	uint64_t id;
	uint32_t refs;			/* the handle, jobs */
	uint32_t size;
	void *blob;
	struct arb_cost cost[EMBED_MAX_ENGINES];
};

struct embed_result {
	uint64_t seqno;
	struct dseek_job_result result;
};

struct embed_queue {
	struct dseek_queue base;
	struct arb_queue arb;
	struct embed_instance *inst;
	struct embed_tenant *tenant;
	struct embed_engine *engine;	/* where it is now, under the lock: its jobs in the core's hands, and @arb */
	uint64_t set;			/* engines it may be on, bits (1 << id); 0: this one */
	struct arb_queue params;	/* class and so on, to be on another */
	struct arb_queue past;		/* counters from those it has left */
	uint64_t moves;
	bool leaving;			/* goes elsewhere as soon as nothing of it is in flight */
	bool pinned;			/* is being looked at: not to be freed */
	struct list movable_link;
	uint32_t ready;			/* jobs in the core's hands that aren't in flight */
	struct arb_accuracy predicted;
	struct list link;		/* engine's queues */
	uint64_t id;
	bool closed;			/* the handle is gone; freed with its last job */
	struct list jobs;		/* not complete, in order */
	struct list blocked;		/* of those, the ones not yet handed to arb, in order */
	struct list flight;		/* of those, the ones an executor has, in order */
	uint32_t flying;		/* how many those are */
	uint64_t submitted, completed, faulted, engine_ns;
	struct embed_event event;
	uint64_t wake_at;		/* least number waited for */
	struct embed_result ring[DRM_DSEEK_STATUS_RING];
};

struct embed_wait {
	struct list link;
	struct embed_fence *fence;	/* a reference; NULL: not waiting */
	void *owner;
	void (*fn)(struct embed_wait *wait, int error);
};

/* A fence; or a node of a timeline, which signals after its own fence and all nodes before it. */
struct embed_fence {
	uint32_t refs;
	bool signalled;
	int error;
	struct list waits;
	struct list work;		/* instance's signalled */
	uint64_t point, prev_point;	/* timeline; 0: not a node */
	struct embed_instance *inst;	/* of a node */
	struct embed_fence *prev;	/* while it isn't signalled */
	uint32_t pending;
	struct embed_wait on_fence, on_prev;
};

struct embed_syncobj {
	struct dseek_syncobj base;
	struct embed_fence *fence;	/* the newest, or NULL */
};

enum embed_job_state { EMBED_JOB_BLOCKED, EMBED_JOB_READY, EMBED_JOB_RUNNING, EMBED_JOB_YIELDED, EMBED_JOB_FINISHED };

struct embed_job {
	struct arb_job arb;
	struct list link;		/* queue's jobs, or the instance's free ones */
	struct list state_link;		/* queue's blocked or flight */
	struct list order_link;		/* exec's order */
	struct embed_queue *queue;
	struct embed_program *prog;
	struct embed_fence *fence;	/* NULL: signals nothing */
	enum embed_job_state state;
	int error, wait_error;
	uint32_t waits_left, flags, tag, preemptions;	/* preemptions: on engines it has left */
	bool abort;
	uint64_t id, seqno, cursor, limit_ns;
	uint64_t submit_ns, start_ns, abort_ns, engine_ns;
	uint64_t yield_ns;		/* of the run it gave back, until arb hears of it */
	uint64_t placed_ns, predicted_ns, predicted_cost_ns;	/* see struct dseek_job_result */
	uint32_t binding_count, const_size, wait_count;
	struct embed_binding {
		struct embed_bo *bo;
		uint64_t offset, size;
		uint32_t access;
	} bindings[DRM_DSEEK_MAX_BINDINGS];
	struct embed_wait waits[DRM_DSEEK_MAX_SYNCS];
	uint8_t consts[DRM_DSEEK_MAX_CONSTS];
};

/* As in the module (kmod/dseek_drv.h), whose files have a user each. */
bool embed_engine_foreign(const struct embed_engine *engine);

/* embed_lock.c */
void embed_lock(struct embed_instance *inst);
void embed_unlock(struct embed_instance *inst);
void embed_wake(struct embed_instance *inst, struct embed_event *event);	/* at unlock */
/* Gives up the lock until woken or @until_ns (0 is long past, ~0 never); false once that has passed. */
bool embed_sleep(struct embed_instance *inst, struct embed_event *event, uint64_t until_ns);

/* embed_instance.c */
int embed_instance_get(const char *spec, const char *default_engine, struct embed_instance **ret_inst);
void embed_instance_put(struct embed_instance *inst);
int embed_tenant_get(struct embed_instance *inst, const char *name, struct embed_tenant **ret_tenant);
void embed_tenant_put(struct embed_tenant *tenant);	/* lock held */
struct embed_share *embed_share_get(struct embed_tenant *tenant, struct embed_engine *engine);

/* embed_spec.c */
int embed_spec_parse(const char *spec, const char *default_engine, struct embed_params *params);

/* embed_bo.c */
int embed_bo_create(struct dseek_device *dev, uint64_t size, uint32_t flags, int numa_node, struct dseek_bo **ret_bo);
void embed_bo_destroy(struct dseek_bo *bo);
int embed_bo_info(struct dseek_bo *bo, struct dseek_bo_info *ret_info);
int embed_bo_export(struct dseek_bo *bo, int *ret_fd);
int embed_bo_import(struct dseek_device *dev, int fd, struct dseek_bo **ret_bo);
void embed_bo_put(struct embed_bo *bo);			/* a user; lock held */
void embed_bo_release(struct embed_bo *bo);		/* if nobody needs it any more; lock held */
void embed_map_drop(struct embed_map *map);		/* lock held */
void embed_bos_free(struct embed_bo *dead);		/* a list, by next_dead; lock not held */

/* embed_memory.c: buffers in an engine's own memory */
int embed_bo_create_device(struct dseek_device *dev, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo);
/* Lock held. */
bool embed_memory_lost(const struct embed_bo *bo);	/* it went with its executor */
void embed_memory_put(struct embed_bo *bo);		/* the last user is gone */
uint32_t embed_memory_tell(struct embed_exec *exec, struct drm_dseek_memory_request *requests, uint32_t max);
uint32_t embed_memory_take_unwanted(struct embed_exec *exec, uint64_t *ids, uint32_t max);
void embed_memory_lose(struct embed_exec *exec);	/* it serves no more */
/* Lock not held. */
int embed_exec_memory(struct dseek_exec *exec, uint64_t bo_id, int error, int fd);

/* embed_program.c */
int embed_program_create(struct dseek_device *dev, const void *blob, size_t size, struct dseek_program **ret_prog);
void embed_program_destroy(struct dseek_program *prog);
void embed_program_put(struct embed_program *prog);	/* lock held */

/* embed_sync.c */
struct embed_fence *embed_fence_create(void);
void embed_fence_put(struct embed_fence *fence);
void embed_fence_signal(struct embed_instance *inst, struct embed_fence *fence, int error);
void embed_fences_run(struct embed_instance *inst);	/* by embed_unlock() */
void embed_wait_on(struct embed_wait *wait, struct embed_fence *fence, void (*fn)(struct embed_wait *, int));
/* What a job that waits for @point waits for; NULL and *ret_missing if nothing will ever signal it yet. */
struct embed_fence *embed_syncobj_find(struct embed_syncobj *syncobj, uint64_t point, bool *ret_missing);
/* @node: a fence to become the timeline's newest node (unused for a binary one) */
void embed_syncobj_install(struct embed_instance *inst, struct embed_syncobj *syncobj, uint64_t point,
			   struct embed_fence *fence, struct embed_fence *node);
int embed_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj);
void embed_syncobj_destroy(struct dseek_syncobj *syncobj);
int embed_syncobj_signal(struct dseek_syncobj *syncobj, uint64_t point);
int embed_syncobj_wait(struct dseek_syncobj *syncobj, uint64_t point, uint64_t deadline_ns);
int embed_syncobj_query(struct dseek_syncobj *syncobj, uint64_t *ret_point);

static inline struct dseek_accuracy embed_accuracy(const struct arb_accuracy *sum)
{
	return (struct dseek_accuracy) { sum->jobs, sum->turnaround_ns, sum->turnaround_error_ns, sum->cost_ns, sum->cost_error_ns };
}

/* embed_queue.c */
int embed_queue_create(struct dseek_device *dev, const struct dseek_queue_params *params, struct dseek_queue **ret_queue);
void embed_queue_destroy(struct dseek_queue *queue);
int embed_queue_stats(struct dseek_queue *queue, struct dseek_queue_stats *ret_stats);
int embed_wait_seqno(struct dseek_queue *queue, uint64_t seqno, uint64_t deadline_ns, struct dseek_job_result *ret_result);
void embed_queue_release(struct embed_queue *queue);	/* if closed and empty; lock held */

/* embed_choice.c: which engine a queue with several is on; lock held */
bool embed_queue_undecided(const struct embed_queue *queue);	/* nothing is in the core's hands, a job is to be */
/* To where its next job is done first, if it may move; hands it over. @again: the core was asked about that job before. */
void embed_queue_choose(struct embed_queue *queue, bool again);
bool embed_queue_takes(const struct embed_queue *queue);	/* the core may be handed another job of it */
void embed_queue_track(struct embed_queue *queue);	/* after any change to what is ready or in flight */
void embed_engine_pull(struct embed_engine *engine);	/* it has nothing to do: a queue that would be done sooner here */
void embed_engine_evict(struct embed_engine *engine);	/* nobody serves it: its queues go where somebody does */
void embed_engine_invite(struct embed_engine *engine);	/* somebody serves it now: queues that wait for nobody come */
bool embed_queue_dead(const struct embed_queue *queue);	/* so are all of its engines */
void embed_job_predict(struct embed_job *job, uint64_t now);	/* as it is handed to the core */
void embed_job_score(struct embed_job *job, uint64_t now);	/* done: was the prediction right? */

/* embed_job.c; lock held */
int embed_submit(struct dseek_queue *queue, const struct dseek_job *jobs, uint32_t count, uint64_t *ret_seqno, int *ret_error);
void embed_queue_advance(struct embed_queue *queue);	/* hand arb what became ready */
void embed_queue_hand(struct embed_queue *queue);	/* the same, on the engine it is on */
void embed_job_finish(struct embed_job *job, int error);	/* arb knows it no more */
void embed_job_cancel(struct embed_job *job, int error);	/* not running */

/* embed_engine.c; lock held */
struct embed_engine *embed_engine_find(struct embed_instance *inst, uint32_t id);
void embed_engine_dirty(struct embed_engine *engine);
void embed_engine_kick(struct embed_engine *engine, uint64_t now);
/* When an executor that holds nothing must have looked for what is ready; it may take longer before the first time. */
uint64_t embed_engine_fetch_by(const struct embed_engine *engine);
void embed_engine_fail(struct embed_engine *engine, int error);	/* everything that waits */
struct embed_job *embed_engine_pick(struct embed_engine *engine, uint64_t now);
int embed_exec_complete(struct embed_exec *exec, const struct drm_dseek_completion *c, uint64_t now);
void embed_engine_ready(struct embed_engine *engine, uint64_t now);	/* arb has got a job (back) */
void embed_engine_serve(struct embed_engine *engine, struct embed_exec *exec, uint64_t now);	/* from now on */
void embed_exec_lose(struct embed_exec *exec, uint64_t now);

/* embed_exec.c */
int embed_exec_attach(struct embed_instance *inst, struct drm_dseek_attach *attach, int own,
		      struct dseek_exec **ret_exec);

/* embed_trace.c: records every call of the core and what it decided, for dseek-replay */
int embed_trace_open(const char *path, struct arb_trace **ret_trace);
void embed_trace_close(struct arb_trace *trace);

/* embed_timer.c */
int embed_timer_start(struct embed_instance *inst);
void embed_timer_stop(struct embed_instance *inst);
void embed_timer_at(struct embed_instance *inst, uint64_t at_ns);	/* lock held */

/* embed_thread.c */
int embed_thread_start(struct embed_instance *inst, uint32_t index);
void embed_threads_stop(struct embed_instance *inst);

#endif /* DSEEK_EMBED_H */

/* SPDX-License-Identifier: MIT */
/*
 * libdseek: share accelerators with other tenants, under guarantees.
 *
 * One interface, two transports, chosen by the string given to dseek_open(); nothing above it needs
 * to know which it got:
 *
 *   "drm:"  or "drm:/dev/dri/renderD129"   the kernel module
 *   "embed:" or "embed:INSTANCE,KEY=VALUE,..."   the same arbitration inside this process, with its own
 *           executor threads. All devices opened with one INSTANCE (default "default") share it; the
 *           keys count at the first open of an instance: engine=cpu|hip|opencl|npu|null|fault|/PATH.so|none (default
 *           cpu; none: only executors attached from outside serve it), threads=N (default: the CPUs allowed), name=ENGINE
 *           (default: the engine's type and a number, "cpu0"), depth=N (jobs the executor holds, default 1); a further
 *           engine= begins another engine, to which the name=, depth= and backend's keys that follow belong;
 *           limit_ms= grace_ms= recovery_ms= (a job's default limit; from its abort until the executor is declared lost;
 *           from there until queued jobs fault), for each tenant pinned_limit= device_limit= program_limit= queue_limit= job_limit=
 *           rate_limit= (jobs a second) weight_limit= class_mask=, for arbitration slice_us= deadline_permille=
 *           interactive_permille=, trace=FILE (for dseek-replay), and those the backend defines (dseek-exec --help).
 *   "auto"  drm if a dseek render node with an attached engine can be opened, else embed
 *
 * Functions return 0 or a negative errno unless they say otherwise; ret_* arguments are untouched on
 * failure. The library never logs and never exits: dseek_strerror_detail() tells more of the last
 * failure of the calling thread. Objects may be used from several threads at once, except that
 * destroying one must not race with its use. Sizes are in bytes, times in ns on CLOCK_MONOTONIC,
 * absolute.
 */
#ifndef DSEEK_H
#define DSEEK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct dseek_device;
struct dseek_bo;
struct dseek_program;
struct dseek_queue;
struct dseek_syncobj;

/* ---- device: one tenant's view of a machine's engines */

struct dseek_open_params {
	const char *tenant;	/* embed: the name to account to (default "default"); drm: must be NULL, the kernel decides */
};

int dseek_open(const char *spec, const struct dseek_open_params *params, struct dseek_device **ret_dev);
void dseek_close(struct dseek_device *dev);	/* everything made from it must be destroyed before; NULL is fine */
const char *dseek_transport(const struct dseek_device *dev);	/* "drm" or "embed" */
const char *dseek_strerror_detail(void);	/* one sentence, never NULL, valid until the thread's next failure or wait */

enum dseek_class { DSEEK_CLASS_DEADLINE, DSEEK_CLASS_INTERACTIVE, DSEEK_CLASS_BATCH, DSEEK_CLASS_COUNT };
enum dseek_engine_type { DSEEK_ENGINE_NULL, DSEEK_ENGINE_CPU, DSEEK_ENGINE_GPU, DSEEK_ENGINE_NPU, DSEEK_ENGINE_NIC,
			 DSEEK_ENGINE_TYPE_COUNT };

/*
 * How good predictions were, over the jobs of queues with several engines: sums of what the turnaround (from when the job was handed to the
 * engine to its end) and the engine time were, and of the absolute errors. turnaround_error_ns / turnaround_ns is the relative error.
 */
struct dseek_accuracy {
	uint64_t jobs;
	uint64_t turnaround_ns, turnaround_error_ns;
	uint64_t cost_ns, cost_error_ns;
};

struct dseek_engine_info {
	char name[32];
	uint32_t id;		/* below 64 */
	uint32_t type;		/* enum dseek_engine_type */
	uint32_t attached;	/* an executor serves it now */
	uint32_t standby;	/* another is ready to take over */
	uint32_t depth;
	int32_t numa_node;
	uint64_t caps;
	uint64_t generation;
	uint64_t busy_ns;
	struct dseek_accuracy predicted;	/* of its jobs */
	/*
	 * The longest that an op took since the executor attached. What runs gives way to something better within
	 * depth * longest_op_ns and one round trip ("dseek bench preempt" measures it).
	 */
	uint64_t longest_op_ns;
	uint32_t ready;		/* jobs that wait for the engine */
	uint32_t running;	/* jobs that the executor holds */
	uint32_t owned;		/* it serves one user alone */
	uint32_t foreign;	/* and that is another than the device's opener: no queue can be created on it */
	uint32_t memory;	/* it gives buffers in its own memory: dseek_bo_create_device() */
};

struct dseek_tenant_info {
	char name[32];
	uint64_t id;
	uint64_t pinned_bytes, pinned_limit;
	uint32_t queues, queue_limit;
	uint32_t jobs, job_limit;
	uint32_t weight_limit, class_mask;
	uint64_t engine_ns;
	uint64_t program_bytes, program_limit;
	uint64_t rate_limit;	/* jobs a second; all ones: none */
	uint64_t device_bytes, device_limit;	/* of buffers in engines' own memory */
};

int dseek_engine_info(struct dseek_device *dev, uint32_t index, struct dseek_engine_info *ret_info); /* -ENOENT past the last */
int dseek_engine_find(struct dseek_device *dev, const char *name, struct dseek_engine_info *ret_info); /* NULL: the first attached, not foreign */
/* The bits (1 << id) of the engines named, "cpu0,null0"; -EINVAL: an empty name, or one given twice. */
int dseek_engine_set(struct dseek_device *dev, const char *names, uint64_t *ret_set);
int dseek_tenant_info(struct dseek_device *dev, struct dseek_tenant_info *ret_info);

/* ---- buffers: zeroed, pinned, shared with the executor without a copy */

#define DSEEK_BO_HUGE	(1u << 0)

int dseek_bo_create(struct dseek_device *dev, uint64_t size, uint32_t flags, int numa_node, struct dseek_bo **ret_bo);
void dseek_bo_destroy(struct dseek_bo *bo);
void *dseek_bo_map(struct dseek_bo *bo);		/* mapped at creation; valid until destroyed; NULL: an engine's memory that can't be */
uint64_t dseek_bo_size(const struct dseek_bo *bo);	/* rounded up to pages */
int dseek_bo_export(struct dseek_bo *bo, int *ret_fd);	/* dma-buf (drm) or memfd (embed), the caller closes it */
int dseek_bo_import(struct dseek_device *dev, int fd, struct dseek_bo **ret_bo); /* same transport; fd stays the caller's */

/*
 * In an engine's own memory (VRAM; where the executor is a program of this machine's, memory of that): zeroed, and cleared when it is given back.
 * Asked of the executor, who answers between two jobs. Only jobs of queues on @engine alone may name it (-EXDEV else). When the executor
 * goes the memory goes with it, for good, whoever takes over: dseek_submit() says -ENODEV, and jobs that named it end with that.
 *
 * -ENOENT: there is no such engine; -EACCES: it is another user's; -EOPNOTSUPP: its executor, or the module, gives no such memory; -ENODEV: it
 * has no executor, none any more, or is drained; -ETIMEDOUT: that didn't answer; -EDQUOT; -ENOMEM, or what else the executor says.
 */
int dseek_bo_create_device(struct dseek_device *dev, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo);

#define DSEEK_BO_DEVICE		(1u << 1)	/* these three are only told */
#define DSEEK_BO_EXPORTABLE	(1u << 2)	/* of DEVICE: it is mapped, and can be exported */
#define DSEEK_BO_LOST		(1u << 3)	/* of DEVICE: its executor is gone */

struct dseek_bo_info {
	uint64_t id;		/* never used twice */
	uint64_t size;
	uint32_t flags;		/* DSEEK_BO_* */
	uint32_t engine;	/* of DEVICE: its id, else 0 */
};

int dseek_bo_info(struct dseek_bo *bo, struct dseek_bo_info *ret_info);

/* ---- programs: immutable op lists in the format of dseek_program.h */

int dseek_program_create(struct dseek_device *dev, const void *blob, size_t size, struct dseek_program **ret_prog);
void dseek_program_destroy(struct dseek_program *prog);

/* ---- queues */

struct dseek_queue_params {
	uint32_t engine;	/* dseek_engine_info.id */
	uint32_t sched_class;	/* enum dseek_class */
	uint32_t weight;	/* interactive, batch: 1..65536; deadline: 0 */
	uint64_t budget_ns;	/* deadline: engine time in each period */
	uint64_t period_ns;
	/*
	 * Not deadline: the engines that may run the queue's jobs, bits (1 << id), @engine among them. 0: only @engine. Jobs go to
	 * the one that is predicted to finish the next of them first; they still run one after the other in their order.
	 */
	uint64_t engines;
};

struct dseek_queue_stats {
	uint64_t submitted, completed, faulted;
	uint64_t engine_ns;		/* charged */
	uint64_t queued_ns;		/* ready but not running, summed over jobs */
	uint64_t preemptions, deadline_misses;
	uint64_t entitled_ns;		/* the tenant's entitlement while it had work, all engines of the queue */
	uint32_t engine;		/* it is on now */
	uint64_t moves;			/* from one engine to another */
	struct dseek_accuracy predicted;
};

int dseek_queue_create(struct dseek_device *dev, const struct dseek_queue_params *params, struct dseek_queue **ret_queue);
void dseek_queue_destroy(struct dseek_queue *queue);
int dseek_queue_stats(struct dseek_queue *queue, struct dseek_queue_stats *ret_stats);

/* ---- jobs */

#define DSEEK_ACCESS_READ	(1u << 0)
#define DSEEK_ACCESS_WRITE	(1u << 1)
#define DSEEK_JOB_IDEMPOTENT	(1u << 0)

struct dseek_binding {
	struct dseek_bo *bo;
	uint64_t offset, size;
	uint32_t access;	/* DSEEK_ACCESS_* */
};

struct dseek_sync {
	struct dseek_syncobj *syncobj;
	uint64_t point;		/* 0: binary */
};

struct dseek_job {
	struct dseek_program *program;
	const struct dseek_binding *bindings;
	const void *consts;
	const struct dseek_sync *waits, *signals;
	uint32_t binding_count, const_size, wait_count, signal_count;
	uint32_t flags;		/* DSEEK_JOB_* */
	uint64_t deadline_ns;	/* 0: none */
	uint64_t limit_ns;	/* engine time; 0: the engine's default */
};

struct dseek_job_result {
	int error;		/* 0 or the negative errno the job completed with */
	uint32_t preemptions;
	uint64_t submit_ns, start_ns, end_ns, engine_ns;
	uint32_t engine;	/* that it was on last */
	uint64_t placed_ns;	/* queues with several engines: when it was handed to that engine; else 0 */
	uint64_t predicted_ns;	/* for when its end was predicted then; else 0 */
};

/*
 * Append @count jobs. Returns how many were taken (their numbers are *ret_seqno and on) or, if none
 * was, the negative error of the first; *ret_error (may be NULL) is the error that stopped it, or 0.
 */
int dseek_submit(struct dseek_queue *queue, const struct dseek_job *jobs, uint32_t count, uint64_t *ret_seqno, int *ret_error);

/* Wait until all jobs up to @seqno are complete. -ETIME at @deadline_ns (0: only look). @ret_result may be NULL. */
int dseek_wait(struct dseek_queue *queue, uint64_t seqno, uint64_t deadline_ns, struct dseek_job_result *ret_result);

/* ---- syncobjs: binary (point 0) and timeline */

int dseek_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj);
void dseek_syncobj_destroy(struct dseek_syncobj *syncobj);
int dseek_syncobj_signal(struct dseek_syncobj *syncobj, uint64_t point);
int dseek_syncobj_wait(struct dseek_syncobj *syncobj, uint64_t point, uint64_t deadline_ns);	/* -ETIME; also waits for a fence to appear */
int dseek_syncobj_query(struct dseek_syncobj *syncobj, uint64_t *ret_point);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* DSEEK_H */

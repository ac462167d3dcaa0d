/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * dseek: arbitration of accelerators among tenants. Version 1 of the ABI.
 *
 * Two devices speak it:
 *
 *  - the DRM render node, for tenants: buffers, programs, queues, jobs. Waiting on fences
 *    (binary and timeline syncobjs, sync_file, poll) and sharing buffers (PRIME) are DRM's own.
 *  - /dev/dseek-exec, for executors: the processes that own the hardware. A tenant must not be able
 *    to open it.
 *
 * Rules that hold for every structure here (uapi/README.md): integers of fixed size only, 8-byte
 * aligned, sizes a multiple of 8; structures grow at their end; arrays carry the caller's stride;
 * every @pad and every unknown bit of @flags must be zero, or the call fails with -EINVAL and has
 * no effect; times are CLOCK_MONOTONIC in nanoseconds, absolute unless the name says otherwise.
 *
 * Errors common to all calls: -EFAULT (a pointer that can't be read or written), -EINVAL (a value
 * out of range, an unknown flag, non-zero padding), -ENOENT (no such handle of this file), -ENOMEM,
 * -EDQUOT (the tenant's quota would be exceeded), -ENODEV (the module is going away).
 */
#ifndef _UAPI_DSEEK_DRM_H_
#define _UAPI_DSEEK_DRM_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

#define DRM_DSEEK_ABI_MAJOR		1
#define DRM_DSEEK_ABI_MINOR		3

/* Limits of the format, not of a tenant: quotas are reported by DRM_DSEEK_QUERY_TENANT. */
#define DRM_DSEEK_MAX_BINDINGS		16	/* buffers a job can name */
#define DRM_DSEEK_MAX_CONSTS		256	/* bytes of constants a job carries */
#define DRM_DSEEK_MAX_SYNCS		16	/* waits, and as many signals, of a job */
#define DRM_DSEEK_MAX_JOBS		256	/* jobs of one DRM_IOCTL_DSEEK_SUBMIT */
#define DRM_DSEEK_MAX_PROGRAM		(1 << 20) /* bytes of a program */
#define DRM_DSEEK_MAX_DEPTH		64	/* jobs an engine holds at once; tags are below this */
#define DRM_DSEEK_MAX_REQUESTS		16	/* for memory, told by one DRM_IOCTL_DSEEK_NEXT */
#define DRM_DSEEK_STATUS_RING		256	/* results a queue remembers */
#define DRM_DSEEK_NAME_LEN		32	/* engine and tenant names, NUL included */

/**
 * enum drm_dseek_engine_type - what an engine is
 */
enum drm_dseek_engine_type {
	DRM_DSEEK_ENGINE_NULL = 0,	/* completes jobs without running them (tests, measurement) */
	DRM_DSEEK_ENGINE_CPU,
	DRM_DSEEK_ENGINE_GPU,
	DRM_DSEEK_ENGINE_NPU,
	DRM_DSEEK_ENGINE_NIC,
	DRM_DSEEK_ENGINE_TYPE_COUNT,	/* not a type; grows */
};

/**
 * enum drm_dseek_class - how a queue competes for its engine (kmod/arb/arb.h is the specification)
 */
enum drm_dseek_class {
	DRM_DSEEK_CLASS_DEADLINE = 0,	/* earliest deadline first inside a reserved budget a period */
	DRM_DSEEK_CLASS_INTERACTIVE,	/* weighted share; before batch up to the engine's interactive share */
	DRM_DSEEK_CLASS_BATCH,		/* weighted share of what is left */
	DRM_DSEEK_CLASS_COUNT,
};

/* ------------------------------------------------------------------ tenant: queries */

enum drm_dseek_query_type {
	DRM_DSEEK_QUERY_DEVICE = 0,	/* struct drm_dseek_device_info */
	DRM_DSEEK_QUERY_ENGINE,		/* struct drm_dseek_engine_info; @index selects, -ENOENT past the last */
	DRM_DSEEK_QUERY_TENANT,		/* struct drm_dseek_tenant_info of the caller */
	DRM_DSEEK_QUERY_COUNT,
};

/**
 * struct drm_dseek_dev_query - read one structure of information
 *
 * The kernel writes min(@size, its own size) bytes to @pointer and sets @size to its own size, so
 * that old and new callers and kernels meet. @pointer 0 asks for the size only.
 */
struct drm_dseek_dev_query {
	__u32 type;		/* in: enum drm_dseek_query_type */
	__u32 index;		/* in: which one, for QUERY_ENGINE; else 0 */
	__u64 pointer;		/* in: where to write, or 0 */
	__u32 size;		/* in: bytes there; out: bytes the kernel has */
	__u32 pad;
};

#define DRM_DSEEK_FEATURE_STANDBY	(1 << 0)	/* since 1.1: DRM_DSEEK_ATTACH_STANDBY */
#define DRM_DSEEK_FEATURE_ENGINE_SET	(1 << 1)	/* since 1.1: queues over several engines, and what goes with them */
#define DRM_DSEEK_FEATURE_TENANT_TREE	(1 << 2)	/* since 1.1: tenants by cgroup; limits of programs, registrations, rate */
#define DRM_DSEEK_FEATURE_DRAIN		(1 << 3)	/* since 1.1: DRM_DSEEK_ENGINE_DRAINING */
#define DRM_DSEEK_FEATURE_REPORT	(1 << 4)	/* since 1.1: DRM_IOCTL_DSEEK_REPORT; without it longest_op_ns is 0 */
#define DRM_DSEEK_FEATURE_DESC_CLASS	(1 << 5)	/* since 1.2: DRM_DSEEK_DESC_CLASS() in descriptors */
#define DRM_DSEEK_FEATURE_OWNER		(1 << 6)	/* since 1.2: DRM_DSEEK_ATTACH_OWNER, and what queries tell of it */
#define DRM_DSEEK_FEATURE_MEMORY	(1 << 7)	/* since 1.3: DRM_DSEEK_BO_DEVICE, DRM_DSEEK_ATTACH_MEMORY, and what goes with them */

struct drm_dseek_device_info {
	__u32 abi_major;
	__u32 abi_minor;
	__u64 features;		/* bits of DRM_DSEEK_FEATURE_* */
	__u32 engine_count;
	__u32 pad;
};

/**
 * struct drm_dseek_accuracy - how good predictions were, over the jobs of queues with several engines that ended well
 *
 * Sums of what the turnaround (from when the job was handed to the engine to its end) and the engine time were,
 * and of the absolute errors of their predictions.
 */
struct drm_dseek_accuracy {
	__u64 jobs;
	__u64 turnaround_ns;
	__u64 turnaround_error_ns;
	__u64 cost_ns;
	__u64 cost_error_ns;
};

#define DRM_DSEEK_ENGINE_ATTACHED	(1 << 0)	/* an executor serves it now */
#define DRM_DSEEK_ENGINE_STANDBY	(1 << 1)	/* another is ready to take over */
#define DRM_DSEEK_ENGINE_DRAINING	(1 << 2)	/* the administrator lets it take no new jobs (DRM_DSEEK_FEATURE_DRAIN) */
#define DRM_DSEEK_ENGINE_OWNED		(1 << 3)	/* it serves one user (DRM_DSEEK_ATTACH_OWNER) */
#define DRM_DSEEK_ENGINE_FOREIGN	(1 << 4)	/* and that is not who opened this file */
#define DRM_DSEEK_ENGINE_MEMORY		(1 << 5)	/* its executor gives buffers in memory of the engine's own (DRM_DSEEK_BO_DEVICE) */

struct drm_dseek_engine_info {
	__u8 name[DRM_DSEEK_NAME_LEN];
	__u32 id;		/* below 64, for DRM_IOCTL_DSEEK_QUEUE_CREATE; stays while the name lives */
	__u32 type;		/* enum drm_dseek_engine_type */
	__u32 flags;		/* DRM_DSEEK_ENGINE_* */
	__u32 depth;		/* jobs the executor may hold now */
	__s32 numa_node;	/* -1: none in particular */
	__u32 pad;
	__u64 caps;		/* bits of the program format the executor runs (userspace/include/dseek_program.h) */
	__u64 generation;	/* attachments of this name so far */
	__u64 busy_ns;		/* engine time charged so far, all tenants */
	struct drm_dseek_accuracy predicted;	/* of its jobs; since 1.1 */
	__u64 longest_op_ns;	/* since the executor attached, as it reports it (since 1.1) */
	__u32 ready;		/* jobs that wait for the engine (since 1.1) */
	__u32 running;		/* jobs that the executor holds (since 1.1) */
};

/**
 * struct drm_dseek_tenant_info - who is accounted for this file, and its limits
 *
 * The tenant of a file is fixed when it is opened: the nearest cgroup (v2) of the opener, upwards, that the administrator has
 * given a policy, else the opener's user id. @name is "cgroup:/PATH" (its end, where it is longer) or "uid:NUMBER".
 */
struct drm_dseek_tenant_info {
	__u8 name[DRM_DSEEK_NAME_LEN];
	__u64 id;
	__u64 pinned_bytes;	/* in buffers now */
	__u64 pinned_limit;	/* each limit: the least of the tenant's and its parents'; all ones: none */
	__u64 imported_bytes;
	__u64 imported_limit;
	__u32 queues;
	__u32 queue_limit;
	__u32 jobs;		/* submitted, not yet complete */
	__u32 job_limit;
	__u32 weight_limit;	/* largest weight a queue may ask for */
	__u32 class_mask;	/* bit (1 << enum drm_dseek_class) for each class allowed */
	__u64 engine_ns;	/* engine time charged so far */
	__u64 program_bytes;	/* from here on since 1.1 (DRM_DSEEK_FEATURE_TENANT_TREE) */
	__u64 program_limit;
	__u64 registered_bytes;	/* of buffers that executors of NICs have mapped */
	__u64 registered_limit;
	__u64 rate_limit;	/* jobs a second */
	__u64 device_bytes;	/* of buffers in engines' own memory; since 1.3 (DRM_DSEEK_FEATURE_MEMORY) */
	__u64 device_limit;
};

/* ------------------------------------------------------------------ tenant: buffers */

#define DRM_DSEEK_BO_HUGE		(1 << 0)	/* back with 2 MiB pages where the size allows (a hint) */
#define DRM_DSEEK_BO_DEVICE		(1 << 1)	/* in the own memory of an engine; since 1.3 (DRM_DSEEK_FEATURE_MEMORY) */
/* Only told: */
#define DRM_DSEEK_BO_EXPORTABLE		(1 << 2)	/* DEVICE: its memory has a dma-buf: it can be exported, and mapped if that can */
#define DRM_DSEEK_BO_LOST		(1 << 3)	/* DEVICE: it went with the executor that gave it, for good */

/**
 * struct drm_dseek_bo_create - allocate a zeroed, pinned buffer
 *
 * The pages are charged to the tenant that creates the buffer until the last handle, mapping, dma-buf and job of
 * it is gone, whoever holds them, and are cleared then, but for those that a device has pinned (ibv_reg_mr, io_uring). What
 * vmsplice(2) took out of a buffer is cleared with it. Pages come from @numa_node as long as it has some; for -1
 * from where the caller's memory policy says (set_mempolicy(2)).
 *
 * Errors: -EDQUOT over the tenant's quota; -ENOMEM over RLIMIT_MEMLOCK, the memory cgroup or the machine.
 *
 * To export a buffer is to share all of it: who imports it may bind and map it for writing, also where the dma-buf's descriptor is for
 * reading only, as DRM has it everywhere.
 *
 * With DEVICE it has no pages of the machine's: the executor of @engine is asked for memory of the engine's own (VRAM), zeroed, and
 * the call waits for its answer, interruptibly: it comes between two jobs. The buffer is charged as device_bytes, until its last
 * handle, job, mapping and dma-buf is gone; then the executor clears and frees it. Only jobs of queues on @engine alone may name it. It
 * is mapped (whole, or its first part) and exported if the executor has a dma-buf of it, and then by that very dma-buf. When
 * the executor goes, the memory goes with it, also where another takes over: BO_INFO says LOST, SUBMIT refuses it, and jobs
 * that name it and are left to the next executor end with -ENODEV there. It can't be advised (DRM_IOCTL_DSEEK_BO_MADVISE: -EINVAL).
 *
 * Errors with DEVICE: -ENOENT no such engine; -EACCES it is another user's; -EOPNOTSUPP its executor gives no memory; -ENODEV it has
 * no executor, or lost it meanwhile, or is drained; -EINTR a signal (nothing is left: the call may be made again); -ETIMEDOUT no
 * answer within job_limit_ms and grace_ms of the engine; -EINVAL with HUGE or a node; and what the executor says, -ENOMEM mostly.
 */
struct drm_dseek_bo_create {
	__u64 size;		/* in: bytes, not 0; out: rounded up to pages */
	__u32 flags;		/* in: DRM_DSEEK_BO_HUGE, _DEVICE */
	__s32 numa_node;	/* in: preferred node, -1: none */
	__u32 handle;		/* out: GEM handle; closed by DRM_IOCTL_GEM_CLOSE */
	__u32 pad;
	__u32 engine;		/* in: with DEVICE: drm_dseek_engine_info.id, else 0; since 1.3 */
	__u32 pad2;
};

/**
 * struct drm_dseek_bo_info - what a buffer is, and where to mmap it on the render node
 */
struct drm_dseek_bo_info {
	__u32 handle;		/* in */
	__u32 flags;		/* out: DRM_DSEEK_BO_*; in: 0 */
	__u64 size;		/* out: bytes */
	/*
	 * out: for mmap(MAP_SHARED) of the whole buffer or a part, imported or DEVICE ones from their start. mmap of a DEVICE buffer that
	 * isn't EXPORTABLE is -EOPNOTSUPP, of one that is LOST -ENODEV.
	 */
	__u64 mmap_offset;
	__u64 id;		/* out: unique while the module is loaded */
	__u32 engine;		/* out: DEVICE: in whose memory it is, else 0; since 1.3 */
	__u32 pad;		/* in, out: 0 */
};

enum drm_dseek_madvise {
	DRM_DSEEK_MADV_WILLNEED = 0,	/* needed; fails to be retained only if purged before */
	DRM_DSEEK_MADV_DONTNEED,	/* contents may be dropped while no job uses it */
	DRM_DSEEK_MADV_COUNT,
};

/**
 * struct drm_dseek_bo_madvise - say whether the contents of a buffer are needed
 *
 * A buffer marked DONTNEED may lose its pages under memory pressure, once no job names it and executors have
 * unmapped it; what they were charged is given back then. Until WILLNEED, jobs may not name it (-EINVAL) and touching a
 * mapping may be SIGBUS. WILLNEED makes it whole again: @retained 1 with its contents, 0 with new,
 * zeroed pages (-EDQUOT or -ENOMEM where they can't be had: then it stays as it was). A buffer that was ever exported is needed,
 * whatever was or is advised: DONTNEED does nothing, @retained is 1. An imported one can't be advised (-EINVAL).
 */
struct drm_dseek_bo_madvise {
	__u32 handle;		/* in */
	__u32 advice;		/* in: enum drm_dseek_madvise */
	__u32 retained;		/* out: 1 if the contents are still there, 0 if they were dropped */
	__u32 pad;
};

/* ------------------------------------------------------------------ tenant: programs */

/**
 * struct drm_dseek_program_create - hand over an immutable list of ops
 *
 * The kernel copies @size bytes and does not look inside; the executor validates the program once,
 * before its first job. A job of a program the executor refuses faults with -ENOEXEC.
 */
struct drm_dseek_program_create {
	__u64 pointer;		/* in: struct dseek_program_header and what follows it */
	__u32 size;		/* in: 1..DRM_DSEEK_MAX_PROGRAM bytes */
	__u32 flags;		/* in: 0 */
	__u32 handle;		/* out */
	__u32 pad;
};

struct drm_dseek_program_destroy {
	__u32 handle;		/* in; jobs in flight keep the program */
	__u32 pad;
};

/* ------------------------------------------------------------------ tenant: queues */

/**
 * struct drm_dseek_queue_create - open an ordered stream of jobs on one engine, or on several
 *
 * Jobs of a queue run and complete in the order of their submission. Opening more queues gives a
 * tenant no more engine time: tenants compete first, by weight, then the queues of each tenant.
 *
 * @weight: for interactive and batch: of this queue among the tenant's own queues of its class, and, where it
 *	is the largest of them, of the tenant among tenants. 1..65536. 0 for deadline.
 * @budget_ns, @period_ns: for deadline: engine time reserved in each period; 0 else. Where this one takes the place of
 *	a deadline queue that was destroyed and had used budget ahead of its rate, its first budget comes when the other would have had one
 *	(arb.h, "Removed servers"), and never later than after 4.3 s.
 * @engines: bits (1 << drm_dseek_engine_info.id) of the engines that may run its jobs, @engine among them; 0: only @engine. Not more
 *	than one for deadline. The next job goes to the engine that is predicted to finish it first (arb.h, "Choice"); the queue moves as
 *	a whole and only while no executor holds a job of it, so the order of its jobs is kept. When an executor is lost it goes to
 *	another at once; it fails with the last of them. A set of one is always honoured.
 *
 * Errors: -ENOENT no such engine; -EACCES an engine among them is another user's; -EPERM the class or weight is above the tenant's policy;
 * -EBUSY the budgets of the engine's deadline queues would exceed its deadline share.
 */
struct drm_dseek_queue_create {
	__u32 engine;		/* in: drm_dseek_engine_info.id */
	__u32 sched_class;		/* in: enum drm_dseek_class */
	__u32 weight;		/* in */
	__u32 flags;		/* in: 0 */
	__u64 budget_ns;	/* in */
	__u64 period_ns;	/* in */
	__u32 handle;		/* out */
	__u32 pad;
	__u64 engines;		/* in; since 1.1 (DRM_DSEEK_FEATURE_ENGINE_SET) */
};

struct drm_dseek_queue_destroy {
	__u32 handle;		/* in; jobs that have not started fault with -ECANCELED */
	__u32 pad;
};

/**
 * struct drm_dseek_queue_query - counters of a queue since it was created
 */
struct drm_dseek_queue_query {
	__u32 handle;		/* in */
	__u32 pad;
	__u64 submitted;	/* sequence number of the last job submitted */
	__u64 completed;	/* sequence number up to which all jobs are complete */
	__u64 faulted;		/* jobs that completed with an error */
	__u64 engine_ns;	/* engine time charged */
	__u64 queued_ns;	/* time jobs spent ready but not running, summed */
	__u64 preemptions;	/* yields because something better waited */
	__u64 deadline_misses;	/* jobs completed after their deadline */
	__u64 entitled_ns;	/* engine time the queue's tenant was entitled to while it had work, on all engines of the queue */
	__u32 engine;		/* the queue is on; since 1.1 */
	__u32 pad2;
	__u64 moves;		/* from engine to engine; since 1.1 */
	struct drm_dseek_accuracy predicted;	/* since 1.1 */
};

/* ------------------------------------------------------------------ tenant: jobs */

#define DRM_DSEEK_ACCESS_READ		(1 << 0)
#define DRM_DSEEK_ACCESS_WRITE		(1 << 1)

struct drm_dseek_binding {
	__u32 handle;		/* GEM handle */
	__u32 access;		/* DRM_DSEEK_ACCESS_*, at least one */
	__u64 offset;		/* bytes into the buffer */
	__u64 size;		/* bytes; offset + size within the buffer, size not 0 */
};

struct drm_dseek_sync {
	__u32 handle;		/* syncobj */
	__u32 flags;		/* 0 */
	__u64 point;		/* timeline point, or 0 for a binary syncobj */
};

#define DRM_DSEEK_JOB_IDEMPOTENT	(1 << 0)	/* may run again from its start if the executor is lost */

/**
 * struct drm_dseek_job - one run of a program
 *
 * A job becomes ready when all of @waits have signalled and every earlier job of the queue is
 * ready. A wait that signals with an error faults the job with that error. On completion, good or
 * bad, each of @signals is signalled exactly once.
 *
 * A job that waits holds up the later jobs of its own queue and nobody else; it is charged nothing, and neither its limit nor the
 * budget of a deadline queue runs meanwhile. @deadline_ns does: it is admitted as if it were ready at once, so a wait that
 * takes too long makes it late, which is counted and no error. What it waits for is lent nothing, neither class nor budget:
 * a batch job that a deadline job waits for runs as batch, on its own tenant's share (kmod/README.md says why).
 *
 * Whatever @limit_ns is, a job is aborted that was asked to give way to better ones and has kept them waiting for as long as the
 * engine's default.
 */
struct drm_dseek_job {
	__u32 program;		/* handle */
	__u32 flags;		/* DRM_DSEEK_JOB_* */
	__u64 bindings;		/* pointer to struct drm_dseek_binding[@binding_count] */
	__u64 consts;		/* pointer to @const_size bytes, handed to the program */
	__u64 waits;		/* pointer to struct drm_dseek_sync[@wait_count] */
	__u64 signals;		/* pointer to struct drm_dseek_sync[@signal_count] */
	__u32 binding_count;	/* 0..DRM_DSEEK_MAX_BINDINGS */
	__u32 const_size;	/* 0..DRM_DSEEK_MAX_CONSTS, a multiple of 4 */
	__u32 wait_count;	/* 0..DRM_DSEEK_MAX_SYNCS */
	__u32 signal_count;	/* 0..DRM_DSEEK_MAX_SYNCS */
	__u64 deadline_ns;	/* 0: none. Deadline class only (else -EINVAL): refused with -ETIME if it can't be met */
	__u64 limit_ns;		/* engine time after which the job is aborted (-ETIMEDOUT); 0: the engine's default */
};

/**
 * struct drm_dseek_submit - append jobs to a queue
 *
 * Jobs are taken in order until one is refused: @done says how many were taken, @first_seqno the
 * number of the first. If none was taken the call fails with the error of the first job; else it
 * succeeds and @error is the negative error of the job that was refused, or 0.
 *
 * A wait names a fence that exists: a syncobj, or a point of a timeline, that has none yet is -EINVAL (use
 * DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT with WAIT_AVAILABLE before). So fences can't form a cycle. Bytes of a job
 * beyond what the kernel knows (@stride) must be zero.
 *
 * Errors: -EDQUOT too many jobs in flight, or in this second; -ETIME the deadline can't be met; -ESHUTDOWN the
 * engine is gone for good, or the administrator drains it; -EXDEV a buffer is in the memory of another engine than the
 * one, or of one of those, that the queue has; -ENODEV that memory is lost.
 */
struct drm_dseek_submit {
	__u32 queue;		/* in: handle */
	__u32 flags;		/* in: 0 */
	__u64 jobs;		/* in: pointer to the first job */
	__u32 count;		/* in: 1..DRM_DSEEK_MAX_JOBS */
	__u32 stride;		/* in: bytes from job to job, >= sizeof(struct drm_dseek_job), multiple of 8 */
	__u64 first_seqno;	/* out: jobs of a queue count 1, 2, 3, ... */
	__u32 done;		/* out */
	__s32 error;		/* out */
};

/**
 * struct drm_dseek_wait - wait for a job of a queue by its sequence number (the hot path)
 *
 * Returns when all jobs up to @seqno are complete. -ETIME after @deadline_ns (0: only look);
 * -ENOENT a number that was never given out; -EINTR a signal. @error and the times speak of job
 * @seqno; they are kept for the last DRM_DSEEK_STATUS_RING jobs, -EOVERFLOW before that. Who is told
 * that a number is complete finds the job's syncobjs signalled.
 */
struct drm_dseek_wait {
	__u32 queue;		/* in: handle */
	__u32 flags;		/* in: 0 */
	__u64 seqno;		/* in: not 0 */
	__u64 deadline_ns;	/* in: give up then */
	__s32 error;		/* out: 0 or the negative error the job completed with */
	__u32 preemptions;	/* out: times it was yielded */
	__u64 submit_ns;	/* out: when it was submitted */
	__u64 start_ns;		/* out: when it first reached the executor */
	__u64 end_ns;		/* out: when it completed */
	__u64 engine_ns;	/* out: engine time it was charged */
	__u32 engine;		/* out: that it was on last; since 1.1 */
	__u32 pad;
	__u64 placed_ns;	/* out: queues with several engines: when it was handed to that one, else 0; since 1.1 */
	__u64 predicted_ns;	/* out: for when its end was predicted then, else 0; since 1.1 */
};

/* ------------------------------------------------------------------ executor */

#define DRM_DSEEK_ATTACH_REATTACH	(1 << 0)	/* the name must exist */
#define DRM_DSEEK_ATTACH_STANDBY	(1 << 1)	/* if it has one: stand by to take over */
#define DRM_DSEEK_ATTACH_OWNER		(1 << 2)	/* the engine serves @owner alone; since 1.2 (DRM_DSEEK_FEATURE_OWNER) */
#define DRM_DSEEK_ATTACH_MEMORY		(1 << 3)	/* it gives memory of the engine's own: drm_dseek_next.requests; since 1.3 (DRM_DSEEK_FEATURE_MEMORY) */

/**
 * struct drm_dseek_attach - serve an engine with this file; one engine a file
 *
 * The name is kept, with its queues and waiting jobs, when the executor goes; a later attach of the
 * same name and type takes it over. Errors: -EBUSY the name has an executor; -EALREADY the file
 * has attached already; -EMEDIUMTYPE the name belongs to another type; -ENOENT REATTACH of an unknown name;
 * -EFAULT the results could not be written: it is detached again, and the file of no more use.
 *
 * With STANDBY a name that has an executor is no error: the file waits in line, @generation is 0, and so is
 * drm_dseek_control.generation. When the executor goes, or is declared lost, the first in line serves the
 * engine from that moment on, with its own @depth, @numa_node and @caps: no time to recover is needed.
 *
 * With OWNER only files that the user @owner opened (by its effective uid then) can have queues on the engine, whatever tenant they are
 * accounted to: so the executor has no other user's jobs, programs or buffers, ever. It belongs to the name as @type does, and
 * every attachment of the name states the same. Errors: -EACCES the name has another owner, or one where none is
 * stated, or none where one is; -EINVAL no uid of the caller's user namespace.
 *
 * After it, mmap of this file: at DRM_DSEEK_MMAP_JOBS an array of @depth struct drm_dseek_job_desc
 * (read-only), at DRM_DSEEK_MMAP_CONTROL one struct drm_dseek_control (read-only).
 */
struct drm_dseek_attach {
	__u8 name[DRM_DSEEK_NAME_LEN];	/* in: [a-z0-9_.-]+, then NULs; not ".", "..", "capacity-...": a key of fdinfo (drm-usage-stats) */
	__u32 type;		/* in: enum drm_dseek_engine_type */
	__u32 flags;		/* in: DRM_DSEEK_ATTACH_* */
	__u32 depth;		/* in: 1..DRM_DSEEK_MAX_DEPTH */
	__s32 numa_node;	/* in: -1: none */
	__u64 caps;		/* in */
	__u32 engine;		/* out: id */
	__u32 owner;		/* in: with OWNER: a uid, in the caller's namespace; else 0 */
	__u64 generation;	/* out: 0 while it stands by */
};

#define DRM_DSEEK_MMAP_JOBS		0x0ULL
#define DRM_DSEEK_MMAP_CONTROL		0x10000000ULL	/* buffers follow, at what DRM_IOCTL_DSEEK_MAP says */

#define DRM_DSEEK_ACCESS_DEVICE		(1 << 2)	/* only told: the executor's own memory, not to be mapped; since 1.3 */

struct drm_dseek_job_binding {
	__u64 bo_id;		/* stays the same for the life of the buffer: mappings can be cached by it */
	__u64 bo_size;
	__u64 offset;
	__u64 size;
	__u32 access;		/* DRM_DSEEK_ACCESS_* */
	__u32 pad;
};

/*
 * Of drm_dseek_job_desc.flags, one for each enum drm_dseek_class: the class of the job's queue. None of them: a kernel before 1.2,
 * which didn't tell.
 */
#define DRM_DSEEK_DESC_CLASS(sched_class)	(1U << (8 + (sched_class)))

/**
 * struct drm_dseek_job_desc - a job as the executor sees it, indexed by tag; written by the kernel
 * before DRM_IOCTL_DSEEK_NEXT returns the tag, stable until the tag is given back
 */
struct drm_dseek_job_desc {
	__u64 job_id;
	__u64 tenant_id;
	__u64 queue_id;
	__u64 program_id;	/* stays the same for the life of the program: what was parsed can be cached by it */
	__u32 program_size;
	__u32 binding_count;
	__u32 const_size;
	__u32 flags;		/* DRM_DSEEK_JOB_*, DRM_DSEEK_DESC_CLASS() */
	__u64 cursor;		/* where the last yield left off; 0 at first */
	__u64 deadline_ns;
	__u64 limit_ns;
	struct drm_dseek_job_binding bindings[DRM_DSEEK_MAX_BINDINGS];
	__u8 consts[DRM_DSEEK_MAX_CONSTS];
};

/**
 * struct drm_dseek_control - what the kernel tells a running executor without a call
 */
struct drm_dseek_control {
	__u32 preempt;		/* not 0: something better waits, or a job is to stop; yield at the next op boundary */
	__u32 detach;		/* not 0: the module is going away; give everything back */
	__u64 abort_mask;	/* bit (1 << tag): stop that job and complete it with -ETIMEDOUT */
	__u64 generation;	/* of the engine, for which this file serves it; 0: it stands by (since 1.1) */
};

enum drm_dseek_outcome {
	DRM_DSEEK_OUTCOME_DONE = 0,	/* ran to its end, @error is its result */
	DRM_DSEEK_OUTCOME_YIELD,	/* not finished: to be run again from @cursor */
	DRM_DSEEK_OUTCOME_COUNT,
};

struct drm_dseek_completion {
	__u32 tag;
	__u32 outcome;		/* enum drm_dseek_outcome */
	__s32 error;		/* DONE: 0 or a negative errno; YIELD: 0 */
	__u32 pad;
	__u64 engine_ns;	/* engine time since the job was fetched; what the tenant is charged */
	__u64 cursor;		/* YIELD: handed back in the descriptor */
};

/**
 * struct drm_dseek_memory_request - a tenant wants a buffer in the engine's own memory (DRM_DSEEK_ATTACH_MEMORY)
 *
 * It is answered by DRM_IOCTL_DSEEK_MEMORY. Its id among drm_dseek_next.retired says later that the memory is to be cleared and freed.
 */
struct drm_dseek_memory_request {
	__u64 bo_id;
	__u64 size;		/* bytes, whole pages */
	__u64 tenant_id;
};

/**
 * struct drm_dseek_next - give jobs back and take new ones, in one call
 *
 * Jobs of one queue are fetched in order and must be given back in that order; if one yields, those
 * fetched after it from the same queue yield too (cursor 0 if they did not start).
 *
 * Waits until there is at least one job to take, a buffer to unmap, or @deadline_ns (then succeeds with
 * nothing); returns at once if @tag_max is 0. The completions are processed first, whatever happens after:
 * also on failure @completed is written and says how many not to give back again. A signal is
 * -EINTR (the call is never restarted). Several threads may wait at once. One that stands by has nothing to
 * take or to give back: its call waits for its turn, whatever @tag_max, and returns with nothing when it has come.
 *
 * A job that yields although its tenant has gone, or after it was to stop, is over (-ECANCELED, -ETIMEDOUT).
 * Of what one call returns, unmap @retired before running @tags: a job may name such a buffer again, and
 * needs a new DRM_IOCTL_DSEEK_MAP then. Where several threads call, that is theirs to see to: what one is told to unmap is
 * unmapped before another runs what it takes from then on. Memory of the engine's own among them is to be freed, before @requests are
 * answered: none of those is told while there is more of @retired than @retired_max.
 *
 * It ended with @pad until 1.3, and callers of that size are served as before. With DRM_DSEEK_ATTACH_MEMORY use the whole: a
 * request, or memory to be freed, ends the wait as a buffer to unmap does.
 *
 * Errors: -EINVAL a tag that isn't held or is out of order (@completed says how many before it
 * were processed); -ENOTCONN not attached; -ESTALE declared lost, or the engine was taken over; -EFAULT something
 * could not be read or written: jobs that were to be taken stay queued, tags given back are given back.
 */
struct drm_dseek_next {
	__u64 completions;	/* in: pointer to struct drm_dseek_completion[@completion_count] */
	__u64 tags;		/* in: pointer to __u32[@tag_max], written */
	__u64 retired;		/* in: pointer to __u64[@retired_max], written: ids of mapped buffers that are closed or DONTNEED, of memory to be freed */
	__u32 completion_count;	/* in: 0..DRM_DSEEK_MAX_DEPTH */
	__u32 tag_max;		/* in: 0..DRM_DSEEK_MAX_DEPTH */
	__u32 retired_max;	/* in */
	__u32 flags;		/* in: 0 */
	__u64 deadline_ns;	/* in: 0: don't wait */
	__u32 completed;	/* out */
	__u32 tag_count;	/* out */
	__u32 retired_count;	/* out */
	__u32 pad;
	__u64 requests;		/* in: pointer to struct drm_dseek_memory_request[@request_max], written; from here on since 1.3 */
	__u32 request_max;	/* in: 0..DRM_DSEEK_MAX_REQUESTS */
	__u32 request_count;	/* out */
};

/**
 * struct drm_dseek_memory - answer a request for memory of the engine's own (since 1.3)
 *
 * From then on jobs name the buffer, with DRM_DSEEK_ACCESS_DEVICE, until its id is among drm_dseek_next.retired. The dma-buf is of this
 * memory, the whole of it and nothing else: it is what the tenant maps. Who has none such is to do without (-1). The caller closes
 * its one descriptor of it then: while the dma-buf has more references than were there, the tenant has it still, and it is not
 * to be freed. Who is told -ENOENT frees the memory at once: nobody wants it any more.
 *
 * Errors: -EINVAL an error that is none, an error and a descriptor, a dma-buf of another size, or a descriptor of something else; -EBADF
 * none that is open; -ENOENT no such request was told and is unanswered; -ENOTCONN not attached, or standing by; -ESTALE declared
 * lost. After all but the last three the request is unanswered still.
 */
struct drm_dseek_memory {
	__u64 bo_id;		/* in: of the request */
	__s32 error;		/* in: 0, or a negative errno: what BO_CREATE says */
	__s32 fd;		/* in: a dma-buf of the memory; -1: it has none */
	__u32 flags;		/* in: 0 */
	__u32 pad;
};

/**
 * struct drm_dseek_map - where to mmap, on this file, a buffer of a job that is held
 *
 * The same offset is told until the buffer is retired, so a mapping can be kept for later jobs. One that was made
 * before the buffer was first bound for writing stays read-only: map it again. Not inherited by fork.
 *
 * Memory of the engine's own (DRM_DSEEK_ACCESS_DEVICE) is not mapped: -EINVAL, or -ENODEV if it went with an executor before
 * this one, which is what the job is to end with.
 *
 * An executor of a NIC maps what it registers, and deregisters what it unmaps: -EDQUOT, the buffer's tenant would have more
 * registered than it may. A buffer counts until it is unmapped, one that was imported until the executor is told to: the mapping is its
 * exporter's.
 */
struct drm_dseek_map {
	__u32 tag;		/* in */
	__u32 binding;		/* in: index into the descriptor's bindings */
	__u64 mmap_offset;	/* out: the whole buffer; PROT_WRITE only if the tenant ever bound it for writing */
	__u64 bo_id;		/* out */
	__u64 bo_size;		/* out: bytes */
};

/**
 * struct drm_dseek_program_read - copy the program of a job that is held (once: cache it by its id)
 */
struct drm_dseek_program_read {
	__u32 tag;		/* in */
	__u32 size;		/* in: bytes at @pointer; -ENOSPC if fewer than the descriptor's program_size */
	__u64 pointer;		/* in */
};

/**
 * struct drm_dseek_report - what an executor has measured of itself (since 1.1)
 *
 * A job that runs is asked to yield between two ops, and what was fetched ahead goes back with it: something better waits no
 * longer than depth * @longest_op_ns and one round trip. Tenants see it in drm_dseek_engine_info; the largest since the
 * executor serves the engine counts. Errors: -ENOTCONN not attached, or standing by; -ESTALE declared lost.
 */
struct drm_dseek_report {
	__u64 longest_op_ns;	/* in: longest time between two looks at drm_dseek_control.preempt while a job ran */
	__u32 flags;		/* in: 0 */
	__u32 pad;
};

/* ------------------------------------------------------------------ numbers */

#define DRM_DSEEK_DEV_QUERY		0x00
#define DRM_DSEEK_BO_CREATE		0x01
#define DRM_DSEEK_BO_INFO		0x02
#define DRM_DSEEK_BO_MADVISE		0x03
#define DRM_DSEEK_PROGRAM_CREATE	0x04
#define DRM_DSEEK_PROGRAM_DESTROY	0x05
#define DRM_DSEEK_QUEUE_CREATE		0x06
#define DRM_DSEEK_QUEUE_DESTROY		0x07
#define DRM_DSEEK_QUEUE_QUERY		0x08
#define DRM_DSEEK_SUBMIT		0x09
#define DRM_DSEEK_WAIT			0x0a

#define DRM_IOCTL_DSEEK_DEV_QUERY	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_DEV_QUERY, struct drm_dseek_dev_query)
#define DRM_IOCTL_DSEEK_BO_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_BO_CREATE, struct drm_dseek_bo_create)
#define DRM_IOCTL_DSEEK_BO_INFO		DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_BO_INFO, struct drm_dseek_bo_info)
#define DRM_IOCTL_DSEEK_BO_MADVISE	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_BO_MADVISE, struct drm_dseek_bo_madvise)
#define DRM_IOCTL_DSEEK_PROGRAM_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_PROGRAM_CREATE, struct drm_dseek_program_create)
#define DRM_IOCTL_DSEEK_PROGRAM_DESTROY	DRM_IOW(DRM_COMMAND_BASE + DRM_DSEEK_PROGRAM_DESTROY, struct drm_dseek_program_destroy)
#define DRM_IOCTL_DSEEK_QUEUE_CREATE	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_QUEUE_CREATE, struct drm_dseek_queue_create)
#define DRM_IOCTL_DSEEK_QUEUE_DESTROY	DRM_IOW(DRM_COMMAND_BASE + DRM_DSEEK_QUEUE_DESTROY, struct drm_dseek_queue_destroy)
#define DRM_IOCTL_DSEEK_QUEUE_QUERY	DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_QUEUE_QUERY, struct drm_dseek_queue_query)
#define DRM_IOCTL_DSEEK_SUBMIT		DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_SUBMIT, struct drm_dseek_submit)
#define DRM_IOCTL_DSEEK_WAIT		DRM_IOWR(DRM_COMMAND_BASE + DRM_DSEEK_WAIT, struct drm_dseek_wait)

/* On /dev/dseek-exec; a letter of its own, so that no number means two things. */
#define DRM_DSEEK_EXEC_IOCTL_BASE	0xd5
#define DRM_IOCTL_DSEEK_ATTACH		_IOWR(DRM_DSEEK_EXEC_IOCTL_BASE, 0x00, struct drm_dseek_attach)
#define DRM_IOCTL_DSEEK_NEXT		_IOWR(DRM_DSEEK_EXEC_IOCTL_BASE, 0x01, struct drm_dseek_next)
#define DRM_IOCTL_DSEEK_MAP		_IOWR(DRM_DSEEK_EXEC_IOCTL_BASE, 0x02, struct drm_dseek_map)
#define DRM_IOCTL_DSEEK_PROGRAM_READ	_IOW(DRM_DSEEK_EXEC_IOCTL_BASE, 0x03, struct drm_dseek_program_read)
#define DRM_IOCTL_DSEEK_DETACH		_IO(DRM_DSEEK_EXEC_IOCTL_BASE, 0x04)
#define DRM_IOCTL_DSEEK_REPORT		_IOW(DRM_DSEEK_EXEC_IOCTL_BASE, 0x05, struct drm_dseek_report)
#define DRM_IOCTL_DSEEK_MEMORY		_IOW(DRM_DSEEK_EXEC_IOCTL_BASE, 0x06, struct drm_dseek_memory)
/* Of a caller before 1.3: up to drm_dseek_next.pad. */
#define DRM_IOCTL_DSEEK_NEXT_1_0	_IOC(_IOC_READ | _IOC_WRITE, DRM_DSEEK_EXEC_IOCTL_BASE, 0x01, sizeof(struct drm_dseek_next) - 16)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_DSEEK_DRM_H_ */

// SPDX-License-Identifier: MIT
#include "grammar.h"
#include <drm/dseek_drm.h>
#include <fcntl.h>
#include <string.h>

const char *const engine_words[] = { "own", "nic", "second", "shared", "new", NULL };
const char *const set_words[] = { "own", "own+second", "own+second+shared", "all", NULL };

/* Below /sys/class/misc/dseek-exec/device; those of "own" are the engine's of that word. All but the last are put back after a program. */
const char *const file_words[] = {
	"engines/own/depth", "engines/own/drain", "engines/own/job_limit_ms", "engines/own/grace_ms", "engines/own/recovery_ms",
	"tenants/pinned_limit", "tenants/imported_limit", "tenants/queue_limit", "tenants/job_limit", "tenants/rate_limit",
	"tenants/uid/0/pinned_limit", "tenants/uid/0/imported_limit", "tenants/uid/0/program_limit", "tenants/uid/0/registered_limit",
	"tenants/uid/0/device_limit",
	"tenants/uid/0/queue_limit", "tenants/uid/0/job_limit", "tenants/uid/0/weight_limit", "tenants/uid/0/class_limit",
	"tenants/uid/0/rate_limit", "tenants/uid/1001/pinned_limit", "tenants/uid/1001/class_limit", "tenants/uid/1001/job_limit",
	"tenants/add", "tenants/remove", "debug/purge", NULL
};
const char *const text_words[] = {
	"max", "default", "none", "deadline", "interactive batch", "batch deadline", "sometimes", "uid:0", "uid:1001", "uid:77",
	"uid:4294967295", "cgroup:/fuzz", "cgroup:/fuzz/below", "cgroup:/", "cgroup:/uid", "cgroup:/../x", "nobody", "-1", "", NULL
};
const char *const read_words[] = {
	"engines/own/state", "engines/own/executor_pid", "engines/own/running", "engines/own/standby_count", "engines/own/longest_op_ns",
	"engines/nic/type", "engines/own/depth", "engines/own/grace_ms", "tenants/engine_ns", "tenants/uid/0/engine_ns", "tenants/uid/0/pinned_bytes",
	"tenants/uid/0/class_limit", "tenants/uid/0/has_policy", "tenants/uid/1001/refused_count", "debug/state", "debug/counters", "debug/tenants",
	"debug/engines", "debug/bos", NULL
};

#define AT(s, m)	.name = #m, .offset = offsetof(struct s, m), .size = sizeof(((struct s *)0)->m)
#define NUMBER(s, m, l, h)	{ AT(s, m), .kind = FIELD_NUMBER, .low = (l), .high = (h) }
/* DRM allocates arrays of so many, up to any number: a kmalloc() that is too large for the page allocator warns (to 7.3). */
#define SYNCOBJS(s, m)		{ AT(s, m), .kind = FIELD_NUMBER, .low = 1, .high = 2, .most = 1 << 16 }
/*
 * DRM leaks a reference to the fence where a signal interrupts SYNCOBJ_TRANSFER with WAIT_FOR_SUBMIT just as the fence comes
 * (kmod/README.md, "Lifetimes"): that would be found again and again.
 */
#define NO_WAIT(s, m)		{ AT(s, m), .kind = FIELD_NUMBER, .low = 0, .high = 0, .most = 1 }
#define FLAGS(s, m, mask)	{ AT(s, m), .kind = FIELD_FLAGS, .high = (mask) }
#define ZERO(s, m)		{ AT(s, m), .kind = FIELD_ZERO }
#define RESOURCE(s, m, r)	{ AT(s, m), .kind = FIELD_RESOURCE, .resource = (r) }
#define POINTER(s, m, p)	{ AT(s, m), .kind = FIELD_POINTER, .memory = (p) }
#define TIME(s, m, h)		{ AT(s, m), .kind = FIELD_TIME, .high = (h) }
#define WORD(s, m, w)		{ AT(s, m), .kind = FIELD_WORD, .words = (w) }
#define FROM(s, m)		{ .name = "from", .offset = offsetof(struct s, m), .size = 4, .kind = FIELD_RESOURCE, .resource = RES_FD }
#define FD(r)			{ .name = "fd", .kind = FIELD_RESOURCE, .resource = (r), .size = 4 }

/* Of calls that are no ioctls: members without an argument. */
#define P_RESOURCE(n, r)	{ .name = n, .kind = FIELD_RESOURCE, .resource = (r), .size = 8 }
#define P_NUMBER(n, l, h)	{ .name = n, .kind = FIELD_NUMBER, .low = (l), .high = (h), .size = 8 }
#define P_FLAGS(n, mask)	{ .name = n, .kind = FIELD_FLAGS, .high = (mask), .size = 8 }
#define P_POINTER(n, p)		{ .name = n, .kind = FIELD_POINTER, .memory = (p), .size = 8 }
#define P_WORD(n, w)		{ .name = n, .kind = FIELD_WORD, .words = (w), .size = 8 }

#define COUNT_OF(...)	(sizeof((struct field[]){ __VA_ARGS__ }) / sizeof(struct field))
#define FIELDS(...)	.field_count = COUNT_OF(__VA_ARGS__), .field = { __VA_ARGS__ }
#define MAKES(s, m, r)	{ offsetof(struct s, m), sizeof(((struct s *)0)->m), (r) }
#define IOCTL(n, w, req, s, ...) \
	{ .name = n, .weight = w, .kind = CALL_IOCTL, .request = (req), .size = sizeof(struct s), FIELDS(__VA_ARGS__) }
#define IOCTL_MAKES(n, w, req, s, m, r, ...) \
	{ .name = n, .weight = w, .kind = CALL_IOCTL, .request = (req), .size = sizeof(struct s), FIELDS(__VA_ARGS__), .result = { MAKES(s, m, r) } }
#define MEMORY(n, mem, s, ...) \
	{ .name = n, .kind = CALL_MEMORY, .memory = (mem), .size = sizeof(struct s), FIELDS(__VA_ARGS__) }
#define OTHER(n, w, o, makes, ...) \
	{ .name = n, .weight = w, .kind = CALL_OTHER, .other = (o), FIELDS(__VA_ARGS__), .result = { { 0, 8, makes } } }

struct block { uint64_t fill; uint8_t rest[4088]; };
struct handles { uint32_t h0, h1, h2, h3; };
struct points { uint64_t p0, p1, p2, p3; };
#define MS 1000000ULL

const struct call calls[] = {
	/* memory that calls point at; made where a call wants it */
	MEMORY("block", MEM_BLOCK, block, NUMBER(block, fill, 0, 1000)),
	MEMORY("binding", MEM_BINDING, drm_dseek_binding, RESOURCE(drm_dseek_binding, handle, RES_BO), FLAGS(drm_dseek_binding, access, 3),
	       NUMBER(drm_dseek_binding, offset, 0, 4096), NUMBER(drm_dseek_binding, size, 1, 4096)),
	MEMORY("sync", MEM_SYNC, drm_dseek_sync, RESOURCE(drm_dseek_sync, handle, RES_SYNCOBJ), ZERO(drm_dseek_sync, flags),
	       NUMBER(drm_dseek_sync, point, 0, 4)),
	MEMORY("job", MEM_JOB, drm_dseek_job, RESOURCE(drm_dseek_job, program, RES_PROGRAM), FLAGS(drm_dseek_job, flags, 1),
	       POINTER(drm_dseek_job, bindings, MEM_BINDING), NUMBER(drm_dseek_job, binding_count, 0, 2),
	       POINTER(drm_dseek_job, consts, MEM_BLOCK), NUMBER(drm_dseek_job, const_size, 0, 256),
	       POINTER(drm_dseek_job, waits, MEM_SYNC), NUMBER(drm_dseek_job, wait_count, 0, 1),
	       POINTER(drm_dseek_job, signals, MEM_SYNC), NUMBER(drm_dseek_job, signal_count, 0, 2),
	       TIME(drm_dseek_job, deadline_ns, 300 * MS), NUMBER(drm_dseek_job, limit_ns, 0, 2 * MS)),
	MEMORY("completion", MEM_COMPLETION, drm_dseek_completion, RESOURCE(drm_dseek_completion, tag, RES_TAG),
	       NUMBER(drm_dseek_completion, outcome, 0, 1), NUMBER(drm_dseek_completion, error, 0, 0), ZERO(drm_dseek_completion, pad),
	       NUMBER(drm_dseek_completion, engine_ns, 0, MS), NUMBER(drm_dseek_completion, cursor, 0, 9)),
	MEMORY("handles", MEM_HANDLES, handles, RESOURCE(handles, h0, RES_SYNCOBJ), RESOURCE(handles, h1, RES_SYNCOBJ),
	       RESOURCE(handles, h2, RES_SYNCOBJ), RESOURCE(handles, h3, RES_SYNCOBJ)),
	MEMORY("points", MEM_POINTS, points, NUMBER(points, p0, 0, 4), NUMBER(points, p1, 0, 4), NUMBER(points, p2, 0, 4), NUMBER(points, p3, 0, 4)),

	/* the render node */
	OTHER("open", 3, OTHER_OPEN, RES_NODE, P_NUMBER("uid", 0, 2)),
	IOCTL("dev_query", 3, DRM_IOCTL_DSEEK_DEV_QUERY, drm_dseek_dev_query, FD(RES_NODE), NUMBER(drm_dseek_dev_query, type, 0, 3),
	      NUMBER(drm_dseek_dev_query, index, 0, 8), POINTER(drm_dseek_dev_query, pointer, MEM_BLOCK), NUMBER(drm_dseek_dev_query, size, 0, 200),
	      ZERO(drm_dseek_dev_query, pad)),
	IOCTL_MAKES("bo_create", 6, DRM_IOCTL_DSEEK_BO_CREATE, drm_dseek_bo_create, handle, RES_BO, FD(RES_NODE),
		    NUMBER(drm_dseek_bo_create, size, 1, 32768), FLAGS(drm_dseek_bo_create, flags, 1), NUMBER(drm_dseek_bo_create, numa_node, -1, 1),
		    ZERO(drm_dseek_bo_create, pad), ZERO(drm_dseek_bo_create, engine), ZERO(drm_dseek_bo_create, pad2)),
	/* waits for an executor's answer: where there is none, for an alarm */
	IOCTL_MAKES("bo_create_device", 2, DRM_IOCTL_DSEEK_BO_CREATE, drm_dseek_bo_create, handle, RES_BO, FD(RES_NODE),
		    NUMBER(drm_dseek_bo_create, size, 1, 32768), NUMBER(drm_dseek_bo_create, flags, DRM_DSEEK_BO_DEVICE, DRM_DSEEK_BO_DEVICE),
		    NUMBER(drm_dseek_bo_create, numa_node, -1, -1), ZERO(drm_dseek_bo_create, pad), WORD(drm_dseek_bo_create, engine, engine_words),
		    ZERO(drm_dseek_bo_create, pad2)),
	IOCTL_MAKES("bo_info", 4, DRM_IOCTL_DSEEK_BO_INFO, drm_dseek_bo_info, mmap_offset, RES_OFFSET, FD(RES_NODE),
		    RESOURCE(drm_dseek_bo_info, handle, RES_BO), ZERO(drm_dseek_bo_info, flags), ZERO(drm_dseek_bo_info, engine), ZERO(drm_dseek_bo_info, pad)),
	IOCTL("bo_madvise", 4, DRM_IOCTL_DSEEK_BO_MADVISE, drm_dseek_bo_madvise, FD(RES_NODE), RESOURCE(drm_dseek_bo_madvise, handle, RES_BO),
	      NUMBER(drm_dseek_bo_madvise, advice, 0, 1), ZERO(drm_dseek_bo_madvise, pad)),
	IOCTL("gem_close", 3, DRM_IOCTL_GEM_CLOSE, drm_gem_close, FD(RES_NODE), RESOURCE(drm_gem_close, handle, RES_BO), ZERO(drm_gem_close, pad)),
	IOCTL_MAKES("program_create", 4, DRM_IOCTL_DSEEK_PROGRAM_CREATE, drm_dseek_program_create, handle, RES_PROGRAM, FD(RES_NODE),
		    POINTER(drm_dseek_program_create, pointer, MEM_BLOCK), NUMBER(drm_dseek_program_create, size, 1, 4096),
		    ZERO(drm_dseek_program_create, flags), ZERO(drm_dseek_program_create, pad)),
	IOCTL("program_destroy", 2, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, drm_dseek_program_destroy, FD(RES_NODE),
	      RESOURCE(drm_dseek_program_destroy, handle, RES_PROGRAM), ZERO(drm_dseek_program_destroy, pad)),
	IOCTL_MAKES("queue_create", 5, DRM_IOCTL_DSEEK_QUEUE_CREATE, drm_dseek_queue_create, handle, RES_QUEUE, FD(RES_NODE),
		    WORD(drm_dseek_queue_create, engine, engine_words), NUMBER(drm_dseek_queue_create, sched_class, 0, 2),
		    NUMBER(drm_dseek_queue_create, weight, 0, 100), ZERO(drm_dseek_queue_create, flags), NUMBER(drm_dseek_queue_create, budget_ns, 0, 2 * MS),
		    NUMBER(drm_dseek_queue_create, period_ns, 0, 100 * MS), ZERO(drm_dseek_queue_create, pad), WORD(drm_dseek_queue_create, engines, set_words)),
	IOCTL("queue_destroy", 3, DRM_IOCTL_DSEEK_QUEUE_DESTROY, drm_dseek_queue_destroy, FD(RES_NODE),
	      RESOURCE(drm_dseek_queue_destroy, handle, RES_QUEUE), ZERO(drm_dseek_queue_destroy, pad)),
	IOCTL("queue_query", 2, DRM_IOCTL_DSEEK_QUEUE_QUERY, drm_dseek_queue_query, FD(RES_NODE),
	      RESOURCE(drm_dseek_queue_query, handle, RES_QUEUE), ZERO(drm_dseek_queue_query, pad), ZERO(drm_dseek_queue_query, pad2)),
	IOCTL_MAKES("submit", 16, DRM_IOCTL_DSEEK_SUBMIT, drm_dseek_submit, first_seqno, RES_SEQNO, FD(RES_NODE),
		    RESOURCE(drm_dseek_submit, queue, RES_QUEUE), ZERO(drm_dseek_submit, flags), POINTER(drm_dseek_submit, jobs, MEM_JOB),
		    NUMBER(drm_dseek_submit, count, 1, 3), NUMBER(drm_dseek_submit, stride, sizeof(struct drm_dseek_job), sizeof(struct drm_dseek_job))),
	IOCTL("wait", 6, DRM_IOCTL_DSEEK_WAIT, drm_dseek_wait, FD(RES_NODE), RESOURCE(drm_dseek_wait, queue, RES_QUEUE), ZERO(drm_dseek_wait, flags),
	      RESOURCE(drm_dseek_wait, seqno, RES_SEQNO), TIME(drm_dseek_wait, deadline_ns, MS), ZERO(drm_dseek_wait, pad)),

	/* what DRM does with its buffers and fences */
	IOCTL_MAKES("syncobj_create", 3, DRM_IOCTL_SYNCOBJ_CREATE, drm_syncobj_create, handle, RES_SYNCOBJ, FD(RES_NODE),
		    FLAGS(drm_syncobj_create, flags, 1)),
	IOCTL("syncobj_destroy", 2, DRM_IOCTL_SYNCOBJ_DESTROY, drm_syncobj_destroy, FD(RES_NODE), RESOURCE(drm_syncobj_destroy, handle, RES_SYNCOBJ),
	      ZERO(drm_syncobj_destroy, pad)),
	IOCTL("syncobj_wait", 2, DRM_IOCTL_SYNCOBJ_WAIT, drm_syncobj_wait, FD(RES_NODE), POINTER(drm_syncobj_wait, handles, MEM_HANDLES),
	      TIME(drm_syncobj_wait, timeout_nsec, MS), SYNCOBJS(drm_syncobj_wait, count_handles), FLAGS(drm_syncobj_wait, flags, 3)),
	IOCTL("syncobj_timeline_wait", 2, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, drm_syncobj_timeline_wait, FD(RES_NODE),
	      POINTER(drm_syncobj_timeline_wait, handles, MEM_HANDLES), POINTER(drm_syncobj_timeline_wait, points, MEM_POINTS),
	      TIME(drm_syncobj_timeline_wait, timeout_nsec, MS), SYNCOBJS(drm_syncobj_timeline_wait, count_handles),
	      FLAGS(drm_syncobj_timeline_wait, flags, 7)),
	IOCTL("syncobj_reset", 1, DRM_IOCTL_SYNCOBJ_RESET, drm_syncobj_array, FD(RES_NODE), POINTER(drm_syncobj_array, handles, MEM_HANDLES),
	      SYNCOBJS(drm_syncobj_array, count_handles)),
	IOCTL("syncobj_signal", 2, DRM_IOCTL_SYNCOBJ_SIGNAL, drm_syncobj_array, FD(RES_NODE), POINTER(drm_syncobj_array, handles, MEM_HANDLES),
	      SYNCOBJS(drm_syncobj_array, count_handles)),
	IOCTL("syncobj_timeline_signal", 2, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, drm_syncobj_timeline_array, FD(RES_NODE),
	      POINTER(drm_syncobj_timeline_array, handles, MEM_HANDLES), POINTER(drm_syncobj_timeline_array, points, MEM_POINTS),
	      SYNCOBJS(drm_syncobj_timeline_array, count_handles)),
	IOCTL("syncobj_query", 1, DRM_IOCTL_SYNCOBJ_QUERY, drm_syncobj_timeline_array, FD(RES_NODE), POINTER(drm_syncobj_timeline_array, handles, MEM_HANDLES),
	      POINTER(drm_syncobj_timeline_array, points, MEM_POINTS), SYNCOBJS(drm_syncobj_timeline_array, count_handles),
	      FLAGS(drm_syncobj_timeline_array, flags, 1)),
	IOCTL("syncobj_transfer", 1, DRM_IOCTL_SYNCOBJ_TRANSFER, drm_syncobj_transfer, FD(RES_NODE), RESOURCE(drm_syncobj_transfer, src_handle, RES_SYNCOBJ),
	      RESOURCE(drm_syncobj_transfer, dst_handle, RES_SYNCOBJ), NUMBER(drm_syncobj_transfer, src_point, 0, 3),
	      NUMBER(drm_syncobj_transfer, dst_point, 0, 4), NO_WAIT(drm_syncobj_transfer, flags)),
	IOCTL_MAKES("syncobj_export", 2, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, drm_syncobj_handle, fd, RES_FD, FD(RES_NODE),
		    RESOURCE(drm_syncobj_handle, handle, RES_SYNCOBJ), FLAGS(drm_syncobj_handle, flags, 1)),
	IOCTL_MAKES("syncobj_import", 2, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, drm_syncobj_handle, handle, RES_SYNCOBJ, FD(RES_NODE),
		    FROM(drm_syncobj_handle, fd), RESOURCE(drm_syncobj_handle, handle, RES_SYNCOBJ),
		    FLAGS(drm_syncobj_handle, flags, 1)),
	IOCTL_MAKES("prime_export", 3, DRM_IOCTL_PRIME_HANDLE_TO_FD, drm_prime_handle, fd, RES_FD, FD(RES_NODE), RESOURCE(drm_prime_handle, handle, RES_BO),
		    FLAGS(drm_prime_handle, flags, DRM_CLOEXEC | DRM_RDWR)),
	IOCTL_MAKES("prime_import", 3, DRM_IOCTL_PRIME_FD_TO_HANDLE, drm_prime_handle, handle, RES_BO, FD(RES_NODE),
		    FROM(drm_prime_handle, fd), ZERO(drm_prime_handle, flags)),

	/* the executors' device */
	OTHER("exec_open", 3, OTHER_EXEC_OPEN, RES_EXEC, P_NUMBER("flags", 0, 0)),
	IOCTL("attach", 6, DRM_IOCTL_DSEEK_ATTACH, drm_dseek_attach, FD(RES_EXEC), WORD(drm_dseek_attach, name, engine_words),
	      NUMBER(drm_dseek_attach, type, 0, 4), FLAGS(drm_dseek_attach, flags, 15), NUMBER(drm_dseek_attach, depth, 1, 8),
	      NUMBER(drm_dseek_attach, numa_node, -1, 1), NUMBER(drm_dseek_attach, caps, 0, 0), NUMBER(drm_dseek_attach, owner, 0, 1)),
	{ .name = "next", .weight = 16, .kind = CALL_IOCTL, .request = DRM_IOCTL_DSEEK_NEXT, .size = sizeof(struct drm_dseek_next),
	  FIELDS(FD(RES_EXEC), POINTER(drm_dseek_next, completions, MEM_COMPLETION), NUMBER(drm_dseek_next, completion_count, 0, 3),
		 POINTER(drm_dseek_next, tags, MEM_BLOCK), NUMBER(drm_dseek_next, tag_max, 0, 4), POINTER(drm_dseek_next, retired, MEM_BLOCK),
		 NUMBER(drm_dseek_next, retired_max, 0, 9), ZERO(drm_dseek_next, flags), TIME(drm_dseek_next, deadline_ns, MS), ZERO(drm_dseek_next, pad)),
	  .result = { { 0, 4, RES_TAG } } },	/* not in the argument: run_call.c reads the tags */
	IOCTL_MAKES("map", 5, DRM_IOCTL_DSEEK_MAP, drm_dseek_map, mmap_offset, RES_MAP, FD(RES_EXEC), RESOURCE(drm_dseek_map, tag, RES_TAG),
		    NUMBER(drm_dseek_map, binding, 0, 1)),
	IOCTL("program_read", 2, DRM_IOCTL_DSEEK_PROGRAM_READ, drm_dseek_program_read, FD(RES_EXEC), RESOURCE(drm_dseek_program_read, tag, RES_TAG),
	      NUMBER(drm_dseek_program_read, size, 0, 4096), POINTER(drm_dseek_program_read, pointer, MEM_BLOCK)),
	IOCTL("report", 2, DRM_IOCTL_DSEEK_REPORT, drm_dseek_report, FD(RES_EXEC), NUMBER(drm_dseek_report, longest_op_ns, 0, MS),
	      ZERO(drm_dseek_report, flags), ZERO(drm_dseek_report, pad)),
	IOCTL_MAKES("next_request", 4, DRM_IOCTL_DSEEK_NEXT, drm_dseek_next, requests, RES_REQUEST, FD(RES_EXEC), POINTER(drm_dseek_next, tags, MEM_BLOCK),
		    NUMBER(drm_dseek_next, tag_max, 0, 1), POINTER(drm_dseek_next, retired, MEM_BLOCK), NUMBER(drm_dseek_next, retired_max, 0, 2),
		    POINTER(drm_dseek_next, requests, MEM_BLOCK), NUMBER(drm_dseek_next, request_max, 1, 2), ZERO(drm_dseek_next, flags),
		    TIME(drm_dseek_next, deadline_ns, MS), ZERO(drm_dseek_next, pad)),
	IOCTL("memory", 4, DRM_IOCTL_DSEEK_MEMORY, drm_dseek_memory, FD(RES_EXEC), RESOURCE(drm_dseek_memory, bo_id, RES_REQUEST),
	      NUMBER(drm_dseek_memory, error, 0, 0), FROM(drm_dseek_memory, fd), ZERO(drm_dseek_memory, flags),
	      ZERO(drm_dseek_memory, pad)),
	{ .name = "detach", .weight = 2, .kind = CALL_IOCTL, .request = DRM_IOCTL_DSEEK_DETACH, FIELDS(FD(RES_EXEC)) },

	/* descriptors, memory, processes, the administrator */
	OTHER("dup", 1, OTHER_DUP, RES_NODE, P_RESOURCE("fd", RES_NODE)),
	OTHER("close", 3, OTHER_CLOSE, RES_NONE, P_RESOURCE("fd", RES_NODE)),
	OTHER("close_exec", 2, OTHER_CLOSE, RES_NONE, P_RESOURCE("fd", RES_EXEC)),
	OTHER("close_fd", 2, OTHER_CLOSE, RES_NONE, P_RESOURCE("fd", RES_FD)),
	OTHER("ioctl", 2, OTHER_IOCTL, RES_NONE, P_RESOURCE("fd", RES_NODE), P_NUMBER("request", 0, 0xffffffff), P_POINTER("argument", MEM_BLOCK)),
	OTHER("ioctl_exec", 1, OTHER_IOCTL, RES_NONE, P_RESOURCE("fd", RES_EXEC), P_NUMBER("request", 0, 0xffffffff), P_POINTER("argument", MEM_BLOCK)),
	OTHER("poll", 1, OTHER_POLL, RES_NONE, P_RESOURCE("fd", RES_FD)),
	OTHER("fdinfo", 1, OTHER_FDINFO, RES_NONE, P_RESOURCE("fd", RES_NODE)),
	OTHER("mmap", 4, OTHER_MMAP, RES_ADDRESS, P_RESOURCE("fd", RES_NODE), P_RESOURCE("offset", RES_OFFSET), P_NUMBER("page", 0, 1),
	      P_NUMBER("pages", 1, 8), P_FLAGS("prot", 3), P_NUMBER("private", 0, 0)),
	OTHER("mmap_exec", 4, OTHER_MMAP, RES_ADDRESS, P_RESOURCE("fd", RES_EXEC), P_RESOURCE("offset", RES_MAP), P_NUMBER("page", 0, 1),
	      P_NUMBER("pages", 1, 8), P_FLAGS("prot", 3), P_NUMBER("private", 0, 0)),
	OTHER("touch", 4, OTHER_TOUCH, RES_NONE, P_RESOURCE("address", RES_ADDRESS), P_NUMBER("page", 0, 8), P_NUMBER("write", 0, 1)),
	OTHER("munmap", 2, OTHER_MUNMAP, RES_NONE, P_RESOURCE("address", RES_ADDRESS), P_NUMBER("page", 0, 2), P_NUMBER("pages", 1, 8)),
	OTHER("mremap", 1, OTHER_MREMAP, RES_ADDRESS, P_RESOURCE("address", RES_ADDRESS), P_NUMBER("pages", 1, 8), P_NUMBER("new_pages", 1, 8)),
	OTHER("madvise", 1, OTHER_MADVISE, RES_NONE, P_RESOURCE("address", RES_ADDRESS), P_NUMBER("pages", 1, 8), P_NUMBER("advice", 0, 25)),
	OTHER("fork", 1, OTHER_FORK, RES_PROCESS, P_NUMBER("share", 0, 1)),
	OTHER("kill", 1, OTHER_KILL, RES_NONE, P_RESOURCE("process", RES_PROCESS)),
	OTHER("write", 2, OTHER_WRITE, RES_NONE, P_WORD("file", file_words), P_WORD("text", text_words)),
	OTHER("read", 1, OTHER_READ, RES_NONE, P_WORD("file", read_words)),
	OTHER("crash", 0, OTHER_CRASH, RES_NONE, P_NUMBER("how", 0, 0)),	/* tests/vm/crash */
};
const unsigned int call_count = sizeof(calls) / sizeof(calls[0]);

int call_find(const char *name, size_t length)
{
	unsigned int i;

	for (i = 0; i < call_count; i++)
		if (strlen(calls[i].name) == length && !memcmp(calls[i].name, name, length))
			return (int)i;
	return -1;
}

int call_makes(const struct call *c, uint8_t resource)
{
	int i;

	for (i = 0; i < 2; i++)
		if (c->result[i].size && c->result[i].resource == resource)
			return i;
	return -1;
}

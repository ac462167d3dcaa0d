// SPDX-License-Identifier: MIT
/* Calls about jobs, a tenant's and an executor's, and about executors themselves. */
#include "failnth.h"

static struct test_exec nic;
static uint32_t nic_queue, binary, timeline, made;
static int other = -1;
static void *mapped;
static uint32_t tag;
static uint64_t seqno, offset;

/* A job with everything that a job can have; the timeline's point grows. */
static int do_submit(void)
{
	static uint64_t point = 1;
	struct drm_dseek_binding b[2] = { { .handle = on.bo, .access = 3, .size = 4096 }, { .handle = on.bo, .access = 1, .offset = 4096, .size = 64 } };
	struct drm_dseek_sync waits[2] = { { .handle = binary }, { .handle = timeline, .point = 1 } };
	struct drm_dseek_sync signals[2] = { { .handle = binary }, { .handle = timeline, .point = point + 1 } };
	struct script consts = { SCRIPT_DONE, 0 };
	struct drm_dseek_job job = { .program = on.program, .bindings = (uintptr_t)b, .binding_count = 2, .consts = (uintptr_t)&consts,
		.const_size = sizeof(consts), .waits = (uintptr_t)waits, .wait_count = 2, .signals = (uintptr_t)signals, .signal_count = 2 };
	int r = submit(on.fd, on.queue, &job, 1, &seqno);

	point += !r;
	return r;
}

/* Of a program that its engine hasn't seen: what that costs is to be remembered from now on. */
static uint32_t seen_program;

static void prepare_first(void)
{
	seen_program = on.program;
	must(program_create(on.fd, &on.program), "PROGRAM_CREATE");
}

static void fetch(void)
{
	int n = exec_next(&on.exec, NULL, 0, &tag, 1, SEC);

	if (n != 1) {
		errno = n < 0 ? -n : ETIME;
		die("NEXT gave no job");
	}
}

static void complete(void)
{
	struct drm_dseek_completion c = { .tag = tag };
	int error = 0;

	must(exec_next(&on.exec, &c, 1, NULL, 0, 0), "NEXT took no job");
	must(wait_job(on.fd, on.queue, seqno, SEC, &error), "WAIT");
	must(error, "the job");
}

static void undo_submit(void)
{
	fetch();
	complete();
}

static void undo_first(void)
{
	undo_submit();
	must(call(on.fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &(struct drm_dseek_program_destroy){ .handle = on.program }), "PROGRAM_DESTROY");
	on.program = seen_program;
}

static void prepare_submit(void)
{
	must(do_submit(), "SUBMIT");
}

static void prepare_held(void)
{
	prepare_submit();
	fetch();
}

static void prepare_done(void)
{
	prepare_held();
	complete();
}

static int do_wait(void)
{
	return wait_job(on.fd, on.queue, seqno, 0, NULL);
}

static int do_next_fetch(void)
{
	int n = exec_next(&on.exec, NULL, 0, &tag, 1, SEC);

	return n < 0 ? n : n == 1 ? 0 : -ETIME;
}

/* An empty NEXT, and one that gives back nothing it holds, change nothing either. */
static int do_next_poll(void)
{
	int n = exec_next(&on.exec, NULL, 0, &tag, 1, 0);

	return n < 0 ? n : 0;
}

static int do_map(void)
{
	return call(on.exec.fd, DRM_IOCTL_DSEEK_MAP, &(struct drm_dseek_map){ .tag = tag });
}

/* A buffer of its own, so that its mapping goes with it: NEXT reports it as retired. */
static void prepare_map(void)
{
	uint32_t keep = on.bo;

	must(bo_create(on.fd, SMALL, &made), "BO_CREATE");
	on.bo = made;
	prepare_held();
	on.bo = keep;
}

static void undo_map(void)
{
	complete();
	must(bo_close(on.fd, made), "GEM_CLOSE");
	must(exec_next(&on.exec, NULL, 0, NULL, 0, 0), "NEXT");
}

/* The same on an engine of type NIC: what it maps is charged. */
static void nics_turn(void)
{
	struct test_exec e = on.exec;
	uint32_t q = on.queue;

	on.exec = nic;
	on.queue = nic_queue;
	nic = e;
	nic_queue = q;
}

static void prepare_map_nic(void)
{
	nics_turn();
	prepare_map();
}

static void undo_map_nic(void)
{
	undo_map();
	nics_turn();
}

static void prepare_exec_mmap(void)
{
	struct drm_dseek_map m = { 0 };

	prepare_map();
	m.tag = tag;
	must(call(on.exec.fd, DRM_IOCTL_DSEEK_MAP, &m), "MAP");
	offset = m.mmap_offset;
}

static int do_exec_mmap(void)
{
	mapped = mmap(NULL, SMALL, PROT_READ, MAP_SHARED, on.exec.fd, (off_t)offset);
	return mapped == MAP_FAILED ? -errno : 0;
}

static void undo_exec_mmap(void)
{
	munmap(mapped, SMALL);
	undo_map();
}

static int do_program_read(void)
{
	static uint8_t to[64];

	return call(on.exec.fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &(struct drm_dseek_program_read){ .tag = tag, .size = sizeof(to), .pointer = (uintptr_t)to });
}

static void undo_held(void)
{
	complete();
}

static int do_exec_open(void)
{
	other = exec_open();
	return other < 0 ? other : 0;
}

static void undo_exec(void)
{
	close(other);
}

static void prepare_exec(void)
{
	must(do_exec_open(), TEST_EXEC_PATH);
}

/* To a name that is there, so that engines stay as they were, and to a new one. */
static int do_attach(void)
{
	struct drm_dseek_attach a = exec_attachment("failnth1", 8);

	return call(other, DRM_IOCTL_DSEEK_ATTACH, &a);
}

static int do_attach_new(void)
{
	static int number;
	struct drm_dseek_attach a;
	char name[24];
	int r;

	snprintf(name, sizeof(name), "failnth.%d", number);
	a = exec_attachment(name, 64);
	r = call(other, DRM_IOCTL_DSEEK_ATTACH, &a);
	number += !r;
	return r;
}

static void prepare_attached(void)
{
	prepare_exec();
	must(do_attach(), "ATTACH");
}

static int do_detach(void)
{
	return call(other, DRM_IOCTL_DSEEK_DETACH, NULL);
}

/* ---- memory of the engine's own, asked for by another thread */

static struct test_exec giver;
static pthread_t asker;
static struct drm_dseek_memory_request request;
static uint32_t asked_for;

static void *ask(void *arg)
{
	struct drm_dseek_bo_create c = { .size = SMALL, .flags = DRM_DSEEK_BO_DEVICE, .numa_node = -1, .engine = giver.engine };

	must(call(on.fd, DRM_IOCTL_DSEEK_BO_CREATE, &c), "BO_CREATE of an engine's memory");
	asked_for = c.handle;
	return NULL;
}

static int do_next_request(void)
{
	struct drm_dseek_next n = { .requests = (uintptr_t)&request, .request_max = 1 };
	int r = call(giver.fd, DRM_IOCTL_DSEEK_NEXT, &n);

	return r ? r : n.request_count == 1 ? 0 : -ETIME;
}

static void prepare_request(void)
{
	uint64_t before = tenant_info(on.fd).device_bytes;

	must(-pthread_create(&asker, NULL, ask, NULL), "a thread");
	while (tenant_info(on.fd).device_bytes == before)
		sleep_ns(MS);
	sleep_ns(50 * MS);	/* from the charge to the list */
}

static int do_memory(void)
{
	return call(giver.fd, DRM_IOCTL_DSEEK_MEMORY, &(struct drm_dseek_memory){ .bo_id = request.bo_id, .fd = -1 });
}

static void undo_memory(void)
{
	uint64_t retired;
	struct drm_dseek_next n = { .retired = (uintptr_t)&retired, .retired_max = 1 };

	pthread_join(asker, NULL);
	must(bo_close(on.fd, asked_for), "GEM_CLOSE");
	must(call(giver.fd, DRM_IOCTL_DSEEK_NEXT, &n), "NEXT");
}

static void undo_request(void)
{
	must(do_memory(), "MEMORY");
	undo_memory();
}

static void prepare_asked(void)
{
	int r;

	prepare_request();
	for (r = do_next_request(); r == -ETIME; r = do_next_request())
		sleep_ns(MS);
	must(r, "NEXT");
}

const struct step job_steps[] = {
	{ "submit", nothing, do_submit, undo_submit, "fences" },
	{ "submit-first", prepare_first, do_submit, undo_first, "fences" },
	{ "wait", prepare_done, do_wait, nothing },
	{ "exec-open", nothing, do_exec_open, undo_exec },
	{ "attach", prepare_exec, do_attach, undo_exec, "failnth", 1 },
	{ "attach-new", prepare_exec, do_attach_new, undo_exec, "failnth", 1 },
	{ "next-fetch", prepare_submit, do_next_fetch, undo_held },
	{ "next-poll", nothing, do_next_poll, nothing },
	{ "map", prepare_map, do_map, undo_map, "maps" },
	{ "map-nic", prepare_map_nic, do_map, undo_map_nic, "maps" },
	{ "exec-mmap", prepare_exec_mmap, do_exec_mmap, undo_exec_mmap },
	{ "program-read", prepare_held, do_program_read, undo_held },
	{ "next-request", prepare_request, do_next_request, undo_request },
	{ "memory", prepare_asked, do_memory, undo_memory },
	{ "detach", prepare_attached, do_detach, undo_exec, "failnth", 1 },
	{ NULL },
};

void job_steps_begin(void)
{
	prepare_attached();
	undo_exec();
	must(exec_attach_as(&nic, TEST_ENGINE ".nic", DRM_DSEEK_ENGINE_NIC, 8, 0), "ATTACH");
	must(queue_create(on.fd, nic.engine, DRM_DSEEK_CLASS_INTERACTIVE, 1, &nic_queue), "QUEUE_CREATE");
	must(exec_attach_flags(&giver, TEST_ENGINE ".memory", 1, DRM_DSEEK_ATTACH_MEMORY), "ATTACH");
	must(syncobj_create(on.fd, &binary), "SYNCOBJ_CREATE");
	must(syncobj_create(on.fd, &timeline), "SYNCOBJ_CREATE");
	must(syncobj_signal(on.fd, binary), "SYNCOBJ_SIGNAL");
	must(timeline_signal(on.fd, timeline, 1), "SYNCOBJ_TIMELINE_SIGNAL");
}

void job_steps_end(void)
{
	exec_close(&nic);
	exec_close(&giver);
}

// SPDX-License-Identifier: MIT
/* Calls about files, buffers, dma-bufs, programs and queues. */
#include "failnth.h"
#include "../selftests/dseek/dseek_dmabuf.h"

#define PURGE		"/sys/kernel/debug/dseek/purge"
#define HUGE		(2 << 20)

static int foreign = -1, exported = -1, other = -1;
static uint32_t made;
static struct test_exec giver;		/* of an engine's own memory: a thread, which meets no failures; and another engine to have */
static void *mapped;
static uint64_t offset;

static int do_query_device(void)
{
	struct drm_dseek_device_info i;

	return query(on.fd, DRM_DSEEK_QUERY_DEVICE, 0, &i, sizeof(i));
}

static int do_query_engine(void)
{
	struct drm_dseek_engine_info i;

	return query(on.fd, DRM_DSEEK_QUERY_ENGINE, 0, &i, sizeof(i));
}

static int do_query_tenant(void)
{
	struct drm_dseek_tenant_info i;

	return query(on.fd, DRM_DSEEK_QUERY_TENANT, 0, &i, sizeof(i));
}

static int do_open(void)
{
	other = open_node();
	return other < 0 ? -errno : 0;
}

static void undo_open(void)
{
	close(other);
}

/* As a user that nobody has been before: a tenant is made, too. */
static int do_open_new(void)
{
	static uid_t uid = 7000;
	int r;

	if (setresuid((uid_t)-1, uid++, (uid_t)-1))
		die("setresuid");
	r = do_open();
	if (setresuid((uid_t)-1, 0, (uid_t)-1))
		die("setresuid");
	return r;
}

static int do_bo_create(void)
{
	return bo_create(on.fd, SMALL, &made);
}

static int do_bo_create_huge(void)
{
	struct drm_dseek_bo_create c = { .size = HUGE, .numa_node = -1, .flags = DRM_DSEEK_BO_HUGE };
	int r = call(on.fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);

	made = c.handle;
	return r;
}

static void undo_bo(void)
{
	must(bo_close(on.fd, made), "GEM_CLOSE");
}

static int do_bo_info(void)
{
	struct drm_dseek_bo_info i;

	return bo_info(on.fd, on.bo, &i);
}

static int madvise_bo(uint32_t advice)
{
	struct drm_dseek_bo_madvise m = { .handle = on.bo, .advice = advice };

	return call(on.fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);
}

static int do_dontneed(void)
{
	return madvise_bo(DRM_DSEEK_MADV_DONTNEED);
}

static void undo_dontneed(void)
{
	must(madvise_bo(DRM_DSEEK_MADV_WILLNEED), "WILLNEED");
}

static void prepare_purged(void)
{
	must(bo_create(on.fd, SMALL, &made), "BO_CREATE");
	must(call(on.fd, DRM_IOCTL_DSEEK_BO_MADVISE, &(struct drm_dseek_bo_madvise){ .handle = made, .advice = DRM_DSEEK_MADV_DONTNEED }), "DONTNEED");
	must(text_write(PURGE, "1"), PURGE);
}

static int do_willneed(void)
{
	struct drm_dseek_bo_madvise m = { .handle = made, .advice = DRM_DSEEK_MADV_WILLNEED };

	return call(on.fd, DRM_IOCTL_DSEEK_BO_MADVISE, &m);
}

static void prepare_offset(void)
{
	struct drm_dseek_bo_info i;

	must(bo_info(on.fd, on.bo, &i), "BO_INFO");
	offset = i.mmap_offset;
}

static int do_mmap(void)
{
	mapped = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_SHARED, on.fd, (off_t)offset);
	return mapped == MAP_FAILED ? -errno : 0;
}

static void undo_mmap(void)
{
	munmap(mapped, SMALL);
}

static void prepare_mmap(void)
{
	prepare_offset();
	must(do_mmap(), "mmap");
}

static int do_populate(void)
{
	return madvise(mapped, SMALL, 23 /* MADV_POPULATE_WRITE */) ? -errno : 0;
}

static int do_export(void)
{
	struct drm_prime_handle h = { .handle = made, .flags = DRM_CLOEXEC | DRM_RDWR };
	int r = call(on.fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &h);

	exported = h.fd;
	return r;
}

static void prepare_bo(void)
{
	must(bo_create(on.fd, SMALL, &made), "BO_CREATE");
}

static void undo_export(void)
{
	close(exported);
	undo_bo();
}

static int do_import(void)
{
	struct drm_prime_handle h = { .fd = foreign };
	int r = call(on.fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &h);

	made = h.handle;
	return r;
}

static int do_program_create(void)
{
	return program_create(on.fd, &made);
}

static int do_program_create_big(void)
{
	static uint8_t blob[300000];
	struct drm_dseek_program_create c = { .pointer = (uintptr_t)blob, .size = sizeof(blob) };
	int r = call(on.fd, DRM_IOCTL_DSEEK_PROGRAM_CREATE, &c);

	made = c.handle;
	return r;
}

static int do_program_destroy(void)
{
	return call(on.fd, DRM_IOCTL_DSEEK_PROGRAM_DESTROY, &(struct drm_dseek_program_destroy){ .handle = made });
}

static void undo_program(void)
{
	must(do_program_destroy(), "PROGRAM_DESTROY");
}

static void prepare_program(void)
{
	must(program_create(on.fd, &made), "PROGRAM_CREATE");
}

static int do_queue_batch(void)
{
	return queue_create(on.fd, on.exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &made);
}

static int do_queue_deadline(void)
{
	struct drm_dseek_queue_create c = { .engine = on.exec.engine, .sched_class = DRM_DSEEK_CLASS_DEADLINE, .budget_ns = MS, .period_ns = 100 * MS };
	int r = call(on.fd, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c);

	made = c.handle;
	return r;
}

static int do_queue_destroy(void)
{
	return queue_destroy(on.fd, made);
}

/* The first of a tenant's on an engine: its share of that is made. */
static void prepare_new(void)
{
	must(do_open_new(), "the render node");
}

static int do_queue_new(void)
{
	return queue_create(other, on.exec.engine, DRM_DSEEK_CLASS_BATCH, 1, &made);
}

/* Over two engines, where it has a share of neither. */
static int do_queue_set_new(void)
{
	struct drm_dseek_queue_create c = { .engine = on.exec.engine, .sched_class = DRM_DSEEK_CLASS_BATCH, .weight = 1,
		.engines = 1ULL << on.exec.engine | 1ULL << giver.engine };

	return call(other, DRM_IOCTL_DSEEK_QUEUE_CREATE, &c);
}

static void undo_queue(void)
{
	must(do_queue_destroy(), "QUEUE_DESTROY");
}

static void prepare_queue(void)
{
	must(do_queue_batch(), "QUEUE_CREATE");
}

static int do_queue_query(void)
{
	return call(on.fd, DRM_IOCTL_DSEEK_QUEUE_QUERY, &(struct drm_dseek_queue_query){ .handle = on.queue });
}

/* ---- in an engine's own memory */

static int own_dmabuf(void)
{
	int mem, fd = udmabuf_of(SMALL, &mem);

	must(fd, "/dev/udmabuf");
	close(mem);
	return fd;
}

static void *give(void *arg)
{
	struct drm_dseek_memory_request r;
	struct drm_dseek_memory m = { 0 };
	uint64_t retired[8];
	uint32_t tag;
	struct drm_dseek_next n = { .tags = (uintptr_t)&tag, .tag_max = 1, .retired = (uintptr_t)retired, .retired_max = 8,
				    .requests = (uintptr_t)&r, .request_max = 1 };
	int err;

	while (!giver.stop) {
		n.deadline_ns = now_ns() + 20 * MS;
		err = call(giver.fd, DRM_IOCTL_DSEEK_NEXT, &n);
		must(err == -EINTR ? 0 : err, "NEXT");
		if (err || !n.request_count)
			continue;
		m.bo_id = r.bo_id;
		m.fd = own_dmabuf();
		err = call(giver.fd, DRM_IOCTL_DSEEK_MEMORY, &m);
		must(err == -ENOENT ? 0 : err, "MEMORY");	/* who asked may have failed meanwhile */
		close(m.fd);
	}
	return NULL;
}

static int do_device_create(void)
{
	struct drm_dseek_bo_create c = { .size = SMALL, .flags = DRM_DSEEK_BO_DEVICE, .numa_node = -1, .engine = giver.engine };
	int r = call(on.fd, DRM_IOCTL_DSEEK_BO_CREATE, &c);

	made = c.handle;
	return r;
}

static void prepare_device(void)
{
	must(do_device_create(), "BO_CREATE of an engine's memory");
}

static void prepare_device_mmap(void)
{
	struct drm_dseek_bo_info i;

	prepare_device();
	must(bo_info(on.fd, made, &i), "BO_INFO");
	offset = i.mmap_offset;
}

static void undo_device_mmap(void)
{
	undo_mmap();
	undo_bo();
}

const struct step object_steps[] = {
	{ "open", nothing, do_open, undo_open },
	{ "query-device", nothing, do_query_device, nothing },
	{ "query-engine", nothing, do_query_engine, nothing },
	{ "query-tenant", nothing, do_query_tenant, nothing },
	{ "bo-create", nothing, do_bo_create, undo_bo },
	{ "bo-create-huge", nothing, do_bo_create_huge, undo_bo },
	{ "bo-info", nothing, do_bo_info, nothing },
	{ "bo-dontneed", nothing, do_dontneed, undo_dontneed },
	{ "bo-willneed", prepare_purged, do_willneed, undo_bo },
	{ "bo-mmap", prepare_offset, do_mmap, undo_mmap },
	{ "bo-populate", prepare_mmap, do_populate, undo_mmap },
	{ "export", prepare_bo, do_export, undo_export },
	{ "import", nothing, do_import, undo_bo },
	{ "device-create", nothing, do_device_create, undo_bo },
	{ "device-mmap", prepare_device_mmap, do_mmap, undo_device_mmap },
	{ "device-export", prepare_device, do_export, undo_export },
	{ "program-create", nothing, do_program_create, undo_program },
	{ "program-create-big", nothing, do_program_create_big, undo_program },
	{ "program-destroy", prepare_program, do_program_destroy, nothing },
	{ "queue-create-batch", nothing, do_queue_batch, undo_queue },
	{ "queue-create-deadline", nothing, do_queue_deadline, undo_queue },
	{ "queue-destroy", prepare_queue, do_queue_destroy, nothing },
	{ "queue-query", nothing, do_queue_query, nothing },
	{ NULL },
};

const struct step tenant_steps[] = {
	{ "open-new", nothing, do_open_new, undo_open, "uid:7", 1 },
	{ "queue-create-new", prepare_new, do_queue_new, undo_open, "uid:7", 1 },
	{ "queue-create-set-new", prepare_new, do_queue_set_new, undo_open, "uid:7", 1 },
	{ NULL },
};

void object_steps_begin(void)
{
	foreign = own_dmabuf();
	must(exec_attach_flags(&giver, TEST_ENGINE ".giver", 1, DRM_DSEEK_ATTACH_MEMORY), "ATTACH");
	must(-pthread_create(&giver.thread, NULL, give, NULL), "a thread");
}

void object_steps_end(void)
{
	giver.stop = 1;
	pthread_join(giver.thread, NULL);
	exec_close(&giver);
}

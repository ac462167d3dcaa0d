// SPDX-License-Identifier: MIT
#include "reload.h"

#define SIZE		8192

const char *const kind_names[KINDS] = {
	[OPEN_NODE] = "the render node open", [MAPPING] = "a mapping of a buffer", [DMABUF] = "a dma-buf of a buffer",
	[FOREIGN] = "a buffer imported by vgem", [SYNC_FILE] = "a sync_file", [SYNCOBJ] = "a syncobj",
	[IN_WAIT] = "a tenant in WAIT", [OPEN_EXEC] = "the executors' device open",
	[EXEC_MAPPING] = "a mapping of an executor's page", [IN_NEXT] = "an executor in NEXT",
	[STANDBY] = "an executor that stands by", [OPEN_DEBUGFS] = "a file of debugfs open",
};

static int vgem = -1;

static void let_go(struct hold *h)
{
	if (h->map)
		munmap(h->map, h->map_size);
	if (h->fd >= 0)
		close(h->fd);
}

static int export(int fd, unsigned long request, uint32_t handle, uint32_t flags)
{
	/* of the same layout, but for what follows in the second */
	struct drm_prime_handle prime = { .handle = handle, .flags = DRM_CLOEXEC };
	struct drm_syncobj_handle sync = { .handle = handle, .flags = flags, .fd = -1 };
	int r = request == DRM_IOCTL_PRIME_HANDLE_TO_FD ? call(fd, request, &prime) : call(fd, request, &sync);

	if (r) {
		bad("export: %s", strerror(-r));
		return -1;
	}
	return request == DRM_IOCTL_PRIME_HANDLE_TO_FD ? prime.fd : sync.fd;
}

void hold_prepare(void)
{
	char name[16] = "", path[32];
	int i;

	for (i = 0; i < 8; i++) {
		struct drm_version v = { .name = name, .name_len = sizeof(name) - 1 };

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		vgem = open(path, O_RDWR | O_CLOEXEC);
		if (vgem < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(vgem, DRM_IOCTL_VERSION, &v) && !strcmp(name, "vgem"))
			return;
		close(vgem);
	}
	die("vgem");
}

/* Of a buffer: a mapping, a dma-buf, or what vgem makes of that. */
static int hold_buffer(struct hold *h, enum kind kind, int fd)
{
	struct drm_prime_handle p = { 0 };
	uint32_t handle;
	int r = bo_create(fd, SIZE, &handle);

	if (r)
		return r;
	if (kind == MAPPING) {
		h->map = bo_map(fd, handle);
		h->map_size = SIZE;
		if (h->map == MAP_FAILED) {
			h->map = NULL;
			return -errno;
		}
		*(volatile char *)h->map = 1;
		return 0;
	}
	p.fd = export(fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, handle, 0);
	if (p.fd < 0)
		return -EIO;
	if (kind == DMABUF) {
		h->fd = p.fd;
		return 0;
	}
	r = call(vgem, DRM_IOCTL_PRIME_FD_TO_HANDLE, &p);
	close(p.fd);
	h->foreign = p.handle;
	return r;
}

/* A job that nobody fetches, on whatever engine there is; @alone: on one of our own, whose executor goes. */
static int hold_job(struct hold *h, enum kind kind, int fd, bool alone)
{
	struct script script = { SCRIPT_HOLD, 0 };
	struct drm_dseek_sync signal = { 0 };
	struct drm_dseek_job job = { .consts = (uintptr_t)&script, .const_size = sizeof(script),
				     .signals = (uintptr_t)&signal, .signal_count = 1, .flags = DRM_DSEEK_JOB_IDEMPOTENT };
	struct test_exec e;
	int r = alone ? exec_attach(&e, ENGINE, 1) : 0;

	if (r)
		return r;
	r = queue_create(fd, 0, DRM_DSEEK_CLASS_BATCH, 1, &h->queue);
	r = r ?: program_create(fd, &job.program);
	r = r ?: syncobj_create(fd, &signal.handle);
	r = r ?: submit(fd, h->queue, &job, 1, &h->seqno);
	if (alone)
		exec_close(&e);
	if (r)
		return r;
	if (kind == IN_WAIT)
		h->fd = dup(fd);
	else
		h->fd = export(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, signal.handle,
			       kind == SYNC_FILE ? DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE : 0);
	return h->fd < 0 ? -EIO : 0;
}

static int hold_exec(struct hold *h, enum kind kind)
{
	struct window w = window_open();
	int r = exec_attach_flags(&h->exec, ENGINE, 2, kind == STANDBY ? DRM_DSEEK_ATTACH_STANDBY : 0);

	if (r == -EBUSY)	/* it has an executor */
		return r;
	tried(TRY_EXEC, w, -r, "ATTACH");
	if (r)
		return r;
	munmap((void *)h->exec.jobs, h->exec.depth * sizeof(*h->exec.jobs));
	if (kind == EXEC_MAPPING) {
		close(h->exec.fd);
		h->map = (void *)h->exec.control;
		h->map_size = sizeof(*h->exec.control);
	} else {
		munmap((void *)h->exec.control, sizeof(*h->exec.control));
		h->fd = h->exec.fd;
	}
	return 0;
}

int hold(struct hold *h, enum kind kind, bool alone)
{
	int fd, r = 0;

	*h = (struct hold){ .fd = -1 };
	switch (kind) {
	case OPEN_DEBUGFS:
		h->fd = try_file(TRY_DEBUGFS, DEBUGFS "counters", O_RDONLY);
		return h->fd < 0 ? -errno : 0;
	case OPEN_EXEC:
		h->fd = try_exec();
		return h->fd < 0 ? -ENODEV : 0;
	case EXEC_MAPPING: case IN_NEXT: case STANDBY:
		return hold_exec(h, kind);
	default:
		break;
	}
	fd = try_node();
	if (fd < 0)
		return -ENODEV;
	if (kind == OPEN_NODE) {
		h->fd = fd;
		return 0;
	}
	r = kind < SYNC_FILE ? hold_buffer(h, kind, fd) : hold_job(h, kind, fd, alone);
	close(fd);
	/* no engine yet, or not any more, is no fault */
	if (r && r != -ENOENT && r != -ENODEV && r != -ESHUTDOWN)
		bad("%s: %s", kind_names[kind], strerror(-r));
	if (r)
		let_go(h);
	return r;
}

void stay(struct hold *h, enum kind kind, uint64_t ns)
{
	uint32_t tag;
	int r = 0;

	switch (kind) {
	case IN_WAIT:
		r = wait_job(h->fd, h->queue, h->seqno, ns + 1, NULL);
		break;
	case IN_NEXT: case STANDBY:
		r = exec_next(&h->exec, NULL, 0, &tag, 1, ns + 1);
		if (r > 0)
			r = 0;
		break;
	default:
		sleep_ns(ns);
	}
	if (r && r != -ETIME && r != -ETIMEDOUT && r != -ESTALE && r != -EAGAIN)
		bad("%s: %s", kind_names[kind], strerror(-r));
}

void release(struct hold *h, enum kind kind)
{
	if (kind == FOREIGN)
		bo_close(vgem, h->foreign);
	let_go(h);
}

// SPDX-License-Identifier: MIT
/* /dev/dseek-exec: an engine's executor. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "drm.h"

struct drm_exec_map {
	struct drm_exec_map *next;
	uint64_t bo_id, size;
	void *base;
};

struct drm_exec {
	struct dseek_exec base;
	int fd;
	size_t jobs_size;
	bool memory;			/* DRM_DSEEK_ATTACH_MEMORY */
	struct drm_exec_map *maps[DRM_EXEC_BUCKETS];
};

static struct drm_exec *exec_of(struct dseek_exec *exec)
{
	return container_of(exec, struct drm_exec, base);
}

/* Not restarted after a signal: whoever runs the loop looks at what the signal meant. */
static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

static int exec_next(struct dseek_exec *exec, struct drm_dseek_next *next)
{
	/* A module before 1.3 knows the shorter call only; who gives no memory has no use for more. */
	bool memory = exec_of(exec)->memory;
	int r = call(exec_of(exec)->fd, memory ? DRM_IOCTL_DSEEK_NEXT : DRM_IOCTL_DSEEK_NEXT_1_0, next);

	if (!memory)
		next->request_count = 0;

	return r && r != -EINTR ? drm_fail(r, "next") : r;
}

static int exec_map(struct dseek_exec *base, uint32_t tag, uint32_t binding, void **ret_base)
{
	struct drm_exec *exec = exec_of(base);
	struct drm_dseek_map where = { .tag = tag, .binding = binding };
	struct drm_exec_map *map;
	int r;

	r = call(exec->fd, DRM_IOCTL_DSEEK_MAP, &where);
	if (r)
		return drm_fail(r, "map");
	map = malloc(sizeof(*map));
	if (!map)
		return dseek_fail(-ENOMEM, "map: no memory");
	map->bo_id = where.bo_id;
	map->size = where.bo_size;
	map->base = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED, exec->fd, where.mmap_offset);
	if (map->base == MAP_FAILED && (errno == EACCES || errno == EPERM))	/* nobody bound it for writing */
		map->base = mmap(NULL, map->size, PROT_READ, MAP_SHARED, exec->fd, where.mmap_offset);
	if (map->base == MAP_FAILED) {
		r = drm_fail(-errno, "map: mmap");
		free(map);
		return r;
	}
	map->next = exec->maps[map->bo_id % DRM_EXEC_BUCKETS];
	exec->maps[map->bo_id % DRM_EXEC_BUCKETS] = map;
	*ret_base = map->base;
	return 0;
}

static int exec_unmap(struct dseek_exec *base, uint64_t bo_id)
{
	struct drm_exec_map **pos = &exec_of(base)->maps[bo_id % DRM_EXEC_BUCKETS], *map;

	while (*pos && (*pos)->bo_id != bo_id)
		pos = &(*pos)->next;
	map = *pos;
	if (!map)
		return dseek_fail(-ENOENT, "unmap: buffer %llu isn't mapped", (unsigned long long)bo_id);
	*pos = map->next;
	munmap(map->base, map->size);
	free(map);
	return 0;
}

static int exec_program(struct dseek_exec *base, uint32_t tag, void *buf, size_t size)
{
	struct drm_dseek_program_read program = {
		.tag = tag, .size = size > UINT32_MAX ? UINT32_MAX : size, .pointer = (uintptr_t)buf,
	};
	int r = call(exec_of(base)->fd, DRM_IOCTL_DSEEK_PROGRAM_READ, &program);

	return r ? drm_fail(r, "program") : 0;
}

static int exec_report(struct dseek_exec *base, uint64_t longest_op_ns)
{
	struct drm_dseek_report report = { .longest_op_ns = longest_op_ns };
	int r = call(exec_of(base)->fd, DRM_IOCTL_DSEEK_REPORT, &report);

	/* A module of ABI 1.0 doesn't know it. */
	return r && r != -ENOTTY ? drm_fail(r, "report") : r;
}

static int exec_memory(struct dseek_exec *base, uint64_t bo_id, int error, int fd)
{
	struct drm_dseek_memory answer = { .bo_id = bo_id, .error = error, .fd = fd };
	int r = call(exec_of(base)->fd, DRM_IOCTL_DSEEK_MEMORY, &answer);

	if (r == -EINVAL && fd >= 0) {	/* no dma-buf */
		answer.fd = -1;
		r = call(exec_of(base)->fd, DRM_IOCTL_DSEEK_MEMORY, &answer);
	}
	return r == -ENOENT ? dseek_fail(r, "memory: nobody waits for buffer %llu", (unsigned long long)bo_id) : r ? drm_fail(r, "memory") : 0;
}

static void exec_detach(struct dseek_exec *base)
{
	struct drm_exec *exec = exec_of(base);
	int i;

	for (i = 0; i < DRM_EXEC_BUCKETS; i++)
		while (exec->maps[i])
			exec_unmap(base, exec->maps[i]->bo_id);
	ioctl(exec->fd, DRM_IOCTL_DSEEK_DETACH);
	munmap((void *)base->jobs, exec->jobs_size);
	munmap((void *)base->control, sizeof(*base->control));
	close(exec->fd);
	free(exec);
}

static const struct dseek_exec_ops exec_ops = {
	.next = exec_next,
	.map = exec_map,
	.unmap = exec_unmap,
	.program = exec_program,
	.report = exec_report,
	.memory = exec_memory,
	.detach = exec_detach,
};

int dseek_drm_exec_attach(const char *path, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec)
{
	struct drm_exec *exec = calloc(1, sizeof(*exec));
	void *jobs, *control;
	int r;

	if (!exec)
		return dseek_fail(-ENOMEM, "attach: no memory");
	exec->fd = open(path, O_RDWR | O_CLOEXEC);
	if (exec->fd < 0) {
		r = dseek_fail(-errno, "%s: %s", path, strerror(errno));
		goto err_free;
	}
	r = call(exec->fd, DRM_IOCTL_DSEEK_ATTACH, attach);
	if (r == -EINVAL && attach->flags & DRM_DSEEK_ATTACH_MEMORY) {
		attach->flags &= ~DRM_DSEEK_ATTACH_MEMORY;
		r = call(exec->fd, DRM_IOCTL_DSEEK_ATTACH, attach);
	}
	exec->memory = attach->flags & DRM_DSEEK_ATTACH_MEMORY;
	if (r == -EINVAL && dseek_engine_name_check(attach))
		goto err_close;
	if (r) {
		dseek_fail(r, "attach %.31s: %s", (const char *)attach->name,
			   r == -EACCES ? "the name has another owner, or none" :
			   r == -EINVAL && attach->flags & DRM_DSEEK_ATTACH_OWNER ? "this module may not know owners of engines (ABI 1.2)" :
			   r == -EBUSY ? "the name has an executor" : r == -EMEDIUMTYPE ? "the name belongs to another type" :
			   r == -ENOENT ? "no engine was ever called that" : strerror(-r));
		goto err_close;
	}
	exec->jobs_size = attach->depth * sizeof(struct drm_dseek_job_desc);
	jobs = mmap(NULL, exec->jobs_size, PROT_READ, MAP_SHARED, exec->fd, DRM_DSEEK_MMAP_JOBS);
	if (jobs == MAP_FAILED) {
		r = drm_fail(-errno, "attach: mmap of the jobs");
		goto err_close;
	}
	control = mmap(NULL, sizeof(struct drm_dseek_control), PROT_READ, MAP_SHARED, exec->fd, DRM_DSEEK_MMAP_CONTROL);
	if (control == MAP_FAILED) {
		r = drm_fail(-errno, "attach: mmap of the control page");
		goto err_unmap;
	}
	exec->base.ops = &exec_ops;
	exec->base.jobs = jobs;
	exec->base.control = control;
	exec->base.depth = attach->depth;
	memcpy(exec->base.name, attach->name, sizeof(exec->base.name));
	*ret_exec = &exec->base;
	return 0;

err_unmap:
	munmap(jobs, exec->jobs_size);
err_close:
	close(exec->fd);
err_free:
	free(exec);
	return r;
}

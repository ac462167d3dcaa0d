// SPDX-License-Identifier: MIT
/*
 * Buffers: memory files, sealed against shrinking (so that no importer can be made to fault), populated
 * and mapped once. The executor's threads use the tenant's own mapping.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <numa.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include "embed.h"

#define HUGE_PAGE	(2ull << 20)

static int open_file(uint64_t size, bool reserved)
{
	int fd = memfd_create("dseek-bo", MFD_CLOEXEC | MFD_ALLOW_SEALING | (reserved ? MFD_HUGETLB : 0)), error;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, size) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int map_file(int fd, uint64_t size, uint32_t flags, int numa_node, void **ret_map)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	if (flags & DSEEK_BO_HUGE)
		madvise(map, size, MADV_HUGEPAGE);
	if (numa_node >= 0)
		numa_tonode_memory(map, size, numa_node);
	/*
	 * Now, so that no job pays for it, and what the machine can't give is known here; by the mapping, for it is this that is bound to
	 * the node.
	 */
	if (madvise(map, size, MADV_POPULATE_WRITE) && errno != EINVAL) {
		int error = errno == EFAULT ? ENOMEM : errno;

		munmap(map, size);
		return -error;
	}
	*ret_map = map;
	return 0;
}

static int publish(struct embed_device *dev, int fd, void *map, uint64_t size, uint32_t flags, struct dseek_bo **ret_bo)
{
	struct embed_bo *bo = calloc(1, sizeof(*bo));

	if (!bo)
		return -ENOMEM;
	bo->base.map = map;
	bo->base.size = size;
	bo->fd = fd;
	bo->flags = flags;
	bo->users = 1;
	list_init(&bo->maps);
	list_init(&bo->memory_link);
	embed_lock(dev->inst);
	bo->tenant = dev->tenant;
	bo->tenant->refs++;
	bo->id = ++dev->inst->last_id;
	embed_unlock(dev->inst);
	*ret_bo = &bo->base;
	return 0;
}

static int charge(struct embed_device *dev, uint64_t size)
{
	uint64_t limit = dev->inst->params.pinned_limit;
	int r = 0;

	embed_lock(dev->inst);
	if (size > limit || dev->tenant->pinned_bytes > limit - size)
		r = -EDQUOT;
	else
		dev->tenant->pinned_bytes += size;
	embed_unlock(dev->inst);
	return r;
}

/* In words, what charge() said. */
static int over_quota(struct embed_device *dev, uint64_t size)
{
	uint64_t already;

	embed_lock(dev->inst);
	already = dev->tenant->pinned_bytes;
	embed_unlock(dev->inst);
	return dseek_fail(-EDQUOT, "buffer: %llu bytes and %llu already, tenant %s may have %llu", (unsigned long long)size,
			  (unsigned long long)already, dev->tenant->name, (unsigned long long)dev->inst->params.pinned_limit);
}

static void uncharge(struct embed_device *dev, uint64_t size)
{
	embed_lock(dev->inst);
	dev->tenant->pinned_bytes -= size;
	embed_unlock(dev->inst);
}

/* Whole pages; @reserved: of the machine's pool of huge ones. Without a word: it may be tried again. */
static int allocate(struct embed_device *dev, uint64_t size, bool reserved, uint32_t flags, int numa_node, struct dseek_bo **ret_bo)
{
	int r = charge(dev, size), fd;
	void *map;

	if (r)
		return r;
	fd = open_file(size, reserved);
	if (fd < 0) {
		r = fd;
		goto err_uncharge;
	}
	r = map_file(fd, size, flags, numa_node, &map);
	if (r)
		goto err_close;
	r = publish(dev, fd, map, size, flags, ret_bo);
	if (r)
		goto err_unmap;
	return 0;

err_unmap:
	munmap(map, size);
err_close:
	close(fd);
err_uncharge:
	uncharge(dev, size);
	return r;
}

int embed_bo_create(struct dseek_device *base, uint64_t size, uint32_t flags, int numa_node,
		    struct dseek_bo **ret_bo)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	uint64_t page = sysconf(_SC_PAGESIZE), whole;
	int r;

	if (size > INT64_MAX - HUGE_PAGE)
		return dseek_fail(-ENOMEM, "buffer: %llu bytes are more than any machine has", (unsigned long long)size);
	if (numa_node >= 0 && (numa_available() < 0 || numa_node > numa_max_node()))
		return dseek_fail(-EINVAL, "buffer: this machine has no NUMA node %d", numa_node);
	size = (size + page - 1) & ~(page - 1);
	whole = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	/*
	 * Huge pages come from the reserved pool if it has enough of them, and the quota room for whole ones, else by the kernel's
	 * grace (shmem_enabled=advise); with neither, the buffer is as good with small ones.
	 */
	if (flags & DSEEK_BO_HUGE && size >= HUGE_PAGE && !allocate(dev, whole, true, flags, numa_node, ret_bo))
		return 0;
	r = allocate(dev, size, false, flags, numa_node, ret_bo);
	if (r == -EDQUOT)
		return over_quota(dev, size);
	return r ? dseek_fail(r, "buffer: no memory for %llu bytes", (unsigned long long)size) : 0;
}

int embed_bo_export(struct dseek_bo *base, int *ret_fd)
{
	struct embed_bo *bo = container_of(base, struct embed_bo, base);
	bool lost;
	int fd;

	embed_lock(bo->tenant->inst);
	lost = bo->engine && embed_memory_lost(bo);
	embed_unlock(bo->tenant->inst);
	if (lost)
		return dseek_fail(-ENODEV, "export: the buffer's memory went with its executor");
	if (bo->fd < 0)
		return dseek_fail(-EOPNOTSUPP, "export: the engine's memory has no file");
	fd = fcntl(bo->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return dseek_fail(-errno, "export: no file descriptor left");
	*ret_fd = fd;
	return 0;
}

/* In whole pages, of what stays as large as it is: a memory file sealed against shrinking, or a dma-buf, as an engine's memory may be. */
static int lasting_size(int fd, uint64_t *ret_size)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st = { 0 };

	if (seals < 0) {
		if (errno == EBADF)
			return dseek_fail(-EBADF, "import: there is no file descriptor %d", fd);
		if (fstatfs(fd, &fs) || fs.f_type != DMA_BUF_MAGIC)
			return dseek_fail(-EINVAL, "import: file descriptor %d is no buffer", fd);
		st.st_size = lseek(fd, 0, SEEK_END);
	} else if (!(seals & F_SEAL_SHRINK)) {
		return dseek_fail(-EINVAL, "import: the memory file isn't sealed against shrinking");
	} else {
		fstat(fd, &st);
	}
	if (st.st_size <= 0)
		return dseek_fail(-EINVAL, "import: file descriptor %d is empty", fd);
	*ret_size = (st.st_size + page - 1) & ~(page - 1);
	return 0;
}

int embed_bo_import(struct dseek_device *base, int fd, struct dseek_bo **ret_bo)
{
	struct embed_device *dev = container_of(base, struct embed_device, base);
	uint64_t size;
	void *map;
	int own, r;

	r = lasting_size(fd, &size);
	if (r)
		return r;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return dseek_fail(-errno, "import: no file descriptor left");
	r = charge(dev, size);
	if (r)
		goto err_close;
	r = map_file(own, size, 0, -1, &map);
	if (r)
		goto err_uncharge;
	r = publish(dev, own, map, size, 0, ret_bo);
	if (r)
		goto err_unmap;
	return 0;

err_unmap:
	munmap(map, size);
err_uncharge:
	uncharge(dev, size);
err_close:
	close(own);
	return r == -EDQUOT ? over_quota(dev, size) : dseek_fail(r, "import: can't map %llu bytes", (unsigned long long)size);
}

int embed_bo_info(struct dseek_bo *base, struct dseek_bo_info *ret_info)
{
	struct embed_bo *bo = container_of(base, struct embed_bo, base);

	*ret_info = (struct dseek_bo_info){ .id = bo->id, .size = base->size, .flags = bo->flags };
	if (!bo->engine)
		return 0;
	ret_info->engine = bo->engine->id;
	embed_lock(bo->tenant->inst);
	ret_info->flags = DSEEK_BO_DEVICE | (bo->fd >= 0 ? DSEEK_BO_EXPORTABLE : 0) | (embed_memory_lost(bo) ? DSEEK_BO_LOST : 0);
	embed_unlock(bo->tenant->inst);
	return 0;
}

void embed_bo_release(struct embed_bo *bo)
{
	if (bo->users || !list_empty(&bo->maps) || !list_empty(&bo->memory_link))
		return;
	bo->next_dead = bo->tenant->inst->dead_bos;
	bo->tenant->inst->dead_bos = bo;
	embed_tenant_put(bo->tenant);
}

void embed_bos_free(struct embed_bo *bo)
{
	struct embed_bo *next;

	for (; bo; bo = next) {
		next = bo->next_dead;
		if (bo->base.map)
			munmap(bo->base.map, bo->base.size);
		if (bo->fd >= 0)
			close(bo->fd);
		free(bo);
	}
}

void embed_bo_put(struct embed_bo *bo)
{
	if (--bo->users)
		return;
	if (bo->engine)
		embed_memory_put(bo);
	else
		bo->tenant->pinned_bytes -= bo->base.size;
	list_for_each(link, &bo->maps) {
		struct embed_map *map = container_of(link, struct embed_map, bo_link);

		list_del(&map->exec_link);
		list_add_tail(&map->exec_link, &map->exec->retired);
		embed_wake(bo->tenant->inst, &map->exec->event);
	}
	embed_bo_release(bo);
}

void embed_map_drop(struct embed_map *map)
{
	struct embed_bo *bo = map->bo;

	list_del(&map->exec_link);
	list_del(&map->bo_link);
	free(map);
	embed_bo_release(bo);
}

void embed_bo_destroy(struct dseek_bo *base)
{
	struct embed_bo *bo = container_of(base, struct embed_bo, base);
	struct embed_instance *inst = bo->tenant->inst;

	embed_lock(inst);
	embed_bo_put(bo);
	embed_unlock(inst);
}

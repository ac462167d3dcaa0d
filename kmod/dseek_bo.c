// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: plain GEM objects over a shmem file whose pages are pinned from creation to the last put. They are
 * charged to the tenant that made them (wherever they are passed on to), to its mm's pinned_vm under
 * RLIMIT_MEMLOCK, and, by shmem, to its memory cgroup.
 */
#include <linux/capability.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <drm/drm_prime.h>

#include "dseek_compat.h"
#include "dseek_drv.h"
#include "dseek_trace.h"

#define DSEEK_BO_FLAGS (DRM_DSEEK_BO_HUGE | DRM_DSEEK_BO_DEVICE)

/* It has its place on the executor's file; and the array of its pages is one that kvmalloc() gives: below 2^31 bytes. */
#define DSEEK_BO_MOST ((1ULL << DSEEK_MAP_SHIFT) - PAGE_SIZE)

/*
 * account_locked_vm() would take mmap_lock, which munmap holds when it drops the last reference; pinned_vm is
 * atomic and needs only that the mm_struct stays (mmgrab).
 */
static int mm_charge(struct mm_struct *mm, u64 pages)
{
	u64 limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic64_add_return(pages, &mm->pinned_vm) > limit && !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, &mm->pinned_vm);
		return -ENOMEM;
	}
	return 0;
}

static void bo_uncharge(struct dseek_bo *bo)
{
	u64 pages = bo->base.size >> PAGE_SHIFT;

	atomic64_sub(pages, &bo->mm->pinned_vm);
	dseek_uncharge(bo->tenant, DSEEK_PINNED, bo->base.size);
	atomic64_sub(pages, &dseek->pinned_pages);
	bo->charged = false;
}

static int bo_charge(struct dseek_bo *bo)
{
	u64 pages = bo->base.size >> PAGE_SHIFT;
	int err;

	err = dseek_charge(bo->tenant, DSEEK_PINNED, bo->base.size);
	if (err)
		return err;
	err = mm_charge(bo->mm, pages);
	if (err) {
		drm_dbg(&dseek->drm, "%s: %zu bytes more would exceed RLIMIT_MEMLOCK\n", bo->tenant->label,
			bo->base.size);
		dseek_uncharge(bo->tenant, DSEEK_PINNED, bo->base.size);
		return err;
	}
	atomic64_add(pages, &dseek->pinned_pages);
	bo->charged = true;
	return 0;
}

int dseek_bo_populate(struct dseek_bo *bo)
{
	int err = bo_charge(bo);

	if (err)
		return err;
	err = dseek_bo_pin_pages(bo);
	if (err) {
		bo_uncharge(bo);
		return err;
	}
	err = dseek_room(0);
	if (err)
		dseek_bo_depopulate(bo);
	return err;
}

void dseek_bo_depopulate(struct dseek_bo *bo)
{
	dseek_bo_unpin_pages(bo);
	bo_uncharge(bo);
}

/* May be called from munmap, with mmap_lock held, and from the shrinker. */
static void bo_free(struct drm_gem_object *obj)
{
	struct dseek_bo *bo = to_bo(obj);

	WARN_ON(!list_empty(&bo->maps) || atomic_read(&bo->jobs));
	if (bo->pages || bo->purged || bo->sgt || bo->memory)	/* else it never came to be */
		trace_dseek_bo_free(bo);
	xa_erase(&dseek->bos, bo->index);
	if (bo->counted)
		atomic_long_sub(obj->size >> PAGE_SHIFT, &dseek->purgeable_pages);
	if (bo->pages)
		dseek_bo_depopulate(bo);
	if (bo->memory)
		dseek_memory_put(bo->memory);
	if (obj->import_attach) {
		dseek_uncharge(bo->tenant, DSEEK_IMPORTED, obj->size);
		drm_prime_gem_destroy(obj, bo->sgt);
		dseek_count(DSEEK_COUNT_IMPORTS, -1);
	}
	if (bo->mm)
		mmdrop(bo->mm);
	if (bo->tenant)
		dseek_tenant_put(bo->tenant);
	drm_gem_object_release(obj);
	mutex_destroy(&bo->lock);
	kfree(bo);
	dseek_count(DSEEK_COUNT_BOS, -1);
}

static int bo_handle_open(struct drm_gem_object *obj, struct drm_file *drm_file)
{
	atomic_inc(&to_bo(obj)->handles);
	return 0;
}

static void bo_handle_close(struct drm_gem_object *obj, struct drm_file *drm_file)
{
	struct dseek_bo *bo = to_bo(obj);

	if (atomic_dec_and_test(&bo->handles))
		dseek_exec_retire(bo);
}

static struct sg_table *bo_get_sg_table(struct drm_gem_object *obj)
{
	return drm_prime_pages_to_sg(obj->dev, to_bo(obj)->pages, obj->size >> PAGE_SHIFT);
}

static int bo_vmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	void *vaddr = vmap(to_bo(obj)->pages, obj->size >> PAGE_SHIFT, VM_MAP, PAGE_KERNEL);

	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void bo_vunmap(struct drm_gem_object *obj, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

/* Pages are pinned as it is; what is exported is no longer purged. */
static int bo_pin(struct drm_gem_object *obj)
{
	return 0;
}

static struct dma_buf *bo_export(struct drm_gem_object *obj, int flags)
{
	struct dseek_bo *bo = to_bo(obj);

	if (bo->memory)
		return dseek_memory_export(bo->memory);
	mutex_lock(&bo->lock);
	if (bo->purged) {
		mutex_unlock(&bo->lock);
		drm_dbg(obj->dev, "export: the buffer was purged, make it WILLNEED first\n");
		return ERR_PTR(-EINVAL);
	}
	dseek_bo_willneed(bo);	/* can't fail: the pages are there */
	bo->exported = true;
	mutex_unlock(&bo->lock);
	return drm_gem_prime_export(obj, flags);
}

static int bo_mmap(struct drm_gem_object *obj, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

const struct drm_gem_object_funcs dseek_bo_funcs = {
	.free = bo_free,
	.open = bo_handle_open,
	.close = bo_handle_close,
	.export = bo_export,
	.pin = bo_pin,
	.get_sg_table = bo_get_sg_table,
	.vmap = bo_vmap,
	.vunmap = bo_vunmap,
	.mmap = bo_mmap,
	.vm_ops = &dseek_bo_vm_ops,
};

struct dseek_bo *dseek_bo_alloc(size_t size)
{
	struct dseek_bo *bo = kzalloc(sizeof(*bo), DSEEK_GFP);

	if (!bo)
		return NULL;
	bo->base.funcs = &dseek_bo_funcs;
	bo->id = dseek_new_id();
	dseek_bo_lock_init(&bo->lock);
	INIT_LIST_HEAD(&bo->maps);
	/* Only the place: it is nothing to look at yet. */
	if (xa_alloc(&dseek->bos, &bo->index, NULL, xa_limit_32b, DSEEK_GFP)) {
		mutex_destroy(&bo->lock);
		kfree(bo);
		return NULL;
	}
	drm_gem_private_object_init(&dseek->drm, &bo->base, size);
	dseek_count(DSEEK_COUNT_BOS, 1);
	return bo;
}

void dseek_bo_publish(struct dseek_bo *bo)
{
	xa_store(&dseek->bos, bo->index, bo, GFP_KERNEL);	/* can't fail: the place is there */
}

static void bo_free_work(struct work_struct *work)
{
	drm_gem_object_free(&container_of(work, struct dseek_bo, free_work)->base.refcount);
}

static void bo_free_later(struct kref *ref)
{
	struct dseek_bo *bo = container_of(ref, struct dseek_bo, base.refcount);

	INIT_WORK(&bo->free_work, bo_free_work);
	queue_work(dseek->free_wq, &bo->free_work);
}

/* To clear a large buffer takes long, and an executor has jobs to run, a tenant its own to submit. */
void dseek_bo_put(struct dseek_bo *bo)
{
	kref_put(&bo->base.refcount, bo_free_later);
}

struct dseek_bo *dseek_bo_find(unsigned long *at, unsigned long last, xa_mark_t which)
{
	struct dseek_bo *bo;

	xa_lock(&dseek->bos);	/* bo_free() takes it out under the same, so it is there to be looked at */
	while ((bo = xa_find(&dseek->bos, at, last, which)) && !kref_get_unless_zero(&bo->base.refcount))
		++*at;
	xa_unlock(&dseek->bos);
	return bo;
}

static int get_pages(struct dseek_bo *bo, const struct drm_dseek_bo_create *args)
{
	int err;

	bo->mm = current->mm;
	mmgrab(bo->mm);
	err = dseek_bo_set_file(bo, args->numa_node);
	return err ?: dseek_bo_populate(bo);
}

static int get_memory(struct dseek_bo *bo, struct dseek_file *file, u32 engine)
{
	struct dseek_memory *memory = dseek_memory_create(file, engine, bo->id, bo->base.size);

	if (IS_ERR(memory))
		return PTR_ERR(memory);
	bo->memory = memory;
	return 0;
}

/*
 * At multiples of a huge page, and what remains behind a buffer's end is nobody's (dseek_mmap()): kernels whose finish_fault() maps a
 * huge folio as a whole take for granted that a file's offsets are aligned as its folios are.
 */
static int create_offset(struct dseek_bo *bo)
{
	int err = drm_gem_create_mmap_offset_size(&bo->base, ALIGN(bo->base.size, PMD_SIZE));

	return err == -ENOSPC ? -ENOMEM : err;
}

int dseek_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_bo_create *args = data;
	bool device = args->flags & DRM_DSEEK_BO_DEVICE;
	struct dseek_bo *bo;
	u64 size;
	u32 handle;
	int err;

	if (args->pad || args->pad2 || args->flags & ~DSEEK_BO_FLAGS) {
		drm_dbg(drm, "BO_CREATE: pad or unknown flags 0x%x\n", args->flags);
		return -EINVAL;
	}
	if (device ? args->flags & DRM_DSEEK_BO_HUGE || args->numa_node != -1 : args->engine) {
		drm_dbg(drm, "BO_CREATE: flags 0x%x with node %d and engine %u\n", args->flags, args->numa_node, args->engine);
		return -EINVAL;
	}
	if (args->numa_node < -1 || (args->numa_node >= 0 && (args->numa_node >= nr_node_ids ||
							      !node_online(args->numa_node)))) {
		drm_dbg(drm, "BO_CREATE: no NUMA node %d\n", args->numa_node);
		return -EINVAL;
	}
	if (!args->size || args->size > S64_MAX) {
		drm_dbg(drm, "BO_CREATE: size %llu is no size\n", args->size);
		return -EINVAL;
	}
	if (args->size > DSEEK_BO_MOST) {
		drm_dbg(drm, "BO_CREATE: size %llu is above %llu\n", args->size, DSEEK_BO_MOST);
		return -EDQUOT;
	}
	size = PAGE_ALIGN(args->size);
	bo = dseek_bo_alloc(size);
	if (!bo)
		return -ENOMEM;
	bo->flags = args->flags;
	bo->tenant = dseek_tenant_get(file->tenant);
	err = device ? get_memory(bo, file, args->engine) : get_pages(bo, args);
	if (!err) {
		trace_dseek_bo_create(bo);
		dseek_bo_publish(bo);
		err = create_offset(bo);
	}
	if (!err)
		err = drm_gem_handle_create(drm_file, &bo->base, &handle);
	if (!err) {
		args->size = size;
		args->handle = handle;
	}
	drm_gem_object_put(&bo->base);
	return err;
}

int dseek_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_dseek_bo_info *args = data;
	struct drm_gem_object *obj;
	int err;

	if (args->flags || args->pad) {
		drm_dbg(drm, "BO_INFO: flags 0x%x and pad must be 0\n", args->flags);
		return -EINVAL;
	}
	obj = drm_gem_object_lookup(drm_file, args->handle);
	if (!obj)
		return -ENOENT;
	err = create_offset(to_bo(obj));	/* imported ones have none yet */
	if (err) {
		drm_gem_object_put(obj);
		return err;
	}
	args->flags = to_bo(obj)->memory ? dseek_memory_flags(to_bo(obj)->memory) : to_bo(obj)->flags;
	args->engine = to_bo(obj)->memory ? dseek_memory_engine(to_bo(obj)->memory) : 0;
	args->size = obj->size;
	args->mmap_offset = drm_vma_node_offset_addr(&obj->vma_node);
	args->id = to_bo(obj)->id;
	drm_gem_object_put(obj);
	return 0;
}

int dseek_bo_use(struct dseek_bo *bo, bool write)
{
	int err = 0;

	mutex_lock(&bo->lock);
	if (bo->advice == DRM_DSEEK_MADV_DONTNEED)
		err = -EINVAL;
	else if (atomic_inc_return(&bo->jobs) == 1 && !list_empty_careful(&bo->maps))
		dseek_exec_unretire(bo);
	if (!err && write && !bo->writable)
		WRITE_ONCE(bo->writable, true);
	mutex_unlock(&bo->lock);
	return err;
}

void dseek_bo_unuse(struct dseek_bo *bo)
{
	if (atomic_dec_and_test(&bo->jobs) && !list_empty_careful(&bo->maps))
		dseek_exec_retire(bo);
}

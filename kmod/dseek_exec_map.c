// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an executor maps: buffers of jobs it holds, on its own file. A mapping outlives the job, so that the
 * executor can keep it for the next one; when the tenant has let go of the buffer the executor is told to unmap.
 */
#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "dseek_compat.h"
#include "dseek_drv.h"

static void map_free(struct kref *ref)
{
	struct dseek_exec_map *map = container_of(ref, struct dseek_exec_map, ref);

	spin_lock(&dseek->map_lock);
	list_del(&map->bo_link);
	spin_unlock(&dseek->map_lock);
	if (map->registered)
		dseek_uncharge(map->bo->tenant, DSEEK_REGISTERED, map->bo->base.size);
	dseek_bo_put(map->bo);
	kfree(map);
	dseek_count(DSEEK_COUNT_MAPS, -1);
}

static void map_put(struct dseek_exec_map *map)
{
	kref_put(&map->ref, map_free);
}

static struct dseek_exec_map *map_of(struct dseek_exec *exec, struct dseek_bo *bo)
{
	struct dseek_exec_map *map;

	lockdep_assert_held(&dseek->map_lock);
	list_for_each_entry(map, &bo->maps, bo_link)
		if (map->exec == exec)
			return map;
	return NULL;
}

static int map_create(struct dseek_exec *exec, struct dseek_bo *bo, u32 *ret_index)
{
	struct dseek_exec_map *map, *other;
	int err;

	spin_lock(&dseek->map_lock);
	other = map_of(exec, bo);
	if (other)
		*ret_index = other->index;
	spin_unlock(&dseek->map_lock);
	if (other)
		return 0;

	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;
	kref_init(&map->ref);
	map->bo = bo;
	if (exec->engine->type == DRM_DSEEK_ENGINE_NIC) {
		err = dseek_charge(bo->tenant, DSEEK_REGISTERED, bo->base.size);
		if (err)
			goto err_map;
		map->registered = true;
	}
	err = xa_alloc(&exec->maps, &map->index, map, XA_LIMIT(1, (1 << 20) - 1), GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_charge;
	drm_gem_object_get(&bo->base);
	dseek_count(DSEEK_COUNT_MAPS, 1);
	spin_lock(&dseek->map_lock);
	other = map_of(exec, bo);
	if (other) {
		*ret_index = other->index;
		list_add(&map->bo_link, &bo->maps);	/* map_free() takes it off */
	} else {
		map->exec = exec;
		*ret_index = map->index;
		list_add(&map->bo_link, &bo->maps);
		list_add(&map->exec_link, &exec->active);
	}
	spin_unlock(&dseek->map_lock);
	if (other) {
		xa_erase(&exec->maps, map->index);
		map_put(map);
	}
	return 0;

err_charge:
	if (map->registered)
		dseek_uncharge(bo->tenant, DSEEK_REGISTERED, bo->base.size);
err_map:
	kfree(map);
	return err;
}

int dseek_exec_map(struct dseek_exec *exec, struct drm_dseek_map *args)
{
	struct dseek_engine *engine = exec->engine;
	struct dseek_bo *bo = NULL;
	struct dseek_job *job;
	u32 index;
	int err = -EINVAL;

	if (!engine)
		return -ENOTCONN;
	spin_lock_irq(&engine->lock);
	job = !exec->lost && args->tag < exec->depth ? exec->jobs[args->tag] : NULL;
	if (job && args->binding < job->binding_count) {
		/* As the job itself has it: that may be given back before the mapping is there to be retired, or purged for. */
		bo = job->bindings[args->binding].bo;
		drm_gem_object_get(&bo->base);
		atomic_inc(&bo->jobs);
	} else if (exec->lost) {
		err = -ESTALE;
	}
	spin_unlock_irq(&engine->lock);
	if (!bo) {
		drm_dbg(&dseek->drm, "MAP: tag %u isn't held or has no binding %u\n", args->tag, args->binding);
		return err;
	}
	if (bo->memory) {
		err = dseek_memory_lost(bo->memory) ? -ENODEV : -EINVAL;
		drm_dbg(&dseek->drm, "MAP: tag %u: binding %u is in the engine's own memory\n", args->tag, args->binding);
	} else {
		err = map_create(exec, bo, &index);
	}
	if (!err) {
		args->mmap_offset = (u64)index << DSEEK_MAP_SHIFT;
		args->bo_id = bo->id;
		args->bo_size = bo->base.size;
	}
	dseek_bo_unuse(bo);
	dseek_bo_put(bo);
	return err;
}

/* ---- VMAs */

static void map_vm_open(struct vm_area_struct *vma)
{
	struct dseek_exec_map *map = vma->vm_private_data;

	kref_get(&map->ref);
}

static void map_vm_close(struct vm_area_struct *vma)
{
	map_put(vma->vm_private_data);
}

#define PGOFF_MASK ((1UL << (DSEEK_MAP_SHIFT - PAGE_SHIFT)) - 1)

/*
 * Without bo->lock: a tenant's thread may have it that is not given the CPU, and the executor's others' jobs to run. What is on bo->maps
 * isn't purged, and was not when it came there, as a job named it.
 */
static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct dseek_exec_map *map = vmf->vma->vm_private_data;

	return dseek_bo_fault_page(map->bo, vmf, vmf->pgoff & PGOFF_MASK);
}

#ifdef DSEEK_HUGE_FAULT
static vm_fault_t map_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct dseek_exec_map *map = vmf->vma->vm_private_data;

	return dseek_bo_fault_huge(map->bo, vmf, order, vmf->vma->vm_pgoff & ~PGOFF_MASK);
}
#endif

static const struct vm_operations_struct map_vm_ops = {
	.open = map_vm_open,
	.close = map_vm_close,
	.fault = map_fault,
#ifdef DSEEK_HUGE_FAULT
	.huge_fault = map_huge_fault,
#endif
};

int dseek_exec_mmap_bo(struct dseek_exec *exec, struct vm_area_struct *vma)
{
	pgoff_t page = vma->vm_pgoff & PGOFF_MASK;
	struct dseek_exec_map *map;
	struct dseek_bo *bo;
	pgoff_t pages;
	int err = 0;

	/* Another thread may just take it out of the table, or put it in; the table has a reference as long as map->exec is set. */
	spin_lock(&dseek->map_lock);
	map = xa_load(&exec->maps, vma->vm_pgoff >> (DSEEK_MAP_SHIFT - PAGE_SHIFT));
	if (map && map->exec)
		kref_get(&map->ref);
	else
		map = NULL;
	spin_unlock(&dseek->map_lock);
	if (!map)
		return -EINVAL;
	bo = map->bo;
	pages = bo->base.size >> PAGE_SHIFT;
	if (page >= pages || vma_pages(vma) > pages - page)
		err = -EINVAL;
	else if (vma->vm_flags & VM_WRITE && !READ_ONCE(bo->writable))
		err = -EPERM;
	if (err) {
		map_put(map);
		return err;
	}
	if (!READ_ONCE(bo->writable))
		vm_flags_clear(vma, VM_MAYWRITE);
	if (bo->base.import_attach) {
		err = dseek_dmabuf_mmap(bo->base.import_attach->dmabuf, vma, page);
		map_put(map);
		return err;
	}
	/* A child of the executor has no business there. */
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	vma->vm_private_data = map;
	vma->vm_ops = &map_vm_ops;
	return 0;
}

/* ---- telling the executor to unmap */

/* If nothing needs the buffer at an executor any more, tell each that has it mapped. */
void dseek_exec_retire(struct dseek_bo *bo)
{
	struct dseek_exec_map *map;

	spin_lock(&dseek->map_lock);
	if (!atomic_read(&bo->jobs) &&
	    (!atomic_read(&bo->handles) || READ_ONCE(bo->advice) == DRM_DSEEK_MADV_DONTNEED)) {
		list_for_each_entry(map, &bo->maps, bo_link) {
			if (!map->exec || map->retired)
				continue;
			map->retired = true;
			list_move_tail(&map->exec_link, &map->exec->retired);
			wake_up_interruptible(&map->exec->engine->wait);
		}
	}
	spin_unlock(&dseek->map_lock);
}

/* A job names it again before the executor was told. */
void dseek_exec_unretire(struct dseek_bo *bo)
{
	struct dseek_exec_map *map;

	spin_lock(&dseek->map_lock);
	list_for_each_entry(map, &bo->maps, bo_link) {
		if (!map->retired || !map->exec)
			continue;
		map->retired = false;
		list_move(&map->exec_link, &map->exec->active);
	}
	spin_unlock(&dseek->map_lock);
}

/* Out of the executor's table; its VMAs keep it until they are unmapped. */
static void map_drop(struct dseek_exec *exec, struct dseek_exec_map *map)
{
	lockdep_assert_held(&dseek->map_lock);
	list_del(&map->exec_link);
	map->exec = NULL;
}

u32 dseek_exec_take_retired(struct dseek_exec *exec, u64 *ids, u32 max)
{
	struct dseek_exec_map *map;
	u32 count = 0;

	while (count < max) {
		spin_lock(&dseek->map_lock);
		map = list_first_entry_or_null(&exec->retired, struct dseek_exec_map, exec_link);
		if (map)
			map_drop(exec, map);
		spin_unlock(&dseek->map_lock);
		if (!map)
			break;
		ids[count++] = map->bo->id;
		xa_erase(&exec->maps, map->index);
		map_put(map);
	}
	return count + dseek_memory_take_unwanted(exec, ids + count, max - count);
}

/* The file is closing: nobody else can reach @exec but buffers, through their maps. */
void dseek_exec_unmap_all(struct dseek_exec *exec)
{
	struct dseek_exec_map *map;
	unsigned long index;

	xa_for_each(&exec->maps, index, map) {
		spin_lock(&dseek->map_lock);
		map_drop(exec, map);
		spin_unlock(&dseek->map_lock);
		xa_erase(&exec->maps, index);
		map_put(map);
	}
	xa_destroy(&exec->maps);
}

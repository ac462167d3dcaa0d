// SPDX-License-Identifier: GPL-2.0-only
/*
 * Purgeable buffers. DONTNEED says that the contents may go; under memory pressure the shrinker drops the pages and
 * gives back what they were charged. WILLNEED says whether the contents are still there, and if not, pins new,
 * zeroed pages. Never purged: what a job names, what an executor has mapped (it is asked to unmap), what was ever
 * exported or imported. Touching a purged buffer is SIGBUS.
 */
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <drm/drm_vma_manager.h>

#include "dseek_compat.h"
#include "dseek_drv.h"
#include "dseek_trace.h"

static bool bo_purgeable(struct dseek_bo *bo)
{
	lockdep_assert_held(&bo->lock);
	return bo->advice == DRM_DSEEK_MADV_DONTNEED && bo->pages && !bo->exported &&
	       !atomic_read(&bo->jobs) && list_empty_careful(&bo->maps);
}

static void bo_purge(struct dseek_bo *bo)
{
	trace_dseek_bo_purge(bo);
	bo->purged = true;
	drm_vma_node_unmap(&bo->base.vma_node, dseek->drm.anon_inode->i_mapping);
	dseek_bo_depopulate(bo);
	shmem_truncate_range(file_inode(bo->base.filp), 0, (loff_t)-1);
	atomic64_add(bo->base.size >> PAGE_SHIFT, &dseek->purged_pages);
	atomic_long_sub(bo->base.size >> PAGE_SHIFT, &dseek->purgeable_pages);
	bo->counted = false;
}

/* Walks all buffers once; each is moved to the end of the list as it is looked at. */
unsigned long dseek_purge(unsigned long pages)
{
	int left = atomic_read(&dseek->count[DSEEK_COUNT_BOS]);
	unsigned long dropped = 0;

	while (left-- > 0 && dropped < pages) {
		struct dseek_bo *bo;
		bool got;

		spin_lock(&dseek->bo_lock);
		bo = list_first_entry_or_null(&dseek->bos, struct dseek_bo, link);
		if (!bo) {
			spin_unlock(&dseek->bo_lock);
			break;
		}
		list_move_tail(&bo->link, &dseek->bos);
		got = bo->counted && kref_get_unless_zero(&bo->base.refcount);
		spin_unlock(&dseek->bo_lock);
		if (!got)
			continue;
		if (mutex_trylock(&bo->lock)) {
			if (bo_purgeable(bo)) {
				bo_purge(bo);
				dropped += bo->base.size >> PAGE_SHIFT;
			}
			mutex_unlock(&bo->lock);
		}
		drm_gem_object_put(&bo->base);
	}
	return dropped;
}

static unsigned long purge_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return atomic_long_read(&dseek->purgeable_pages) ?: SHRINK_EMPTY;
}

static unsigned long purge_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	return dseek_purge(sc->nr_to_scan) ?: SHRINK_STOP;
}

int dseek_purge_init(struct dseek_device *dev)
{
	dev->shrinker = dseek_shrinker_create("dseek", purge_count, purge_scan);
	return dev->shrinker ? 0 : -ENOMEM;
}

void dseek_purge_fini(struct dseek_device *dev)
{
	dseek_shrinker_destroy(dev->shrinker);
}

static void bo_dontneed(struct dseek_bo *bo)
{
	bo->advice = DRM_DSEEK_MADV_DONTNEED;
	if (bo->pages && !bo->counted) {
		bo->counted = true;
		atomic_long_add(bo->base.size >> PAGE_SHIFT, &dseek->purgeable_pages);
	}
	if (!atomic_read(&bo->jobs))
		dseek_exec_retire(bo);
}

static int bo_willneed(struct dseek_bo *bo)
{
	if (bo->purged) {
		int err = dseek_bo_populate(bo);

		if (err) {
			/* Those that could be had would stay in the file, and its memory cgroup. */
			shmem_truncate_range(file_inode(bo->base.filp), 0, (loff_t)-1);
			return err;
		}
		bo->purged = false;
	}
	if (bo->counted) {
		bo->counted = false;
		atomic_long_sub(bo->base.size >> PAGE_SHIFT, &dseek->purgeable_pages);
	}
	bo->advice = DRM_DSEEK_MADV_WILLNEED;
	return 0;
}

int dseek_ioctl_bo_madvise(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct drm_dseek_bo_madvise *args = data;
	struct drm_gem_object *obj;
	struct dseek_bo *bo;
	bool retained;
	int err = 0;

	if (args->pad || args->advice >= DRM_DSEEK_MADV_COUNT) {
		drm_dbg(drm, "BO_MADVISE: pad or unknown advice %u\n", args->advice);
		return -EINVAL;
	}
	obj = drm_gem_object_lookup(drm_file, args->handle);
	if (!obj)
		return -ENOENT;
	bo = to_bo(obj);
	if (obj->import_attach) {
		drm_gem_object_put(obj);
		drm_dbg(drm, "BO_MADVISE: an imported buffer is its exporter's\n");
		return -EINVAL;
	}
	mutex_lock(&bo->lock);
	retained = !bo->purged;
	if (args->advice == DRM_DSEEK_MADV_DONTNEED)
		bo_dontneed(bo);
	else
		err = bo_willneed(bo);
	mutex_unlock(&bo->lock);
	drm_gem_object_put(obj);
	if (!err)
		args->retained = retained;
	return err;
}

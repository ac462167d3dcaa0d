// SPDX-License-Identifier: GPL-2.0-only
/*
 * Purgeable buffers. DONTNEED says that the contents may go; under memory pressure the shrinker drops the pages and
 * gives back what they were charged. WILLNEED says whether the contents are still there, and if not, pins new,
 * zeroed pages. Never purged: what a job names, what an executor has mapped (it is asked to unmap); nor, for the moment, what is
 * being faulted in. What was ever exported or imported is never DONTNEED. Touching a purged buffer is SIGBUS.
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
	/* Who maps it has it on the list before he says that his job is over; no job comes under the lock, and none to what is DONTNEED. */
	return bo->advice == DRM_DSEEK_MADV_DONTNEED && bo->pages &&
	       !atomic_read_acquire(&bo->jobs) && list_empty_careful(&bo->maps) && !dseek_bo_in_fault(bo);
}

static void bo_count(struct dseek_bo *bo, bool counted)
{
	long pages = bo->base.size >> PAGE_SHIFT;

	lockdep_assert_held(&bo->lock);
	WRITE_ONCE(bo->counted, counted);
	if (counted)
		xa_set_mark(&dseek->bos, bo->index, DSEEK_BO_COUNTED);
	else
		xa_clear_mark(&dseek->bos, bo->index, DSEEK_BO_COUNTED);
	atomic_long_add(counted ? pages : -pages, &dseek->purgeable_pages);
}

static void bo_purge(struct dseek_bo *bo)
{
	trace_dseek_bo_purge(bo);
	bo->purged = true;
	drm_vma_node_unmap(&bo->base.vma_node, dseek->drm.anon_inode->i_mapping);
	dseek_bo_depopulate(bo);
	shmem_truncate_range(file_inode(bo->base.filp), 0, (loff_t)-1);
	atomic64_add(bo->base.size >> PAGE_SHIFT, &dseek->purged_pages);
	bo_count(bo, false);
}

/*
 * Once around, from where the last one stopped, so that all take their turn; *looks: at as many buffers, as not each that is DONTNEED may
 * go, and what is left of that.
 */
unsigned long dseek_purge(unsigned long pages, unsigned long *looks)
{
	unsigned long from = READ_ONCE(dseek->purge_hand), at = from, dropped = 0;
	bool again = false;

	while (dropped < pages && *looks) {
		struct dseek_bo *bo = dseek_bo_find(&at, again ? from - 1 : ULONG_MAX, DSEEK_BO_COUNTED);

		if (!bo) {
			if (again || !from)
				break;
			again = true;
			at = 0;
			continue;
		}
		at++;
		--*looks;
		if (mutex_trylock(&bo->lock)) {
			if (bo_purgeable(bo)) {
				bo_purge(bo);
				dropped += bo->base.size >> PAGE_SHIFT;
			}
			mutex_unlock(&bo->lock);
		}
		drm_gem_object_put(&bo->base);
		cond_resched();
	}
	WRITE_ONCE(dseek->purge_hand, at);
	return dropped;
}

static unsigned long purge_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return atomic_long_read(&dseek->purgeable_pages) ?: SHRINK_EMPTY;
}

static unsigned long purge_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long looks = sc->nr_to_scan, dropped = dseek_purge(sc->nr_to_scan, &looks);

	return dropped || !looks ? dropped : SHRINK_STOP;
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

/* Who has been given an exported one can't say that its owner doesn't need it. */
static void bo_dontneed(struct dseek_bo *bo)
{
	if (bo->exported)
		return;
	WRITE_ONCE(bo->advice, DRM_DSEEK_MADV_DONTNEED);
	if (bo->pages && !bo->counted)
		bo_count(bo, true);
	dseek_exec_retire(bo);	/* it looks itself, under a lock, whether a job names it: the last may be over just now */
}

int dseek_bo_willneed(struct dseek_bo *bo)
{
	lockdep_assert_held(&bo->lock);
	if (bo->purged) {
		int err = dseek_bo_populate(bo);

		if (err) {
			/* Those that could be had would stay in the file, and its memory cgroup. */
			shmem_truncate_range(file_inode(bo->base.filp), 0, (loff_t)-1);
			return err;
		}
		bo->purged = false;
	}
	if (bo->counted)
		bo_count(bo, false);
	WRITE_ONCE(bo->advice, DRM_DSEEK_MADV_WILLNEED);
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
	if (obj->import_attach || bo->memory) {
		drm_gem_object_put(obj);
		drm_dbg(drm, "BO_MADVISE: a buffer that is imported is its exporter's, one in an engine's memory the executor's\n");
		return -EINVAL;
	}
	mutex_lock(&bo->lock);
	retained = !bo->purged;
	if (args->advice == DRM_DSEEK_MADV_DONTNEED)
		bo_dontneed(bo);
	else
		err = dseek_bo_willneed(bo);
	mutex_unlock(&bo->lock);
	drm_gem_object_put(obj);
	if (!err)
		args->retained = retained;
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Buffers: pages that tenants and executors map. */
#ifndef DSEEK_BO_H
#define DSEEK_BO_H

#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <drm/drm_gem.h>

struct dma_buf;
struct dma_buf_attachment;
struct drm_device;
struct drm_file;
struct dseek_device;
struct dseek_memory;
struct dseek_tenant;
struct sg_table;

/* ---- buffers */

struct dseek_bo {
	struct drm_gem_object base;
	u32 index;			/* in dseek->bos */
	u64 id;
	u32 flags;			/* DRM_DSEEK_BO_* */
	bool charged;			/* pinned bytes charged: to @tenant and @mm */
	bool counted;			/* in dseek->purgeable_pages, and marked in dseek->bos; under @lock */
	bool exported;			/* as a dma-buf, at any time; under @lock */
	bool purged;			/* under @lock */
	u32 advice;			/* enum drm_dseek_madvise, under @lock */
	bool writable;			/* ever bound for writing; sticky */
	struct dseek_tenant *tenant;
	struct mm_struct *mm;		/* whose pinned_vm is charged; mmgrab()bed */
	struct mutex lock;
	struct page **pages;		/* NULL: purged or imported; under @lock */
	struct sg_table *sgt;		/* imported */
	struct dseek_memory *memory;	/* of an engine's own, instead of pages */
	atomic_t handles;
	atomic_t jobs;			/* that name it and aren't over, and MAPs under way */
	struct list_head maps;		/* struct dseek_exec_map, dseek->map_lock */
	struct work_struct free_work;	/* once its last reference is gone */
};

static inline struct dseek_bo *to_bo(struct drm_gem_object *obj)
{
	return container_of(obj, struct dseek_bo, base);
}

extern const struct drm_gem_object_funcs dseek_bo_funcs;
extern const struct vm_operations_struct dseek_bo_vm_ops;

/* dseek->bos: those that counted are marked, so that a purge comes by no others. */
#define DSEEK_BO_COUNTED XA_MARK_1

struct dseek_bo *dseek_bo_alloc(size_t size);	/* nothing charged, no pages yet, not to be found */
void dseek_bo_put(struct dseek_bo *bo);		/* for who has others to serve: what it takes to free it is left to a worker */
void dseek_bo_publish(struct dseek_bo *bo);	/* dseek_bo_find() finds it from here on */
/* The first at or behind *at, up to @last, with a reference; *at is where it is. NULL */
struct dseek_bo *dseek_bo_find(unsigned long *at, unsigned long last, xa_mark_t which);
int dseek_bo_populate(struct dseek_bo *bo);	/* charge and pin; bo->lock held or not yet published */
void dseek_bo_depopulate(struct dseek_bo *bo);
int dseek_bo_use(struct dseek_bo *bo, bool write);	/* by a job; -EINVAL if it is marked DONTNEED */
void dseek_bo_unuse(struct dseek_bo *bo);
int dseek_bo_set_file(struct dseek_bo *bo, int node);	/* -1: where the caller's memory policy says */
int dseek_bo_pin_pages(struct dseek_bo *bo);
void dseek_bo_unpin_pages(struct dseek_bo *bo);
void dseek_backing_init(void);
void dseek_backing_fini(void);	/* no buffers left */
/* bo->lock held, or it is on bo->maps. */
vm_fault_t dseek_bo_fault_page(struct dseek_bo *bo, struct vm_fault *vmf, pgoff_t page);
vm_fault_t dseek_bo_fault_huge(struct dseek_bo *bo, struct vm_fault *vmf, unsigned int order, pgoff_t base);
bool dseek_bo_in_fault(struct dseek_bo *bo);
int dseek_mmap(struct file *file, struct vm_area_struct *vma);
int dseek_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma, pgoff_t page);
struct drm_gem_object *dseek_gem_import_sg(struct drm_device *drm, struct dma_buf_attachment *attach,
					   struct sg_table *sgt);
int dseek_bo_willneed(struct dseek_bo *bo);	/* bo->lock held; new pages if it was purged */
unsigned long dseek_purge(unsigned long pages, unsigned long *looks);	/* pages dropped; *looks: at so many buffers, at most */
int dseek_purge_init(struct dseek_device *dev);
void dseek_purge_fini(struct dseek_device *dev);

int dseek_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *drm_file);
int dseek_ioctl_bo_madvise(struct drm_device *drm, void *data, struct drm_file *drm_file);

#endif /* DSEEK_BO_H */

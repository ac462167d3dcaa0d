// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of buffers, and imported ones. Faults hand out the shmem page itself and the VMA carries none of VM_PFNMAP,
 * VM_IO and VM_MIXEDMAP, so get_user_pages (io_uring, vmsplice, ibv_reg_mr, hipHostRegister) works on
 * them; the VMA is not the shmem file's, so a tenant can't punch holes under pinned pages.
 */
#include <linux/dma-buf.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>

#include "dseek_compat.h"
#include "dseek_drv.h"
#include "dseek_trace.h"

vm_fault_t dseek_bo_fault_page(struct dseek_bo *bo, struct vm_fault *vmf, pgoff_t page)
{
	if (page >= bo->base.size >> PAGE_SHIFT || !bo->pages)
		return VM_FAULT_SIGBUS;
	vmf->page = bo->pages[page];
	get_page(vmf->page);
	return 0;
}

/*
 * Whether a page of it may be on its way into a page table, where unmapping would not find it yet. Never waits: who asks may be
 * the fault itself, which reclaims memory for the table. Others who lock pages for a moment make it true, too.
 */
bool dseek_bo_in_fault(struct dseek_bo *bo)
{
	size_t count = bo->base.size >> PAGE_SHIFT, i = 0;

	lockdep_assert_held(&bo->lock);
	while (i < count) {
		struct folio *folio = page_folio(bo->pages[i]);

		if (!folio_trylock(folio))
			return true;
		folio_unlock(folio);
		i += folio_nr_pages(folio) - folio_page_idx(folio, bo->pages[i]);
	}
	return false;
}

vm_fault_t dseek_bo_fault_huge(struct dseek_bo *bo, struct vm_fault *vmf, unsigned int order, pgoff_t base)
{
	vm_fault_t ret = VM_FAULT_FALLBACK;
#ifdef DSEEK_HUGE_FAULT
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;
	struct folio *folio;
	pgoff_t page;

	if (order != PMD_ORDER || start < vma->vm_start || start + PMD_SIZE > vma->vm_end)
		return ret;
	page = linear_page_index(vma, start) - base;
	if (page + HPAGE_PMD_NR > bo->base.size >> PAGE_SHIFT || !bo->pages)
		return ret;
	folio = page_folio(bo->pages[page]);
	if (folio_order(folio) == PMD_ORDER && &folio->page == bo->pages[page])
		ret = vmf_insert_folio_pmd(vmf, folio, vmf->flags & FAULT_FLAG_WRITE);
#endif
	return ret;
}

/* The page is handed out locked, and is so until it is in the page table: dseek_bo_in_fault(). */
static vm_fault_t bo_fault(struct vm_fault *vmf)
{
	struct dseek_bo *bo = to_bo(vmf->vma->vm_private_data);
	vm_fault_t ret;

	mutex_lock(&bo->lock);
	ret = dseek_bo_fault_page(bo, vmf, vmf->pgoff - drm_vma_node_start(&bo->base.vma_node));
	if (!ret) {
		lock_page(vmf->page);
		ret = VM_FAULT_LOCKED;
	}
	mutex_unlock(&bo->lock);
	return ret;
}

#ifdef DSEEK_HUGE_FAULT
static vm_fault_t bo_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct dseek_bo *bo = to_bo(vmf->vma->vm_private_data);
	vm_fault_t ret;

	mutex_lock(&bo->lock);
	ret = dseek_bo_fault_huge(bo, vmf, order, drm_vma_node_start(&bo->base.vma_node));
	mutex_unlock(&bo->lock);
	return ret;
}
#endif

const struct vm_operations_struct dseek_bo_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = bo_fault,
#ifdef DSEEK_HUGE_FAULT
	.huge_fault = bo_huge_fault,
#endif
};

static struct drm_gem_object *bo_at(struct drm_file *drm_file, struct vm_area_struct *vma)
{
	struct drm_vma_offset_manager *mgr = dseek->drm.vma_offset_manager;
	struct drm_vma_offset_node *node;
	struct drm_gem_object *obj = ERR_PTR(-EINVAL);

	drm_vma_offset_lock_lookup(mgr);
	node = drm_vma_offset_lookup_locked(mgr, vma->vm_pgoff, vma_pages(vma));
	if (node) {
		struct drm_gem_object *found = container_of(node, struct drm_gem_object, vma_node);

		if (!drm_vma_node_is_allowed(node, drm_file))
			obj = ERR_PTR(-EACCES);
		else if (kref_get_unless_zero(&found->refcount))
			obj = found;
	}
	drm_vma_offset_unlock_lookup(mgr);
	return obj;
}

/*
 * Whole or the first part: drm_gem_shmem_helper's exporters take their pages from the start of the VMA, whatever its
 * offset.
 */
int dseek_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma, pgoff_t page)
{
	if (page) {
		drm_dbg(&dseek->drm, "mmap: a buffer that is imported, or an engine's, is mapped from its start\n");
		return -EINVAL;
	}
	return dma_buf_mmap(dmabuf, vma, 0);
}

/* drm_gem_mmap() maps only from a buffer's start; here any part of one may be. */
int dseek_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct drm_file *drm_file = filp->private_data;
	struct drm_gem_object *obj = bo_at(drm_file, vma);
	pgoff_t page;
	int err;

	if (IS_ERR(obj)) {
		drm_dbg(&dseek->drm, "mmap: no buffer of this file holds %lu pages at 0x%lx\n", vma_pages(vma),
			vma->vm_pgoff);
		return PTR_ERR(obj);
	}
	page = vma->vm_pgoff - drm_vma_node_start(&obj->vma_node);
	if (page + vma_pages(vma) > obj->size >> PAGE_SHIFT) {
		drm_gem_object_put(obj);
		drm_dbg(&dseek->drm, "mmap: behind the end of the buffer\n");
		return -EINVAL;
	}
	if (obj->import_attach || to_bo(obj)->memory) {
		err = obj->import_attach ? dseek_dmabuf_mmap(obj->import_attach->dmabuf, vma, page) :
					   dseek_memory_mmap(to_bo(obj)->memory, vma, page);
		drm_gem_object_put(obj);
		return err;
	}
	vma->vm_private_data = obj;
	vma->vm_ops = &dseek_bo_vm_ops;
	err = obj->funcs->mmap(obj, vma);
	if (err)
		drm_gem_object_put(obj);
	return err;
}

/* DRM calls this for a dma-buf that is not our own; who imports it pays. */
struct drm_gem_object *dseek_gem_import_sg(struct drm_device *drm, struct dma_buf_attachment *attach,
					   struct sg_table *sgt)
{
	struct dseek_tenant *tenant = dseek_tenant_get_current();
	struct dseek_bo *bo;
	int err;

	if (IS_ERR(tenant))
		return ERR_CAST(tenant);
	err = -EINVAL;
	if (!PAGE_ALIGNED(attach->dmabuf->size)) {	/* some exporters' are what was asked for; GEM takes whole pages or dies */
		drm_dbg(drm, "import: a dma-buf of %zu bytes, which are no pages\n", attach->dmabuf->size);
		goto err_tenant;
	}
	err = dseek_charge(tenant, DSEEK_IMPORTED, attach->dmabuf->size);
	if (err)
		goto err_tenant;
	err = -ENOMEM;
	bo = dseek_bo_alloc(attach->dmabuf->size);
	if (!bo)
		goto err_charge;
	/* drm_gem_prime_import_dev() sets import_attach after this returns and can't fail in between. */
	bo->sgt = sgt;
	bo->exported = true;
	bo->tenant = tenant;
	trace_dseek_bo_create(bo);
	dseek_bo_publish(bo);
	dseek_count(DSEEK_COUNT_IMPORTS, 1);
	return &bo->base;

err_charge:
	dseek_uncharge(tenant, DSEEK_IMPORTED, attach->dmabuf->size);
err_tenant:
	dseek_tenant_put(tenant);
	return ERR_PTR(err);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What backs a buffer: a shmem file, whose pages are pinned as long as it is populated and cleared when it no longer is.
 * Where the pages come from, a NUMA node, and whether they are huge are properties of the tmpfs that
 * the file is on, so there is one for each choice, made when the module loads; without them (a kernel
 * without NUMA or huge pages) the choice is a hint that goes unheard.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/nodemask.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>

#include "dseek_compat.h"
#include "dseek_drv.h"

static struct vfsmount *mounts[MAX_NUMNODES + 1][2];	/* [node + 1][huge] */

void dseek_backing_init(void)
{
	int node;

	mounts[0][1] = dseek_tmpfs_mount("within_size", NUMA_NO_NODE);
	if (num_node_state(N_MEMORY) < 2)
		return;
	for_each_node_state(node, N_MEMORY) {
		mounts[node + 1][0] = dseek_tmpfs_mount("never", node);
		mounts[node + 1][1] = dseek_tmpfs_mount("within_size", node);
	}
}

void dseek_backing_fini(void)
{
	size_t node, huge;

	for (node = 0; node < ARRAY_SIZE(mounts); node++)
		for (huge = 0; huge < 2; huge++)
			if (mounts[node][huge])
				kern_unmount(mounts[node][huge]);
}

int dseek_bo_set_file(struct dseek_bo *bo, int node)
{
	bool huge = bo->flags & DRM_DSEEK_BO_HUGE;
	struct vfsmount *mnt = mounts[node + 1][huge] ?: mounts[0][huge];
	struct address_space *mapping;
	struct file *filp;

	if (mnt)
		filp = shmem_file_setup_with_mnt(mnt, "dseek", bo->base.size, DSEEK_NORESERVE);
	else
		filp = shmem_file_setup("dseek", bo->base.size, DSEEK_NORESERVE);
	if (IS_ERR(filp))	/* -ENOSPC is shmem's word for an inode that it lacks the memory for */
		return PTR_ERR(filp) == -ENOSPC ? -ENOMEM : PTR_ERR(filp);
	/*
	 * Over the limit of a memory cgroup: -ENOMEM, not the OOM killer. And not from where pages must be movable (ZONE_MOVABLE, CMA): they
	 * stay as long as the buffer, so who pins them for longer (ibv_reg_mr, io_uring) would be refused.
	 */
	mapping = filp->f_mapping;
	mapping_set_gfp_mask(mapping, mapping_gfp_constraint(mapping, ~__GFP_MOVABLE) | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	bo->base.filp = filp;
	return 0;
}

int dseek_bo_pin_pages(struct dseek_bo *bo)
{
	struct page **pages;

	/* What can't be is refused before it has an array of its pages: nobody is charged for that, and it may call the OOM killer. */
	if (bo->base.size >> PAGE_SHIFT > totalram_pages()) {
		drm_dbg(&dseek->drm, "%s: %zu bytes are more than the machine has\n", bo->tenant->label, bo->base.size);
		return -ENOMEM;
	}
	pages = drm_gem_get_pages(&bo->base);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	bo->pages = pages;
	return 0;
}

/*
 * Cleared here and not only when they are handed out next: what a tenant wrote doesn't outlive its buffer in free memory. Pages
 * that a device may still read or write (FOLL_PIN: RDMA, io_uring) are left to it.
 */
void dseek_bo_unpin_pages(struct dseek_bo *bo)
{
	size_t count = bo->base.size >> PAGE_SHIFT, i;

	for (i = 0; i < count; i++) {
		if (!folio_maybe_dma_pinned(page_folio(bo->pages[i])))
			clear_highpage(bo->pages[i]);
		if (!(i % 256))
			cond_resched();
	}
	drm_gem_put_pages(&bo->base, bo->pages, true, true);
	bo->pages = NULL;
}

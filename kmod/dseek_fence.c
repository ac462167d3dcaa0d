// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences of jobs. A sync_file may keep one long after its job, queue and engine are gone, so a fence
 * carries its own lock and name, and a reference on the module that is put in the RCU callback that frees it
 * (dseek_exit() waits for those).
 *
 * They depend on user space, the executor, so they are never put into a reservation object and no memory
 * reclaim waits for them. That each signals is ensured by the watchdog and the recovery time.
 */
#include <linux/dma-fence-chain.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dseek_drv.h"

static struct kmem_cache *fences;

int dseek_fence_cache_init(void)
{
	fences = kmem_cache_create("dseek_fence", sizeof(struct dseek_fence), 0, SLAB_ACCOUNT, NULL);
	return fences ? 0 : -ENOMEM;
}

void dseek_fence_cache_fini(void)
{
	kmem_cache_destroy(fences);
}

struct dseek_fence *dseek_fence_alloc(void)
{
	return kmem_cache_zalloc(fences, DSEEK_GFP);
}

void dseek_fence_free(struct dseek_fence *fence)
{
	kmem_cache_free(fences, fence);
}

static const char *fence_driver_name(struct dma_fence *base)
{
	return "dseek";
}

static const char *fence_timeline_name(struct dma_fence *base)
{
	return container_of(base, struct dseek_fence, base)->name;
}

static void fence_free_rcu(struct rcu_head *rcu)
{
	struct dma_fence *base = container_of(rcu, struct dma_fence, rcu);

	dseek_count(DSEEK_COUNT_FENCES, -1);
	kmem_cache_free(fences, container_of(base, struct dseek_fence, base));
	module_put(THIS_MODULE);
}

static void fence_release(struct dma_fence *base)
{
	call_rcu(&base->rcu, fence_free_rcu);
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_driver_name,
	.get_timeline_name = fence_timeline_name,
	.release = fence_release,
};

void dseek_fence_init(struct dseek_fence *fence, u64 context, u64 seqno, u64 queue_id)
{
	__module_get(THIS_MODULE);
	dseek_count(DSEEK_COUNT_FENCES, 1);
	spin_lock_init(&fence->lock);
	snprintf(fence->name, sizeof(fence->name), "queue%llu", queue_id);
	dma_fence_init(&fence->base, &fence_ops, &fence->lock, context, seqno);
}

/* A timeline's chain node signals without an error of its own: look at the fence of its point. */
int dseek_fence_error(struct dma_fence *fence)
{
	return dma_fence_chain_contained(fence)->error;
}

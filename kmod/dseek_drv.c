// SPDX-License-Identifier: GPL-2.0-only
/* The module: devices, the tenants' files, what it answers about itself. */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>

#include "dseek_compat.h"
#include "dseek_copy.h"
#include "dseek_drv.h"

#define CREATE_TRACE_POINTS
#include "dseek_trace.h"

struct dseek_device *dseek;
struct dseek_stats __percpu *dseek_stats;

static char *exec_name = "dseek-exec";
module_param(exec_name, charp, 0400);
MODULE_PARM_DESC(exec_name, "name of the executors' device in /dev (dseek-exec)");

static int query_out(struct drm_dseek_dev_query *query, const void *info, u32 size)
{
	if (query->pointer) {
		int err = dseek_copy_out(query->pointer, info, min(query->size, size), DSEEK_COPIED_DESCRIPTORS);

		if (err)
			return err;
	}
	query->size = size;
	return 0;
}

static int dseek_ioctl_dev_query(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;
	struct drm_dseek_dev_query *query = data;
	struct drm_dseek_tenant_info tenant = {};
	struct drm_dseek_engine_info engine = {};
	struct drm_dseek_device_info device = {
		.abi_major = DRM_DSEEK_ABI_MAJOR,
		.abi_minor = DRM_DSEEK_ABI_MINOR,
		.features = DRM_DSEEK_FEATURE_STANDBY | DRM_DSEEK_FEATURE_ENGINE_SET |
			    DRM_DSEEK_FEATURE_TENANT_TREE | DRM_DSEEK_FEATURE_DRAIN | DRM_DSEEK_FEATURE_REPORT |
			    DRM_DSEEK_FEATURE_DESC_CLASS | DRM_DSEEK_FEATURE_OWNER | DRM_DSEEK_FEATURE_MEMORY,
		.engine_count = READ_ONCE(dseek->engine_count),
	};
	int err;

	if (query->pad || (query->index && query->type != DRM_DSEEK_QUERY_ENGINE)) {
		drm_dbg(drm, "DEV_QUERY: pad, and index but for engines, must be 0\n");
		return -EINVAL;
	}
	switch (query->type) {
	case DRM_DSEEK_QUERY_DEVICE:
		return query_out(query, &device, sizeof(device));
	case DRM_DSEEK_QUERY_ENGINE:
		err = dseek_engine_info(query->index, file, &engine);
		return err ?: query_out(query, &engine, sizeof(engine));
	case DRM_DSEEK_QUERY_TENANT:
		dseek_tenant_info(file->tenant, &tenant);
		return query_out(query, &tenant, sizeof(tenant));
	default:
		drm_dbg(drm, "DEV_QUERY: unknown type %u\n", query->type);
		return -EINVAL;
	}
}

static int dseek_open(struct drm_device *drm, struct drm_file *drm_file)
{
	struct dseek_file *file = kzalloc(sizeof(*file), DSEEK_GFP);

	if (!file)
		return -ENOMEM;
	file->uid = current_euid();
	file->tenant = dseek_tenant_get_current();
	if (IS_ERR(file->tenant)) {
		int err = PTR_ERR(file->tenant);

		kfree(file);
		return err;
	}
	file->client = dseek_client_create();
	if (!file->client) {
		dseek_tenant_put(file->tenant);
		kfree(file);
		return -ENOMEM;
	}
	xa_init_flags(&file->programs, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	xa_init_flags(&file->queues, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	drm_file->driver_priv = file;
	dseek_count(DSEEK_COUNT_FILES, 1);
	return 0;
}

/* The last close, a kill included. Buffers and syncobjs went before it. */
static void dseek_postclose(struct drm_device *drm, struct drm_file *drm_file)
{
	struct dseek_file *file = drm_file->driver_priv;

	dseek_queues_close(file);
	dseek_programs_close(file);
	dseek_client_put(file->client);
	dseek_tenant_put(file->tenant);
	kfree(file);
	dseek_count(DSEEK_COUNT_FILES, -1);
}

static const struct drm_ioctl_desc dseek_ioctls[] = {
	DRM_IOCTL_DEF_DRV(DSEEK_DEV_QUERY, dseek_ioctl_dev_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_BO_CREATE, dseek_ioctl_bo_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_BO_INFO, dseek_ioctl_bo_info, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_BO_MADVISE, dseek_ioctl_bo_madvise, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_PROGRAM_CREATE, dseek_ioctl_program_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_PROGRAM_DESTROY, dseek_ioctl_program_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_QUEUE_CREATE, dseek_ioctl_queue_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_QUEUE_DESTROY, dseek_ioctl_queue_destroy, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_QUEUE_QUERY, dseek_ioctl_queue_query, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_SUBMIT, dseek_ioctl_submit, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(DSEEK_WAIT, dseek_ioctl_wait, DRM_RENDER_ALLOW),
};

static const struct file_operations dseek_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release,
	.unlocked_ioctl = drm_ioctl,
	.compat_ioctl = drm_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = dseek_mmap,
	.show_fdinfo = drm_show_fdinfo,
	DSEEK_COMPAT_FOPS
};

static const struct drm_driver dseek_driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE,
	.name = "dseek",
	.desc = "arbitration of accelerators among tenants",
	.major = DRM_DSEEK_ABI_MAJOR,
	.minor = DRM_DSEEK_ABI_MINOR,
	.fops = &dseek_fops,
	.ioctls = dseek_ioctls,
	.num_ioctls = ARRAY_SIZE(dseek_ioctls),
	.open = dseek_open,
	.postclose = dseek_postclose,
	.gem_prime_import_sg_table = dseek_gem_import_sg,
	DSEEK_COMPAT_FDINFO(dseek_show_fdinfo)
	DSEEK_COMPAT_DRIVER
};

void dseek_submit_lock_init(struct mutex *submit_lock)
{
	mutex_init(submit_lock);
}

void dseek_bo_lock_init(struct mutex *bo_lock)
{
	mutex_init(bo_lock);
}

void dseek_engine_lock_init(spinlock_t *engine_lock)
{
	spin_lock_init(engine_lock);
}

/* Takes the sleeping and spinning locks of dseek_drv.h once in their order, so that lockdep knows it from the start. */
static void dseek_lock_order(struct dseek_device *dev)
{
#ifdef CONFIG_PROVE_LOCKING
	struct mutex submit_lock, bo_lock;
	spinlock_t engine_lock;

	dseek_submit_lock_init(&submit_lock);
	dseek_bo_lock_init(&bo_lock);
	dseek_engine_lock_init(&engine_lock);
	mutex_lock(&submit_lock);
	mutex_lock(&dev->lock);
	mmap_read_lock(current->mm);
	mutex_lock(&bo_lock);
	spin_lock(&dev->map_lock);
	spin_unlock(&dev->map_lock);
	spin_lock_irq(&engine_lock);
	spin_unlock_irq(&engine_lock);
	mutex_unlock(&bo_lock);
	mmap_read_unlock(current->mm);
	mutex_unlock(&dev->lock);
	mutex_unlock(&submit_lock);
#endif
}

/*
 * DRM has offsets of one terabyte for a device: less than its buffers may be in sum, and one tenant's imports could take them all from the
 * others. The lowest are given first, as a caller of 32 bits reaches only the first 2^44 bytes.
 */
#define OFFSETS		(1UL << (50 - PAGE_SHIFT))

static void dseek_device_init(struct dseek_device *dev)
{
	drm_vma_offset_manager_destroy(dev->drm.vma_offset_manager);
	drm_vma_offset_manager_init(dev->drm.vma_offset_manager, DRM_FILE_PAGE_OFFSET_START, OFFSETS);
	mutex_init(&dev->lock);
	spin_lock_init(&dev->map_lock);
	xa_init_flags(&dev->bos, XA_FLAGS_ALLOC);
	dseek_memory_init(dev);
	INIT_LIST_HEAD(&dev->tenants);
	xa_init_flags(&dev->engines, XA_FLAGS_ALLOC);
	dev->exec_misc.minor = MISC_DYNAMIC_MINOR;
	dev->exec_misc.name = exec_name;
	dev->exec_misc.fops = &dseek_exec_fops;
	dev->exec_misc.mode = 0660;
	dev->exec_misc.parent = dev->parent;	/* so that /sys/class/misc/dseek-exec/device is a way to it */
	dseek_lock_order(dev);
}

static int __init dseek_init(void)
{
	struct device *parent;
	struct dseek_device *dev;
	int err = -ENOMEM;

	dseek_stats = alloc_percpu(struct dseek_stats);
	if (!dseek_stats)
		return -ENOMEM;
	if (dseek_fence_cache_init())
		goto err_stats;
	if (dseek_job_cache_init())
		goto err_fences;
	parent = dseek_parent_create("dseek");
	if (IS_ERR(parent)) {
		err = PTR_ERR(parent);
		goto err_jobs;
	}
	if (!devres_open_group(parent, NULL, GFP_KERNEL))
		goto err_parent;
	err = dma_coerce_mask_and_coherent(parent, DMA_BIT_MASK(64));
	if (err)
		goto err_group;
	dev = devm_drm_dev_alloc(parent, &dseek_driver, struct dseek_device, drm);
	if (IS_ERR(dev)) {
		err = PTR_ERR(dev);
		goto err_group;
	}
	dseek = dev;
	dev->parent = parent;
	dseek_device_init(dev);
	dseek_backing_init();
	err = -ENOMEM;
	dev->wq = alloc_workqueue("dseek", WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!dev->wq)
		goto err_mnt;
	dev->free_wq = alloc_workqueue("dseek-free", WQ_UNBOUND, 0);
	if (!dev->free_wq)
		goto err_wq;
	dev->engine_dir = kobject_create_and_add("engines", &parent->kobj);
	if (!dev->engine_dir)
		goto err_free_wq;
	err = dseek_tenants_init(dev);
	if (err)
		goto err_engines;
	err = dseek_purge_init(dev);
	if (err)
		goto err_tenants;
	err = dseek_debugfs_init(dev);
	if (err)
		goto err_purge;
	err = misc_register(&dev->exec_misc);
	if (err)
		goto err_debugfs;
	err = drm_dev_register(&dev->drm, 0);
	if (err)
		goto err_misc;
	return 0;

err_misc:
	misc_deregister(&dev->exec_misc);
err_debugfs:
	dseek_debugfs_fini(dev);
err_purge:
	dseek_purge_fini(dev);
err_tenants:
	dseek_tenants_free();
err_engines:
	kobject_put(dev->engine_dir);
err_free_wq:
	destroy_workqueue(dev->free_wq);
err_wq:
	destroy_workqueue(dev->wq);
err_mnt:
	dseek_backing_fini();
err_group:
	devres_release_group(parent, NULL);
err_parent:
	dseek_parent_destroy(parent);
err_jobs:
	dseek_job_cache_fini();
err_fences:
	dseek_fence_cache_fini();
err_stats:
	free_percpu(dseek_stats);
	return err;
}

/*
 * Every open file, mapping, dma-buf and fence holds a reference on the module, so nothing of theirs is
 * left here but RCU callbacks that free fences.
 */
static void __exit dseek_exit(void)
{
	struct device *parent = dseek->parent;

	misc_deregister(&dseek->exec_misc);
	drm_dev_unplug(&dseek->drm);
	dseek_debugfs_fini(dseek);
	dseek_purge_fini(dseek);
	dseek_engines_stop();
	dseek_memory_fini(dseek);
	destroy_workqueue(dseek->wq);
	destroy_workqueue(dseek->free_wq);
	dseek_tenants_free();
	dseek_engines_free();
	devres_release_group(parent, NULL);
	dseek_parent_destroy(parent);
	dseek_backing_fini();
	rcu_barrier();
	dseek_job_cache_fini();
	dseek_fence_cache_fini();
	free_percpu(dseek_stats);
}

module_init(dseek_init);
module_exit(dseek_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("dseek: arbitration of accelerators among tenants");
MODULE_VERSION(DSEEK_VERSION);
DSEEK_IMPORT_NS(DMA_BUF);

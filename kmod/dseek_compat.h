/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels dseek builds on (6.1 to 7.3). The only file that knows a version;
 * each entry says since when the newer form exists.
 */
#ifndef DSEEK_COMPAT_H
#define DSEEK_COMPAT_H

#include <linux/cgroup.h>
#include <linux/fs_context.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/shmem_fs.h>
#include <linux/shrinker.h>
#include <linux/version.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#define DSEEK_KERNEL(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

/* Kernels that clear all that is on the stack (CONFIG_INIT_STACK_ALL_ZERO) need not clear what is filled at once. */
#ifndef __uninitialized
#define __uninitialized __attribute__((__uninitialized__))
#endif

/* 6.3: vm_flags is const and has accessors. */
#if !DSEEK_KERNEL(6, 3)
static inline void vm_flags_set(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* 6.12: mmap offsets of DRM may exceed 2^63 only with FOP_UNSIGNED_OFFSET. */
#if DSEEK_KERNEL(6, 12)
#define DSEEK_COMPAT_FOPS .fop_flags = FOP_UNSIGNED_OFFSET,
#else
#define DSEEK_COMPAT_FOPS
#endif

/* 6.6: the PRIME hooks are the defaults. 6.14: drm_driver.date is gone. */
#if DSEEK_KERNEL(6, 14)
#define DSEEK_COMPAT_DRIVER
#elif DSEEK_KERNEL(6, 6)
#define DSEEK_COMPAT_DRIVER .date = "20261123",
#else
#define DSEEK_COMPAT_DRIVER \
	.date = "20261123", \
	.prime_handle_to_fd = drm_gem_prime_handle_to_fd, \
	.prime_fd_to_handle = drm_gem_prime_fd_to_handle, \
	.gem_prime_mmap = drm_gem_prime_mmap,
#endif

/* 6.5: DRM shows the keys of fdinfo that every driver has, and asks the driver for its own. */
#if DSEEK_KERNEL(6, 5)
#define DSEEK_COMPAT_FDINFO(show) .show_fdinfo = show,
#else
#define DSEEK_COMPAT_FDINFO(show)
u64 dseek_client_id(const struct drm_file *drm_file);
void dseek_show_fdinfo(struct drm_printer *p, struct drm_file *drm_file);

static inline void drm_show_fdinfo(struct seq_file *m, struct file *filp)
{
	struct drm_printer p = drm_seq_file_printer(m);
	struct drm_file *drm_file = filp->private_data;

	drm_printf(&p, "drm-driver:\t%s\n", drm_file->minor->dev->driver->name);
	drm_printf(&p, "drm-client-id:\t%llu\n", dseek_client_id(drm_file));
	dseek_show_fdinfo(&p, drm_file);
}
#endif

/* 6.13: the namespace is a string. */
#if DSEEK_KERNEL(6, 13)
#define DSEEK_IMPORT_NS(name) MODULE_IMPORT_NS(#name)
#else
#define DSEEK_IMPORT_NS(name) MODULE_IMPORT_NS(name)
#endif

/* 6.14: the faux bus; before, a platform device without a driver. */
#if DSEEK_KERNEL(6, 14)
#include <linux/device/faux.h>
static inline struct device *dseek_parent_create(const char *name)
{
	struct faux_device *faux = faux_device_create(name, NULL, NULL);

	return faux ? &faux->dev : ERR_PTR(-ENODEV);
}

static inline void dseek_parent_destroy(struct device *dev)
{
	faux_device_destroy(to_faux_device(dev));
}
#else
static inline struct device *dseek_parent_create(const char *name)
{
	struct platform_device *pdev = platform_device_register_simple(name, PLATFORM_DEVID_NONE,
								       NULL, 0);

	return IS_ERR(pdev) ? ERR_CAST(pdev) : &pdev->dev;
}

static inline void dseek_parent_destroy(struct device *dev)
{
	platform_device_unregister(to_platform_device(dev));
}
#endif

/* 6.13: hrtimer_setup(). */
#if !DSEEK_KERNEL(6, 13)
static inline void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.7: shrinkers are allocated. */
#if DSEEK_KERNEL(6, 7)
static inline struct shrinker *dseek_shrinker_create(
	const char *name, unsigned long (*count)(struct shrinker *, struct shrink_control *),
	unsigned long (*scan)(struct shrinker *, struct shrink_control *))
{
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
	return shrinker;
}

static inline void dseek_shrinker_destroy(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#else
static inline struct shrinker *dseek_shrinker_create(
	const char *name, unsigned long (*count)(struct shrinker *, struct shrink_control *),
	unsigned long (*scan)(struct shrinker *, struct shrink_control *))
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

static inline void dseek_shrinker_destroy(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}
#endif

/*
 * 6.18: vfs_kern_mount() is no longer exported. A tmpfs with this choice of huge pages, its pages on @node if
 * there are any (-1: as the task's policy says). NULL: this kernel has no such choice.
 */
static inline struct vfsmount *dseek_tmpfs_mount(const char *huge, int node)
{
	struct file_system_type *type = get_fs_type("tmpfs");
	struct vfsmount *mnt;
#if DSEEK_KERNEL(6, 18)
	struct fs_context *fc;
	int err;
#else
	char options[48];
#endif
	char policy[24];

	if (!type)
		return NULL;
	snprintf(policy, sizeof(policy), "prefer:%d", node);
#if DSEEK_KERNEL(6, 18)
	fc = fs_context_for_mount(type, SB_KERNMOUNT);
	if (IS_ERR(fc)) {
		module_put(type->owner);
		return NULL;
	}
	vfs_parse_fs_string(fc, "source", "tmpfs");
	err = vfs_parse_fs_string(fc, "huge", huge);
	if (!err && node >= 0)
		err = vfs_parse_fs_string(fc, "mpol", policy);
	mnt = err ? ERR_PTR(err) : fc_mount_longterm(fc);
	put_fs_context(fc);
#else
	snprintf(options, sizeof(options), "huge=%s%s%s", huge, node < 0 ? "" : ",mpol=", node < 0 ? "" : policy);
	mnt = vfs_kern_mount(type, SB_KERNMOUNT, "tmpfs", options);
#endif
	module_put(type->owner);
	return IS_ERR(mnt) ? NULL : mnt;
}

/* 7.0: shmem_file_setup*() take vma_flags_t. */
#if DSEEK_KERNEL(7, 0)
#define DSEEK_NORESERVE mk_vma_flags(VMA_NORESERVE_BIT)
#else
#define DSEEK_NORESERVE VM_NORESERVE
#endif

/* Kernels without cgroups: nobody is in one. */
#ifdef CONFIG_CGROUPS
static inline struct cgroup *dseek_cgroup_current(void)	/* of v2; under rcu_read_lock() */
{
	return task_dfl_cgroup(current);
}

/* "/NAME" of the one of @cgroup and its parents that is @level below the root; -errno: there is none. */
static inline int dseek_cgroup_part(struct cgroup *cgroup, int level, char *buf, size_t size)
{
	struct cgroup *at = cgroup_ancestor(cgroup, level), *parent = cgroup_ancestor(cgroup, level - 1);
	int len;

	if (!at || !parent)
		return -ENOENT;
	len = kernfs_path_from_node(at->kn, parent->kn, buf, size);
	return len < 0 || len >= size ? -ENAMETOOLONG : 0;
}
#else
static inline struct cgroup *dseek_cgroup_current(void)
{
	return NULL;
}

static inline int dseek_cgroup_part(struct cgroup *cgroup, int level, char *buf, size_t size)
{
	return -ENOENT;
}
#endif

/*
 * 6.16: a huge_fault may map a folio by PMD itself (vmf_insert_folio_pmd); it must, because finish_fault() there
 * refuses large mappings beyond the i_size of vm_file, which is 0 for a device.
 */
#if DSEEK_KERNEL(6, 16) && defined(CONFIG_TRANSPARENT_HUGEPAGE)
#define DSEEK_HUGE_FAULT 1
#endif

#endif /* DSEEK_COMPAT_H */

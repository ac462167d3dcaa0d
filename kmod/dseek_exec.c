// SPDX-License-Identifier: GPL-2.0-only
/* The executors' device: who attaches, what it maps of its own, and all its calls but NEXT (dseek_next.c). */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dseek_compat.h"
#include "dseek_copy.h"
#include "dseek_drv.h"

static int exec_open(struct inode *inode, struct file *filp)
{
	struct dseek_exec *exec = kzalloc(sizeof(*exec), GFP_KERNEL_ACCOUNT);

	if (!exec)
		return -ENOMEM;
	mutex_init(&exec->lock);
	INIT_LIST_HEAD(&exec->standby_link);
	INIT_LIST_HEAD(&exec->wanted);
	INIT_LIST_HEAD(&exec->asked);
	INIT_LIST_HEAD(&exec->unwanted);
	INIT_LIST_HEAD(&exec->active);
	INIT_LIST_HEAD(&exec->retired);
	xa_init_flags(&exec->maps, XA_FLAGS_ALLOC1);
	filp->private_data = exec;
	dseek_count(DSEEK_COUNT_EXECUTORS, 1);
	return 0;
}

/* The last close, a kill included; its VMAs went before it. */
static int exec_release(struct inode *inode, struct file *filp)
{
	struct dseek_exec *exec = filp->private_data;

	if (exec->engine)
		dseek_engine_detach(exec);
	dseek_memory_forget(exec);
	dseek_exec_unmap_all(exec);
	vfree(exec->descs);
	vfree(exec->control);
	put_pid(exec->pid);
	mutex_destroy(&exec->lock);
	kfree(exec);
	dseek_count(DSEEK_COUNT_EXECUTORS, -1);
	return 0;
}

static bool name_valid(const u8 *name)
{
	size_t len = strnlen(name, DRM_DSEEK_NAME_LEN);

	if (!len || len == DRM_DSEEK_NAME_LEN || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	/* fdinfo's drm-engine-NAME would be read as drm-engine-capacity-X of an engine X. */
	if (strstarts(name, "capacity-"))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") == len &&
	       !memchr_inv(name + len, 0, DRM_DSEEK_NAME_LEN - len);
}

static int exec_attach(struct dseek_exec *exec, struct drm_dseek_attach *args)
{
	int err;

	if (args->flags & ~(DRM_DSEEK_ATTACH_REATTACH | DRM_DSEEK_ATTACH_STANDBY | DRM_DSEEK_ATTACH_OWNER | DRM_DSEEK_ATTACH_MEMORY) ||
	    (args->owner && !(args->flags & DRM_DSEEK_ATTACH_OWNER)) || !name_valid(args->name) ||
	    args->type >= DRM_DSEEK_ENGINE_TYPE_COUNT || !args->depth || args->depth > DRM_DSEEK_MAX_DEPTH ||
	    args->numa_node < -1 || args->numa_node >= (s32)nr_node_ids) {
		drm_dbg(&dseek->drm, "ATTACH: name, type %u, depth %u, node %d, flags 0x%x or owner %u\n", args->type,
			args->depth, args->numa_node, args->flags, args->owner);
		return -EINVAL;
	}
	mutex_lock(&exec->lock);
	err = -EALREADY;
	if (exec->engine)
		goto out;
	err = -ENOMEM;
	/* An attempt that failed may have left them. */
	vfree(exec->descs);
	vfree(exec->control);
	exec->desc_bytes = PAGE_ALIGN(args->depth * sizeof(*exec->descs));
	exec->descs = vmalloc_user(exec->desc_bytes);
	exec->control = vmalloc_user(PAGE_SIZE);
	if (!exec->descs || !exec->control)
		goto out;
	err = dseek_engine_attach(exec, args);
out:
	mutex_unlock(&exec->lock);
	return err;
}

static int exec_program_read(struct dseek_exec *exec, const struct drm_dseek_program_read *args)
{
	struct dseek_engine *engine = exec->engine;
	struct dseek_program *program = NULL;
	struct dseek_job *job;
	int err = -EINVAL;

	if (!engine)
		return -ENOTCONN;
	spin_lock_irq(&engine->lock);
	job = !exec->lost && args->tag < exec->depth ? exec->jobs[args->tag] : NULL;
	if (job) {
		program = job->program;
		kref_get(&program->ref);
	} else if (exec->lost) {
		err = -ESTALE;
	}
	spin_unlock_irq(&engine->lock);
	if (!program)
		return err;
	err = -ENOSPC;
	if (args->size >= program->size)
		err = dseek_copy_out(args->pointer, program->blob, program->size, DSEEK_COPIED_PROGRAMS);
	dseek_program_put(program);
	return err;
}

static int exec_report(struct dseek_exec *exec, const struct drm_dseek_report *args)
{
	struct dseek_engine *engine = exec->engine;
	int err = 0;

	if (args->flags || args->pad) {
		drm_dbg(&dseek->drm, "REPORT: flags 0x%x and pad must be 0\n", args->flags);
		return -EINVAL;
	}
	if (!engine)
		return -ENOTCONN;
	spin_lock_irq(&engine->lock);
	if (exec->lost)
		err = -ESTALE;
	else if (engine->exec != exec)	/* it stands by */
		err = -ENOTCONN;
	else
		engine->longest_op_ns = max(engine->longest_op_ns, args->longest_op_ns);
	spin_unlock_irq(&engine->lock);
	return err;
}

static int exec_detach(struct dseek_exec *exec)
{
	if (!exec->engine)
		return -ENOTCONN;
	mutex_lock(&exec->lock);
	dseek_engine_detach(exec);
	mutex_unlock(&exec->lock);
	return 0;
}

/* All but NEXT, which has no use for so much on its stack. */
static noinline long exec_control(struct dseek_exec *exec, unsigned int cmd, unsigned long arg)
{
	struct drm_dseek_program_read program;
	struct drm_dseek_memory memory;
	struct drm_dseek_report report;
	struct drm_dseek_attach attach;
	struct drm_dseek_map map;
	int err;

	switch (cmd) {
	case DRM_IOCTL_DSEEK_ATTACH:
		err = dseek_copy_in(&attach, arg, sizeof(attach), DSEEK_COPIED_DESCRIPTORS);
		err = err ?: exec_attach(exec, &attach);
		if (!err && dseek_copy_out(arg, &attach, sizeof(attach), DSEEK_COPIED_DESCRIPTORS)) {
			/* It does not know that it serves. */
			exec_detach(exec);
			err = -EFAULT;
		}
		return err;
	case DRM_IOCTL_DSEEK_MAP:
		err = dseek_copy_in(&map, arg, sizeof(map), DSEEK_COPIED_DESCRIPTORS);
		err = err ?: dseek_exec_map(exec, &map);
		return err ?: dseek_copy_out(arg, &map, sizeof(map), DSEEK_COPIED_DESCRIPTORS);
	case DRM_IOCTL_DSEEK_PROGRAM_READ:
		err = dseek_copy_in(&program, arg, sizeof(program), DSEEK_COPIED_DESCRIPTORS);
		return err ?: exec_program_read(exec, &program);
	case DRM_IOCTL_DSEEK_REPORT:
		err = dseek_copy_in(&report, arg, sizeof(report), DSEEK_COPIED_DESCRIPTORS);
		return err ?: exec_report(exec, &report);
	case DRM_IOCTL_DSEEK_MEMORY:
		err = dseek_copy_in(&memory, arg, sizeof(memory), DSEEK_COPIED_DESCRIPTORS);
		return err ?: dseek_memory_answer(exec, &memory);
	case DRM_IOCTL_DSEEK_DETACH:
		return exec_detach(exec);
	default:
		return -ENOTTY;
	}
}

static long exec_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct dseek_exec *exec = filp->private_data;

	switch (cmd) {
	case DRM_IOCTL_DSEEK_NEXT:
		return dseek_exec_next(exec, arg, false);
	case DRM_IOCTL_DSEEK_NEXT_1_0:
		return dseek_exec_next(exec, arg, true);
	default:
		return exec_control(exec, cmd, arg);
	}
}

static int exec_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct dseek_exec *exec = filp->private_data;
	void *area;

	/* What an attempt to attach left goes with the next one; from then on, seen with the engine, it stays. */
	if (!smp_load_acquire(&exec->engine))
		return -ENOTCONN;
	area = exec->descs;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff >= 1UL << (DSEEK_MAP_SHIFT - PAGE_SHIFT))
		return dseek_exec_mmap_bo(exec, vma);
	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	if (vma->vm_pgoff >= DRM_DSEEK_MMAP_CONTROL >> PAGE_SHIFT) {
		vma->vm_pgoff -= DRM_DSEEK_MMAP_CONTROL >> PAGE_SHIFT;
		area = exec->control;
	}
	return remap_vmalloc_range(vma, area, vma->vm_pgoff);
}

const struct file_operations dseek_exec_fops = {
	.owner = THIS_MODULE,
	.open = exec_open,
	.release = exec_release,
	.unlocked_ioctl = exec_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = exec_mmap,
	.llseek = noop_llseek,
};

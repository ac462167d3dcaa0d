// SPDX-License-Identifier: MIT
/* The executor's side of both transports. */
#include <string.h>
#include "transport.h"

int dseek_engine_name_check(const struct drm_dseek_attach *attach)
{
	const char *name = (const char *)attach->name;
	size_t n = strnlen(name, DRM_DSEEK_NAME_LEN), i;

	for (i = n; i < DRM_DSEEK_NAME_LEN && !name[i]; i++)
		;
	if (!n || n == DRM_DSEEK_NAME_LEN || i < DRM_DSEEK_NAME_LEN || !strcmp(name, ".") || !strcmp(name, "..") ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != n)
		return dseek_fail(-EINVAL, "attach: an engine's name is 1 to %d of a-z 0-9 _ . -, not \".\" or \"..\", and zeros",
				  DRM_DSEEK_NAME_LEN - 1);
	if (strncmp(name, "capacity-", 9) == 0)
		return dseek_fail(-EINVAL, "attach %s: a name that begins with capacity- can't be told from the key "
				  "drm-engine-capacity-%s of fdinfo", name, name + 9);
	return 0;
}

int dseek_exec_attach(const char *path, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec)
{
	int r;

	if (!path || !attach || !ret_exec)
		return dseek_fail(-EINVAL, "dseek_exec_attach: %s is NULL",
				  !path ? "path" : !attach ? "attach" : "ret_exec");
	r = strncmp(path, "embed:", 6) == 0 ? dseek_embed_exec_attach(path + 6, attach, ret_exec) : dseek_drm_exec_attach(path, attach, ret_exec);
	if (!r)
		(*ret_exec)->owned = attach->flags & DRM_DSEEK_ATTACH_OWNER;
	return r;
}

void dseek_exec_detach(struct dseek_exec *exec)
{
	if (exec)
		exec->ops->detach(exec);
}

int dseek_exec_wait_turn(struct dseek_exec *exec, const int *stop)
{
	struct drm_dseek_next next = { 0 };
	int r = 0;

	while (!r && !__atomic_load_n(&exec->control->generation, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		next.deadline_ns = dseek_now() + 1000000000u;
		r = dseek_exec_next(exec, &next);
		if (r == -EINTR)
			r = 0;
	}
	return r;
}

void dseek_exec_set_notice(struct dseek_exec *exec,
			   void (*notice)(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why), void *arg)
{
	exec->notice = notice;
	exec->notice_arg = arg;
}

int dseek_exec_allow_code(struct dseek_exec *exec)
{
	if (!exec->owned)
		return dseek_fail(-EPERM, "engine %s serves several users: none may run code of its own here", exec->name);
	exec->allow_code = true;
	return 0;
}

int dseek_exec_next(struct dseek_exec *exec, struct drm_dseek_next *next)
{
	return exec->ops->next(exec, next);
}

const struct drm_dseek_job_desc *dseek_exec_job(const struct dseek_exec *exec, uint32_t tag)
{
	return tag < exec->depth ? &exec->jobs[tag] : NULL;
}

const volatile struct drm_dseek_control *dseek_exec_control(const struct dseek_exec *exec)
{
	return exec->control;
}

int dseek_exec_map(struct dseek_exec *exec, uint32_t tag, uint32_t binding, void **ret_base)
{
	return exec->ops->map(exec, tag, binding, ret_base);
}

int dseek_exec_unmap(struct dseek_exec *exec, uint64_t bo_id)
{
	return exec->ops->unmap(exec, bo_id);
}

int dseek_exec_program(struct dseek_exec *exec, uint32_t tag, void *buf, size_t size)
{
	return exec->ops->program(exec, tag, buf, size);
}

int dseek_exec_memory(struct dseek_exec *exec, uint64_t bo_id, int error, int fd)
{
	if (error > 0 || error < -4095 || fd < -1 || (error && fd >= 0))
		return dseek_fail(-EINVAL, "memory: error %d and descriptor %d are no answer", error, fd);
	return exec->ops->memory(exec, bo_id, error, fd);
}

int dseek_exec_report(struct dseek_exec *exec, uint64_t longest_op_ns)
{
	return exec->ops->report ? exec->ops->report(exec, longest_op_ns) : 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The executor's side of both transports: attach an engine, take jobs, give them back. The structures
 * are those of the kernel ABI (uapi/drm/dseek_drm.h), which also states the rules.
 */
#ifndef DSEEK_EXEC_H
#define DSEEK_EXEC_H

#include <drm/dseek_drm.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct dseek_exec;
struct dseek_backend;	/* userspace/executor/backend.h */

/*
 * @path: a "/dev/dseek-exec" node, or "embed:INSTANCE" to serve an engine of that embedded instance from this
 * process (one that isn't there yet is made, with engine=none). *attach is filled in. The calls below return 0 or a negative
 * errno; dseek_exec_next() returns -EINTR after a signal, with next->completed telling how far it came.
 */
int dseek_exec_attach(const char *path, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec);
void dseek_exec_detach(struct dseek_exec *exec);

/*
 * With DRM_DSEEK_ATTACH_STANDBY and a name that has an executor: wait until this one serves it, or *stop is set (seen
 * after a signal, else within a second). 0 at once if it does. -ESTALE: it was detached.
 */
int dseek_exec_wait_turn(struct dseek_exec *exec, const int *stop);

int dseek_exec_next(struct dseek_exec *exec, struct drm_dseek_next *next);
const struct drm_dseek_job_desc *dseek_exec_job(const struct dseek_exec *exec, uint32_t tag);
const volatile struct drm_dseek_control *dseek_exec_control(const struct dseek_exec *exec);
int dseek_exec_map(struct dseek_exec *exec, uint32_t tag, uint32_t binding, void **ret_base); /* of the buffer, not of the binding */
int dseek_exec_unmap(struct dseek_exec *exec, uint64_t bo_id);
/* The longest that an op took since the attachment: part of the bound that the engine's preemption is published with. */
int dseek_exec_report(struct dseek_exec *exec, uint64_t longest_op_ns);
int dseek_exec_program(struct dseek_exec *exec, uint32_t tag, void *buf, size_t size);

/*
 * Answer a request of dseek_exec_next(), if attached with DRM_DSEEK_ATTACH_MEMORY (a flag that a module too old for it leaves cleared in
 * *attach): @error, or 0 and @fd, a dma-buf of all of that memory and nothing else, or -1. In embedded mode any file of that size
 * will do; the module makes do without one that is no dma-buf. @fd stays the caller's. -ENOENT: nobody wants it any more, free it.
 */
int dseek_exec_memory(struct dseek_exec *exec, uint64_t bo_id, int error, int fd);

/* Before dseek_exec_run(): @notice is called by it for each job that fails for a reason of the engine's, with the backend's sentence on it. */
void dseek_exec_set_notice(struct dseek_exec *exec,
			   void (*notice)(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why), void *arg);

/*
 * Before dseek_exec_run(): programs may carry code of their tenant's own, if the backend runs such. Only for an engine that was attached with
 * DRM_DSEEK_ATTACH_OWNER (-EPERM else): nothing keeps that code from what other tenants have in this process.
 */
int dseek_exec_allow_code(struct dseek_exec *exec);

/*
 * The loop: fetch, run on @backend, give back, until *stop is set or the transport says the end. -EIO: the backend has given up its engine; what
 * was held has been given back, and who calls detaches, for another executor to take its place. The environment's
 * DSEEK_PROFILE=FILE makes it append what it ran, op by op, for dseek-profiler; an error if that can't be written.
 */
int dseek_exec_run(struct dseek_exec *exec, const struct dseek_backend *backend, void *backend_state, const int *stop);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif /* DSEEK_EXEC_H */

/* SPDX-License-Identifier: MIT */
/*
 * The seam between the public calls and what carries them. The front end (device.c, bo.c, program_object.c,
 * queue.c, syncobj.c, exec.c) checks arguments, so a transport sees only well-formed ones: no NULL,
 * known flags, objects of one device, ranges inside their buffers. A transport embeds the base structures
 * below at the start of its own. On failure it returns a negative errno through dseek_fail().
 */
#ifndef DSEEK_TRANSPORT_H
#define DSEEK_TRANSPORT_H

#include <errno.h>
#include <stdbool.h>
#include <dseek.h>
#include <dseek_exec.h>
#include <dseek_program.h>
#include "list.h"

struct dseek_transport {
	const char *name;
	/* @arg: what follows "name:" */
	int (*open)(const char *arg, const struct dseek_open_params *params, struct dseek_device **ret_dev);
	void (*close)(struct dseek_device *dev);
	int (*engine_info)(struct dseek_device *dev, uint32_t index, struct dseek_engine_info *ret_info);
	int (*tenant_info)(struct dseek_device *dev, struct dseek_tenant_info *ret_info);

	int (*bo_create)(struct dseek_device *dev, uint64_t size, uint32_t flags, int numa_node,
			 struct dseek_bo **ret_bo);
	int (*bo_create_device)(struct dseek_device *dev, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo);
	int (*bo_info)(struct dseek_bo *bo, struct dseek_bo_info *ret_info);
	void (*bo_destroy)(struct dseek_bo *bo);
	int (*bo_export)(struct dseek_bo *bo, int *ret_fd);
	int (*bo_import)(struct dseek_device *dev, int fd, struct dseek_bo **ret_bo);

	int (*program_create)(struct dseek_device *dev, const void *blob, size_t size,
			      struct dseek_program **ret_prog);
	void (*program_destroy)(struct dseek_program *prog);

	int (*queue_create)(struct dseek_device *dev, const struct dseek_queue_params *params,
			    struct dseek_queue **ret_queue);
	void (*queue_destroy)(struct dseek_queue *queue);
	int (*queue_stats)(struct dseek_queue *queue, struct dseek_queue_stats *ret_stats);
	/* Count taken, or the error of the first. *ret_error: what stopped it. */
	int (*submit)(struct dseek_queue *queue, const struct dseek_job *jobs, uint32_t count,
		      uint64_t *ret_seqno, int *ret_error);
	int (*wait)(struct dseek_queue *queue, uint64_t seqno, uint64_t deadline_ns,
		    struct dseek_job_result *ret_result);

	int (*syncobj_create)(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj);
	void (*syncobj_destroy)(struct dseek_syncobj *syncobj);
	int (*syncobj_signal)(struct dseek_syncobj *syncobj, uint64_t point);
	int (*syncobj_wait)(struct dseek_syncobj *syncobj, uint64_t point, uint64_t deadline_ns);
	int (*syncobj_query)(struct dseek_syncobj *syncobj, uint64_t *ret_point);
};

/* Every object holds its device: what is closed too early goes away with its last object. */
struct dseek_device {
	const struct dseek_transport *ops;
	uint32_t refs;
};

struct dseek_bo {
	struct dseek_device *dev;
	void *map;
	uint64_t size;
};

struct dseek_program {
	struct dseek_device *dev;
	void *blob;			/* the front end's copy: what jobs are checked against */
	struct dseek_program_view view;
};

struct dseek_queue {
	struct dseek_device *dev;
	uint32_t sched_class;
};

struct dseek_syncobj {
	struct dseek_device *dev;
};

struct dseek_exec_ops {
	int (*next)(struct dseek_exec *exec, struct drm_dseek_next *next);
	int (*map)(struct dseek_exec *exec, uint32_t tag, uint32_t binding, void **ret_base);
	int (*unmap)(struct dseek_exec *exec, uint64_t bo_id);
	int (*program)(struct dseek_exec *exec, uint32_t tag, void *buf, size_t size);
	int (*report)(struct dseek_exec *exec, uint64_t longest_op_ns);	/* NULL: nobody wants to know */
	int (*memory)(struct dseek_exec *exec, uint64_t bo_id, int error, int fd);
	void (*detach)(struct dseek_exec *exec);
};

struct dseek_exec {
	const struct dseek_exec_ops *ops;
	const struct drm_dseek_job_desc *jobs;		/* [depth] */
	const volatile struct drm_dseek_control *control;
	uint32_t depth;
	char name[DRM_DSEEK_NAME_LEN];			/* of the engine */
	void (*notice)(void *arg, const struct drm_dseek_job_desc *job, int error, const char *why);	/* NULL: nobody listens */
	void *notice_arg;
	bool owned;					/* the engine serves one user alone */
	bool allow_code;
};

extern const struct dseek_transport dseek_transport_embed, dseek_transport_drm;
int dseek_embed_exec_attach(const char *arg, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec);
int dseek_engine_name_check(const struct drm_dseek_attach *attach);	/* 0, -EINVAL: as the module, with a sentence */
int dseek_drm_exec_attach(const char *path, struct drm_dseek_attach *attach, struct dseek_exec **ret_exec);

/* Keeps the sentence for dseek_strerror_detail() and returns @error, which is negative. */
int dseek_fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

uint64_t dseek_now(void);	/* CLOCK_MONOTONIC, ns */

#endif /* DSEEK_TRANSPORT_H */

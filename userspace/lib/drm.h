/* SPDX-License-Identifier: MIT */
/* The transport to the kernel module: objects are handles of one open file of the render node. */
#ifndef DSEEK_DRM_TRANSPORT_H
#define DSEEK_DRM_TRANSPORT_H

#include <pthread.h>
#include <drm/dseek_drm.h>
#include "transport.h"

#define DRM_EXEC_BUCKETS	64

struct drm_device {
	struct dseek_device base;
	int fd;
	uint64_t features;		/* DRM_DSEEK_FEATURE_* of the module */
	pthread_mutex_t lock;
	struct list handles;		/* PRIME gives one handle twice for one buffer: it is closed once */
};

struct drm_handle {
	struct list link;
	uint32_t handle, refs;
};

struct drm_bo {
	struct dseek_bo base;
	struct drm_handle *handle;
};

struct drm_program {
	struct dseek_program base;
	uint32_t handle;
};

struct drm_queue {
	struct dseek_queue base;
	uint32_t handle;
};

struct drm_syncobj {
	struct dseek_syncobj base;
	uint32_t handle;
};

static inline struct drm_device *drm_device_of(struct dseek_device *dev)
{
	return container_of(dev, struct drm_device, base);
}

/* drm.c: an ioctl; 0 or -errno, no sentence */
int drm_call(struct dseek_device *dev, unsigned long request, void *arg);
/* Keeps a sentence "WHAT: what the error means" and returns @error. */
int drm_fail(int error, const char *what);

/* drm_bo.c */
int drm_bo_create(struct dseek_device *dev, uint64_t size, uint32_t flags, int numa_node, struct dseek_bo **ret_bo);
int drm_bo_create_device(struct dseek_device *dev, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo);
int drm_bo_info(struct dseek_bo *bo, struct dseek_bo_info *ret_info);
void drm_bo_destroy(struct dseek_bo *bo);
int drm_bo_export(struct dseek_bo *bo, int *ret_fd);
int drm_bo_import(struct dseek_device *dev, int fd, struct dseek_bo **ret_bo);

static inline struct dseek_accuracy drm_accuracy(const struct drm_dseek_accuracy *sum)
{
	return (struct dseek_accuracy) { sum->jobs, sum->turnaround_ns, sum->turnaround_error_ns, sum->cost_ns, sum->cost_error_ns };
}

/* drm_queue.c */
int drm_program_create(struct dseek_device *dev, const void *blob, size_t size, struct dseek_program **ret_prog);
void drm_program_destroy(struct dseek_program *prog);
int drm_queue_create(struct dseek_device *dev, const struct dseek_queue_params *params, struct dseek_queue **ret_queue);
void drm_queue_destroy(struct dseek_queue *queue);
int drm_queue_stats(struct dseek_queue *queue, struct dseek_queue_stats *ret_stats);
int drm_submit(struct dseek_queue *queue, const struct dseek_job *jobs, uint32_t count, uint64_t *ret_seqno,
	       int *ret_error);
int drm_wait(struct dseek_queue *queue, uint64_t seqno, uint64_t deadline_ns, struct dseek_job_result *ret_result);

/* drm_sync.c */
int drm_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj);
void drm_syncobj_destroy(struct dseek_syncobj *syncobj);
int drm_syncobj_signal(struct dseek_syncobj *syncobj, uint64_t point);
int drm_syncobj_wait(struct dseek_syncobj *syncobj, uint64_t point, uint64_t deadline_ns);
int drm_syncobj_query(struct dseek_syncobj *syncobj, uint64_t *ret_point);

#endif /* DSEEK_DRM_TRANSPORT_H */

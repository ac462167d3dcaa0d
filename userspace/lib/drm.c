// SPDX-License-Identifier: MIT
/* Devices of the module: finding the render node, queries, the transport's table. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>
#include "drm.h"

#define MAX_DEVICES	64

int drm_call(struct dseek_device *dev, unsigned long request, void *arg)
{
	return drmIoctl(drm_device_of(dev)->fd, request, arg) ? -errno : 0;
}

static const char *meaning(int error)
{
	switch (-error) {
	case EDQUOT:	return "over the tenant's quota";
	case ETIME:	return "the time was not enough";
	case ESHUTDOWN:	return "the engine is gone for good, or its administrator drains it";
	case EPERM:	return "above what the tenant's policy allows";
	case EBUSY:	return "what is asked for is taken";
	case ENODEV:	return "the module is going away";
	case ENOMEM:	return "no memory (or over RLIMIT_MEMLOCK)";
	case ENOENT:	return "there is no such thing";
	case EOVERFLOW:	return "complete, but its result is forgotten";
	}
	return strerror(-error);
}

int drm_fail(int error, const char *what)
{
	return dseek_fail(error, "%s: %s", what, meaning(error));
}

/* ---- finding the node */

static bool is_dseek(int fd)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool is = version && strcmp(version->name, "dseek") == 0;

	drmFreeVersion(version);
	return is;
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return dseek_fail(-errno, "%s: %s", path, strerror(errno));
	if (is_dseek(fd))
		return fd;
	close(fd);
	return dseek_fail(-ENODEV, "%s is no device of dseek", path);
}

static int try_node(const char *path, char closed[64])
{
	int fd = open_node(path);

	if (fd == -EACCES && !*closed)
		snprintf(closed, 64, "%s", path);
	return fd;
}

/* The first dseek node that may be opened. If there is none, the first that may not be opened could have been it. */
static int find_node(void)
{
	drmDevicePtr devices[MAX_DEVICES];
	int count = drmGetDevices2(0, devices, MAX_DEVICES), fd = -ENODEV, i, n;
	char path[64], closed[64] = "";

	for (i = 0; i < count && i < MAX_DEVICES && fd < 0; i++)
		if (devices[i]->available_nodes & 1 << DRM_NODE_RENDER)
			fd = try_node(devices[i]->nodes[DRM_NODE_RENDER], closed);
	if (count > 0)
		drmFreeDevices(devices, count < MAX_DEVICES ? count : MAX_DEVICES);
	/* libdrm lists only devices on buses it knows. */
	for (n = 128; n < 192 && fd < 0; n++) {
		snprintf(path, sizeof(path), "/dev/dri/renderD%d", n);
		if (access(path, F_OK) == 0)
			fd = try_node(path, closed);
	}
	if (fd >= 0)
		return fd;
	if (*closed)
		return dseek_fail(-EACCES, "%s: %s", closed, strerror(EACCES));
	return dseek_fail(-ENODEV, "no render node of dseek: is the module loaded?");
}

static int query(struct dseek_device *dev, uint32_t type, uint32_t index, void *info, uint32_t size)
{
	struct drm_dseek_dev_query q = { .type = type, .index = index, .pointer = (uintptr_t)info, .size = size };

	return drm_call(dev, DRM_IOCTL_DSEEK_DEV_QUERY, &q);
}

static int drm_open(const char *arg, const struct dseek_open_params *params, struct dseek_device **ret_dev)
{
	struct drm_dseek_device_info info = { 0 };
	struct drm_device *dev;
	int r;

	if (params->tenant)
		return dseek_fail(-EINVAL, "drm: the kernel decides who the tenant is, '%.40s' can't be asked for",
				  params->tenant);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return dseek_fail(-ENOMEM, "drm: no memory");
	r = *arg ? open_node(arg) : find_node();
	if (r < 0)
		goto err_free;
	dev->fd = r;
	r = query(&dev->base, DRM_DSEEK_QUERY_DEVICE, 0, &info, sizeof(info));
	if (r) {
		drm_fail(r, "drm: query");
		goto err_close;
	}
	if (info.abi_major != DRM_DSEEK_ABI_MAJOR) {
		r = dseek_fail(-EPROTONOSUPPORT, "drm: the module speaks ABI %u.%u, this library %d.%d", info.abi_major,
			       info.abi_minor, DRM_DSEEK_ABI_MAJOR, DRM_DSEEK_ABI_MINOR);
		goto err_close;
	}
	dev->features = info.features;
	pthread_mutex_init(&dev->lock, NULL);
	list_init(&dev->handles);
	*ret_dev = &dev->base;
	return 0;

err_close:
	close(dev->fd);
err_free:
	free(dev);
	return r;
}

static void drm_close(struct dseek_device *base)
{
	struct drm_device *dev = drm_device_of(base);

	close(dev->fd);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

static void copy_name(char *to, const __u8 *from)
{
	memcpy(to, from, DRM_DSEEK_NAME_LEN);
	to[DRM_DSEEK_NAME_LEN - 1] = '\0';
}

static int drm_engine_info(struct dseek_device *dev, uint32_t index, struct dseek_engine_info *ret_info)
{
	struct drm_dseek_engine_info info = { 0 };
	int r = query(dev, DRM_DSEEK_QUERY_ENGINE, index, &info, sizeof(info));

	if (r == -ENOENT)
		return dseek_fail(r, "there is no engine %u", index);
	if (r)
		return drm_fail(r, "engine query");
	*ret_info = (struct dseek_engine_info) {
		.id = info.id, .type = info.type, .attached = !!(info.flags & DRM_DSEEK_ENGINE_ATTACHED),
		.standby = !!(info.flags & DRM_DSEEK_ENGINE_STANDBY),
		.depth = info.depth, .numa_node = info.numa_node, .caps = info.caps,
		.generation = info.generation, .busy_ns = info.busy_ns, .predicted = drm_accuracy(&info.predicted),
		.longest_op_ns = info.longest_op_ns, .ready = info.ready, .running = info.running,
		.owned = !!(info.flags & DRM_DSEEK_ENGINE_OWNED), .foreign = !!(info.flags & DRM_DSEEK_ENGINE_FOREIGN),
		.memory = !!(info.flags & DRM_DSEEK_ENGINE_MEMORY),
	};
	copy_name(ret_info->name, info.name);
	return 0;
}

static int drm_tenant_info(struct dseek_device *dev, struct dseek_tenant_info *ret_info)
{
	struct drm_dseek_tenant_info info = { 0 };
	int r = query(dev, DRM_DSEEK_QUERY_TENANT, 0, &info, sizeof(info));

	if (r)
		return drm_fail(r, "tenant query");
	*ret_info = (struct dseek_tenant_info) {
		.id = info.id,
		.pinned_bytes = info.pinned_bytes, .pinned_limit = info.pinned_limit,
		.program_bytes = info.program_bytes, .program_limit = info.program_limit,
		.rate_limit = info.rate_limit,
		.queues = info.queues, .queue_limit = info.queue_limit,
		.jobs = info.jobs, .job_limit = info.job_limit,
		.weight_limit = info.weight_limit, .class_mask = info.class_mask,
		.engine_ns = info.engine_ns,
		.device_bytes = info.device_bytes, .device_limit = info.device_limit,
	};
	if (!(drm_device_of(dev)->features & DRM_DSEEK_FEATURE_TENANT_TREE))	/* it has no such limits */
		ret_info->program_limit = ret_info->rate_limit = UINT64_MAX;
	copy_name(ret_info->name, info.name);
	return 0;
}

const struct dseek_transport dseek_transport_drm = {
	.name = "drm",
	.open = drm_open,
	.close = drm_close,
	.engine_info = drm_engine_info,
	.tenant_info = drm_tenant_info,
	.bo_create = drm_bo_create,
	.bo_create_device = drm_bo_create_device,
	.bo_info = drm_bo_info,
	.bo_destroy = drm_bo_destroy,
	.bo_export = drm_bo_export,
	.bo_import = drm_bo_import,
	.program_create = drm_program_create,
	.program_destroy = drm_program_destroy,
	.queue_create = drm_queue_create,
	.queue_destroy = drm_queue_destroy,
	.queue_stats = drm_queue_stats,
	.submit = drm_submit,
	.wait = drm_wait,
	.syncobj_create = drm_syncobj_create,
	.syncobj_destroy = drm_syncobj_destroy,
	.syncobj_signal = drm_syncobj_signal,
	.syncobj_wait = drm_syncobj_wait,
	.syncobj_query = drm_syncobj_query,
};

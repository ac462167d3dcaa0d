// SPDX-License-Identifier: MIT
#include "object.h"

int dseek_bo_create(struct dseek_device *dev, uint64_t size, uint32_t flags, int numa_node,
		    struct dseek_bo **ret_bo)
{
	struct dseek_bo *bo;
	int r;

	if (!dev || !ret_bo)
		return dseek_fail(-EINVAL, "dseek_bo_create: %s is NULL", dev ? "ret_bo" : "dev");
	if (size == 0)
		return dseek_fail(-EINVAL, "buffer: its size is 0");
	if (flags & ~DSEEK_BO_HUGE)
		return dseek_fail(-EINVAL, "buffer: unknown flags 0x%x", flags & ~DSEEK_BO_HUGE);
	if (numa_node < -1)
		return dseek_fail(-EINVAL, "buffer: NUMA node %d", numa_node);
	r = dev->ops->bo_create(dev, size, flags, numa_node, &bo);
	if (r)
		return r;
	bo->dev = dev;
	dseek_device_get(dev);
	*ret_bo = bo;
	return 0;
}

int dseek_bo_create_device(struct dseek_device *dev, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo)
{
	struct dseek_bo *bo;
	int r;

	if (!dev || !ret_bo)
		return dseek_fail(-EINVAL, "dseek_bo_create_device: %s is NULL", dev ? "ret_bo" : "dev");
	if (size == 0)
		return dseek_fail(-EINVAL, "buffer: its size is 0");
	r = dev->ops->bo_create_device(dev, engine, size, &bo);
	if (r)
		return r;
	bo->dev = dev;
	dseek_device_get(dev);
	*ret_bo = bo;
	return 0;
}

int dseek_bo_info(struct dseek_bo *bo, struct dseek_bo_info *ret_info)
{
	if (!bo || !ret_info)
		return dseek_fail(-EINVAL, "dseek_bo_info: %s is NULL", bo ? "ret_info" : "bo");
	return bo->dev->ops->bo_info(bo, ret_info);
}

void dseek_bo_destroy(struct dseek_bo *bo)
{
	struct dseek_device *dev;

	if (!bo)
		return;
	dev = bo->dev;
	dev->ops->bo_destroy(bo);
	dseek_device_put(dev);
}

void *dseek_bo_map(struct dseek_bo *bo)
{
	return bo->map;
}

uint64_t dseek_bo_size(const struct dseek_bo *bo)
{
	return bo->size;
}

int dseek_bo_export(struct dseek_bo *bo, int *ret_fd)
{
	if (!bo || !ret_fd)
		return dseek_fail(-EINVAL, "dseek_bo_export: %s is NULL", bo ? "ret_fd" : "bo");
	return bo->dev->ops->bo_export(bo, ret_fd);
}

int dseek_bo_import(struct dseek_device *dev, int fd, struct dseek_bo **ret_bo)
{
	struct dseek_bo *bo;
	int r;

	if (!dev || !ret_bo)
		return dseek_fail(-EINVAL, "dseek_bo_import: %s is NULL", dev ? "ret_bo" : "dev");
	if (fd < 0)
		return dseek_fail(-EBADF, "import: %d is no file descriptor", fd);
	r = dev->ops->bo_import(dev, fd, &bo);
	if (r)
		return r;
	bo->dev = dev;
	dseek_device_get(dev);
	*ret_bo = bo;
	return 0;
}

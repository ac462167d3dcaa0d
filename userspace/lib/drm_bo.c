// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>
#include "drm.h"

/* Under the device's lock. */
static void handle_put(struct drm_device *dev, struct drm_handle *h)
{
	struct drm_gem_close close = { .handle = h->handle };

	if (--h->refs)
		return;
	drmIoctl(dev->fd, DRM_IOCTL_GEM_CLOSE, &close);
	list_del(&h->link);
	free(h);
}

static struct drm_handle *handle_get(struct drm_device *dev, uint32_t handle)
{
	struct drm_handle *h;

	list_for_each(link, &dev->handles) {
		h = container_of(link, struct drm_handle, link);
		if (h->handle == handle) {
			h->refs++;
			return h;
		}
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->handle = handle;
	h->refs = 1;
	list_add_tail(&h->link, &dev->handles);
	return h;
}

/* Maps what the handle names; owns the handle whatever comes of it. Under the device's lock. */
static int bo_open(struct drm_device *dev, uint32_t handle, struct dseek_bo **ret_bo)
{
	struct drm_dseek_bo_info info = { .handle = handle };
	struct drm_handle *h = handle_get(dev, handle);
	struct drm_bo *bo = calloc(1, sizeof(*bo));
	void *map;
	int r;

	if (!h) {
		struct drm_gem_close close = { .handle = handle };

		drmIoctl(dev->fd, DRM_IOCTL_GEM_CLOSE, &close);
		free(bo);
		return dseek_fail(-ENOMEM, "buffer: no memory");
	}
	if (!bo) {
		r = dseek_fail(-ENOMEM, "buffer: no memory");
		goto err_put;
	}
	r = drm_call(&dev->base, DRM_IOCTL_DSEEK_BO_INFO, &info);
	if (r) {
		drm_fail(r, "buffer info");
		goto err_put;
	}
	map = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, dev->fd, info.mmap_offset);
	if (map == MAP_FAILED && info.flags & DRM_DSEEK_BO_DEVICE)
		map = NULL;	/* no dma-buf, or one of a driver that maps none of it */
	if (map == MAP_FAILED) {
		r = drm_fail(-errno, "buffer: mmap");
		goto err_put;
	}
	bo->base.map = map;
	bo->base.size = info.size;
	bo->handle = h;
	*ret_bo = &bo->base;
	return 0;

err_put:
	handle_put(dev, h);
	free(bo);
	return r;
}

int drm_bo_create(struct dseek_device *base, uint64_t size, uint32_t flags, int numa_node, struct dseek_bo **ret_bo)
{
	struct drm_dseek_bo_create create = { .size = size, .flags = flags, .numa_node = numa_node };
	struct drm_device *dev = drm_device_of(base);
	int r;

	r = drm_call(base, DRM_IOCTL_DSEEK_BO_CREATE, &create);
	if (r)
		return drm_fail(r, "buffer");
	pthread_mutex_lock(&dev->lock);
	r = bo_open(dev, create.handle, ret_bo);
	pthread_mutex_unlock(&dev->lock);
	return r;
}

static const char *device_meaning(int error)
{
	switch (-error) {
	case ENOENT:		return "there is no such engine";
	case EACCES:		return "the engine is another user's";
	case EOPNOTSUPP:	return "the engine gives no memory of its own";
	case ENODEV:		return "the engine has no executor, or is drained";
	case ETIMEDOUT:		return "the engine's executor didn't answer";
	case EDQUOT:		return "over the tenant's quota";
	}
	return strerror(-error);
}

int drm_bo_create_device(struct dseek_device *base, uint32_t engine, uint64_t size, struct dseek_bo **ret_bo)
{
	struct drm_dseek_bo_create create = { .size = size, .flags = DRM_DSEEK_BO_DEVICE, .numa_node = -1, .engine = engine };
	struct drm_device *dev = drm_device_of(base);
	int r;

	if (!(dev->features & DRM_DSEEK_FEATURE_MEMORY))
		return dseek_fail(-EOPNOTSUPP, "buffer of engine %u: this module knows no memory of engines (ABI 1.3)", engine);
	r = drm_call(base, DRM_IOCTL_DSEEK_BO_CREATE, &create);
	if (r)
		return dseek_fail(r, "buffer of engine %u: %s", engine, device_meaning(r));
	pthread_mutex_lock(&dev->lock);
	r = bo_open(dev, create.handle, ret_bo);
	pthread_mutex_unlock(&dev->lock);
	return r;
}

int drm_bo_info(struct dseek_bo *base, struct dseek_bo_info *ret_info)
{
	struct drm_bo *bo = container_of(base, struct drm_bo, base);
	struct drm_dseek_bo_info info = { .handle = bo->handle->handle };
	int r = drm_call(base->dev, DRM_IOCTL_DSEEK_BO_INFO, &info);

	if (r)
		return drm_fail(r, "buffer info");
	*ret_info = (struct dseek_bo_info){ .id = info.id, .size = info.size, .flags = info.flags, .engine = info.engine };
	return 0;
}

void drm_bo_destroy(struct dseek_bo *base)
{
	struct drm_bo *bo = container_of(base, struct drm_bo, base);
	struct drm_device *dev = drm_device_of(base->dev);

	if (base->map)
		munmap(base->map, base->size);
	pthread_mutex_lock(&dev->lock);
	handle_put(dev, bo->handle);
	pthread_mutex_unlock(&dev->lock);
	free(bo);
}

int drm_bo_export(struct dseek_bo *base, int *ret_fd)
{
	struct drm_bo *bo = container_of(base, struct drm_bo, base);
	int fd;

	if (drmPrimeHandleToFD(drm_device_of(base->dev)->fd, bo->handle->handle, DRM_CLOEXEC | DRM_RDWR, &fd))
		return errno == EOPNOTSUPP ? dseek_fail(-errno, "export: the engine's memory has no dma-buf") :
		       errno == ENODEV ? dseek_fail(-errno, "export: the buffer's memory went with its executor") : drm_fail(-errno, "export");
	*ret_fd = fd;
	return 0;
}

int drm_bo_import(struct dseek_device *base, int fd, struct dseek_bo **ret_bo)
{
	struct drm_device *dev = drm_device_of(base);
	uint32_t handle;
	int r;

	/* Locked from the import on: the handle may be one that another thread is just closing. */
	pthread_mutex_lock(&dev->lock);
	if (drmPrimeFDToHandle(dev->fd, fd, &handle)) {
		r = errno == ENOTTY || errno == EBADF || errno == EINVAL ?
			dseek_fail(-errno, "import: file descriptor %d is no buffer", fd) : drm_fail(-errno, "import");
	} else {
		r = bo_open(dev, handle, ret_bo);
	}
	pthread_mutex_unlock(&dev->lock);
	return r;
}

// SPDX-License-Identifier: MIT
/* Syncobjs are DRM's own; libdrm has the calls. */
#include <stdlib.h>
#include <xf86drm.h>
#include "drm.h"

static struct drm_syncobj *syncobj_of(struct dseek_syncobj *base)
{
	return container_of(base, struct drm_syncobj, base);
}

int drm_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj)
{
	struct drm_syncobj *syncobj = calloc(1, sizeof(*syncobj));

	if (!syncobj)
		return dseek_fail(-ENOMEM, "syncobj: no memory");
	if (drmSyncobjCreate(drm_device_of(dev)->fd, signalled ? DRM_SYNCOBJ_CREATE_SIGNALED : 0, &syncobj->handle)) {
		free(syncobj);
		return drm_fail(-errno, "syncobj");
	}
	*ret_syncobj = &syncobj->base;
	return 0;
}

void drm_syncobj_destroy(struct dseek_syncobj *base)
{
	drmSyncobjDestroy(drm_device_of(base->dev)->fd, syncobj_of(base)->handle);
	free(syncobj_of(base));
}

int drm_syncobj_signal(struct dseek_syncobj *base, uint64_t point)
{
	int fd = drm_device_of(base->dev)->fd;
	uint32_t handle = syncobj_of(base)->handle;

	if (point ? drmSyncobjTimelineSignal(fd, &handle, &point, 1) : drmSyncobjSignal(fd, &handle, 1))
		return drm_fail(-errno, "syncobj signal");
	return 0;
}

int drm_syncobj_wait(struct dseek_syncobj *base, uint64_t point, uint64_t deadline_ns)
{
	int64_t timeout = deadline_ns > INT64_MAX ? INT64_MAX : (int64_t)deadline_ns;
	uint32_t flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, first;
	int fd = drm_device_of(base->dev)->fd, r;
	uint32_t handle = syncobj_of(base)->handle;

	r = point ? drmSyncobjTimelineWait(fd, &handle, &point, 1, timeout, flags, &first) :
		    drmSyncobjWait(fd, &handle, 1, timeout, flags, &first);
	if (r == -ETIME)
		return dseek_fail(r, "syncobj: point %llu isn't signalled", (unsigned long long)point);
	return r < 0 ? drm_fail(r, "syncobj wait") : 0;
}

int drm_syncobj_query(struct dseek_syncobj *base, uint64_t *ret_point)
{
	uint32_t handle = syncobj_of(base)->handle;
	uint64_t point;

	if (drmSyncobjQuery(drm_device_of(base->dev)->fd, &handle, &point, 1))
		return drm_fail(-errno, "syncobj query");
	*ret_point = point;
	return 0;
}

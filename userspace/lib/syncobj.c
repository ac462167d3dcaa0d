// SPDX-License-Identifier: MIT
#include "object.h"

int dseek_syncobj_create(struct dseek_device *dev, int signalled, struct dseek_syncobj **ret_syncobj)
{
	struct dseek_syncobj *syncobj;
	int r;

	if (!dev || !ret_syncobj)
		return dseek_fail(-EINVAL, "dseek_syncobj_create: %s is NULL", dev ? "ret_syncobj" : "dev");
	r = dev->ops->syncobj_create(dev, signalled, &syncobj);
	if (r)
		return r;
	syncobj->dev = dev;
	dseek_device_get(dev);
	*ret_syncobj = syncobj;
	return 0;
}

void dseek_syncobj_destroy(struct dseek_syncobj *syncobj)
{
	struct dseek_device *dev;

	if (!syncobj)
		return;
	dev = syncobj->dev;
	dev->ops->syncobj_destroy(syncobj);
	dseek_device_put(dev);
}

int dseek_syncobj_signal(struct dseek_syncobj *syncobj, uint64_t point)
{
	if (!syncobj)
		return dseek_fail(-EINVAL, "dseek_syncobj_signal: syncobj is NULL");
	return syncobj->dev->ops->syncobj_signal(syncobj, point);
}

int dseek_syncobj_wait(struct dseek_syncobj *syncobj, uint64_t point, uint64_t deadline_ns)
{
	if (!syncobj)
		return dseek_fail(-EINVAL, "dseek_syncobj_wait: syncobj is NULL");
	return syncobj->dev->ops->syncobj_wait(syncobj, point, deadline_ns);
}

int dseek_syncobj_query(struct dseek_syncobj *syncobj, uint64_t *ret_point)
{
	if (!syncobj || !ret_point)
		return dseek_fail(-EINVAL, "dseek_syncobj_query: %s is NULL", syncobj ? "ret_point" : "syncobj");
	return syncobj->dev->ops->syncobj_query(syncobj, ret_point);
}

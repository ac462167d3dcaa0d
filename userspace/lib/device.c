// SPDX-License-Identifier: MIT
/* Devices: choice of the transport by name, and what a tenant may ask about the machine. */
#include <stdio.h>
#include <string.h>
#include "object.h"

static const struct dseek_transport *const transports[] = { &dseek_transport_drm, &dseek_transport_embed };

void dseek_device_get(struct dseek_device *dev)
{
	__atomic_add_fetch(&dev->refs, 1, __ATOMIC_RELAXED);
}

void dseek_device_put(struct dseek_device *dev)
{
	if (__atomic_sub_fetch(&dev->refs, 1, __ATOMIC_ACQ_REL) == 0)
		dev->ops->close(dev);
}

static int open_on(const struct dseek_transport *ops, const char *arg,
		   const struct dseek_open_params *params, struct dseek_device **ret_dev)
{
	struct dseek_device *dev;
	int r;

	r = ops->open(arg, params, &dev);
	if (r)
		return r;
	dev->ops = ops;
	dev->refs = 1;
	*ret_dev = dev;
	return 0;
}

/* The module where it is loaded and serves an engine now, else this process. */
static int open_auto(const struct dseek_open_params *params, struct dseek_device **ret_dev)
{
	/* In module mode the kernel says who the tenant is; a name is for embedded mode only. */
	static const struct dseek_open_params by_kernel;
	struct dseek_engine_info info;
	struct dseek_device *dev;

	if (open_on(&dseek_transport_drm, "", &by_kernel, &dev) == 0) {
		if (dseek_engine_find(dev, NULL, &info) == 0) {
			*ret_dev = dev;
			return 0;
		}
		dseek_device_put(dev);
	}
	return open_on(&dseek_transport_embed, "", params, ret_dev);
}

int dseek_open(const char *spec, const struct dseek_open_params *params, struct dseek_device **ret_dev)
{
	static const struct dseek_open_params none;
	size_t i, n;

	if (!spec || !ret_dev)
		return dseek_fail(-EINVAL, "dseek_open: %s is NULL", spec ? "ret_dev" : "spec");
	if (!params)
		params = &none;
	if (strcmp(spec, "auto") == 0)
		return open_auto(params, ret_dev);
	for (i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		n = strlen(transports[i]->name);
		if (strncmp(spec, transports[i]->name, n) == 0 && spec[n] == ':')
			return open_on(transports[i], spec + n + 1, params, ret_dev);
	}
	return dseek_fail(-EINVAL, "device '%.80s': not auto, drm: or embed:", spec);
}

void dseek_close(struct dseek_device *dev)
{
	if (dev)
		dseek_device_put(dev);
}

const char *dseek_transport(const struct dseek_device *dev)
{
	return dev->ops->name;
}

int dseek_engine_info(struct dseek_device *dev, uint32_t index, struct dseek_engine_info *ret_info)
{
	if (!dev || !ret_info)
		return dseek_fail(-EINVAL, "dseek_engine_info: %s is NULL", dev ? "ret_info" : "dev");
	return dev->ops->engine_info(dev, index, ret_info);
}

int dseek_engine_find(struct dseek_device *dev, const char *name, struct dseek_engine_info *ret_info)
{
	struct dseek_engine_info info;
	uint32_t i;
	int r;

	if (!dev || !ret_info)
		return dseek_fail(-EINVAL, "dseek_engine_find: %s is NULL", dev ? "ret_info" : "dev");
	for (i = 0; (r = dev->ops->engine_info(dev, i, &info)) == 0; i++) {
		if (name ? strcmp(info.name, name) == 0 : info.attached && !info.foreign) {
			*ret_info = info;
			return 0;
		}
	}
	if (r != -ENOENT)
		return r;
	return name ? dseek_fail(-ENOENT, "no engine is called '%.40s'", name) :
		      dseek_fail(-ENOENT, "no engine that serves this user has an executor attached");
}

int dseek_engine_set(struct dseek_device *dev, const char *names, uint64_t *ret_set)
{
	struct dseek_engine_info info;
	uint64_t set = 0;
	char name[64];
	size_t n;
	int r;

	if (!dev || !names || !ret_set)
		return dseek_fail(-EINVAL, "dseek_engine_set: %s is NULL", !dev ? "dev" : !names ? "names" : "ret_set");
	for (;; names += n + 1) {
		n = strcspn(names, ",");
		snprintf(name, sizeof(name), "%.*s", (int)n, names);
		if (!n)
			return dseek_fail(-EINVAL, "a set of engines with an empty name");
		r = dseek_engine_find(dev, name, &info);
		if (r)
			return r;
		if (set & 1ull << info.id)
			return dseek_fail(-EINVAL, "engine %s is given twice", name);
		set |= 1ull << info.id;
		if (!names[n])
			break;
	}
	*ret_set = set;
	return 0;
}

int dseek_tenant_info(struct dseek_device *dev, struct dseek_tenant_info *ret_info)
{
	if (!dev || !ret_info)
		return dseek_fail(-EINVAL, "dseek_tenant_info: %s is NULL", dev ? "ret_info" : "dev");
	return dev->ops->tenant_info(dev, ret_info);
}

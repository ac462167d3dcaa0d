// SPDX-License-Identifier: MIT
/* Backends by name: built in, or a shared object given by its path. */
#include <dlfcn.h>
#include <drm/dseek_drm.h>
#include <stdio.h>
#include <string.h>
#include "backend.h"

static const struct dseek_backend *const builtin[] = {
	&dseek_backend_cpu, &dseek_backend_null, &dseek_backend_fault, &dseek_backend_hip,
	&dseek_backend_npu, &dseek_backend_opencl,
};

const struct dseek_backend *dseek_backend_at(size_t index)
{
	return index < sizeof(builtin) / sizeof(builtin[0]) ? builtin[index] : NULL;
}

/* A loaded object stays loaded: its code may be running in a thread that was declared lost. */
static const struct dseek_backend *load(const char *path, char *err, size_t err_size)
{
	const struct dseek_backend *backend;
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!object) {
		snprintf(err, err_size, "%s", dlerror());
		return NULL;
	}
	backend = dlsym(object, "dseek_backend");
	if (!backend)
		snprintf(err, err_size, "%s exports no dseek_backend", path);
	else if (backend->abi != DSEEK_BACKEND_ABI)
		snprintf(err, err_size, "%s is of backend ABI %u, this is %u", path, backend->abi, DSEEK_BACKEND_ABI);
	else if (!backend->name || !backend->open || !backend->run)
		snprintf(err, err_size, "%s lacks a name, open() or run()", path);
	else if (backend->type >= DRM_DSEEK_ENGINE_TYPE_COUNT)
		snprintf(err, err_size, "%s is of engine type %u, there are %u, from 0", path, backend->type, DRM_DSEEK_ENGINE_TYPE_COUNT);
	else
		return backend;
	dlclose(object);
	return NULL;
}

const struct dseek_backend *dseek_backend_find(const char *name, char *err, size_t err_size)
{
	size_t i;

	for (i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (strcmp(builtin[i]->name, name) == 0)
			return builtin[i];
	if (strchr(name, '/'))
		return load(name, err, err_size);
	snprintf(err, err_size, "no backend is called '%s' (a path to a shared object has a slash in it)", name);
	return NULL;
}

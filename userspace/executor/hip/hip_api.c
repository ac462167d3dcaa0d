// SPDX-License-Identifier: MIT
#include "hip_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Newest first; the name without a version belongs to development packages. */
static const char *const names[] = {
	"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so",
	"/opt/rocm/lib/libamdhip64.so",
};

static int open_library(const char *path, struct hip_api *api, char *err, size_t err_size)
{
	size_t i;

	if (path) {
		api->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		snprintf(api->path, sizeof(api->path), "%s", path);
		if (!api->library)
			snprintf(err, err_size, "%s", dlerror());
		return api->library ? 0 : -ENOENT;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		api->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		snprintf(api->path, sizeof(api->path), "%s", names[i]);
		if (api->library)
			return 0;
	}
	snprintf(err, err_size, "no libamdhip64 (.so.7, .so.6, .so.5, /opt/rocm/lib): install ROCm's HIP runtime");
	return -ENOENT;
}

int hip_api_open(const char *path, struct hip_api *ret_api, char *err, size_t err_size)
{
	struct hip_api api = { 0 };
	char missing[100] = "";
	unsigned int lacks = 0;
	size_t used = 0;
	int r = open_library(path, &api, err, err_size);

	if (r)
		return r;
#define HIP_LOAD(name, params)										\
	api.name = (hip_error (*) params)dlsym(api.library, "hip" #name);
#define HIP_LOAD_OR_MISS(name, params)									\
	HIP_LOAD(name, params)										\
	if (!api.name && lacks++ < 3)									\
		used += (size_t)snprintf(missing + used, sizeof(missing) - used, " hip" #name);
	HIP_OPTIONAL(HIP_LOAD)
	HIP_MANDATORY(HIP_LOAD_OR_MISS)
	api.GetErrorName = (const char *(*)(hip_error))dlsym(api.library, "hipGetErrorName");
	/* dlsym() looks in what the library is linked with, too */
	api.export_dma_buf = (int (*)(const void *, size_t, int *, uint64_t *))dlsym(api.library, "hsa_amd_portable_export_dmabuf");
	if (!api.GetDevicePropertiesR0600 && !api.GetDeviceProperties && lacks++ < 3)
		used += (size_t)snprintf(missing + used, sizeof(missing) - used, " hipGetDeviceProperties");
	if (lacks) {
		if (lacks > 3)
			snprintf(missing + used, sizeof(missing) - used, " and %u more", lacks - 3);
		snprintf(err, err_size, "%s lacks%s", api.path, missing);
		dlclose(api.library);
		return -ELIBACC;
	}
	*ret_api = api;
	return 0;
}

/* The runtime starts threads and registers exit handlers that unloading would leave without code: it stays. */
void hip_api_close(struct hip_api *api)
{
	memset(api, 0, sizeof(*api));
}

int hip_api_check(const struct hip_api *api, hip_error error, const char *call, char *err, size_t err_size)
{
	const char *name = error && api->GetErrorName ? api->GetErrorName(error) : NULL;

	if (!error)
		return 0;
	if (api->own_words)
		snprintf(err, err_size, "%s", name);
	else
		snprintf(err, err_size, "%s: %s%s%d%s", call, name ? name : "", name ? " (" : "error ", error, name ? ")" : "");
	switch (error) {
	case HIP_OUT_OF_MEMORY:
		return -ENOMEM;
	case HIP_NO_DEVICE:
		return -ENODEV;
	case HIP_NO_BINARY_FOR_GPU:
		return -ENOEXEC;
	default:
		return -EIO;
	}
}

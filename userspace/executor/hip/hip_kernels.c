// SPDX-License-Identifier: MIT
#include "hip_kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kernel_info {
	const char *file, *name;
	unsigned int lanes, buffers, params_size;
} infos[] = {
#define KERNEL_INFO(file, name, lanes, buffers, params)	{ #file, #name, lanes, buffers, sizeof(params) },
	DSK_KERNELS(KERNEL_INFO)
};

const char *hip_kernel_name(enum hip_kernel kernel)
{
	return infos[kernel].name;
}

/* A whole file; the caller frees it. */
static int read_file(const char *path, void **ret_data)
{
	FILE *file = fopen(path, "re");
	char *data = NULL;
	long size = -1;
	int r = -EIO;

	if (!file)
		return -errno;
	if (!fseek(file, 0, SEEK_END))
		size = ftell(file);
	rewind(file);
	if (size > 0)
		data = malloc((size_t)size + 1);
	if (size > 0 && !data)
		r = -ENOMEM;
	if (data && fread(data, 1, (size_t)size, file) == (size_t)size) {
		data[size] = 0;
		*ret_data = data;
		data = NULL;
		r = 0;
	}
	free(data);
	fclose(file);
	return r;
}

/* A file's module belongs to its first kernel. */
static enum hip_kernel first_of_file(enum hip_kernel kernel)
{
	unsigned int i = 0;

	while (strcmp(infos[i].file, infos[kernel].file))
		i++;
	return (enum hip_kernel)i;
}

static int load_module(struct hip_kernels *k, enum hip_kernel first, char *err, size_t err_size)
{
	char path[600], why[200];
	void *image = NULL;
	int r;

	snprintf(path, sizeof(path), "%s/%s%s", k->folder, infos[first].file, k->suffix);
	r = read_file(path, &image);
	if (r) {
		snprintf(err, err_size, "%s: %s", path, strerror(-r));
		return r == -ENOENT ? -ENOTSUP : r;
	}
	r = HIP(k->api, ModuleLoadData, (&k->modules[first], image), why, sizeof(why));
	if (r) {
		snprintf(err, err_size, "%s: %s", path, why);
		k->modules[first] = NULL;
	}
	free(image);	/* the runtime has made its own of it */
	return r;
}

int hip_kernel_load(struct hip_kernels *k, enum hip_kernel kernel, char *err, size_t err_size)
{
	enum hip_kernel first = first_of_file(kernel);
	char why[200];
	int r = 0;

	if (k->functions[kernel])
		return 0;
	if (!k->modules[first])
		r = load_module(k, first, err, err_size);
	if (r)
		return r;
	r = HIP(k->api, ModuleGetFunction, (&k->functions[kernel], k->modules[first], infos[kernel].name), why, sizeof(why));
	if (r) {
		snprintf(err, err_size, "%s/%s%s: %s: %s", k->folder, infos[kernel].file, k->suffix, infos[kernel].name, why);
		k->functions[kernel] = NULL;
	}
	return r;
}

void hip_kernels_unload(struct hip_kernels *k)
{
	unsigned int i;

	for (i = 0; i < HIP_KERNEL_COUNT; i++)
		if (k->modules[i])
			k->api->ModuleUnload(k->modules[i]);
	memset(k->modules, 0, sizeof(k->modules));
	memset(k->functions, 0, sizeof(k->functions));
}

int hip_kernel_launch(struct hip_kernels *k, enum hip_kernel kernel, hip_stream stream, const uint32_t grid[3],
		      const void *const *buffers, const void *params, char *err, size_t err_size)
{
	const struct kernel_info *info = &infos[kernel];
	/* Pointers, then the struct: as tests/kernels/gates sees code objects have them. */
	struct {
		const void *buffers[HIP_KERNEL_BUFFERS];
		char params[256];
	} args;
	size_t size = info->buffers * sizeof(void *) + info->params_size;
	void *extra[] = { HIP_LAUNCH_BUFFER_POINTER, &args, HIP_LAUNCH_BUFFER_SIZE, &size, HIP_LAUNCH_END };
	char why[160];
	int r;

	memcpy(args.buffers, buffers, info->buffers * sizeof(void *));
	memcpy((char *)&args + info->buffers * sizeof(void *), params, info->params_size);
	r = HIP(k->api, ModuleLaunchKernel, (k->functions[kernel], grid[0], grid[1], grid[2], info->lanes, 1, 1, 0, stream, NULL, extra),
		why, sizeof(why));
	if (r)
		snprintf(err, err_size, "%s: %s", info->name, why);
	k->launches += !r;
	return r;
}

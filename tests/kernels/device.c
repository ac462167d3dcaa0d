/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "device.h"

static const struct kernel_info kernels[] = {
#define KERNEL_INFO(file, name, lanes, buffers, params)	{ #file, #name, lanes, buffers, sizeof(params) },
	DSK_KERNELS(KERNEL_INFO)
};

const struct kernel_info *kernel_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		if (!strcmp(kernels[i].name, name))
			return &kernels[i];
	return NULL;
}

int device_run(const struct device *device, const char *kernel, const struct simt_launch *launch, char *err, size_t err_size)
{
	const struct kernel_info *info = kernel_find(kernel);
	struct simt_launch l = *launch;

	if (!info) {
		snprintf(err, err_size, "dsk_kernels.h has no %s", kernel);
		return -1;
	}
	if (l.n_buffers != info->buffers || l.params_size != info->params_size) {
		snprintf(err, err_size, "%s has %u buffers and %u bytes of parameters, not %u and %zu", kernel, info->buffers,
			 info->params_size, l.n_buffers, l.params_size);
		return -1;
	}
	l.lanes = info->lanes;
	return device->run(device, info, &l, err, err_size);
}

/* SPDX-License-Identifier: MIT */
#include "device.h"

#define WHY_NOT	"built without OpenCL: no ocl-icd-opencl-dev, or a sanitizer's build (tools/packages install kernels)"

const struct device device_opencl[2] = {
	{ .name = "opencl32", .wave = 32, .why_not = WHY_NOT },
	{ .name = "opencl64", .wave = 64, .why_not = WHY_NOT },
};

/* SPDX-License-Identifier: MIT */
/*
 * What runs kernels in tests: the harness with waves of 32 and 64 (simt32, simt64) and OpenCL (opencl32, opencl64), from the
 * same sources. Tests launch by name; dsk_kernels.h says the rest.
 */
#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

#include "../../kernels/dsk_kernels.h"
#include "simt/simt.h"

struct kernel_info {
	const char *file, *name;
	unsigned int lanes, buffers, params_size;
};

const struct kernel_info *kernel_find(const char *name);	/* NULL if there is none */

struct device {
	const char *name;
	unsigned int wave;
	const char *build;	/* of the harness: which builds of kernels, in build/kernels/simt */
	/* 0, or -1 and a sentence in @err. As many buffers as the kernel has; NULL of size 0: not given. */
	int (*run)(const struct device *device, const struct kernel_info *info, const struct simt_launch *launch, char *err,
		   size_t err_size);
	const char *why_not;	/* it can't be used here */
};

extern const struct device device_simt[2], device_opencl[2];
extern const struct device device_simt_mma[3];		/* the harness with matrix instructions that device_simt hasn't */
extern struct simt_report device_simt_report;	/* of the last launch on device_simt: what it counted */

/* One launch of a kernel of dsk_kernels.h, with as many buffers as it has; grid, buffers and parameters are @launch's. */
int device_run(const struct device *device, const char *kernel, const struct simt_launch *launch, char *err, size_t err_size);

#endif /* KERNEL_DEVICE_H */

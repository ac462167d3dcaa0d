/* SPDX-License-Identifier: MIT */
/* The kernels of kernels/dsk_kernels.h on a device: code objects of its target, loaded when a program first needs one. */
#ifndef DSEEK_HIP_KERNELS_H
#define DSEEK_HIP_KERNELS_H

#include "../../../kernels/dsk_kernels.h"
#include "hip_api.h"

#define HIP_KERNEL_ID(file, name, lanes, buffers, params) HIP_##name,
enum hip_kernel { DSK_KERNELS(HIP_KERNEL_ID) HIP_KERNEL_COUNT };
#undef HIP_KERNEL_ID

#define HIP_KERNEL_BUFFERS	16	/* that a kernel has, at most */

struct hip_kernels {
	const struct hip_api *api;
	char folder[512];	/* of modules' files */
	const char *suffix;	/* of theirs: ".co" */
	hip_module modules[HIP_KERNEL_COUNT];	/* at the first kernel of each file */
	hip_function functions[HIP_KERNEL_COUNT];
	uint64_t launches;	/* so far */
};

const char *hip_kernel_name(enum hip_kernel kernel);

/* 0 if it is there or could be loaded; -ENOTSUP if its file isn't there; else a HIP error. One sentence in @err. */
int hip_kernel_load(struct hip_kernels *k, enum hip_kernel kernel, char *err, size_t err_size);
void hip_kernels_unload(struct hip_kernels *k);

/* On a loaded kernel: @buffers are the device's addresses, as many as it has; @params its struct. Nothing is waited for. */
int hip_kernel_launch(struct hip_kernels *k, enum hip_kernel kernel, hip_stream stream, const uint32_t grid[3],
		      const void *const *buffers, const void *params, char *err, size_t err_size);

#endif /* DSEEK_HIP_KERNELS_H */

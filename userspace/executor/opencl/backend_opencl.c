// SPDX-License-Identifier: MIT
/*
 * The opencl backend: programs on a device of OpenCL that shares the process's memory: processors by PoCL, GPUs with shared virtual memory
 * of the system. It is the hip backend on another driver, with kernels/ as OpenCL C, which the device's compiler builds when a program needs
 * them.
 */
#include <drm/dseek_drm.h>

#include "../backend.h"
#include "../hip/hip_state.h"
#include "cl_driver.h"

static int opencl_open(const char *options, void **ret_state, char *err, size_t err_size)
{
	return hip_open_driver(&cl_driver, options, ret_state, err, err_size);
}

const struct dseek_backend dseek_backend_opencl = {
	.abi = DSEEK_BACKEND_ABI,
	.type = DRM_DSEEK_ENGINE_GPU,
	.name = "opencl",
	.summary = "an OpenCL device that shares this process's memory [library=, kernels=, device=, abort_ms=, scrub=, plain=]",
	.open = opencl_open,
	.close = hip_close,
	.program_prepare = hip_program_prepare,
	.program_release = hip_program_release,
	.run = hip_run,
	.buffer_map = hip_buffer_map,
	.buffer_unmap = hip_buffer_unmap,
	.status = hip_status,
	.lost = hip_is_lost,
};

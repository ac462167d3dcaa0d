/* SPDX-License-Identifier: MIT */
/*
 * The calls that the hip backend makes, by OpenCL: so a GPU that OpenCL drives runs the same ops by the same launches. It has to reach the
 * process's memory as it is, a processor or a device with shared virtual memory of the system; others are not counted.
 */
#ifndef DSEEK_CL_DRIVER_H
#define DSEEK_CL_DRIVER_H

#include "../hip/hip_driver.h"

#define CL_TARGET	"opencl"	/* the folder of sources below that of kernels; modules are text, each all of its own */

extern const struct hip_driver cl_driver;

#endif /* DSEEK_CL_DRIVER_H */

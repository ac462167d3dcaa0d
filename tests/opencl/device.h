/* SPDX-License-Identifier: MIT */
/* What the shim tells besides what ../hip/device.h has. */
#ifndef OPENCL_DEVICE_H
#define OPENCL_DEVICE_H

#include <stddef.h>

size_t opencl_device_groups(unsigned int n);	/* of the nth launch, from 0; in the first dimension */

#endif /* OPENCL_DEVICE_H */

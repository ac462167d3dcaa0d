/* SPDX-License-Identifier: MIT */
/* The hip backend on the stand-in, for tests. */
#ifndef HIP_DEVICE_H
#define HIP_DEVICE_H

#include <stddef.h>

#include "../../userspace/executor/backend.h"
#include "standin.h"

/* NULL, or why nothing can run here. */
const char *hip_device_why_not(void);

/* The stand-in's options for the backend, "library=...,kernels=...", and @more behind them. */
const char *hip_device_options(const char *more);

/* dseek_backend_hip.open() with these. */
int hip_device_open(const char *more, void **ret_state, char *err, size_t err_size);

/* standin.h's, in the loaded library */
void hip_device_reset(void);
unsigned int hip_device_calls(const char *name);
unsigned int hip_device_live(void);
const struct standin_launch *hip_device_launch(unsigned int n);

int hip_device_unregister(void *host);	/* hipHostUnregister() itself, for what a failure of it has left */

#endif /* HIP_DEVICE_H */

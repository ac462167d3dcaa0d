/* SPDX-License-Identifier: MIT */
/*
 * What stands behind struct hip_api: AMD's runtime, or another that does what those calls do (../opencl). All else of the backend is the
 * same for each: ops, kernels, memory, launch-ahead.
 */
#ifndef DSEEK_HIP_DRIVER_H
#define DSEEK_HIP_DRIVER_H

#include "hip_api.h"
#include "hip_target.h"

struct hip_driver {
	const char *name;	/* of the backend */
	const char *suffix;	/* of a module's file: ".co" */
	int (*open)(const char *library, struct hip_api *ret_api, char *err, size_t err_size);	/* as hip_api_open() */
	int plain;		/* kernels have no matrix instructions there, but a slow model of them: plain=1 if nothing is said */
	int (*target)(const struct hip_api *api, int device, struct hip_target *ret_target, char *err, size_t err_size);
};

/* struct dseek_backend's open() and close(); its other functions are those of dseek_backend_hip. */
int hip_open_driver(const struct hip_driver *driver, const char *options, void **ret_state, char *err, size_t err_size);

#endif /* DSEEK_HIP_DRIVER_H */

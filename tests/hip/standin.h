/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for AMD's libamdhip64, for tests on machines without a GPU: HIP's functions over OpenCL, so that the backend runs as it is.
 * It is stricter than the real one where that finds mistakes: the device's addresses are never the host's, and touching one on the
 * host is a segmentation fault; a pointer that isn't the device's is refused; copies wait for no stream.
 *
 * A code object is a text of three lines: STANDIN_MAGIC, the target it is for, the file of kernels/ whose OpenCL it is.
 *
 *	HIP_STANDIN_ARCH	gcnArchName of the device (default gfx942:sramecc+:xnack-)
 *	HIP_STANDIN_DEVICES	how many there are (default 1)
 *	HIP_STANDIN_SOURCE	the source tree (default: DSEEK_SOURCE, then the one it was built from)
 *	HIP_STANDIN_FAIL	NAME:N:CODE,... : the Nth call of NAME fails with CODE, having done nothing; N+: and all after it
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stddef.h>

#define STANDIN_MAGIC	"dseek stand-in code object"

/* For tests, found by dlsym(). */
#pragma GCC visibility push(default)
void hip_standin_reset(void);			/* counts of calls, and what HIP_STANDIN_FAIL has counted */
unsigned int hip_standin_calls(const char *name);	/* since then */
unsigned int hip_standin_live(void);		/* modules, streams, events, allocations and registrations that are there */
const char *hip_standin_why_not(void);		/* NULL, or why there is no OpenCL device */
#pragma GCC visibility pop

/* ---- between its files */

/* standin_memory.c: an address of the device for memory of the host. */
int standin_map(void *host, size_t size, int owned, void **ret_device);	/* @owned: free(@host) when it goes; 0 or a HIP error */
int standin_unmap_host(void *host);
int standin_unmap_device(void *device);
void *standin_host(const void *device);		/* NULL: no address of the device */
void *standin_device(const void *host);

/* standin_fail.c: counts a call; the error it has to fail with, or 0. */
int standin_call(const char *name);
extern unsigned int standin_live;

#endif /* STANDIN_H */

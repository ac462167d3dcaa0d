/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for AMD's libamdhip64, for tests on machines without a GPU, so that the backend runs as it is: HIP's functions over OpenCL,
 * or over this processor alone (host/), which needs nothing and is slower.
 * It is stricter than the real one where that finds mistakes: the device's addresses are never the host's, and touching one on the
 * host is a segmentation fault; a pointer that isn't the device's is refused; copies wait for no stream.
 *
 * A code object is a text of three lines: STANDIN_MAGIC, the target it is for, the file of kernels/ whose OpenCL it is.
 *
 * One that is an ELF file stands for a file of kernels/, whatever is in it.
 *
 *	HIP_STANDIN_OWN		which (default: it is refused)
 *	HIP_STANDIN_ARCH	gcnArchName of the device (default gfx942:sramecc+:xnack-)
 *	HIP_STANDIN_DEVICES	how many there are (default 1)
 *	HIP_STANDIN_CUS		compute units of each (default 2)
 *	HIP_STANDIN_PRIORITIES	LEAST:GREATEST of streams (default 1:-1)
 *	HIP_STANDIN_SOURCE	OpenCL: the source tree (default: DSEEK_SOURCE, then the one it was built from)
 *	HIP_STANDIN_HOST	this processor: the folder of kernels for its wave (default: WAVE beside the library)
 *	HIP_STANDIN_EXPORT	what hipMemGetHandleForAddressRange and hsa_amd_portable_export_dmabuf give: "file", the memory's file; "chunk", one of
 *				more than the memory; "part", the latter alone: of as much, but from an offset; default: a dma-buf by /dev/udmabuf, or
 *				hipErrorNotSupported
 *	HIP_STANDIN_NO_SVM	set: what can't be written to isn't registered, as where the kernel has no HSA_AMD_SVM
 *	HIP_STANDIN_SLOW	milliseconds that the device needs at least, from an event being recorded to its being done (default 0)
 *	HIP_STANDIN_FAIL	NAME:N:CODE,... : the Nth call of NAME fails with CODE, having done nothing; N+: and all after it
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stddef.h>

#define STANDIN_MAGIC	"dseek stand-in code object"

#define STANDIN_LAUNCHES	1024

struct standin_launch {
	char kernel[48];
	unsigned int groups;
	int priority;			/* of the stream */
	unsigned int mask_words, mask;	/* of its compute units: how many words it was made with, 0: all; the first */
	int lds;			/* words of LDS that weren't 0 before the launch; -1: the device can't tell */
};

/* For tests, found by dlsym(). */
#pragma GCC visibility push(default)
void hip_standin_reset(void);			/* counts of calls, and what HIP_STANDIN_FAIL has counted */
unsigned int hip_standin_calls(const char *name);	/* since then */
unsigned int hip_standin_live(void);		/* modules, streams, events, allocations and registrations that are there */
const char *hip_standin_why_not(void);		/* NULL, or why there is no OpenCL device */
/* What was launched since hip_standin_reset(), in this order, up to STANDIN_LAUNCHES; NULL past the last. */
const struct standin_launch *hip_standin_launch(unsigned int n);
#pragma GCC visibility pop

/* ---- between its files */

#define INVALID_VALUE		1

/* Each of HIP's functions first counts, and fails if it is its turn. */
#define CALL(name, params)				\
	hip_error hip##name params;			\
	static hip_error do_##name params;		\
	hip_error hip##name params

#define COUNTED(name, ...) ({ int error_ = standin_call("hip" #name); error_ ? error_ : do_##name(__VA_ARGS__); })

/* standin_memory.c: an address of the device for memory of the host. */
int standin_map(void *host, size_t size, void **ret_device);	/* 0 or a HIP error */
int standin_alloc(size_t size, void **ret_device);	/* likewise, with memory of its own */
int standin_export(const void *device, size_t size, int *ret_fd);	/* of that */
int standin_unmap_host(void *host);
int standin_unmap_device(void *device);
void *standin_host(const void *device);		/* NULL: no address of the device */
void *standin_device(const void *host);

/*
 * The device: standin_cl.c, an OpenCL device, or standin_host.c, this processor. hip_standin_why_not() is theirs, too. What
 * returns an int returns a HIP error.
 */
#define STANDIN_BUFFERS	16	/* of a kernel, at most */
int device_queue_create(void **ret_queue);
void device_queue_destroy(void *queue);
int device_event_record(void **event, void *queue);	/* *event was NULL */
int device_event_query(void **event);
void device_event_forget(void **event);
int device_fill(void *queue, void *host, int byte, size_t size);
int device_program_build(const char *file, int wave, void **ret_program);
void device_program_release(void *program);
int device_kernel_get(void *program, const char *name, void **ret_kernel);
void device_kernel_release(void *kernel);
int device_lds(void);	/* words of LDS that aren't 0; -1: can't be told */
int device_launch(void *queue, void *kernel, const unsigned int grid[3], unsigned int lanes, void *const *hosts, unsigned int count,
		  const void *params, size_t params_size);

/* standin_stream.c: streams are HIP's: a queue of the device, and what it was made with. */
struct stream {
	void *queue;
	int priority;
	unsigned int mask_words, mask;
};

void standin_log_launch(const struct stream *stream, const char *kernel, const unsigned int grid[3]);
void standin_log_reset(void);

/* standin_fail.c: counts a call; the error it has to fail with, or 0. */
int standin_call(const char *name);
extern unsigned int standin_live;

#endif /* STANDIN_H */

/* SPDX-License-Identifier: MIT */
/*
 * What is used of AMD's HIP runtime, libamdhip64, which is looked for at run time: neither it nor its headers are needed to
 * build. Types and numbers are those of its ABI, the same in major versions 5, 6 and 7 (hip/hip_runtime_api.h); only the device's
 * properties differ, of which nothing but the name of the target is read.
 */
#ifndef DSEEK_HIP_API_H
#define DSEEK_HIP_API_H

#include <stddef.h>
#include <stdint.h>

typedef int hip_error;		/* hipError_t */
typedef void *hip_module, *hip_function, *hip_stream, *hip_event;

#define HIP_SUCCESS		0
#define HIP_OUT_OF_MEMORY	2
#define HIP_NO_DEVICE		100
#define HIP_NO_BINARY_FOR_GPU	209
#define HIP_NOT_READY		600

#define HIP_HOST_REGISTER_MAPPED	2u
#define HIP_STREAM_NON_BLOCKING		1u
#define HIP_EVENT_DISABLE_TIMING	2u
#define HIP_MULTIPROCESSOR_COUNT	63	/* hipDeviceAttributeMultiprocessorCount, since 5.0 */
#define HIP_RANGE_DMA_BUF_FD		1	/* hipMemRangeHandleTypeDmaBufFd, since 7.0 */
#define HIP_MEMCPY_HOST_TO_DEVICE	1
#define HIP_MEMCPY_DEVICE_TO_HOST	2

/* hipModuleLaunchKernel()'s "extra": arguments as one block of memory */
#define HIP_LAUNCH_BUFFER_POINTER	((void *)1)
#define HIP_LAUNCH_BUFFER_SIZE		((void *)2)
#define HIP_LAUNCH_END			((void *)3)

/* Where gcnArchName[256] lies in hipDeviceProp_t: as hipGetDeviceProperties() fills it in, and since 6.0 hipGetDevicePropertiesR0600(). */
#define HIP_PROPERTIES_SIZE	4096	/* more than any has: 792 and 1472 bytes */
#define HIP_ARCH_NAME_AT	396
#define HIP_ARCH_NAME_AT_R0600	1160
#define HIP_ARCH_NAME_SIZE	256

/* X(name without "hip", parameters): without these nothing works. */
#define HIP_MANDATORY(X)											\
	X(Init, (unsigned int flags))										\
	X(GetDeviceCount, (int *count))										\
	X(SetDevice, (int device))										\
	X(ModuleLoadData, (hip_module *module, const void *image))						\
	X(ModuleUnload, (hip_module module))									\
	X(ModuleGetFunction, (hip_function *function, hip_module module, const char *name))			\
	X(ModuleLaunchKernel, (hip_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,	\
			       unsigned int lanes_x, unsigned int lanes_y, unsigned int lanes_z, unsigned int lds,	\
			       hip_stream stream, void **params, void **extra))				\
	X(StreamCreateWithFlags, (hip_stream *stream, unsigned int flags))					\
	X(StreamDestroy, (hip_stream stream))									\
	X(EventCreateWithFlags, (hip_event *event, unsigned int flags))						\
	X(EventDestroy, (hip_event event))									\
	X(EventRecord, (hip_event event, hip_stream stream))							\
	X(EventQuery, (hip_event event))									\
	X(HostRegister, (void *host, size_t size, unsigned int flags))						\
	X(HostUnregister, (void *host))										\
	X(HostGetDevicePointer, (void **device, void *host, unsigned int flags))				\
	X(Malloc, (void **device, size_t size))									\
	X(Free, (void *device))											\
	X(Memcpy, (void *to, const void *from, size_t size, int kind))						\
	X(MemsetAsync, (void *device, int value, size_t size, hip_stream stream))

/* Older or newer versions may lack these. One of the first two must be there. */
#define HIP_OPTIONAL(X)												\
	X(GetDevicePropertiesR0600, (void *properties, int device))						\
	X(GetDeviceProperties, (void *properties, int device))							\
	X(RuntimeGetVersion, (int *version))									\
	X(DeviceGetAttribute, (int *value, int attribute, int device))						\
	X(DeviceGetStreamPriorityRange, (int *least, int *greatest))						\
	X(StreamCreateWithPriority, (hip_stream *stream, unsigned int flags, int priority))			\
	X(ExtStreamCreateWithCUMask, (hip_stream *stream, uint32_t words, const uint32_t *mask))		\
	X(Memset, (void *device, int value, size_t size))							\
	X(DeviceSynchronize, (void))										\
	X(MemGetHandleForAddressRange, (void *handle, void *device, size_t size, int type, unsigned long long flags))

struct hip_api {
	void *library;
	char path[256];			/* as it was found */
	const char *(*GetErrorName)(hip_error error);	/* optional */
	/*
	 * hsa_amd_portable_export_dmabuf() of the library below this one (hsa/hsa_ext_amd.h of ROCm 6 and late 5): for runtimes without
	 * hipMemGetHandleForAddressRange(). 0: @ret_fd is the caller's, in which the memory begins at @ret_offset. NULL: isn't there.
	 */
	int (*export_dma_buf)(const void *device, size_t size, int *ret_fd, uint64_t *ret_offset);
	int own_words;			/* of GetErrorName(): they are the whole sentence, of another driver (hip_driver.h) */
#define HIP_POINTER(name, params) hip_error (*name) params;
	HIP_MANDATORY(HIP_POINTER)
	HIP_OPTIONAL(HIP_POINTER)
#undef HIP_POINTER
};

/*
 * @path: a library; NULL: libamdhip64.so.7, .6, .5, whichever is found first. 0, or -ENOENT if there is none, -ELIBACC if it lacks
 * what is mandatory, and one sentence in @err that names it. To be closed by hip_api_close().
 */
int hip_api_open(const char *path, struct hip_api *ret_api, char *err, size_t err_size);
void hip_api_close(struct hip_api *api);

/*
 * The error of a call as one sentence, "hipMalloc: hipErrorOutOfMemory (2)", and as an errno: -ENOMEM, -ENODEV, or
 * -EIO. 0 if @error is none. HIP(api, Call, (arguments), err, err_size) calls and reports.
 */
int hip_api_check(const struct hip_api *api, hip_error error, const char *call, char *err, size_t err_size);
#define HIP(api, name, args, err, err_size) \
	hip_api_check(api, (api)->name args, "hip" #name, err, err_size)

#endif /* DSEEK_HIP_API_H */

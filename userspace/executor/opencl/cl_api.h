/* SPDX-License-Identifier: MIT */
/*
 * What is used of OpenCL 2.0, by the loader libOpenCL.so.1, which is looked for at run time: neither it nor its headers are needed to
 * build. Types and numbers are those of CL/cl.h; tests/opencl/abi.c holds them against it.
 */
#ifndef DSEEK_CL_API_H
#define DSEEK_CL_API_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t cl_error;		/* cl_int */
typedef void *cl_object;		/* cl_platform_id, cl_device_id, cl_context, cl_command_queue, cl_program, cl_kernel, cl_event */

#define CL_OK				0
#define CL_NO_DEVICE			(-1)
#define CL_OUT_OF_RESOURCES_		(-5)
#define CL_OUT_OF_HOST_MEMORY_		(-6)
#define CL_BUILD_FAILURE		(-11)

#define CL_ALL_DEVICES			0xffffffffu
#define CL_TYPE_CPU			2u
#define CL_INFO_TYPE			0x1000u	/* of a device: uint64_t */
#define CL_INFO_UNITS			0x1002u	/* uint32_t */
#define CL_INFO_NAME			0x102bu
#define CL_INFO_SVM			0x1053u	/* uint64_t */
#define CL_SVM_SYSTEM			4u	/* any memory of the process, as it is */
#define CL_INFO_BUILD_LOG		0x1183u	/* of a program on a device */
#define CL_INFO_STATUS			0x11d3u	/* of an event: int32_t; 0: complete, less: an error */

/* X(name without "cl", result, parameters) */
#define CL_CALLS(X)												\
	X(GetPlatformIDs, cl_error, (uint32_t max, cl_object *platforms, uint32_t *count))			\
	X(GetDeviceIDs, cl_error, (cl_object platform, uint64_t type, uint32_t max, cl_object *devices, uint32_t *count))	\
	X(GetDeviceInfo, cl_error, (cl_object device, uint32_t what, size_t size, void *value, size_t *used))	\
	X(CreateContext, cl_object, (const intptr_t *properties, uint32_t count, const cl_object *devices,	\
				     void (*notify)(const char *, const void *, size_t, void *), void *arg, cl_error *error))	\
	X(CreateCommandQueue, cl_object, (cl_object context, cl_object device, uint64_t properties, cl_error *error))	\
	X(ReleaseCommandQueue, cl_error, (cl_object queue))							\
	X(CreateProgramWithSource, cl_object, (cl_object context, uint32_t count, const char **texts, const size_t *sizes, cl_error *error))	\
	X(BuildProgram, cl_error, (cl_object program, uint32_t count, const cl_object *devices, const char *options,	\
				   void (*notify)(cl_object, void *), void *arg))				\
	X(GetProgramBuildInfo, cl_error, (cl_object program, cl_object device, uint32_t what, size_t size, void *value, size_t *used))	\
	X(ReleaseProgram, cl_error, (cl_object program))							\
	X(CreateKernel, cl_object, (cl_object program, const char *name, cl_error *error))			\
	X(ReleaseKernel, cl_error, (cl_object kernel))								\
	X(SetKernelArg, cl_error, (cl_object kernel, uint32_t index, size_t size, const void *value))		\
	X(SetKernelArgSVMPointer, cl_error, (cl_object kernel, uint32_t index, const void *pointer))		\
	X(EnqueueNDRangeKernel, cl_error, (cl_object queue, cl_object kernel, uint32_t dimensions, const size_t *offset, const size_t *global,	\
					   const size_t *local, uint32_t count, const cl_object *wait, cl_object *event))	\
	X(EnqueueSVMMemFill, cl_error, (cl_object queue, void *pointer, const void *pattern, size_t pattern_size, size_t size,	\
					uint32_t count, const cl_object *wait, cl_object *event))		\
	X(EnqueueMarkerWithWaitList, cl_error, (cl_object queue, uint32_t count, const cl_object *wait, cl_object *event))	\
	X(Flush, cl_error, (cl_object queue))									\
	X(GetEventInfo, cl_error, (cl_object event, uint32_t what, size_t size, void *value, size_t *used))	\
	X(ReleaseEvent, cl_error, (cl_object event))

struct cl_api {
	void *library;
#define CL_POINTER(name, result, params) result (*name) params;
	CL_CALLS(CL_POINTER)
#undef CL_POINTER
};

/* @path: a library; NULL: libOpenCL.so.1. 0, or -ENOENT if there is none, -ELIBACC if it lacks a call, and one sentence that names it. */
int cl_api_open(const char *path, struct cl_api *ret_api, char *err, size_t err_size);

const char *cl_error_name(cl_error error);	/* "CL_INVALID_VALUE", or "error" */

#endif /* DSEEK_CL_API_H */

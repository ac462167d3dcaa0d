// SPDX-License-Identifier: MIT
/*
 * A libOpenCL that hands calls on to the machine's, for tests of the opencl backend: it counts them and what they made, fails one if told,
 * and says of devices what it is told to.
 *
 *	OPENCL_SHIM_FAIL	NAME:N:ERROR: the Nth call of NAME fails, having done nothing
 *	OPENCL_SHIM_PLATFORMS	0: there are none
 *	OPENCL_SHIM_TYPE	what devices say they are (2: processor, 4: GPU)
 *	OPENCL_SHIM_SVM		and of their shared virtual memory
 *	OPENCL_SHIM_UNITS	and of their compute units
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/opencl/cl_api.h"

#pragma GCC visibility push(default)

static struct {
#define POINTER(name, result, params) result (*name) params;
	CL_CALLS(POINTER)
} real;

static const char *const names[] = {
#define NAME(name, result, params) "cl" #name,
	CL_CALLS(NAME)
};
#define COUNT	(sizeof(names) / sizeof(names[0]))

static unsigned int counts[COUNT], live;

static __attribute__((constructor)) void load(void)
{
	void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return;
#define LOAD(name, result, params) real.name = (result (*) params)dlsym(library, "cl" #name);
	CL_CALLS(LOAD)
}

unsigned int opencl_shim_calls(const char *name);
unsigned int opencl_shim_calls(const char *name)
{
	size_t i = 0;

	while (i < COUNT && strcmp(names[i], name))
		i++;
	return i < COUNT ? counts[i] : 0;
}

unsigned int opencl_shim_live(void);	/* queues, programs, kernels and events */
unsigned int opencl_shim_live(void)
{
	return live;
}

#define LAUNCHES	256
static size_t groups[LAUNCHES];
static unsigned int launches;

size_t opencl_shim_groups(unsigned int n);	/* in the first dimension of the nth launch, of the first so many */
size_t opencl_shim_groups(unsigned int n)
{
	return n < LAUNCHES ? groups[n] : 0;
}

static void note_launch(size_t global, size_t local)
{
	if (launches < LAUNCHES)
		groups[launches++] = global / local;
}

const char *opencl_shim_name(unsigned int index);	/* NULL past the last */
const char *opencl_shim_name(unsigned int index)
{
	return index < COUNT ? names[index] : NULL;
}

/* The error that it has to fail with, or 0. */
static cl_error called(const char *name)
{
	const char *fail = getenv("OPENCL_SHIM_FAIL");
	size_t i = 0, n = strlen(name);
	unsigned int nth;
	int error;

	while (strcmp(names[i], name))
		i++;
	counts[i]++;
	if (fail && !strncmp(fail, name, n) && sscanf(fail + n, ":%u:%d", &nth, &error) == 2 && nth == counts[i])
		return error;
	return 0;
}

/* A call that returns an error; @on_success: what it does to the count of what is there. */
#define ERROR(name, params, args, on_success)			\
	cl_error cl##name params;				\
	cl_error cl##name params				\
	{							\
		cl_error error = called("cl" #name);		\
								\
		if (!error)					\
			error = real.name args;			\
		if (!error) {					\
			on_success;				\
		}						\
		return error;					\
	}
/* A call that returns what it made, and an error by its last parameter. */
#define OBJECT(name, params, args, on_success)			\
	cl_object cl##name params;				\
	cl_object cl##name params				\
	{							\
		cl_object made = NULL;				\
								\
		*error = called("cl" #name);			\
		if (!*error)					\
			made = real.name args;			\
		if (!*error) {					\
			on_success;				\
		}						\
		return made;					\
	}

cl_error clGetPlatformIDs(uint32_t max, cl_object *platforms, uint32_t *count);
cl_error clGetPlatformIDs(uint32_t max, cl_object *platforms, uint32_t *count)
{
	const char *n = getenv("OPENCL_SHIM_PLATFORMS");
	cl_error error = called("clGetPlatformIDs");

	return error ? error : (n && !atoi(n)) || !real.GetPlatformIDs ? -1001 : real.GetPlatformIDs(max, platforms, count);
}

cl_error clGetDeviceInfo(cl_object device, uint32_t what, size_t size, void *value, size_t *used);
cl_error clGetDeviceInfo(cl_object device, uint32_t what, size_t size, void *value, size_t *used)
{
	const char *told = what == CL_INFO_TYPE ? getenv("OPENCL_SHIM_TYPE") : what == CL_INFO_SVM ? getenv("OPENCL_SHIM_SVM") :
			   what == CL_INFO_UNITS ? getenv("OPENCL_SHIM_UNITS") : NULL;
	cl_error error = called("clGetDeviceInfo");

	if (!error && told && what == CL_INFO_UNITS)
		*(uint32_t *)value = (uint32_t)strtoul(told, NULL, 10);
	else if (!error && told)
		*(uint64_t *)value = strtoull(told, NULL, 10);
	return error || told ? error : real.GetDeviceInfo(device, what, size, value, used);
}

ERROR(GetDeviceIDs, (cl_object platform, uint64_t type, uint32_t max, cl_object *devices, uint32_t *count), (platform, type, max, devices, count), )
OBJECT(CreateContext, (const intptr_t *properties, uint32_t count, const cl_object *devices, void (*notify)(const char *, const void *, size_t, void *),
		       void *arg, cl_error *error), (properties, count, devices, notify, arg, error), )
OBJECT(CreateCommandQueue, (cl_object context, cl_object device, uint64_t properties, cl_error *error), (context, device, properties, error), live++)
ERROR(ReleaseCommandQueue, (cl_object queue), (queue), live--)
OBJECT(CreateProgramWithSource, (cl_object context, uint32_t count, const char **texts, const size_t *sizes, cl_error *error),
       (context, count, texts, sizes, error), live++)
ERROR(BuildProgram, (cl_object program, uint32_t count, const cl_object *devices, const char *options, void (*notify)(cl_object, void *), void *arg),
      (program, count, devices, options, notify, arg), )
ERROR(GetProgramBuildInfo, (cl_object program, cl_object device, uint32_t what, size_t size, void *value, size_t *used),
      (program, device, what, size, value, used), )
ERROR(ReleaseProgram, (cl_object program), (program), live--)
OBJECT(CreateKernel, (cl_object program, const char *name, cl_error *error), (program, name, error), live++)
ERROR(ReleaseKernel, (cl_object kernel), (kernel), live--)
ERROR(SetKernelArg, (cl_object kernel, uint32_t index, size_t size, const void *value), (kernel, index, size, value), )
ERROR(SetKernelArgSVMPointer, (cl_object kernel, uint32_t index, const void *pointer), (kernel, index, pointer), )
ERROR(EnqueueNDRangeKernel, (cl_object queue, cl_object kernel, uint32_t dimensions, const size_t *offset, const size_t *global, const size_t *local,
			     uint32_t count, const cl_object *wait, cl_object *event),
      (queue, kernel, dimensions, offset, global, local, count, wait, event), note_launch(global[0], local[0]))
ERROR(EnqueueSVMMemFill, (cl_object queue, void *pointer, const void *pattern, size_t pattern_size, size_t size, uint32_t count,
			  const cl_object *wait, cl_object *event), (queue, pointer, pattern, pattern_size, size, count, wait, event), )
ERROR(EnqueueMarkerWithWaitList, (cl_object queue, uint32_t count, const cl_object *wait, cl_object *event), (queue, count, wait, event), live++)
ERROR(Flush, (cl_object queue), (queue), )
ERROR(GetEventInfo, (cl_object event, uint32_t what, size_t size, void *value, size_t *used), (event, what, size, value, used), )
ERROR(ReleaseEvent, (cl_object event), (event), live--)

// SPDX-License-Identifier: MIT
/* The stand-in's device over OpenCL, whose shared virtual memory is the host's: PoCL. */
#define CL_TARGET_OPENCL_VERSION 200
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>

#include "standin.h"

#define INVALID_IMAGE	200
#define NOT_FOUND	500
#define NOT_READY	600
#define LAUNCH_FAILURE	719
#define UNKNOWN		999

static cl_device_id device_id;
static cl_context context;

/* A processor: it sees the host's memory as it is, which few drivers of GPUs let them (and PoCL doesn't say of itself). */
static int find(cl_device_id *ret)
{
	cl_platform_id platforms[8];
	cl_uint n = 0, i;

	if (clGetPlatformIDs(8, platforms, &n))
		return -1;
	for (i = 0; i < n && i < 8; i++)
		if (!clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_CPU, 1, ret, NULL))
			return 0;
	return -1;
}

const char *hip_standin_why_not(void)
{
	cl_int rc;

	if (context)
		return NULL;
	if (find(&device_id))
		return "no OpenCL device that is a processor: is pocl-opencl-icd installed?";
	context = clCreateContext(NULL, 1, &device_id, NULL, NULL, &rc);
	return rc ? "OpenCL makes no context on its device" : NULL;
}

int device_queue_create(void **ret_queue)
{
	cl_int rc;

	*ret_queue = clCreateCommandQueue(context, device_id, 0, &rc);
	return rc ? UNKNOWN : 0;
}

void device_queue_destroy(void *queue)
{
	clFinish(queue);
	clReleaseCommandQueue(queue);
}

int device_event_record(void **event, void *queue)
{
	return clEnqueueMarkerWithWaitList(queue, 0, NULL, (cl_event *)event) || clFlush(queue) ? LAUNCH_FAILURE : 0;
}

int device_event_query(void **event)
{
	cl_int status = CL_COMPLETE;

	if (*event)
		clGetEventInfo(*event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, NULL);
	return status < 0 ? LAUNCH_FAILURE : status == CL_COMPLETE ? 0 : NOT_READY;
}

void device_event_forget(void **event)
{
	if (*event)
		clReleaseEvent(*event);
	*event = NULL;
}

int device_fill(void *queue, void *host, int value, size_t size)
{
	unsigned char byte = (unsigned char)value;

	return clEnqueueSVMMemFill(queue, host, &byte, 1, size, 0, NULL, NULL) ? INVALID_VALUE : 0;
}

static const char *source(void)
{
	const char *s = getenv("HIP_STANDIN_SOURCE");

	if (!s)
		s = getenv("DSEEK_SOURCE");
	return s ? s : STANDIN_SOURCE;
}

int device_program_build(const char *file, int wave, void **ret_program)
{
	char text[128], options[1024];
	const char *t = text;
	size_t n = (size_t)snprintf(text, sizeof(text), "#include \"%s.c\"\n", file);
	cl_int rc;

	snprintf(options, sizeof(options), "-DK_WAVE=%d -I%s/kernels", wave, source());
	*ret_program = clCreateProgramWithSource(context, 1, &t, &n, &rc);
	if (!rc)
		rc = clBuildProgram(*ret_program, 1, &device_id, options, NULL, NULL);
	if (rc) {
		static char log[8192];

		clGetProgramBuildInfo(*ret_program, device_id, CL_PROGRAM_BUILD_LOG, sizeof(log), log, NULL);
		fprintf(stderr, "stand-in: %s.c: %d: %s\n", file, rc, log);
	}
	return rc ? INVALID_IMAGE : 0;
}

void device_program_release(void *program)
{
	clReleaseProgram(program);
}

int device_kernel_get(void *program, const char *name, void **ret_kernel)
{
	cl_int rc;

	*ret_kernel = clCreateKernel(program, name, &rc);
	return rc ? NOT_FOUND : 0;
}

void device_kernel_release(void *kernel)
{
	clReleaseKernel(kernel);
}

/* LDS is OpenCL's local memory: each launch has its own. */
int device_lds(void)
{
	return -1;
}

int device_launch(void *queue, void *kernel, const unsigned int grid[3], unsigned int lanes, void *const *hosts, unsigned int count,
		  const void *params, size_t params_size)
{
	const size_t global[3] = { (size_t)grid[0] * lanes, grid[1], grid[2] }, local[3] = { lanes, 1, 1 };
	unsigned int i;

	for (i = 0; i < count; i++)
		if (clSetKernelArgSVMPointer(kernel, i, hosts[i]))
			return INVALID_VALUE;
	if (clSetKernelArg(kernel, count, params_size, params))
		return INVALID_VALUE;
	return clEnqueueNDRangeKernel(queue, kernel, 3, NULL, global, local, 0, NULL, NULL) ? LAUNCH_FAILURE : 0;
}

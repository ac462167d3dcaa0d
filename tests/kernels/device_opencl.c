/* SPDX-License-Identifier: MIT */
/* Kernels as OpenCL C, built from source by the first device of the first platform: PoCL on the CPU, where that is all there is. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

#define MAX_FILES	32

static struct {
	cl_device_id id;
	cl_context context;
	cl_command_queue queue;
	struct {
		const char *file;
		unsigned int wave;
		cl_program program;
	} files[MAX_FILES];
	unsigned int n_files;
} cl;

static int setup(char *err, size_t err_size)
{
	cl_platform_id platform;
	cl_int rc;

	if (cl.queue)
		return 0;
	/* PoCL 3.1 with several threads mixes up groups of kernels that have a barrier under a condition, once in some 50 launches. */
	setenv("POCL_MAX_PTHREAD_COUNT", "1", 0);
	rc = clGetPlatformIDs(1, &platform, NULL);
	if (!rc)
		rc = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &cl.id, NULL);
	if (!rc)
		cl.context = clCreateContext(NULL, 1, &cl.id, NULL, NULL, &rc);
	if (!rc)
		cl.queue = clCreateCommandQueue(cl.context, cl.id, 0, &rc);
	if (rc)
		snprintf(err, err_size, "no OpenCL device (%d): is pocl-opencl-icd installed?", rc);
	return rc ? -1 : 0;
}

static cl_program build(const char *file, unsigned int wave, char *err, size_t err_size)
{
	const char *source = getenv("DSEEK_SOURCE");
	char text[256], options[1024];
	const char *t = text;
	size_t n;
	cl_program program;
	cl_int rc;

	for (unsigned int i = 0; i < cl.n_files; i++)
		if (!strcmp(cl.files[i].file, file) && cl.files[i].wave == wave)
			return cl.files[i].program;
	n = (size_t)snprintf(text, sizeof(text), "#include \"%s.c\"\n", file);
	snprintf(options, sizeof(options), "-DK_WAVE=%u -I%s/kernels -I%s/tests/kernels", wave, source ? source : ".", source ? source : ".");
	program = clCreateProgramWithSource(cl.context, 1, &t, &n, &rc);
	if (!rc)
		rc = clBuildProgram(program, 1, &cl.id, options, NULL, NULL);
	if (rc) {
		static char log[16384];

		clGetProgramBuildInfo(program, cl.id, CL_PROGRAM_BUILD_LOG, sizeof(log), log, NULL);
		snprintf(err, err_size, "%s.c doesn't build (%d): %s", file, rc, log);
		return NULL;
	}
	if (cl.n_files == MAX_FILES)
		abort();
	cl.files[cl.n_files].file = file;
	cl.files[cl.n_files].wave = wave;
	cl.files[cl.n_files++].program = program;
	return program;
}

/* Buffers are the tests' own memory: nothing is copied where the device can do without. */
static int run(const struct device *device, const struct kernel_info *info, const struct simt_launch *launch, char *err, size_t err_size)
{
	size_t local[3] = { launch->lanes, 1, 1 }, global[3];
	cl_mem memory[SIMT_MAX_BUFFERS] = { 0 };
	cl_program program;
	cl_kernel kernel;
	cl_int rc;

	program = setup(err, err_size) ? NULL : build(info->file, device->wave, err, err_size);
	if (!program)
		return -1;
	kernel = clCreateKernel(program, info->name, &rc);
	for (unsigned int i = 0; !rc && i < launch->n_buffers; i++) {
		const struct simt_buffer *b = &launch->buffers[i];

		if (b->size)
			memory[i] = clCreateBuffer(cl.context, CL_MEM_USE_HOST_PTR | (b->access == SIMT_IN ? CL_MEM_READ_ONLY : CL_MEM_READ_WRITE),
						   b->size, b->data, &rc);
		if (!rc)
			rc = clSetKernelArg(kernel, i, sizeof(cl_mem), b->size ? &memory[i] : NULL);
	}
	if (!rc)
		rc = clSetKernelArg(kernel, launch->n_buffers, launch->params_size, launch->params);
	for (int i = 0; i < 3; i++)
		global[i] = local[i] * launch->grid[i];
	if (!rc)
		rc = clEnqueueNDRangeKernel(cl.queue, kernel, 3, NULL, global, local, 0, NULL, NULL);
	for (unsigned int i = 0; !rc && i < launch->n_buffers; i++)
		if (memory[i] && launch->buffers[i].access != SIMT_IN) {
			void *p = clEnqueueMapBuffer(cl.queue, memory[i], 1, CL_MAP_READ, 0, launch->buffers[i].size, 0, NULL, NULL, &rc);

			if (!rc && p != launch->buffers[i].data)
				memcpy(launch->buffers[i].data, p, launch->buffers[i].size);
			if (!rc)
				rc = clEnqueueUnmapMemObject(cl.queue, memory[i], p, 0, NULL, NULL);
		}
	if (!rc)
		rc = clFinish(cl.queue);
	for (unsigned int i = 0; i < launch->n_buffers; i++)
		if (memory[i])
			clReleaseMemObject(memory[i]);
	if (kernel)
		clReleaseKernel(kernel);
	if (rc)
		snprintf(err, err_size, "%s: OpenCL error %d", info->name, rc);
	return rc ? -1 : 0;
}

const struct device device_opencl[2] = {
	{ .name = "opencl32", .wave = 32, .run = run },
	{ .name = "opencl64", .wave = 64, .run = run },
};

// SPDX-License-Identifier: MIT
/* HIP's functions, as far as userspace/executor/hip uses them (hip_api.h), over OpenCL. */
#define CL_TARGET_OPENCL_VERSION 200
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/dsk_kernels.h"
#include "../../userspace/executor/hip/hip_api.h"
#include "standin.h"

#define INVALID_VALUE		1
#define INVALID_CONFIGURATION	9
#define INVALID_DEVICE		101
#define INVALID_IMAGE		200
#define INVALID_HANDLE		400
#define NOT_FOUND		500
#define ILLEGAL_ADDRESS		700
#define LAUNCH_FAILURE		719
#define UNKNOWN			999

#pragma GCC visibility push(default)

static const struct kernel_info {
	const char *file, *name;
	unsigned int lanes, buffers, params_size;
} infos[] = {
#define KERNEL_INFO(file, name, lanes, buffers, params)	{ #file, #name, lanes, buffers, sizeof(params) },
	DSK_KERNELS(KERNEL_INFO)
};
#define KERNELS	(sizeof(infos) / sizeof(*infos))

struct function {
	const struct kernel_info *info;
	cl_kernel kernel;
};

struct module {
	cl_program program;
	char file[64];
	struct function functions[KERNELS];
};

static cl_device_id device_id;
static cl_context context;

static const char *arch(void)
{
	const char *name = getenv("HIP_STANDIN_ARCH");

	return name ? name : "gfx942:sramecc+:xnack-";
}

static int devices(void)
{
	const char *n = getenv("HIP_STANDIN_DEVICES");

	return n ? atoi(n) : 1;
}

const char *hip_standin_why_not(void)
{
	static char why[80];
	cl_platform_id platform;
	cl_int rc;

	if (context)
		return NULL;
	/* PoCL 3.1 with several threads mixes up groups of kernels that have a barrier under a condition, once in some 50 launches. */
	setenv("POCL_MAX_PTHREAD_COUNT", "1", 0);
	rc = clGetPlatformIDs(1, &platform, NULL);
	if (!rc)
		rc = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device_id, NULL);
	if (!rc)
		context = clCreateContext(NULL, 1, &device_id, NULL, NULL, &rc);
	if (!rc)
		return NULL;
	snprintf(why, sizeof(why), "no OpenCL device (%d): is pocl-opencl-icd installed?", rc);
	return why;
}

/* Each function first counts, and fails if it is its turn. */
#define CALL(name, params)				\
	hip_error hip##name params;			\
	static hip_error do_##name params;		\
	hip_error hip##name params

#define COUNTED(name, ...) ({ int error_ = standin_call("hip" #name); error_ ? error_ : do_##name(__VA_ARGS__); })

CALL(Init, (unsigned int flags)) { return COUNTED(Init, flags); }
static hip_error do_Init(unsigned int flags)
{
	return flags ? INVALID_VALUE : devices() < 1 || hip_standin_why_not() ? HIP_NO_DEVICE : 0;
}

CALL(GetDeviceCount, (int *count)) { return COUNTED(GetDeviceCount, count); }
static hip_error do_GetDeviceCount(int *count)
{
	*count = devices();
	return 0;
}

CALL(SetDevice, (int device)) { return COUNTED(SetDevice, device); }
static hip_error do_SetDevice(int device)
{
	return device < 0 || device >= devices() ? INVALID_DEVICE : 0;
}

CALL(GetDeviceProperties, (void *properties, int device)) { return COUNTED(GetDeviceProperties, properties, device); }
static hip_error do_GetDeviceProperties(void *properties, int device)
{
	memset(properties, 0, 792);
	snprintf((char *)properties + HIP_ARCH_NAME_AT, HIP_ARCH_NAME_SIZE, "%s", arch());
	return 0;
}

#ifndef STANDIN_OLD	/* what runtimes before 6.0 lack */
CALL(GetDevicePropertiesR0600, (void *properties, int device)) { return COUNTED(GetDevicePropertiesR0600, properties, device); }
static hip_error do_GetDevicePropertiesR0600(void *properties, int device)
{
	memset(properties, 0, 1472);
	snprintf((char *)properties + HIP_ARCH_NAME_AT_R0600, HIP_ARCH_NAME_SIZE, "%s", arch());
	return 0;
}

const char *hipGetErrorName(hip_error error);
const char *hipGetErrorName(hip_error error)
{
	switch (error) {
	case HIP_OUT_OF_MEMORY: return "hipErrorOutOfMemory";
	case HIP_NO_DEVICE: return "hipErrorNoDevice";
	case HIP_NO_BINARY_FOR_GPU: return "hipErrorNoBinaryForGpu";
	case INVALID_IMAGE: return "hipErrorInvalidImage";
	case LAUNCH_FAILURE: return "hipErrorLaunchFailure";
	default: return "hipErrorUnknown";
	}
}

CALL(DeviceGetStreamPriorityRange, (int *least, int *greatest)) { return COUNTED(DeviceGetStreamPriorityRange, least, greatest); }
static hip_error do_DeviceGetStreamPriorityRange(int *least, int *greatest)
{
	*least = 1;
	*greatest = -1;
	return 0;
}
#endif

static hip_error make_stream(hip_stream *stream)
{
	cl_int rc;

	*stream = clCreateCommandQueue(context, device_id, 0, &rc);
	standin_live += !rc;
	return rc ? UNKNOWN : 0;
}

CALL(StreamCreateWithFlags, (hip_stream *stream, unsigned int flags)) { return COUNTED(StreamCreateWithFlags, stream, flags); }
static hip_error do_StreamCreateWithFlags(hip_stream *stream, unsigned int flags)
{
	return flags != HIP_STREAM_NON_BLOCKING ? INVALID_VALUE : make_stream(stream);
}

#ifndef STANDIN_OLD
CALL(StreamCreateWithPriority, (hip_stream *stream, unsigned int flags, int priority))
{
	return COUNTED(StreamCreateWithPriority, stream, flags, priority);
}
static hip_error do_StreamCreateWithPriority(hip_stream *stream, unsigned int flags, int priority)
{
	return flags != HIP_STREAM_NON_BLOCKING || priority < -1 || priority > 1 ? INVALID_VALUE : make_stream(stream);
}
#endif

CALL(StreamDestroy, (hip_stream stream)) { return COUNTED(StreamDestroy, stream); }
static hip_error do_StreamDestroy(hip_stream stream)
{
	clFinish(stream);
	clReleaseCommandQueue(stream);
	standin_live--;
	return 0;
}

CALL(EventCreateWithFlags, (hip_event *event, unsigned int flags)) { return COUNTED(EventCreateWithFlags, event, flags); }
static hip_error do_EventCreateWithFlags(hip_event *event, unsigned int flags)
{
	*event = calloc(1, sizeof(cl_event));
	standin_live++;
	return 0;
}

static void forget_event(cl_event *event)
{
	if (*event)
		clReleaseEvent(*event);
	*event = NULL;
}

CALL(EventDestroy, (hip_event event)) { return COUNTED(EventDestroy, event); }
static hip_error do_EventDestroy(hip_event event)
{
	forget_event(event);
	free(event);
	standin_live--;
	return 0;
}

CALL(EventRecord, (hip_event event, hip_stream stream)) { return COUNTED(EventRecord, event, stream); }
static hip_error do_EventRecord(hip_event event, hip_stream stream)
{
	forget_event(event);
	return clEnqueueMarkerWithWaitList(stream, 0, NULL, event) || clFlush(stream) ? LAUNCH_FAILURE : 0;
}

CALL(EventQuery, (hip_event event)) { return COUNTED(EventQuery, event); }
static hip_error do_EventQuery(hip_event event)
{
	cl_int status = CL_COMPLETE;

	if (*(cl_event *)event)
		clGetEventInfo(*(cl_event *)event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, NULL);
	return status < 0 ? LAUNCH_FAILURE : status == CL_COMPLETE ? 0 : HIP_NOT_READY;
}

CALL(HostRegister, (void *host, size_t size, unsigned int flags)) { return COUNTED(HostRegister, host, size, flags); }
static hip_error do_HostRegister(void *host, size_t size, unsigned int flags)
{
	void *unused;

	return flags != HIP_HOST_REGISTER_MAPPED ? INVALID_VALUE : standin_map(host, size, 0, &unused);
}

CALL(HostUnregister, (void *host)) { return COUNTED(HostUnregister, host); }
static hip_error do_HostUnregister(void *host)
{
	return standin_unmap_host(host);
}

CALL(HostGetDevicePointer, (void **device, void *host, unsigned int flags)) { return COUNTED(HostGetDevicePointer, device, host, flags); }
static hip_error do_HostGetDevicePointer(void **device, void *host, unsigned int flags)
{
	*device = standin_device(host);
	return *device ? 0 : INVALID_VALUE;
}

CALL(Malloc, (void **device, size_t size)) { return COUNTED(Malloc, device, size); }
static hip_error do_Malloc(void **device, size_t size)
{
	void *host = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);

	memset(host, 0xa5, size);	/* what the device's memory has in it is nobody's to rely upon */
	return standin_map(host, size, 1, device);
}

CALL(Free, (void *device)) { return COUNTED(Free, device); }
static hip_error do_Free(void *device)
{
	return standin_unmap_device(device);
}

CALL(Memcpy, (void *to, const void *from, size_t size, int kind)) { return COUNTED(Memcpy, to, from, size, kind); }
static hip_error do_Memcpy(void *to, const void *from, size_t size, int kind)
{
	if (kind == HIP_MEMCPY_HOST_TO_DEVICE)
		to = standin_host(to);
	else if (kind == HIP_MEMCPY_DEVICE_TO_HOST)
		from = standin_host(from);
	else
		return INVALID_VALUE;
	if (!to || !from)
		return INVALID_VALUE;
	memcpy(to, from, size);
	return 0;
}

CALL(MemsetAsync, (void *device, int value, size_t size, hip_stream stream)) { return COUNTED(MemsetAsync, device, value, size, stream); }
static hip_error do_MemsetAsync(void *device, int value, size_t size, hip_stream stream)
{
	unsigned char byte = (unsigned char)value;
	void *host = standin_host(device);

	return !host || clEnqueueSVMMemFill(stream, host, &byte, 1, size, 0, NULL, NULL) ? INVALID_VALUE : 0;
}

/* ---- code objects */

static const char *source(void)
{
	const char *s = getenv("HIP_STANDIN_SOURCE");

	if (!s)
		s = getenv("DSEEK_SOURCE");
	return s ? s : STANDIN_SOURCE;
}

static hip_error build(const char *file, int wave, cl_program *ret_program)
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

CALL(ModuleLoadData, (hip_module *module, const void *image)) { return COUNTED(ModuleLoadData, module, image); }
static hip_error do_ModuleLoadData(hip_module *module, const void *image)
{
	char target[64], file[64];
	struct module *m;
	hip_error error;

	if (strncmp(image, STANDIN_MAGIC "\n", sizeof(STANDIN_MAGIC)) ||
	    sscanf((const char *)image + sizeof(STANDIN_MAGIC), "%63s %63s", target, file) != 2)
		return INVALID_IMAGE;
	if (strlen(target) != strcspn(arch(), ":") || strncmp(target, arch(), strlen(target)))
		return HIP_NO_BINARY_FOR_GPU;
	m = calloc(1, sizeof(*m));
	strcpy(m->file, file);
	error = build(file, strlen(target) == 6 && target[3] == '9' ? 64 : 32, &m->program);
	if (error) {
		free(m);
		return error;
	}
	standin_live++;
	*module = m;
	return 0;
}

CALL(ModuleUnload, (hip_module module)) { return COUNTED(ModuleUnload, module); }
static hip_error do_ModuleUnload(hip_module module)
{
	struct module *m = module;

	for (size_t i = 0; i < KERNELS; i++)
		if (m->functions[i].kernel)
			clReleaseKernel(m->functions[i].kernel);
	clReleaseProgram(m->program);
	free(m);
	standin_live--;
	return 0;
}

CALL(ModuleGetFunction, (hip_function *function, hip_module module, const char *name)) { return COUNTED(ModuleGetFunction, function, module, name); }
static hip_error do_ModuleGetFunction(hip_function *function, hip_module module, const char *name)
{
	struct module *m = module;
	cl_int rc;
	size_t i;

	for (i = 0; i < KERNELS && (strcmp(infos[i].name, name) || strcmp(infos[i].file, m->file)); i++)
		;
	if (i == KERNELS)
		return NOT_FOUND;
	if (!m->functions[i].kernel) {
		m->functions[i].info = &infos[i];
		m->functions[i].kernel = clCreateKernel(m->program, name, &rc);
		if (rc)
			return NOT_FOUND;
	}
	*function = &m->functions[i];
	return 0;
}

/* Arguments as one block of memory: its size has to be the kernel's. */
static hip_error arguments(void **extra, const char **ret_args, size_t *ret_size)
{
	*ret_args = NULL;
	for (; *extra != HIP_LAUNCH_END; extra += 2) {
		if (*extra == HIP_LAUNCH_BUFFER_POINTER)
			*ret_args = extra[1];
		else if (*extra == HIP_LAUNCH_BUFFER_SIZE)
			*ret_size = *(size_t *)extra[1];
		else
			return INVALID_VALUE;
	}
	return *ret_args ? 0 : INVALID_VALUE;
}

CALL(ModuleLaunchKernel, (hip_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int lanes_x,
			  unsigned int lanes_y, unsigned int lanes_z, unsigned int lds, hip_stream stream, void **params, void **extra))
{
	return COUNTED(ModuleLaunchKernel, function, grid_x, grid_y, grid_z, lanes_x, lanes_y, lanes_z, lds, stream, params, extra);
}
static hip_error do_ModuleLaunchKernel(hip_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
				       unsigned int lanes_x, unsigned int lanes_y, unsigned int lanes_z, unsigned int lds,
				       hip_stream stream, void **params, void **extra)
{
	struct function *f = function;
	size_t local[3] = { lanes_x, lanes_y, lanes_z }, size = 0;
	size_t global[3] = { (size_t)grid_x * lanes_x, (size_t)grid_y * lanes_y, (size_t)grid_z * lanes_z };
	const char *args;
	unsigned int i;

	if (!grid_x || !grid_y || !grid_z || lanes_x != f->info->lanes || lanes_y != 1 || lanes_z != 1 || lds)
		return INVALID_CONFIGURATION;
	if (params || arguments(extra, &args, &size) || size != 8 * f->info->buffers + f->info->params_size)
		return INVALID_VALUE;
	for (i = 0; i < f->info->buffers; i++) {
		const void *device;
		void *host;

		memcpy(&device, args + 8 * i, 8);
		host = device ? standin_host(device) : NULL;
		if (device && !host)
			return ILLEGAL_ADDRESS;
		if (clSetKernelArgSVMPointer(f->kernel, i, host))
			return INVALID_VALUE;
	}
	if (clSetKernelArg(f->kernel, i, f->info->params_size, args + 8 * i))
		return INVALID_VALUE;
	return clEnqueueNDRangeKernel(stream, f->kernel, 3, NULL, global, local, 0, NULL, NULL) ? LAUNCH_FAILURE : 0;
}
#pragma GCC visibility pop

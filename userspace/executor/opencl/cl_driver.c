// SPDX-License-Identifier: MIT
#include "cl_driver.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../kernels/dsk_kernels.h"
#include "cl_api.h"

#define DEVICES		16
#define UNKNOWN		999	/* hipErrorUnknown */
#define INVALID_VALUE	1
#define INVALID_DEVICE	101
#define NOT_FOUND	500

static const struct kernel_info {
	const char *name;
	unsigned int buffers, params_size;
} infos[] = {
#define KERNEL_INFO(file, name, lanes, buffers, params)	{ #name, buffers, sizeof(params) },
	DSK_KERNELS(KERNEL_INFO)
};

struct function {
	const struct kernel_info *info;
	cl_object kernel;
};

struct module {
	cl_object program;
	struct function functions[sizeof(infos) / sizeof(infos[0])];	/* whose kernel isn't NULL */
};

struct event {
	cl_object event;	/* NULL: not recorded */
};

/* HIP's calls have the process for an object: so do these. Nothing is ever taken away: the runtime has threads of its own. */
static struct {
	pthread_mutex_t lock;
	struct cl_api api;
	char library[256];		/* as it was asked for; "": the usual one */
	unsigned int count;
	struct device {
		cl_object id, context;
	} devices[DEVICES];
} cl = { .lock = PTHREAD_MUTEX_INITIALIZER };

static __thread int current;		/* device of this thread */
static __thread char detail[400];	/* of its last error */

/* The error of HIP that stands for one of OpenCL, whose words are kept. */
static __attribute__((format(printf, 2, 3))) hip_error fail(hip_error error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof(detail), format, ap);
	va_end(ap);
	return error;
}

static hip_error check(cl_error error, const char *call)
{
	if (!error)
		return HIP_SUCCESS;
	return fail(error == CL_OUT_OF_RESOURCES_ || error == CL_OUT_OF_HOST_MEMORY_ ? HIP_OUT_OF_MEMORY : UNKNOWN, "%s: %s (%d)", call,
		    cl_error_name(error), error);
}

#define CHECK(name, args) check(cl.api.name args, "cl" #name)

static const char *get_error_name(hip_error error)
{
	return detail;
}

/* ---- devices */

static int shares_memory(cl_object id)
{
	uint64_t type = 0, svm = 0;

	if (!cl.api.GetDeviceInfo(id, CL_INFO_TYPE, sizeof(type), &type, NULL) && type & CL_TYPE_CPU)
		return 1;
	return !cl.api.GetDeviceInfo(id, CL_INFO_SVM, sizeof(svm), &svm, NULL) && svm & CL_SVM_SYSTEM;
}

static hip_error find_devices(void)
{
	cl_object platforms[8], ids[DEVICES];
	uint32_t n_platforms = 0, n, p, d;
	char refused[160] = "";
	cl_error error = cl.api.GetPlatformIDs(8, platforms, &n_platforms);

	if (error && error != -1001)
		return check(error, "clGetPlatformIDs");
	for (p = 0; p < n_platforms && p < 8; p++) {
		if (cl.api.GetDeviceIDs(platforms[p], CL_ALL_DEVICES, DEVICES, ids, &n))
			continue;
		for (d = 0; d < n && d < DEVICES; d++) {
			if (!shares_memory(ids[d])) {
				if (!*refused && cl.api.GetDeviceInfo(ids[d], CL_INFO_NAME, sizeof(refused), refused, NULL))
					strcpy(refused, "a device without a name");
			} else if (cl.count < DEVICES) {
				cl.devices[cl.count++].id = ids[d];
			}
		}
	}
	if (cl.count)
		return HIP_SUCCESS;
	if (*refused)
		return fail(HIP_NO_DEVICE, "%.160s doesn't reach the memory of processes as it is (it is no processor, and its SVM not the system's)", refused);
	return fail(HIP_NO_DEVICE, "OpenCL has no device: is a driver installed (pocl-opencl-icd, intel-opencl-icd)?");
}

static hip_error do_init(unsigned int flags)
{
	hip_error error;

	pthread_mutex_lock(&cl.lock);
	error = cl.count ? HIP_SUCCESS : find_devices();
	pthread_mutex_unlock(&cl.lock);
	return error;
}

static hip_error get_device_count(int *count)
{
	*count = (int)cl.count;
	return HIP_SUCCESS;
}

static hip_error set_device(int index)
{
	struct device *device = &cl.devices[index];
	hip_error error = HIP_SUCCESS;
	cl_error made = CL_OK;

	if (index < 0 || index >= (int)cl.count)
		return fail(INVALID_DEVICE, "there is no device %d", index);
	pthread_mutex_lock(&cl.lock);
	if (!device->context) {
		device->context = cl.api.CreateContext(NULL, 1, &device->id, NULL, NULL, &made);
		error = check(made, "clCreateContext");
		if (error)
			device->context = NULL;
	}
	pthread_mutex_unlock(&cl.lock);
	current = index;
	return error;
}

/* How many compute units there are: by that it is reckoned what a scrub takes. */
static hip_error get_attribute(int *value, int attribute, int index)
{
	uint32_t units = 0;
	hip_error error;

	if (attribute != HIP_MULTIPROCESSOR_COUNT)
		return fail(INVALID_VALUE, "there is no attribute %d", attribute);
	error = CHECK(GetDeviceInfo, (cl.devices[index].id, CL_INFO_UNITS, sizeof(units), &units, NULL));
	*value = (int)units;
	return error;
}

/* ---- memory: the host's, all of it */

static hip_error host_register(void *host, size_t size, unsigned int flags)
{
	return HIP_SUCCESS;
}

static hip_error host_unregister(void *host)
{
	return HIP_SUCCESS;
}

static hip_error host_get_device_pointer(void **device, void *host, unsigned int flags)
{
	*device = host;
	return HIP_SUCCESS;
}

static hip_error do_malloc(void **device, size_t size)
{
	*device = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);
	return *device ? HIP_SUCCESS : fail(HIP_OUT_OF_MEMORY, "no memory for %zu bytes", size);
}

static hip_error do_free(void *device)
{
	free(device);
	return HIP_SUCCESS;
}

static hip_error do_memcpy(void *to, const void *from, size_t size, int kind)
{
	memcpy(to, from, size);
	return HIP_SUCCESS;
}

static hip_error memset_async(void *device, int value, size_t size, hip_stream stream)
{
	unsigned char byte = (unsigned char)value;

	return CHECK(EnqueueSVMMemFill, (stream, device, &byte, 1, size, 0, NULL, NULL));
}

/* ---- streams and events: queues in order, and markers in them */

static hip_error stream_create(hip_stream *stream, unsigned int flags)
{
	cl_error error = CL_OK;

	*stream = cl.api.CreateCommandQueue(cl.devices[current].context, cl.devices[current].id, 0, &error);
	return check(error, "clCreateCommandQueue");
}

static hip_error stream_destroy(hip_stream stream)
{
	return CHECK(ReleaseCommandQueue, (stream));
}

static hip_error event_create(hip_event *event, unsigned int flags)
{
	*event = calloc(1, sizeof(struct event));
	return *event ? HIP_SUCCESS : fail(HIP_OUT_OF_MEMORY, "no memory for an event");
}

static void event_forget(struct event *event)
{
	if (event->event)
		cl.api.ReleaseEvent(event->event);
	event->event = NULL;
}

static hip_error event_destroy(hip_event event)
{
	event_forget(event);
	free(event);
	return HIP_SUCCESS;
}

static hip_error event_record(hip_event arg, hip_stream stream)
{
	struct event *event = arg;
	hip_error error;

	event_forget(event);
	error = CHECK(EnqueueMarkerWithWaitList, (stream, 0, NULL, &event->event));
	return error ? error : CHECK(Flush, (stream));
}

static hip_error event_query(hip_event arg)
{
	const struct event *event = arg;
	int32_t status = 0;
	hip_error error;

	if (!event->event)
		return HIP_SUCCESS;
	error = CHECK(GetEventInfo, (event->event, CL_INFO_STATUS, sizeof(status), &status, NULL));
	if (error)
		return error;
	return status < 0 ? check(status, "a command") : status ? HIP_NOT_READY : HIP_SUCCESS;
}

/* ---- modules */

/* The compiler's first line that tells of an error. */
static hip_error build_failed(cl_object program, cl_error error)
{
	char log[4096] = "", *line;

	cl.api.GetProgramBuildInfo(program, cl.devices[current].id, CL_INFO_BUILD_LOG, sizeof(log) - 1, log, NULL);
	line = strstr(log, "error");
	while (line && line > log && line[-1] != '\n')
		line--;
	line = line ? line : log;
	line[strcspn(line, "\n")] = 0;
	return fail(UNKNOWN, "clBuildProgram: %s (%d): %.200s", cl_error_name(error), error, line);
}

static hip_error module_load(hip_module *ret, const void *image)
{
	struct module *module = calloc(1, sizeof(*module));
	const char *text = image;
	size_t size = strlen(text);
	cl_error error = CL_OK;
	hip_error failed;

	if (!module)
		return fail(HIP_OUT_OF_MEMORY, "no memory for a module");
	module->program = cl.api.CreateProgramWithSource(cl.devices[current].context, 1, &text, &size, &error);
	if (error) {
		free(module);
		return check(error, "clCreateProgramWithSource");
	}
	error = cl.api.BuildProgram(module->program, 1, &cl.devices[current].id, "-w", NULL, NULL);
	if (error) {
		failed = error == CL_BUILD_FAILURE ? build_failed(module->program, error) : check(error, "clBuildProgram");
		cl.api.ReleaseProgram(module->program);
		free(module);
		return failed;
	}
	*ret = module;
	return HIP_SUCCESS;
}

static hip_error module_unload(hip_module arg)
{
	struct module *module = arg;
	size_t i;

	for (i = 0; i < sizeof(infos) / sizeof(infos[0]); i++)
		if (module->functions[i].kernel)
			cl.api.ReleaseKernel(module->functions[i].kernel);
	cl.api.ReleaseProgram(module->program);
	free(module);
	return HIP_SUCCESS;
}

static hip_error module_get_function(hip_function *ret, hip_module arg, const char *name)
{
	struct module *module = arg;
	struct function *function;
	cl_error error = CL_OK;
	size_t i = 0;

	while (i < sizeof(infos) / sizeof(infos[0]) && strcmp(infos[i].name, name))
		i++;
	if (i == sizeof(infos) / sizeof(infos[0]))
		return fail(NOT_FOUND, "no kernel is called %s", name);
	function = &module->functions[i];
	function->info = &infos[i];
	function->kernel = cl.api.CreateKernel(module->program, name, &error);
	if (error) {
		function->kernel = NULL;
		return check(error, "clCreateKernel");
	}
	*ret = function;
	return HIP_SUCCESS;
}

/* @extra: as hip_kernels.c has it, all arguments in one block: addresses, then the struct. */
static hip_error module_launch(hip_function arg, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int lanes_x,
			       unsigned int lanes_y, unsigned int lanes_z, unsigned int lds, hip_stream stream, void **params, void **extra)
{
	const size_t global[3] = { (size_t)grid_x * lanes_x, (size_t)grid_y * lanes_y, (size_t)grid_z * lanes_z };
	const size_t local[3] = { lanes_x, lanes_y, lanes_z };
	const struct function *function = arg;
	void *const *buffers = extra[1];
	hip_error error = HIP_SUCCESS;
	uint32_t i;

	for (i = 0; i < function->info->buffers && !error; i++)
		error = CHECK(SetKernelArgSVMPointer, (function->kernel, i, buffers[i]));
	if (!error)
		error = CHECK(SetKernelArg, (function->kernel, i, function->info->params_size, buffers + i));
	return error ? error : CHECK(EnqueueNDRangeKernel, (stream, function->kernel, 3, NULL, global, local, 0, NULL, NULL));
}

/* ---- the driver */

static int driver_open(const char *library, struct hip_api *ret_api, char *err, size_t err_size)
{
	int r = 0;

	library = library ? library : "";
	pthread_mutex_lock(&cl.lock);
	if (cl.api.library && strcmp(cl.library, library)) {
		snprintf(err, err_size, "this process has loaded %s already: it takes one libOpenCL", *cl.library ? cl.library : "libOpenCL.so.1");
		r = -EBUSY;
	} else if (!cl.api.library) {
		r = cl_api_open(*library ? library : NULL, &cl.api, err, err_size);
		if (!r)
			snprintf(cl.library, sizeof(cl.library), "%s", library);
	}
	pthread_mutex_unlock(&cl.lock);
	if (r)
		return r;
	*ret_api = (struct hip_api){
		.library = cl.api.library, .GetErrorName = get_error_name, .own_words = 1,
		.Init = do_init, .GetDeviceCount = get_device_count, .SetDevice = set_device, .DeviceGetAttribute = get_attribute,
		.ModuleLoadData = module_load, .ModuleUnload = module_unload, .ModuleGetFunction = module_get_function,
		.ModuleLaunchKernel = module_launch, .StreamCreateWithFlags = stream_create, .StreamDestroy = stream_destroy,
		.EventCreateWithFlags = event_create, .EventDestroy = event_destroy, .EventRecord = event_record, .EventQuery = event_query,
		.HostRegister = host_register, .HostUnregister = host_unregister, .HostGetDevicePointer = host_get_device_pointer,
		.Malloc = do_malloc, .Free = do_free, .Memcpy = do_memcpy, .MemsetAsync = memset_async,
	};
	return 0;
}

static int driver_target(const struct hip_api *api, int device, struct hip_target *ret_target, char *err, size_t err_size)
{
	*ret_target = (struct hip_target){ .name = CL_TARGET, .wave = 32 };
	return 0;
}

const struct hip_driver cl_driver = { .name = "opencl", .suffix = ".cl", .plain = 1, .open = driver_open, .target = driver_target };

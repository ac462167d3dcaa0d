// SPDX-License-Identifier: MIT
/* HIP's functions, as far as userspace/executor/hip uses them (hip_api.h), on a device of standin_cl.c or standin_host.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../kernels/dsk_kernels.h"
#include "../../userspace/executor/hip/hip_api.h"
#include "standin.h"

#define INVALID_CONFIGURATION	9
#define INVALID_DEVICE		101
#define INVALID_IMAGE		200
#define INVALID_HANDLE		400
#define NOT_FOUND		500
#define ILLEGAL_ADDRESS		700
#define LAUNCH_FAILURE		719

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
	void *kernel;
};

struct module {
	void *program;
	char file[64];
	struct function functions[KERNELS];
};

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

/* Of the attributes this one. */
CALL(DeviceGetAttribute, (int *value, int attribute, int device)) { return COUNTED(DeviceGetAttribute, value, attribute, device); }
static hip_error do_DeviceGetAttribute(int *value, int attribute, int device)
{
	const char *n = getenv("HIP_STANDIN_CUS");

	if (attribute != HIP_MULTIPROCESSOR_COUNT)
		return INVALID_VALUE;
	if (device < 0 || device >= devices())
		return INVALID_DEVICE;
	*value = n ? atoi(n) : 2;
	return 0;
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
#endif

struct event {
	void *device;			/* the device's */
	uint64_t recorded_ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

CALL(EventCreateWithFlags, (hip_event *event, unsigned int flags)) { return COUNTED(EventCreateWithFlags, event, flags); }
static hip_error do_EventCreateWithFlags(hip_event *event, unsigned int flags)
{
	*event = calloc(1, sizeof(struct event));
	standin_live++;
	return 0;
}

CALL(EventDestroy, (hip_event event)) { return COUNTED(EventDestroy, event); }
static hip_error do_EventDestroy(hip_event event)
{
	device_event_forget(&((struct event *)event)->device);
	free(event);
	standin_live--;
	return 0;
}

CALL(EventRecord, (hip_event event, hip_stream stream)) { return COUNTED(EventRecord, event, stream); }
static hip_error do_EventRecord(hip_event event, hip_stream stream)
{
	struct event *e = event;

	device_event_forget(&e->device);
	e->recorded_ns = now_ns();
	return device_event_record(&e->device, ((struct stream *)stream)->queue);
}

CALL(EventQuery, (hip_event event)) { return COUNTED(EventQuery, event); }
static hip_error do_EventQuery(hip_event event)
{
	const char *slow = getenv("HIP_STANDIN_SLOW");
	struct event *e = event;

	return slow && now_ns() - e->recorded_ns < (uint64_t)atoi(slow) * 1000000 ? HIP_NOT_READY : device_event_query(&e->device);
}

/* Without touching it: its first byte by itself. */
static int can_be_written(void *host)
{
	char byte = *(volatile char *)host;
	struct iovec from = { &byte, 1 }, to = { host, 1 };

	return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1;
}

CALL(HostRegister, (void *host, size_t size, unsigned int flags)) { return COUNTED(HostRegister, host, size, flags); }
static hip_error do_HostRegister(void *host, size_t size, unsigned int flags)
{
	void *unused;

	if (getenv("HIP_STANDIN_NO_SVM") && !can_be_written(host))
		return HIP_OUT_OF_MEMORY;
	return flags != HIP_HOST_REGISTER_MAPPED ? INVALID_VALUE : standin_map(host, size, &unused);
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
	return standin_alloc(size, device);
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
	void *host = standin_host(device);

	return host ? device_fill(((struct stream *)stream)->queue, host, value, size) : INVALID_VALUE;
}

CALL(Memset, (void *device, int value, size_t size)) { return COUNTED(Memset, device, value, size); }
static hip_error do_Memset(void *device, int value, size_t size)
{
	void *host = standin_host(device);

	if (!host)
		return INVALID_VALUE;
	memset(host, value, size);
	return 0;
}

CALL(DeviceSynchronize, (void)) { int error = standin_call("hipDeviceSynchronize"); return error ? error : do_DeviceSynchronize(); }
static hip_error do_DeviceSynchronize(void)
{
	return 0;	/* what is above waits for nothing */
}

#ifndef STANDIN_OLD	/* nor have they */
CALL(MemGetHandleForAddressRange, (void *handle, void *device, size_t size, int type, unsigned long long flags))
{
	return COUNTED(MemGetHandleForAddressRange, handle, device, size, type, flags);
}
static hip_error do_MemGetHandleForAddressRange(void *handle, void *device, size_t size, int type, unsigned long long flags)
{
	return type == HIP_RANGE_DMA_BUF_FD && !flags ? standin_export(device, size, handle) : INVALID_VALUE;
}
#endif

/* libhsa-runtime64's, which the real one is linked with. */
int hsa_amd_portable_export_dmabuf(const void *device, size_t size, int *fd, uint64_t *offset);
int hsa_amd_portable_export_dmabuf(const void *device, size_t size, int *fd, uint64_t *offset)
{
	const char *what = getenv("HIP_STANDIN_EXPORT");

	*offset = what && !strcmp(what, "part") ? 4096 : 0;
	return standin_export(device, size, fd) ? 0x1001 /* HSA_STATUS_ERROR_INVALID_ARGUMENT */ : 0;
}

/* ---- code objects */

CALL(ModuleLoadData, (hip_module *module, const void *image)) { return COUNTED(ModuleLoadData, module, image); }
static hip_error do_ModuleLoadData(hip_module *module, const void *image)
{
	char target[64], file[64];
	struct module *m;
	hip_error error;

	if (!memcmp(image, "\177ELF", 4)) {
		if (!getenv("HIP_STANDIN_OWN"))
			return INVALID_IMAGE;
		snprintf(target, sizeof(target), "%.*s", (int)strcspn(arch(), ":"), arch());
		snprintf(file, sizeof(file), "%s", getenv("HIP_STANDIN_OWN"));
	} else if (strncmp(image, STANDIN_MAGIC "\n", sizeof(STANDIN_MAGIC)) ||
	    sscanf((const char *)image + sizeof(STANDIN_MAGIC), "%63s %63s", target, file) != 2)
		return INVALID_IMAGE;
	if (strlen(target) != strcspn(arch(), ":") || strncmp(target, arch(), strlen(target)))
		return HIP_NO_BINARY_FOR_GPU;
	m = calloc(1, sizeof(*m));
	strcpy(m->file, file);
	error = device_program_build(file, strlen(target) == 6 && target[3] == '9' ? 64 : 32, &m->program);
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
			device_kernel_release(m->functions[i].kernel);
	device_program_release(m->program);
	free(m);
	standin_live--;
	return 0;
}

CALL(ModuleGetFunction, (hip_function *function, hip_module module, const char *name)) { return COUNTED(ModuleGetFunction, function, module, name); }
static hip_error do_ModuleGetFunction(hip_function *function, hip_module module, const char *name)
{
	struct module *m = module;
	size_t i;

	for (i = 0; i < KERNELS && (strcmp(infos[i].name, name) || strcmp(infos[i].file, m->file)); i++)
		;
	if (i == KERNELS)
		return NOT_FOUND;
	if (!m->functions[i].kernel) {
		m->functions[i].info = &infos[i];
		if (device_kernel_get(m->program, name, &m->functions[i].kernel))
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
	const unsigned int grid[3] = { grid_x, grid_y, grid_z };
	void *hosts[STANDIN_BUFFERS];
	size_t size = 0;
	const char *args;
	unsigned int i;

	/* clr's limits */
	if ((uint64_t)grid_x * lanes_x > UINT32_MAX || grid_y > 65536 || grid_z > 65536)
		return INVALID_CONFIGURATION;
	if (!grid_x || !grid_y || !grid_z || lanes_x != f->info->lanes || lanes_y != 1 || lanes_z != 1 || lds)
		return INVALID_CONFIGURATION;
	if (params || arguments(extra, &args, &size) || size != 8 * f->info->buffers + f->info->params_size)
		return INVALID_VALUE;
	for (i = 0; i < f->info->buffers; i++) {
		const void *device;

		memcpy(&device, args + 8 * i, 8);
		hosts[i] = device ? standin_host(device) : NULL;
		if (device && !hosts[i])
			return ILLEGAL_ADDRESS;
	}
	standin_log_launch(stream, f->info->name, grid);
	return device_launch(((struct stream *)stream)->queue, f->kernel, grid, lanes_x, hosts, i, args + 8 * i, f->info->params_size);
}
#pragma GCC visibility pop

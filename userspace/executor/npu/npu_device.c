// SPDX-License-Identifier: MIT
#include "npu_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int npu_check(int error, const char *call, char *err, size_t err_size)
{
	if (error < 0)
		snprintf(err, err_size, "%s: %s (%d)", call, strerror(-error), -error);
	return error < 0 ? error : 0;
}

/* 0 and the driver's name; the rest of what it says is of no use to us. */
static int read_version(int fd, char *name, size_t size, int *major, int *minor)
{
	struct drm_version version = { .name = name, .name_len = size - 1 };
	int r = npu_sys_ioctl(fd, DRM_IOCTL_VERSION, &version);

	if (r < 0)
		return r;
	name[version.name_len < size ? version.name_len : size - 1] = 0;
	*major = version.version_major;
	*minor = version.version_minor;
	return 0;
}

/* Opens @path if amdxdna drives it. -ENODEV: another driver does. */
static int try_node(const char *path, struct npu_device *device, char *err, size_t err_size)
{
	char name[64] = "";
	int r = npu_sys_open(path), fd = r;

	if (r < 0) {
		snprintf(err, err_size, "%s: %s (%d)", path, strerror(-r), -r);
		return r;
	}
	r = read_version(fd, name, sizeof(name), &device->major, &device->minor);
	if (r < 0) {
		snprintf(err, err_size, "%s: VERSION: %s (%d)", path, strerror(-r), -r);
	} else if (strcmp(name, NPU_DRIVER)) {
		snprintf(err, err_size, "%s is driven by %s, not by " NPU_DRIVER, path, name);
		r = -ENODEV;
	} else if (device->major != NPU_ABI_MAJOR) {
		snprintf(err, err_size, "%s: amdxdna's ABI is %d.%d, this backend speaks %d.x", path, device->major, device->minor, NPU_ABI_MAJOR);
		r = -EPROTO;
	}
	if (r < 0) {
		npu_sys_close(fd);
		return r;
	}
	device->fd = fd;
	snprintf(device->path, sizeof(device->path), "%s", path);
	return 0;
}

/* The first that will do; else what the first one said. */
static int find_node(struct npu_device *device, char *err, size_t err_size)
{
	char path[64], why[200];
	unsigned int i;
	int r, first = 0;

	for (i = 0; !npu_sys_node(i, path, sizeof(path)); i++) {
		r = try_node(path, device, why, sizeof(why));
		if (!r)
			return 0;
		if (!first) {
			first = r;
			snprintf(err, err_size, "%s", why);
		}
	}
	if (first)
		return first;
	snprintf(err, err_size, "there is no /dev/accel/accel*: no NPU, or amdxdna (Linux 6.14 or newer) isn't loaded");
	return -ENODEV;
}

static int query(struct npu_device *device, uint32_t param, void *buffer, uint32_t size, const char *what, char *err, size_t err_size)
{
	struct npu_get_info info = { .param = param, .buffer_size = size, .buffer = (uintptr_t)buffer };

	return npu_check(npu_sys_ioctl(device->fd, NPU_GET_INFO, &info), what, err, err_size);
}

/* Whether the driver takes a page of ours: those before 6.18 refuse any address. Not to take it is no error. */
static void probe_imports(struct npu_device *device)
{
	void *page = npu_sys_can_flush() ? aligned_alloc(4096, 4096) : NULL;
	struct npu_bo bo;
	char why[200];

	if (page && !npu_bo_import(device, page, 4096, &bo, why, sizeof(why))) {
		device->imports = 1;
		npu_bo_destroy(device, &bo);
	}
	free(page);
}

static int probe(struct npu_device *device, char *err, size_t err_size)
{
	struct npu_clock_metadata clock = { 0 };
	char unused[200];
	int r = query(device, NPU_QUERY_AIE_METADATA, &device->aie, sizeof(device->aie), "GET_INFO of the AIE metadata", err, err_size);

	if (r)
		return r;
	if (!device->aie.cols || !device->aie.core.row_count) {
		snprintf(err, err_size, "GET_INFO tells of an array of %u columns with %u rows of cores", device->aie.cols, device->aie.core.row_count);
		return -EPROTO;
	}
	/* Nice to know. Drivers that don't tell refuse, what they were given stays as it was. */
	if (query(device, NPU_QUERY_FIRMWARE_VERSION, &device->firmware, sizeof(device->firmware), "", unused, sizeof(unused)))
		memset(&device->firmware, 0, sizeof(device->firmware));
	if (!query(device, NPU_QUERY_CLOCK_METADATA, &clock, sizeof(clock), "", unused, sizeof(unused)))
		device->clock_mhz = clock.h_clock.freq_mhz;
	probe_imports(device);
	return 0;
}

int npu_device_open(const char *path, struct npu_device *ret_device, char *err, size_t err_size)
{
	struct npu_device device = { .fd = -1 };
	char why[200];
	int r = path ? try_node(path, &device, err, err_size) : find_node(&device, err, err_size);

	if (r)
		return r;
	r = probe(&device, why, sizeof(why));
	if (r) {
		snprintf(err, err_size, "%s: %s", device.path, why);
		npu_sys_close(device.fd);
		return r;
	}
	*ret_device = device;
	return 0;
}

static void close_handle(struct npu_device *device, uint32_t handle)
{
	struct drm_gem_close arg = { .handle = handle };

	npu_sys_ioctl(device->fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

void npu_device_close(struct npu_device *device)
{
	char why[200];

	if (device->fd < 0)
		return;
	npu_context_close(device, why, sizeof(why));
	if (device->heap) {
		npu_sys_unmap(device->heap, NPU_HEAP_SIZE);
		close_handle(device, device->heap_handle);
	}
	npu_sys_close(device->fd);
	device->fd = -1;
}

/* ---- memory */

static int bo_info(struct npu_device *device, uint32_t handle, struct npu_get_bo_info *ret_info, char *err, size_t err_size)
{
	*ret_info = (struct npu_get_bo_info){ .handle = handle };
	return NPU(device, GET_BO_INFO, ret_info, err, err_size);
}

/* Aligned to its size: firmware maps it so, at this very address where the device walks our page tables. */
int npu_heap_open(struct npu_device *device, char *err, size_t err_size)
{
	struct npu_create_bo create = { .size = NPU_HEAP_SIZE, .type = NPU_BO_DEV_HEAP };
	struct npu_get_bo_info info;
	int r = npu_check(npu_sys_ioctl(device->fd, NPU_CREATE_BO, &create), "CREATE_BO of the device's heap", err, err_size);

	if (r)
		return r;
	r = bo_info(device, create.handle, &info, err, err_size);
	if (!r)
		r = npu_check(npu_sys_map(device->fd, info.map_offset, NPU_HEAP_SIZE, NPU_HEAP_SIZE, &device->heap), "mmap of the device's heap", err,
			      err_size);
	if (r) {
		device->heap = NULL;
		close_handle(device, create.handle);
		return r;
	}
	device->heap_handle = create.handle;
	device->heap_address = info.xdna_addr;
	return 0;
}

/* Where it is here: a part of the heap has no mapping of its own. */
static int map_bo(struct npu_device *device, uint32_t type, const struct npu_get_bo_info *info, struct npu_bo *bo, char *err, size_t err_size)
{
	uint64_t at = info->xdna_addr - device->heap_address;
	int r;

	if (type != NPU_BO_DEV) {
		r = npu_check(npu_sys_map(device->fd, info->map_offset, bo->size, 4096, &bo->base), "mmap of a buffer", err, err_size);
		if (r)
			bo->base = NULL;
		return r;
	}
	if (at > NPU_HEAP_SIZE || bo->size > NPU_HEAP_SIZE - at) {
		snprintf(err, err_size, "GET_BO_INFO: a part of the heap at 0x%llx, which lies at 0x%llx", (unsigned long long)info->xdna_addr,
			 (unsigned long long)device->heap_address);
		return -EPROTO;
	}
	bo->base = (char *)device->heap + at;
	bo->origin = NPU_BO_PART;
	return 0;
}

int npu_bo_create(struct npu_device *device, uint32_t type, uint64_t size, struct npu_bo *ret_bo, char *err, size_t err_size)
{
	struct npu_create_bo create = { .size = (size + 4095) & ~4095ull, .type = type };
	struct npu_bo bo = { .size = create.size };
	struct npu_get_bo_info info;
	char why[100];
	int r = NPU(device, CREATE_BO, &create, why, sizeof(why));

	if (r) {
		snprintf(err, err_size, "%s, of %llu bytes", why, (unsigned long long)size);
		return r;
	}
	bo.handle = create.handle;
	r = bo_info(device, create.handle, &info, err, err_size);
	if (!r)
		r = map_bo(device, type, &info, &bo, err, err_size);
	/* Asked for again: where the device uses our addresses, this one came about just now. */
	if (!r && type != NPU_BO_DEV)
		r = bo_info(device, create.handle, &info, err, err_size);
	if (r) {
		npu_bo_destroy(device, &bo);
		return r;
	}
	bo.address = info.xdna_addr == NPU_INVALID_ADDR ? (uintptr_t)bo.base : info.xdna_addr;
	*ret_bo = bo;
	return 0;
}

int npu_bo_import(struct npu_device *device, void *base, uint64_t size, struct npu_bo *ret_bo, char *err, size_t err_size)
{
	uint64_t whole = (size + 4095) & ~4095ull;
	struct npu_va_table table = { .dmabuf_fd = -1, .num_entries = 1, .entries = { { (uintptr_t)base, whole } } };
	struct npu_create_bo create = { .vaddr = (uintptr_t)&table, .size = whole, .type = NPU_BO_SHARE };
	struct npu_bo bo = { .size = whole, .base = base, .origin = NPU_BO_IMPORTED };
	struct npu_get_bo_info info;
	char why[100];
	int r = NPU(device, CREATE_BO, &create, why, sizeof(why));

	if (r) {
		snprintf(err, err_size, "%s, of %llu bytes of a tenant's%s", why, (unsigned long long)size,
			 r == -ENOMEM ? ": it counts as locked memory (LimitMEMLOCK=)" : "");
		return r;
	}
	bo.handle = create.handle;
	r = bo_info(device, create.handle, &info, err, err_size);
	if (r) {
		npu_bo_destroy(device, &bo);
		return r;
	}
	bo.address = info.xdna_addr == NPU_INVALID_ADDR ? (uintptr_t)base : info.xdna_addr;
	*ret_bo = bo;
	return 0;
}

void npu_bo_destroy(struct npu_device *device, struct npu_bo *bo)
{
	if (!bo->handle)
		return;
	if (bo->base && bo->origin == NPU_BO_OWN)
		npu_sys_unmap(bo->base, bo->size);
	close_handle(device, bo->handle);
	memset(bo, 0, sizeof(*bo));
}

int npu_bo_sync(struct npu_device *device, const struct npu_bo *bo, uint64_t offset, uint64_t size, char *err, size_t err_size)
{
	struct npu_sync_bo sync = { .handle = bo->handle, .direction = NPU_SYNC_TO_DEVICE, .offset = offset, .size = size };

	if (bo->origin != NPU_BO_IMPORTED)
		return NPU(device, SYNC_BO, &sync, err, err_size);
	npu_sys_flush((char *)bo->base + offset, size);
	return 0;
}

/* ---- context */

int npu_context_open(struct npu_device *device, const struct npu_context_params *params, char *err, size_t err_size)
{
	struct npu_qos qos = { .priority = params->priority };
	struct npu_create_hwctx create = {
		.qos_p = (uintptr_t)&qos, .max_opc = params->ops_per_cycle, .num_tiles = params->columns * device->aie.core.row_count,
	};
	struct npu_config_hwctx config = {
		.param_type = NPU_HWCTX_CONFIG_CU, .param_val = (uintptr_t)params->cus,
		.param_val_size = (uint32_t)(offsetof(struct npu_config_cu, cu_configs) + params->cus->num_cus * sizeof(params->cus->cu_configs[0])),
	};
	char why[200];
	int r = NPU(device, CREATE_HWCTX, &create, why, sizeof(why));

	if (r) {
		snprintf(err, err_size, "%s, on %u columns of %u", why, params->columns, device->aie.cols);
		return r;
	}
	device->hwctx = create.handle;
	device->timeline = create.syncobj_handle;
	if (!create.syncobj_handle) {
		snprintf(err, err_size, "CREATE_HWCTX gave no timeline: this NPU takes commands by user mode queues, which this backend doesn't know");
		r = -EOPNOTSUPP;
	}
	config.handle = create.handle;
	if (!r)
		r = NPU(device, CONFIG_HWCTX, &config, err, err_size);
	if (r)
		npu_context_close(device, why, sizeof(why));
	return r;
}

int npu_context_close(struct npu_device *device, char *err, size_t err_size)
{
	struct npu_destroy_hwctx destroy = { .handle = device->hwctx };
	struct drm_syncobj_destroy timeline = { .handle = device->timeline };
	int r = 0;

	if (device->hwctx)
		r = NPU(device, DESTROY_HWCTX, &destroy, err, err_size);
	if (device->timeline)
		npu_sys_ioctl(device->fd, DRM_IOCTL_SYNCOBJ_DESTROY, &timeline);
	device->hwctx = device->timeline = 0;
	return r;
}

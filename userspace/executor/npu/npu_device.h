/* SPDX-License-Identifier: MIT */
/* An NPU: its node, what the running driver says of it, and a hardware context on some of its columns. */
#ifndef DSEEK_NPU_DEVICE_H
#define DSEEK_NPU_DEVICE_H

#include <stddef.h>

#include "npu_ioctl.h"
#include "npu_uapi.h"

#define NPU_HEAP_SIZE	(64u << 20)	/* what a context maps; PDIs and control code lie there */

struct npu_device {
	int fd;				/* -1: none */
	char path[64];
	int major, minor;		/* of the driver's ABI */
	struct npu_aie_metadata aie;
	struct npu_firmware_version firmware;	/* all 0: the driver doesn't tell */
	uint32_t clock_mhz;		/* of the array; 0: the driver doesn't tell */
	int imports;			/* the driver takes memory of the process */
	void *heap;			/* mapped; NULL: there is none */
	uint32_t heap_handle;
	uint64_t heap_address;		/* the device's */
	uint32_t hwctx, timeline;	/* 0: there is no context */
};

/*
 * One sentence for a call that failed, "CREATE_HWCTX: Invalid argument (22)". Returns @error, 0 if that is none. NPU() calls and reports.
 */
int npu_check(int error, const char *call, char *err, size_t err_size);
#define NPU(device, name, args, err, err_size) \
	npu_check(npu_sys_ioctl((device)->fd, NPU_##name, args), #name, err, err_size)

/*
 * @path: a node; NULL: the first of /dev/accel that amdxdna drives. 0, or an error and one sentence that names the node: -ENODEV if
 * there is none, or another driver's.
 */
int npu_device_open(const char *path, struct npu_device *ret_device, char *err, size_t err_size);
void npu_device_close(struct npu_device *device);

/* A context of @columns with @cus configured. To be made anew, it is closed first. Closing waits for what runs, or cancels it. */
struct npu_context_params {
	uint32_t columns, ops_per_cycle, priority;
	const struct npu_config_cu *cus;
};
int npu_heap_open(struct npu_device *device, char *err, size_t err_size);
int npu_context_open(struct npu_device *device, const struct npu_context_params *params, char *err, size_t err_size);
int npu_context_close(struct npu_device *device, char *err, size_t err_size);

/* Memory that the device reaches. */
struct npu_bo {
	uint32_t handle;		/* 0: none */
	enum { NPU_BO_OWN, NPU_BO_PART, NPU_BO_IMPORTED } origin;	/* mapped by us, a part of the heap, or the process's memory all along */
	void *base;			/* here */
	uint64_t size, address;		/* the device's address */
};

/* A buffer of type SHARE, CMD or DEV, mapped; one of DEV holds @size bytes of the heap. */
int npu_bo_create(struct npu_device *device, uint32_t type, uint64_t size, struct npu_bo *ret_bo, char *err, size_t err_size);
/* Pages of this process, which stay mapped, and writable, until it is destroyed; -EFAULT: they aren't writable */
int npu_bo_import(struct npu_device *device, void *base, uint64_t size, struct npu_bo *ret_bo, char *err, size_t err_size);
void npu_bo_destroy(struct npu_device *device, struct npu_bo *bo);
/* So that the device sees what was written here, and the CPU what the device has written. */
int npu_bo_sync(struct npu_device *device, const struct npu_bo *bo, uint64_t offset, uint64_t size, char *err, size_t err_size);

#endif /* DSEEK_NPU_DEVICE_H */

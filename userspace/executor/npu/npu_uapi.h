/* SPDX-License-Identifier: MIT */
/*
 * What is used of the ABI of Linux's amdxdna driver (include/uapi/drm/amdxdna_accel.h since 6.14) and of the command buffers that it
 * reads (drivers/accel/amdxdna/amdxdna_ctx.h): distributions of today lack the header. tests/npu/abi.c holds it against the kernel's.
 *
 * As the driver's source has it, and a caller can't see from its header:
 * - The device sees neither dirty cache lines nor makes the CPU's stale. SYNC_BO writes back and invalidates, in either direction; "from
 *   device" is refused but for a debug buffer, and imported memory is refused (with a warning in the kernel's log).
 * - xdna_addr is NPU_INVALID_ADDR where the device walks the process's page tables: then its address is the one here.
 * - A device heap has to be mapped before what is allocated from it, and before the first context.
 * - CONFIG_HWCTX of CUs happens once in a context's life.
 * - Commands complete in order; one's sequence number is its point of the context's timeline. They begin at 0, which as a point to be
 *   waited for means all that was submitted so far.
 */
#ifndef DSEEK_NPU_UAPI_H
#define DSEEK_NPU_UAPI_H

#include <stdint.h>
#include <xf86drm.h>	/* DRM_IOWR(), syncobjs, DRM_IOCTL_VERSION */

#define NPU_DRIVER		"amdxdna_accel_driver"	/* drm_version's name */
#define NPU_ABI_MAJOR		0	/* Linux's; drivers that AMD gave out before it had others, with other numbers of calls */
#define NPU_INVALID_ADDR	(~(uint64_t)0)

enum npu_bo_type { NPU_BO_SHARE = 1, NPU_BO_DEV_HEAP, NPU_BO_DEV, NPU_BO_CMD };
enum npu_sync { NPU_SYNC_TO_DEVICE, NPU_SYNC_FROM_DEVICE };

struct npu_qos {
	uint32_t gops, fps, dma_bandwidth, latency, frame_exec_time, priority;
};

#define NPU_PRIORITY_REALTIME	0x100
#define NPU_PRIORITY_HIGH	0x180
#define NPU_PRIORITY_NORMAL	0x200
#define NPU_PRIORITY_LOW	0x280

struct npu_create_hwctx {
	uint64_t ext, ext_flags;	/* 0 */
	uint64_t qos_p;			/* struct npu_qos, must be there */
	uint32_t umq_bo, log_buf_bo;	/* of user mode queues */
	uint32_t max_opc;
	uint32_t num_tiles;		/* columns times rows of cores */
	uint32_t mem_size;
	uint32_t umq_doorbell;		/* out */
	uint32_t handle;		/* out, not 0 */
	uint32_t syncobj_handle;	/* out: the timeline, the caller's to destroy; 0: there is none (user mode queues) */
};

struct npu_destroy_hwctx {
	uint32_t handle, pad;
};

struct npu_cu_config {
	uint32_t cu_bo;			/* NPU_BO_DEV with a PDI */
	uint8_t cu_func, pad[3];
};

#define NPU_MAX_CUS	32

struct npu_config_cu {
	uint16_t num_cus, pad[3];
	struct npu_cu_config cu_configs[NPU_MAX_CUS];	/* as many as num_cus are read */
};

#define NPU_HWCTX_CONFIG_CU	0

struct npu_config_hwctx {
	uint32_t handle, param_type;
	uint64_t param_val;		/* struct npu_config_cu */
	uint32_t param_val_size, pad;
};

/* At vaddr of CREATE_BO, since 6.18: memory of the process, pinned for writing; it has to be writable, in whole pages. */
struct npu_va_table {
	int32_t dmabuf_fd;		/* unused if there are entries */
	uint32_t num_entries;
	struct {
		uint64_t vaddr, len;
	} entries[1];
};

struct npu_create_bo {
	uint64_t flags, vaddr, size;
	uint32_t type, handle;
};

struct npu_get_bo_info {
	uint64_t ext, ext_flags;
	uint32_t handle, pad;
	uint64_t map_offset, vaddr, xdna_addr;
};

struct npu_sync_bo {
	uint32_t handle, direction;
	uint64_t offset, size;
};

#define NPU_CMD_SUBMIT_EXEC_BUF	0

struct npu_exec_cmd {
	uint64_t ext, ext_flags;
	uint32_t hwctx, type;
	uint64_t cmd_handles;		/* of one: the handle itself */
	uint64_t args;			/* uint32_t[arg_count]: all that the command reaches */
	uint32_t cmd_count, arg_count;
	uint64_t seq;			/* out */
};

enum npu_query {
	NPU_QUERY_AIE_METADATA = 1, NPU_QUERY_AIE_VERSION, NPU_QUERY_CLOCK_METADATA, NPU_QUERY_FIRMWARE_VERSION = 8,
};

struct npu_get_info {
	uint32_t param, buffer_size;
	uint64_t buffer;
};

struct npu_tile_metadata {
	uint16_t row_count, row_start, dma_channel_count, lock_count, event_reg_count, pad[3];
};

struct npu_aie_version {
	uint32_t major, minor;
};

struct npu_aie_metadata {
	uint32_t col_size;
	uint16_t cols, rows;
	struct npu_aie_version version;
	struct npu_tile_metadata core, mem, shim;
};

struct npu_clock {
	uint8_t name[16];
	uint32_t freq_mhz, pad;
};

struct npu_clock_metadata {
	struct npu_clock mp_npu_clock, h_clock;
};

struct npu_firmware_version {
	uint32_t major, minor, patch, build;
};

#define NPU_CREATE_HWCTX	DRM_IOWR(DRM_COMMAND_BASE + 0, struct npu_create_hwctx)
#define NPU_DESTROY_HWCTX	DRM_IOWR(DRM_COMMAND_BASE + 1, struct npu_destroy_hwctx)
#define NPU_CONFIG_HWCTX	DRM_IOWR(DRM_COMMAND_BASE + 2, struct npu_config_hwctx)
#define NPU_CREATE_BO		DRM_IOWR(DRM_COMMAND_BASE + 3, struct npu_create_bo)
#define NPU_GET_BO_INFO		DRM_IOWR(DRM_COMMAND_BASE + 4, struct npu_get_bo_info)
#define NPU_SYNC_BO		DRM_IOWR(DRM_COMMAND_BASE + 5, struct npu_sync_bo)
#define NPU_EXEC_CMD		DRM_IOWR(DRM_COMMAND_BASE + 6, struct npu_exec_cmd)
#define NPU_GET_INFO		DRM_IOWR(DRM_COMMAND_BASE + 7, struct npu_get_info)

/* ---- command buffers */

#define NPU_CMD_STATE		0x0000000fu	/* header */
#define NPU_CMD_COUNT_SHIFT	12		/* 11 bits: words behind the header */
#define NPU_CMD_OPCODE_SHIFT	23		/* 5 bits */

enum npu_cmd_opcode { NPU_START_CU = 0, NPU_CMD_CHAIN = 19, NPU_START_NPU = 20 };
enum npu_cmd_state {
	NPU_STATE_INVALID, NPU_STATE_NEW, NPU_STATE_QUEUED, NPU_STATE_RUNNING, NPU_STATE_COMPLETED, NPU_STATE_ERROR, NPU_STATE_ABORT,
	NPU_STATE_SUBMITTED, NPU_STATE_TIMEOUT, NPU_STATE_NORESPONSE,
};

/* START_CU: header, mask of one CU, arguments. START_NPU: the control code between the two. */
struct npu_cmd_npu {
	uint64_t buffer;		/* the control code's address */
	uint32_t buffer_size;		/* bytes */
	uint32_t prop_count;
};

/* CMD_CHAIN: header, this. Commands of one opcode, each a buffer of its own. */
#define NPU_CHAIN_MAX	8	/* of ours: as many fit into the 4 KiB in which the driver hands them on */
struct npu_cmd_chain {
	uint32_t command_count, submit_index;
	uint32_t error_index;		/* out: the first that failed */
	uint32_t reserved[3];
	uint32_t data[2 * NPU_CHAIN_MAX];	/* handles, 64 bits each, of which the low ones count; the struct begins on 4 bytes */
};

#endif /* DSEEK_NPU_UAPI_H */

// SPDX-License-Identifier: MIT
/* npu_uapi.h against the kernel's own header, which make looks for in /usr/include and among the kernels of the guests. */
#include "../../userspace/executor/npu/npu_uapi.h"
#include "../tap.h"

#ifdef AMDXDNA_HEADER
#ifndef __counted_by
#define __counted_by(member)
#endif
#include AMDXDNA_HEADER

#define SIZE(ours, theirs)	{ #theirs, sizeof(struct ours), sizeof(struct theirs) }
#define AT(ours, theirs, member) { #theirs "." #member, __builtin_offsetof(struct ours, member), __builtin_offsetof(struct theirs, member) }
#define VALUE(ours, theirs)	{ #theirs, ours, theirs }
#define CALL(name)		{ #name, NPU_##name, DRM_IOCTL_AMDXDNA_##name }

static const struct {
	const char *what;
	unsigned long ours, theirs;
} pairs[] = {
	CALL(CREATE_HWCTX), CALL(DESTROY_HWCTX), CALL(CONFIG_HWCTX), CALL(CREATE_BO), CALL(GET_BO_INFO), CALL(SYNC_BO), CALL(EXEC_CMD), CALL(GET_INFO),
	SIZE(npu_qos, amdxdna_qos_info), AT(npu_qos, amdxdna_qos_info, priority),
	AT(npu_create_hwctx, amdxdna_drm_create_hwctx, qos_p), AT(npu_create_hwctx, amdxdna_drm_create_hwctx, umq_bo),
	AT(npu_create_hwctx, amdxdna_drm_create_hwctx, max_opc), AT(npu_create_hwctx, amdxdna_drm_create_hwctx, num_tiles),
	AT(npu_create_hwctx, amdxdna_drm_create_hwctx, handle), AT(npu_create_hwctx, amdxdna_drm_create_hwctx, syncobj_handle),
	SIZE(npu_cu_config, amdxdna_cu_config), AT(npu_cu_config, amdxdna_cu_config, cu_func),
	AT(npu_config_cu, amdxdna_hwctx_param_config_cu, cu_configs),
	AT(npu_config_hwctx, amdxdna_drm_config_hwctx, param_val), AT(npu_config_hwctx, amdxdna_drm_config_hwctx, param_val_size),
	AT(npu_create_bo, amdxdna_drm_create_bo, vaddr), AT(npu_create_bo, amdxdna_drm_create_bo, type),
	AT(npu_create_bo, amdxdna_drm_create_bo, handle), AT(npu_get_bo_info, amdxdna_drm_get_bo_info, handle),
	AT(npu_get_bo_info, amdxdna_drm_get_bo_info, map_offset), AT(npu_get_bo_info, amdxdna_drm_get_bo_info, xdna_addr),
	AT(npu_sync_bo, amdxdna_drm_sync_bo, direction), AT(npu_sync_bo, amdxdna_drm_sync_bo, size),
	AT(npu_exec_cmd, amdxdna_drm_exec_cmd, hwctx), AT(npu_exec_cmd, amdxdna_drm_exec_cmd, type),
	AT(npu_exec_cmd, amdxdna_drm_exec_cmd, cmd_handles), AT(npu_exec_cmd, amdxdna_drm_exec_cmd, args),
	AT(npu_exec_cmd, amdxdna_drm_exec_cmd, cmd_count), AT(npu_exec_cmd, amdxdna_drm_exec_cmd, arg_count), AT(npu_exec_cmd, amdxdna_drm_exec_cmd, seq),
	AT(npu_get_info, amdxdna_drm_get_info, buffer), SIZE(npu_tile_metadata, amdxdna_drm_query_aie_tile_metadata),
	SIZE(npu_aie_metadata, amdxdna_drm_query_aie_metadata), AT(npu_aie_metadata, amdxdna_drm_query_aie_metadata, cols),
	AT(npu_aie_metadata, amdxdna_drm_query_aie_metadata, version), AT(npu_aie_metadata, amdxdna_drm_query_aie_metadata, core),
	SIZE(npu_clock_metadata, amdxdna_drm_query_clock_metadata), AT(npu_clock_metadata, amdxdna_drm_query_clock_metadata, h_clock),
	AT(npu_clock, amdxdna_drm_query_clock, freq_mhz), SIZE(npu_firmware_version, amdxdna_drm_query_firmware_version),
	VALUE(NPU_BO_SHARE, AMDXDNA_BO_SHMEM), VALUE(NPU_BO_DEV_HEAP, AMDXDNA_BO_DEV_HEAP), VALUE(NPU_BO_DEV, AMDXDNA_BO_DEV),
	VALUE(NPU_BO_CMD, AMDXDNA_BO_CMD), VALUE(NPU_SYNC_TO_DEVICE, SYNC_DIRECT_TO_DEVICE), VALUE(NPU_SYNC_FROM_DEVICE, SYNC_DIRECT_FROM_DEVICE),
	VALUE(NPU_PRIORITY_REALTIME, AMDXDNA_QOS_REALTIME_PRIORITY), VALUE(NPU_PRIORITY_HIGH, AMDXDNA_QOS_HIGH_PRIORITY),
	VALUE(NPU_PRIORITY_NORMAL, AMDXDNA_QOS_NORMAL_PRIORITY), VALUE(NPU_PRIORITY_LOW, AMDXDNA_QOS_LOW_PRIORITY),
	VALUE(NPU_HWCTX_CONFIG_CU, DRM_AMDXDNA_HWCTX_CONFIG_CU), VALUE(NPU_CMD_SUBMIT_EXEC_BUF, AMDXDNA_CMD_SUBMIT_EXEC_BUF),
	VALUE(NPU_QUERY_AIE_METADATA, DRM_AMDXDNA_QUERY_AIE_METADATA), VALUE(NPU_QUERY_AIE_VERSION, DRM_AMDXDNA_QUERY_AIE_VERSION),
	VALUE(NPU_QUERY_CLOCK_METADATA, DRM_AMDXDNA_QUERY_CLOCK_METADATA), VALUE(NPU_QUERY_FIRMWARE_VERSION, DRM_AMDXDNA_QUERY_FIRMWARE_VERSION),
	VALUE(NPU_INVALID_ADDR, AMDXDNA_INVALID_ADDR),
	/* Since 6.18, of which a header of /usr/include may know nothing. */
#ifdef AMDXDNA_HAS_VA_TABLE
	AT(npu_va_table, amdxdna_drm_va_tbl, num_entries),
	{ "amdxdna_drm_va_tbl.va_entries", __builtin_offsetof(struct npu_va_table, entries), __builtin_offsetof(struct amdxdna_drm_va_tbl, va_entries) },
	{ "amdxdna_drm_va_entry", sizeof(((struct npu_va_table *)0)->entries[0]), sizeof(struct amdxdna_drm_va_entry) },
#endif
};

int main(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].ours != pairs[i].theirs) {
			printf("# %s: %#lx here, %#lx in the kernel\n", pairs[i].what, pairs[i].ours, pairs[i].theirs);
			wrong++;
		}
	tap_ok(!wrong, "%u sizes, places and numbers are those of " AMDXDNA_HEADER, i);
	return tap_end();
}
#else
int main(void)
{
	tap_skip("the ABI of amdxdna", "no drm/amdxdna_accel.h: neither in /usr/include nor with the guests' kernels (tests/vm/kernel fetch newest)");
	return tap_end();
}
#endif

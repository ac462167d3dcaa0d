/* SPDX-License-Identifier: MIT */
/*
 * The part of an xclbin that an NPU needs: the AIE partition with its images (PDI), as XRT's xclbin.h lays them out. What comes from a
 * file is not trusted: every offset is checked.
 */
#ifndef DSEEK_NPU_XCLBIN_H
#define DSEEK_NPU_XCLBIN_H

#include <stddef.h>
#include <stdint.h>

struct npu_xclbin {
	uint32_t columns, ops_per_cycle;
	const void *pdi;	/* in the file's bytes */
	uint32_t pdi_size;
};

/* Image number @index. 0, or -EINVAL (-ENOENT: no such image) and what is wrong with it. */
int npu_xclbin_parse(const void *data, size_t size, uint32_t index, struct npu_xclbin *ret_xclbin, char *err, size_t err_size);

#endif /* DSEEK_NPU_XCLBIN_H */

// SPDX-License-Identifier: MIT
#include "npu_xclbin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Offsets in bytes: axlf, its sections' headers, the AIE partition's section. */
#define SECTIONS_AT		456	/* of 40 bytes each: kind u32, name[16], 4 unused, offset u64, size u64 */
#define COUNT_AT		448
#define SECTION_SIZE		40
#define SECTION_OFFSET_AT	24
#define AIE_PARTITION		32

#define OPS_AT			8
#define WIDTH_AT		32
#define PDIS_AT			120	/* size u32 in elements, offset u32 from the section's start */
#define PARTITION_SIZE		184
#define PDI_SIZE		96
#define PDI_IMAGE_AT		16	/* size u32 in bytes, offset u32 */

static uint64_t number(const uint8_t *p, int bytes)
{
	uint64_t n = 0;

	while (bytes--)
		n = n << 8 | p[bytes];
	return n;
}

static int bad(const char *what, char *err, size_t err_size)
{
	snprintf(err, err_size, "%s", what);
	return -EINVAL;
}

static const uint8_t *find_partition(const uint8_t *file, size_t size, uint64_t *ret_size, char *err, size_t err_size)
{
	uint64_t n = number(file + COUNT_AT, 4), i, offset, length;

	if (n > (size - SECTIONS_AT) / SECTION_SIZE) {
		bad("its sections' headers reach beyond its end", err, err_size);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		const uint8_t *header = file + SECTIONS_AT + i * SECTION_SIZE;

		if (number(header, 4) != AIE_PARTITION)
			continue;
		offset = number(header + SECTION_OFFSET_AT, 8);
		length = number(header + SECTION_OFFSET_AT + 8, 8);
		if (offset > size || length > size - offset || length < PARTITION_SIZE) {
			bad("its AIE partition reaches beyond its end, or is too short", err, err_size);
			return NULL;
		}
		*ret_size = length;
		return file + offset;
	}
	bad("it has no AIE partition: not for an NPU", err, err_size);
	return NULL;
}

int npu_xclbin_parse(const void *data, size_t size, uint32_t index, struct npu_xclbin *ret_xclbin, char *err, size_t err_size)
{
	const uint8_t *file = data, *part, *pdi;
	uint64_t part_size, count, offset, length;

	if (size >= 4 && !memcmp(file, "\177ELF", 4))
		return bad("an ELF file, which this backend doesn't load: only xclbin", err, err_size);
	if (size < SECTIONS_AT || memcmp(file, "xclbin2", 8))
		return bad("not an xclbin", err, err_size);
	part = find_partition(file, size, &part_size, err, err_size);
	if (!part)
		return -EINVAL;
	count = number(part + PDIS_AT, 4);
	offset = number(part + PDIS_AT + 4, 4);
	if (offset > part_size || count > (part_size - offset) / PDI_SIZE)
		return bad("its list of images reaches beyond the AIE partition", err, err_size);
	if (index >= count) {
		snprintf(err, err_size, "it has %llu images, and none of number %u", (unsigned long long)count, index);
		return -ENOENT;
	}
	pdi = part + offset + index * PDI_SIZE + PDI_IMAGE_AT;
	length = number(pdi, 4);
	offset = number(pdi + 4, 4);
	if (!length || offset > part_size || length > part_size - offset)
		return bad("an image is empty, or reaches beyond the AIE partition", err, err_size);
	*ret_xclbin = (struct npu_xclbin){
		.columns = (uint32_t)number(part + WIDTH_AT, 2), .ops_per_cycle = (uint32_t)number(part + OPS_AT, 4),
		.pdi = part + offset, .pdi_size = (uint32_t)length,
	};
	if (!ret_xclbin->columns)
		return bad("its AIE partition has no columns", err, err_size);
	return 0;
}

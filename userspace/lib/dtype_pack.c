// SPDX-License-Identifier: MIT
/*
 * The PACKED layout. Rows in groups of 16, the last one padded with zeros. A group holds, for each block
 * along the row, the block's 4-byte words, each word for the 16 rows side by side (64 bytes: one lane a
 * row for the vector units, and one row of a matrix tile); after the words of all blocks the 16-bit
 * scales in the same order, 16 rows side by side (32 bytes; MXFP4's are of 8 bits, 16 bytes). Each group starts on 64 bytes.
 *
 *	words[n_blocks][n_words][16] u32 | halves[n_blocks][n_halves][16] u16 (u8) | to 64 bytes
 *
 * F8_E4M3's rows are words throughout, four elements each and the scale last: blocks of one word, one more than the elements make.
 *
 * So one load of activations serves 16 rows, and 4 neighbours along the row are a lane of VPDPBUSD.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "dseek_program.h"

#define GROUP	DSEEK_PACK_ROWS

/* Where words and halves lie in a block of a ROWS row. */
static const struct packing {
	uint16_t block;			/* elements; bf16 goes in pairs */
	uint16_t bytes;
	uint16_t words, words_at;
	uint16_t halves, halves_at;
	bool bytes_only;		/* a half is a byte */
} packings[DSEEK_DTYPE_COUNT] = {
	[DSEEK_F32] = { 1, 4, 1, 0, 0, 0 },
	[DSEEK_F16] = { 1, 2, 0, 0, 1, 0 },
	[DSEEK_BF16] = { 2, 4, 1, 0, 0, 0 },
	[DSEEK_Q8_0] = { 32, 34, 8, 2, 1, 0 },
	[DSEEK_Q4_0] = { 32, 18, 4, 2, 1, 0 },
	[DSEEK_Q4_1] = { 32, 20, 4, 4, 2, 0 },
	[DSEEK_Q4_K] = { 256, 144, 35, 4, 2, 0 },
	[DSEEK_Q6_K] = { 256, 210, 52, 0, 1, 208 },
	[DSEEK_MXFP4] = { 32, 17, 4, 1, 1, 0, .bytes_only = true },
	[DSEEK_F8_E4M3] = { 4, 4, 1, 0, 0, 0 },
};

static const struct packing *packing_of(uint32_t dtype, uint64_t ne0)
{
	if (dtype >= DSEEK_DTYPE_COUNT || !packings[dtype].block || !ne0 || ne0 % packings[dtype].block)
		return NULL;
	return &packings[dtype];
}

static uint64_t blocks_of(uint32_t dtype, uint64_t ne0)
{
	return dseek_row_bytes(dtype, ne0) / packings[dtype].bytes;
}

static uint64_t group_bytes(uint32_t dtype, uint64_t ne0)
{
	uint64_t bytes = dseek_row_bytes(dtype, ne0);

	if (bytes > UINT64_MAX / GROUP - 64)
		return 0;
	return (bytes * GROUP + 63) & ~(uint64_t)63;
}

uint64_t dseek_tensor_bytes(uint32_t dtype, uint32_t layout, uint64_t ne0, uint64_t rows)
{
	uint64_t bytes, n;

	if (layout == DSEEK_LAYOUT_ROWS) {
		bytes = dseek_row_bytes(dtype, ne0);
		n = rows;
	} else if (layout == DSEEK_LAYOUT_PACKED && packing_of(dtype, ne0)) {
		bytes = group_bytes(dtype, ne0);
		n = rows / GROUP + (rows % GROUP != 0);
	} else {
		return 0;
	}
	return __builtin_mul_overflow(bytes, n, &bytes) ? 0 : bytes;
}

/* Move one row between its ROWS bytes and its lane of a group. */
static void row_into_group(const struct packing *p, uint64_t blocks, int lane, const uint8_t *row, uint8_t *group)
{
	const int half = p->bytes_only ? 1 : 2;
	uint8_t *words = group + lane * 4, *halves = group + blocks * p->words * GROUP * 4 + lane * half;
	uint64_t b;
	int i;

	for (b = 0; b < blocks; b++, row += p->bytes) {
		for (i = 0; i < p->words; i++, words += GROUP * 4)
			memcpy(words, row + p->words_at + i * 4, 4);
		for (i = 0; i < p->halves; i++, halves += GROUP * half)
			memcpy(halves, row + p->halves_at + i * half, half);
	}
}

static void row_from_group(const struct packing *p, uint64_t blocks, int lane, const uint8_t *group, uint8_t *row)
{
	const int half = p->bytes_only ? 1 : 2;
	const uint8_t *words = group + lane * 4, *halves = group + blocks * p->words * GROUP * 4 + lane * half;
	uint64_t b;
	int i;

	for (b = 0; b < blocks; b++, row += p->bytes) {
		for (i = 0; i < p->words; i++, words += GROUP * 4)
			memcpy(row + p->words_at + i * 4, words, 4);
		for (i = 0; i < p->halves; i++, halves += GROUP * half)
			memcpy(row + p->halves_at + i * half, halves, half);
	}
}

int dseek_tensor_pack(uint32_t dtype, uint64_t ne0, uint64_t rows, const void *src, void *dst)
{
	const struct packing *p = packing_of(dtype, ne0);
	uint64_t row_bytes = dseek_row_bytes(dtype, ne0), size = p ? group_bytes(dtype, ne0) : 0, r;
	uint8_t *group = dst;

	if (!size)
		return -EINVAL;
	for (r = 0; r < rows; r++) {
		if (r % GROUP == 0) {
			if (r)
				group += size;
			if (rows - r < GROUP)
				memset(group, 0, size);
			else
				memset(group + size - 64, 0, 64);
		}
		row_into_group(p, blocks_of(dtype, ne0), r % GROUP, (const uint8_t *)src + r * row_bytes, group);
	}
	return 0;
}

int dseek_tensor_pack_row(uint32_t dtype, uint64_t ne0, uint64_t row, const void *src, void *dst)
{
	const struct packing *p = packing_of(dtype, ne0);

	if (!p)
		return -EINVAL;
	row_into_group(p, blocks_of(dtype, ne0), row % GROUP, src, (uint8_t *)dst + row / GROUP * group_bytes(dtype, ne0));
	return 0;
}

int dseek_tensor_unpack(uint32_t dtype, uint64_t ne0, uint64_t rows, const void *src, void *dst)
{
	uint64_t row_bytes = dseek_row_bytes(dtype, ne0), r;
	int ret = packing_of(dtype, ne0) ? 0 : -EINVAL;

	for (r = 0; r < rows && !ret; r++)
		ret = dseek_tensor_row(dtype, DSEEK_LAYOUT_PACKED, ne0, r, src, (uint8_t *)dst + r * row_bytes);
	return ret;
}

int dseek_tensor_row(uint32_t dtype, uint32_t layout, uint64_t ne0, uint64_t row, const void *src, void *dst)
{
	const struct packing *p = packing_of(dtype, ne0);
	uint64_t bytes = dseek_row_bytes(dtype, ne0);

	if (layout == DSEEK_LAYOUT_ROWS && bytes)
		memcpy(dst, (const uint8_t *)src + row * bytes, bytes);
	else if (layout == DSEEK_LAYOUT_PACKED && p)
		row_from_group(p, blocks_of(dtype, ne0), row % GROUP,
			       (const uint8_t *)src + row / GROUP * group_bytes(dtype, ne0), dst);
	else
		return -EINVAL;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * AIE binaries: a folder with a manifest (NAME.npu) for each product that somebody has compiled for this NPU. A manifest is lines of
 * "KEY VALUE"; # begins a comment:
 *
 *	op linear		the only one there is
 *	weights q8_0 rows	or packed: how a program's weights lie in memory (dseek_program.h)
 *	k 576			columns of the weights, a multiple of 32
 *	n 1536			rows
 *	tokens 16		of one command
 *	xclbin FILE		overlay of the array, in the folder; made by IRON or Vitis
 *	control FILE		control code: transactions in words of 32 bits
 *	start cu		or npu: how it is started (default cu, for what IRON makes)
 *	image N, function N	of the xclbin (default 0)
 *
 * The kernel has DPU arguments: opcode 3, control code, its words, then three buffers:
 *	x	int8 [tokens][k], then float [tokens][k / 32]: activations and their scales, zeros for tokens that aren't there
 *	w	the weights, as the tenant has them
 *	y	float [tokens][n] = sum over blocks b of x scale[t][b] * w scale[n][b] * sum over i < 32 of x[t][32 b + i] * w[n][32 b + i]
 */
#ifndef DSEEK_NPU_BINARY_H
#define DSEEK_NPU_BINARY_H

#include "npu_device.h"

#define NPU_NAME_SIZE	64

struct npu_binary {
	char name[NPU_NAME_SIZE];	/* of the manifest, without .npu */
	char xclbin[NPU_NAME_SIZE], control[NPU_NAME_SIZE];
	uint32_t layout;		/* enum dseek_layout */
	uint32_t k, n, tokens;
	uint32_t start;			/* NPU_START_CU or NPU_START_NPU */
	uint32_t image, function;
	uint32_t cu;			/* on the device */
	struct npu_bo code;
	uint32_t code_bytes;
};

struct npu_binaries {
	char folder[512];		/* "": none was named */
	struct npu_binary *binaries;
	uint32_t count;
	uint32_t columns, ops_per_cycle;	/* the same for all: they share a context */
	struct npu_config_cu cus;
	struct npu_bo pdis[NPU_MAX_CUS];	/* of cus */
};

/* Manifests of @folder; nothing is on a device yet. 0, also if there are none, or an error and a sentence that names file and line. */
int npu_binaries_read(const char *folder, struct npu_binaries *ret_binaries, char *err, size_t err_size);
/* Overlays and control code to the heap, and what a context has to know of them. -ENODEV: not for an array of this size */
int npu_binaries_load(struct npu_binaries *b, struct npu_device *device, char *err, size_t err_size);
void npu_binaries_unload(struct npu_binaries *b, struct npu_device *device);
void npu_binaries_free(struct npu_binaries *b);

/* NULL: there is none; then the sentence says what there is. */
const struct npu_binary *npu_binaries_find(const struct npu_binaries *b, uint32_t layout, uint32_t k, uint32_t n, char *err, size_t err_size);

#endif /* DSEEK_NPU_BINARY_H */

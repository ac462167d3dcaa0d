/* SPDX-License-Identifier: MIT */
/*
 * A model of the amdxdna driver and of an NPU, in the place of userspace/executor/npu/npu_ioctl.c: tests that link it open its nodes instead
 * of the machine's. Calls are checked as Linux 7.3's driver checks them (drivers/accel/amdxdna: amdxdna_ctx.c, amdxdna_gem.c, aie2_ctx.c,
 * aie2_message.c), and then some: the device has its own view of memory, which only SYNC_BO makes one with the process's, and reaches
 * nothing but the buffers that a command names.
 *
 * Its control code is five words, NPU_MODEL_CODE, k, n, tokens, layout: the product of npu_binary.h, done by this processor. A PDI begins
 * with NPU_MODEL_PDI.
 */
#ifndef NPU_MODEL_H
#define NPU_MODEL_H

#include <stdint.h>

#define NPU_MODEL_CODE	0x4355504eu	/* "NPUC" */
#define NPU_MODEL_PDI	0x4944504eu	/* "NPDI" */
#define NPU_MODEL_NODES	3

struct npu_model {
	const char *drivers[NPU_MODEL_NODES];	/* of /dev/accel/accel0 and on; NULL: no such node */
	int major;		/* of their ABI */
	uint16_t cols, core_rows;
	int our_addresses;	/* the device walks the process's page tables: addresses are the process's */
	int user_memory;	/* the driver takes it */
	int pin_error;		/* what it says of pages that can't be written to; 0: EFAULT. Linux 6.18's: ENOMEM, whatever it is */
	int terse;		/* it tells neither firmware nor clock */
	int no_timeline;	/* contexts have none */
	unsigned int slow;	/* waits that end with ETIME before a command is done */
	int hang;		/* commands are never done */
	unsigned int bad_state;	/* a command ends in this state; 0: it is done */
};

extern struct npu_model npu_model;

/* Back to a new machine: npu_model as it is told, nothing open, nothing counted. */
void npu_model_reset(const struct npu_model *model);
void npu_model_fail(const char *call, unsigned int nth, int error);	/* from now on counted; NULL: none */
unsigned int npu_model_calls(const char *call);
unsigned int npu_model_left(void);	/* buffers, contexts and timelines that were still there when a node was closed, and nodes open */
unsigned int npu_model_products(void);	/* that the device has done */
const char *npu_model_complaint(void);	/* the first thing that the kernel's log would warn of, or the device fault at; "" */

/* Names of the calls that may fail. */
extern const char *const npu_model_names[];	/* ends with NULL */

#endif /* NPU_MODEL_H */

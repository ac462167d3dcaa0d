/* SPDX-License-Identifier: MIT */
/*
 * A tenant's code object, before the runtime sees it: is it one, is it for this device, and what are its kernels' arguments. What it says of
 * itself is in a note of its ELF file, a MessagePack map (LLVM's AMDGPU user guide, "Code Object V4 Metadata"; V5 and V6 differ in hidden
 * arguments only). Every byte of it may be a lie or the end of the file.
 */
#ifndef DSEEK_HIP_CODE_H
#define DSEEK_HIP_CODE_H

#include <stddef.h>
#include <stdint.h>

struct hip_target;

#define HIP_CODE_ARGS	64
#define HIP_CODE_ARG_BYTES	1024	/* of all arguments but the hidden ones */

struct hip_code_arg {
	uint32_t offset, size;		/* of its place among the arguments, bytes */
	int pointer;			/* else by value */
};

struct hip_code_kernel {
	struct hip_code_arg args[HIP_CODE_ARGS];	/* without those that the runtime fills in, in the order of their offsets */
	uint32_t arg_count;
	uint32_t size;			/* to the end of the last of them */
	uint32_t max_lanes;		/* of a group */
};

struct hip_code {
	const uint8_t *metadata, *end;	/* in the object */
};

/*
 * 0 if @object is a code object for @target, whose kernels have names of their own, no hidden argument that reaches into this process, and are
 * launched by ops alone; -ENOEXEC and one sentence that says what it is instead.
 */
int hip_code_open(const void *object, size_t size, const struct hip_target *target, struct hip_code *ret_code, char *err, size_t err_size);
/* 0; -ENOENT there is no kernel @name; -ENOEXEC one with arguments that nobody here can give it, or nonsense. One sentence. */
int hip_code_find(const struct hip_code *code, const char *name, struct hip_code_kernel *ret_kernel, char *err, size_t err_size);

#endif /* DSEEK_HIP_CODE_H */

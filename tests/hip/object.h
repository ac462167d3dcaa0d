/* SPDX-License-Identifier: MIT */
/* Code objects for tests: an ELF file with the metadata of a kernel, and no code. */
#ifndef HIP_OBJECT_H
#define HIP_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#define OBJECT_ARGS	8

struct object_arg {
	const char *kind;		/* NULL: without */
	uint32_t offset, size;
};

struct object_spec {
	const char *target;		/* NULL: without */
	const char *name;
	uint32_t max_lanes;		/* 0: without */
	struct object_arg args[OBJECT_ARGS];
	uint32_t arg_count;
	const char *second;		/* a kernel behind it, with one argument; NULL: none */
	struct object_arg second_arg;
	const char *second_kind;	/* its; NULL: doesn't say */
	uint32_t many;			/* kernels of other names before it */
	const char *twice;		/* a key that its map has twice: of the kernel, of its first argument, of all; NULL: none */
	uint32_t notes;			/* more of them: 1 the same again, 2 one as there was before version 3 */
	uint64_t align;			/* of the notes */
};

/* The caller's to free(). */
uint8_t *object_make(const struct object_spec *spec, size_t *ret_size);
extern const struct object_spec object_argmax;	/* dsk_argmax for gfx942 */

/* Where its parts are. */
#define OBJECT_NOTE	120		/* header, one program header */

#endif /* HIP_OBJECT_H */

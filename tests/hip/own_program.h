/* SPDX-License-Identifier: MIT */
/* A program with a kernel of its own, dsk_argmax, which finds the largest of OWN_N floats: out[OWN_N] is where it was. */
#ifndef HIP_OWN_PROGRAM_H
#define HIP_OWN_PROGRAM_H

#include <dseek_program.h>

#include "../../kernels/dsk_layout.h"
#include "object.h"

#define OWN_N		64
#define OWN_WORDS	((uint32_t)(sizeof(struct dsk_argmax_params) / 4))

struct own_program {
	void *blob;			/* the caller's to free() */
	struct dseek_program_view view;
	uint32_t params[OWN_WORDS];	/* a job's */
};

/* The object as @spec has it, the kernel @name of it. 0, or an error and its sentence. */
int own_program_build(struct own_program *own, const struct object_spec *spec, const char *name, char *err, size_t err_size);
void own_program_fill(float *data);	/* what it is to look at, and a result that is wrong */
int own_program_right(const float *data);

#endif /* HIP_OWN_PROGRAM_H */

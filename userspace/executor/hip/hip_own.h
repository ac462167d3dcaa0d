/* SPDX-License-Identifier: MIT */
/* Kernels of a tenant's own: those that a program carries, on the device, for the executor that serves that tenant alone. */
#ifndef DSEEK_HIP_OWN_H
#define DSEEK_HIP_OWN_H

#include "hip_api.h"
#include "hip_code.h"

struct cpu_op;
struct dseek_program_view;
struct hip_launch;
struct hip_target;

struct hip_own {
	hip_module module;
	struct hip_own_kernel {
		const char *name;	/* the program's */
		hip_function function;
		struct hip_code_kernel code;
	} kernels[];			/* as the program numbers them */
};

/* The object is held against @target and what it says of its arguments before the runtime gets it. 0, or an error and its sentence. */
int hip_own_load(const struct hip_api *api, const struct hip_target *target, const struct dseek_program_view *view,
		 struct hip_own **ret_own, char *err, size_t err_size);
void hip_own_unload(const struct hip_api *api, struct hip_own *own);	/* NULL: nothing */
/* Not the runtime's part: that the device was given up. */
void hip_own_forget(struct hip_own *own);

/* NULL, or why a KERNEL op with these extents can't be launched; may be @buf. */
const char *hip_own_refuse(const struct hip_own *own, const struct cpu_op *op, char *buf, size_t size);
int hip_launch_own(const struct hip_launch *l, const struct cpu_op *op);

#endif /* DSEEK_HIP_OWN_H */

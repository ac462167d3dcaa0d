/* SPDX-License-Identifier: MIT */
/* Targets: what a device says it is ("gfx90a:sramecc+:xnack-"), and the folder of code objects for it. */
#ifndef DSEEK_HIP_TARGET_H
#define DSEEK_HIP_TARGET_H

#include <stddef.h>

struct hip_target {
	char name[32];		/* "gfx90a" */
	char features[96];	/* "sramecc+:xnack-"; those that the code objects here are compiled for are any */
	int wave;		/* lanes: 64 before gfx10, 32 from then on */
};

/* 0, or -EINVAL and one sentence. */
int hip_target_parse(const char *arch_name, struct hip_target *ret_target, char *err, size_t err_size);

/*
 * @folder/TARGET, of code objects compiled without regard to features, which run with any. 0 and its path, or -ENOENT and one sentence
 * that says which targets there are.
 */
int hip_target_library(const struct hip_target *target, const char *folder, char *ret_path, size_t path_size,
		       char *err, size_t err_size);

#endif /* DSEEK_HIP_TARGET_H */

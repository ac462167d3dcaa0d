/* SPDX-License-Identifier: MIT */
/* What the front end's files share. */
#ifndef DSEEK_OBJECT_H
#define DSEEK_OBJECT_H

#include "transport.h"

void dseek_device_get(struct dseek_device *dev);
void dseek_device_put(struct dseek_device *dev);

/*
 * Does a job fit its program: the number, places, sizes and access of its bindings, the number and
 * ranges of its constants? 0, or -EINVAL and one sentence. Used before submission for a good message, and
 * by the executor, who trusts no submitter.
 */
struct dseek_job_shape {
	const uint64_t *offsets, *sizes;	/* [binding_count] */
	const uint32_t *access;		/* [binding_count] */
	const void *consts;
	uint32_t binding_count, const_size;
};

int dseek_job_check(const struct dseek_program_view *view, const struct dseek_job_shape *job,
		    char *err, size_t err_size);

#endif /* DSEEK_OBJECT_H */

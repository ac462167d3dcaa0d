// SPDX-License-Identifier: MIT
/* Programs as objects of a device. Their format is program.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "object.h"

int dseek_program_create(struct dseek_device *dev, const void *blob, size_t size,
			 struct dseek_program **ret_prog)
{
	struct dseek_program_view view;
	struct dseek_program *prog;
	char why[200] = "";
	void *copy;
	int r;

	if (!dev || !blob || !ret_prog)
		return dseek_fail(-EINVAL, "dseek_program_create: %s is NULL",
				  !dev ? "dev" : !blob ? "blob" : "ret_prog");
	if (size < sizeof(struct dseek_program_header) || size > DRM_DSEEK_MAX_PROGRAM)
		return dseek_fail(-EINVAL, "program: %zu bytes, not %zu to %d", size,
				  sizeof(struct dseek_program_header), DRM_DSEEK_MAX_PROGRAM);
	copy = malloc(size);
	if (!copy)
		return dseek_fail(-ENOMEM, "program: no memory");
	memcpy(copy, blob, size);
	r = dseek_program_validate(copy, size, &view, why, sizeof(why));
	if (r) {
		dseek_fail(r, "program: %s", why);
		goto err_free;
	}
	r = dev->ops->program_create(dev, copy, size, &prog);
	if (r)
		goto err_free;
	prog->dev = dev;
	prog->blob = copy;
	prog->view = view;
	dseek_device_get(dev);
	*ret_prog = prog;
	return 0;

err_free:
	free(copy);
	return r;
}

void dseek_program_destroy(struct dseek_program *prog)
{
	struct dseek_device *dev;

	if (!prog)
		return;
	dev = prog->dev;
	free(prog->blob);
	dev->ops->program_destroy(prog);
	dseek_device_put(dev);
}

int dseek_job_check(const struct dseek_program_view *view, const struct dseek_job_shape *job,
		    char *err, size_t err_size)
{
	const struct dseek_program_header *header = view->header;
	uint32_t i, value;

	if (job->binding_count != header->n_bindings) {
		snprintf(err, err_size, "%u buffers bound, the program has %u bindings",
			 job->binding_count, header->n_bindings);
		return -EINVAL;
	}
	for (i = 0; i < job->binding_count; i++) {
		const struct dseek_program_binding *b = &view->bindings[i];

		if (job->offsets[i] % 64) {
			snprintf(err, err_size, "binding %u: its offset %llu isn't a multiple of 64", i,
				 (unsigned long long)job->offsets[i]);
			return -EINVAL;
		}
		if (job->sizes[i] < b->min_size) {
			snprintf(err, err_size, "binding %u: %llu bytes, the program needs %llu", i,
				 (unsigned long long)job->sizes[i], (unsigned long long)b->min_size);
			return -EINVAL;
		}
		if (b->access & ~job->access[i]) {
			snprintf(err, err_size, "binding %u: the program %s it, the job doesn't allow that", i,
				 b->access & ~job->access[i] & DSEEK_ACCESS_WRITE ? "writes" : "reads");
			return -EINVAL;
		}
	}
	if (job->const_size != header->n_params * 4u) {
		snprintf(err, err_size, "%u bytes of constants, the program has %u parameters of 4",
			 job->const_size, header->n_params);
		return -EINVAL;
	}
	for (i = 0; i < header->n_params; i++) {
		memcpy(&value, (const char *)job->consts + 4 * i, 4);
		if (value < view->params[i].min || value > view->params[i].max) {
			snprintf(err, err_size, "parameter %u is %u, not %u to %u", i, value,
				 view->params[i].min, view->params[i].max);
			return -EINVAL;
		}
	}
	return 0;
}

// SPDX-License-Identifier: MIT
/*
 * Any bytes as a tenant's code object: what is read of it stays within it, ends, and keeps its promises; a refusal has a sentence. The first
 * 64 bytes are the name of the kernel that is looked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/hip/hip_code.h"
#include "../../userspace/executor/hip/hip_target.h"
#include "../hip/object.h"
#include "fuzz.h"

#define NAME	64

static const struct hip_target target = { .name = "gfx942", .features = "sramecc+:xnack-", .wave = 64 };
static unsigned long opened;

static void check_kernel(const struct hip_code_kernel *k)
{
	uint32_t i, end = 0;

	if (k->arg_count > HIP_CODE_ARGS || k->size > HIP_CODE_ARG_BYTES || !k->max_lanes)
		abort();
	for (i = 0; i < k->arg_count; i++) {
		const struct hip_code_arg *a = &k->args[i];

		if (a->offset < end || a->offset % 4 || !a->size || a->size % 4 || (a->pointer && a->size != 8))
			abort();
		end = a->offset + a->size;
	}
	if (end != k->size)
		abort();
}

static bool run(const uint8_t *data, size_t size)
{
	struct hip_code_kernel kernel;
	struct hip_code code;
	char name[NAME + 1] = "", err[300] = "";
	uint8_t *object;
	int r;

	if (size < NAME)
		return false;
	memcpy(name, data, NAME);
	object = malloc(size - NAME + 1);	/* as large as it is, for the sanitizer to see its end */
	memcpy(object, data + NAME, size - NAME);
	object = realloc(object, size - NAME + !(size - NAME));
	r = hip_code_open(object, size - NAME, &target, &code, err, sizeof(err));
	if (!r) {
		opened++;
		r = hip_code_find(&code, name, &kernel, err, sizeof(err));
	}
	if (r ? !*err || (r != -ENOEXEC && r != -ENOENT) : 0)
		abort();
	if (!r)
		check_kernel(&kernel);
	free(object);
	return !r;
}

static size_t seed(unsigned int n, uint8_t *out, size_t room)
{
	struct object_spec spec = object_argmax;
	uint8_t *object;
	size_t size;

	if (n > 3)
		return 0;
	if (n == 1)
		spec.target = "amdgcn-amd-amdhsa--gfx942:sramecc+:xnack-";
	if (n == 2)
		spec.arg_count = 0;
	if (n == 3) {
		spec.args[3] = (struct object_arg){ "by_value", 40, 4 };
		spec.args[4] = (struct object_arg){ "global_buffer", 48, 8 };
		spec.arg_count = 5;
	}
	object = object_make(&spec, &size);
	if (NAME + size > room)
		abort();
	memset(out, 0, NAME);
	strcpy((char *)out, spec.name);
	memcpy(out + NAME, object, size);
	free(object);
	return NAME + size;
}

static int report(char *buf, size_t size)
{
	return snprintf(buf, size, "%lu for this target", opened);
}

const struct fuzzer fuzzer = { .run = run, .seed = seed, .report = report, .runs = 1000000 };

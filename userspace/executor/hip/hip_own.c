// SPDX-License-Identifier: MIT
#include "hip_own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hip_state.h"

static int load(const struct hip_api *api, const struct hip_code *code, const struct dseek_program_view *view, struct hip_own *own,
		char *err, size_t err_size)
{
	char why[200];
	uint32_t i;
	int r;

	for (i = 0; i < view->code->n_kernels; i++) {
		own->kernels[i].name = view->kernels[i].name;
		r = hip_code_find(code, own->kernels[i].name, &own->kernels[i].code, err, err_size);
		if (r)
			return r == -ENOENT ? -ENOEXEC : r;
	}
	r = HIP(api, ModuleLoadData, (&own->module, view->object), err, err_size);
	if (r)
		own->module = NULL;
	for (i = 0; i < view->code->n_kernels && !r; i++) {
		r = HIP(api, ModuleGetFunction, (&own->kernels[i].function, own->module, own->kernels[i].name), why, sizeof(why));
		if (r)
			snprintf(err, err_size, "kernel %s: %s", own->kernels[i].name, why);
	}
	return r;
}

int hip_own_load(const struct hip_api *api, const struct hip_target *target, const struct dseek_program_view *view,
		 struct hip_own **ret_own, char *err, size_t err_size)
{
	struct hip_own *own = calloc(1, sizeof(*own) + view->code->n_kernels * sizeof(own->kernels[0]));
	struct hip_code code;
	char why[300];
	int r;

	if (!own) {
		snprintf(err, err_size, "no memory");
		return -ENOMEM;
	}
	r = hip_code_open(view->object, view->code->object_size, target, &code, why, sizeof(why));
	if (!r)
		r = load(api, &code, view, own, why, sizeof(why));
	if (r) {
		snprintf(err, err_size, "the program's code object: %s", why);
		hip_own_unload(api, own);
		return r;
	}
	*ret_own = own;
	return 0;
}

void hip_own_unload(const struct hip_api *api, struct hip_own *own)
{
	if (own && own->module)
		api->ModuleUnload(own->module);
	free(own);
}

void hip_own_forget(struct hip_own *own)
{
	free(own);
}

const char *hip_own_refuse(const struct hip_own *own, const struct cpu_op *op, char *buf, size_t size)
{
	const struct hip_own_kernel *k = &own->kernels[op->i[0]];
	uint32_t pointers = 0, words = 0, given = 0, i;

	for (i = 0; i < k->code.arg_count; i++) {
		pointers += (uint32_t)k->code.args[i].pointer;
		words += k->code.args[i].pointer ? 0 : k->code.args[i].size / 4;
	}
	while (given < DSEEK_OP_TENSORS && op->t[given].data)
		given++;
	if (given != pointers)
		snprintf(buf, size, "%s takes %u pointers, not %u", k->name, pointers, given);
	else if (op->i[6] != words)
		snprintf(buf, size, "%s takes %u words by value, not %u", k->name, words, op->i[6]);
	else if (op->i[4] > k->code.max_lanes)
		snprintf(buf, size, "%s was compiled for groups of %u lanes at most, not %u", k->name, k->code.max_lanes, op->i[4]);
	else if ((uint64_t)op->i[1] * op->i[4] > UINT32_MAX)
		snprintf(buf, size, "%s: %u groups of %u lanes are 2^32 lanes or more", k->name, op->i[1], op->i[4]);
	else
		return NULL;
	return buf;
}

int hip_launch_own(const struct hip_launch *l, const struct cpu_op *op)
{
	const struct hip_api *api = &l->state->api;
	const struct hip_own_kernel *k = &l->program->own->kernels[op->i[0]];
	const uint32_t *word = l->params + op->i[5];
	const struct cpu_tensor *t = op->t;
	uint64_t args[HIP_CODE_ARG_BYTES / 8] = { 0 };
	size_t size = k->code.size;
	void *extra[] = { HIP_LAUNCH_BUFFER_POINTER, args, HIP_LAUNCH_BUFFER_SIZE, &size, HIP_LAUNCH_END };
	char why[160];
	uint32_t i;
	int r;

	for (i = 0; i < k->code.arg_count; i++) {
		char *to = (char *)args + k->code.args[i].offset;

		if (k->code.args[i].pointer) {
			memcpy(to, &t++->data, sizeof(t->data));
		} else {
			memcpy(to, word, k->code.args[i].size);
			word += k->code.args[i].size / 4;
		}
	}
	r = HIP(api, ModuleLaunchKernel, (k->function, op->i[1], op->i[2], op->i[3], op->i[4], 1, 1, 0, l->stream, NULL, size ? extra : NULL),
		why, sizeof(why));
	if (r)
		snprintf(l->err, l->err_size, "%s: %s", k->name, why);
	l->state->kernels.launches += !r;
	return r;
}

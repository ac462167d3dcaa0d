// SPDX-License-Identifier: MIT
#include "own_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int own_program_build(struct own_program *own, const struct object_spec *spec, const char *name, char *err, size_t err_size)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { OWN_N } };
	struct dseek_program_op op = { .code = DSEEK_OP_KERNEL, .flags = DSEEK_OPF_WRITES(0), .i = { 0, 1, 1, 1, 256, 0, OWN_WORDS } };
	struct dseek_builder *b = dseek_builder_create(0);
	uint8_t *object;
	size_t size;
	uint32_t i;
	int r;

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	memset(op.t, 0xff, sizeof(op.t));
	for (i = 0; i < OWN_WORDS; i++)
		dseek_builder_param(b, 0, UINT32_MAX);
	t.binding = (uint32_t)dseek_builder_binding(b, 0, 0);
	op.t[1] = (uint16_t)dseek_builder_tensor(b, &t);
	t.dtype = DSEEK_I32;
	t.ne[0] = 1;
	t.offset = OWN_N * 4;
	op.t[0] = (uint16_t)dseek_builder_tensor(b, &t);
	object = object_make(spec, &size);
	dseek_builder_code(b, object, size);
	free(object);
	op.i[0] = (uint32_t)dseek_builder_kernel(b, name);
	dseek_builder_op(b, &op);
	r = dseek_builder_finish(b, &own->blob, &size);
	snprintf(err, err_size, "%s", dseek_builder_error(b));
	dseek_builder_destroy(b);
	if (!r)
		r = dseek_program_validate(own->blob, size, &own->view, err, err_size);
	memset(own->params, 0, sizeof(own->params));
	own->params[0] = own->params[1] = OWN_N;	/* n, x_stride */
	return r;
}

void own_program_fill(float *data)
{
	int i;

	for (i = 0; i < OWN_N; i++)
		data[i] = (float)(i * 37 % OWN_N);
	((int *)data)[OWN_N] = -1;
}

int own_program_right(const float *data)
{
	int at = ((const int *)data)[OWN_N];

	return at >= 0 && at < OWN_N && data[at] == OWN_N - 1;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "one_op.h"

static uint64_t random_state = 1;

void test_seed(uint64_t seed)
{
	random_state = seed * 2654435761u + 1;
}

static uint32_t random_bits(void)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return random_state >> 32;
}

float test_random(void)
{
	return (int32_t)random_bits() * 0x1p-31f;
}

void one_op_init(struct one_op *o, uint16_t code, uint16_t header_flags)
{
	memset(o, 0, sizeof(*o));
	o->header.flags = header_flags;
	o->header.n_ops = 1;
	o->header.n_tensors = o->header.n_bindings = DSEEK_OP_TENSORS;
	o->op.code = code;
	memset(o->op.t, 0xff, sizeof(o->op.t));
}

static void *add(struct one_op *o, int slot, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1, uint32_t ne2)
{
	struct dseek_program_tensor *t = o->tensors + slot;
	uint64_t row = dseek_row_bytes(dtype, ne0), matrix = dseek_tensor_bytes(dtype, layout, ne0, ne1), size;

	t->dtype = dtype;
	t->layout = layout;
	t->binding = slot;
	t->ne[0] = ne0;
	t->ne[1] = ne1;
	t->ne[2] = ne2;
	t->ne[3] = 1;
	memset(t->ne_param, DSEEK_NO_PARAM, sizeof(t->ne_param));
	t->stride[0] = row;
	t->stride[1] = matrix;
	t->stride[2] = matrix * ne2;
	o->op.t[slot] = slot;
	free(o->data[slot]);
	size = (matrix * ne2 + 64) & ~63ull;	/* no more than it takes: an overrun is for the sanitizer to find */
	o->data[slot] = aligned_alloc(64, size);
	if (!o->data[slot])
		abort();
	return memset(o->data[slot], 0, size);
}

void *one_op_tensor(struct one_op *o, int slot, uint32_t dtype, uint32_t ne0, uint32_t ne1, uint32_t ne2)
{
	return add(o, slot, dtype, DSEEK_LAYOUT_ROWS, ne0, ne1, ne2);
}

void one_op_inside(struct one_op *o, int slot, int of, uint32_t ne0)
{
	o->tensors[slot] = o->tensors[of];
	o->tensors[slot].ne[0] = ne0;
	o->op.t[slot] = slot;
}

/* K-quants have no encoder: any bits are valid once the scales are sane. */
static void random_k_quant(uint32_t dtype, uint32_t ne0, uint8_t *row)
{
	uint32_t bytes = dseek_row_bytes(dtype, ne0), block = dseek_dtype_block_bytes(dtype), i;
	float scale[2];

	for (i = 0; i < bytes; i++)
		row[i] = random_bits();
	for (i = 0; i < bytes; i += block) {
		scale[0] = test_random() * (dtype == DSEEK_Q4_K ? 0.002f : 0.0004f);
		scale[1] = test_random() * 0.02f;
		if (dtype == DSEEK_Q4_K)
			dseek_row_from_f32(DSEEK_F16, scale, 2, row + i);
		else
			dseek_row_from_f32(DSEEK_F16, scale, 1, row + i + 208);
	}
}

void *one_op_weight(struct one_op *o, int slot, uint32_t dtype, uint32_t layout, uint32_t ne0, uint32_t ne1,
		    uint32_t ne2, float *back)
{
	uint64_t row = dseek_row_bytes(dtype, ne0), matrix = dseek_tensor_bytes(dtype, layout, ne0, ne1), r, i;
	uint8_t *dst = add(o, slot, dtype, layout, ne0, ne1, ne2), *rows = malloc(row * ne1 + 1);
	float *f = malloc((ne0 + 1) * sizeof(*f));

	for (r = 0; r < (uint64_t)ne1 * ne2; r++) {
		uint8_t *to = rows + r % ne1 * row;

		if (dtype == DSEEK_Q4_K || dtype == DSEEK_Q6_K) {
			random_k_quant(dtype, ne0, to);
		} else {
			for (i = 0; i < ne0; i++)
				f[i] = test_random();
			if (dseek_row_from_f32(dtype, f, ne0, to))
				abort();
		}
		if (back)
			dseek_row_to_f32(dtype, to, ne0, back + r * ne0);
		if (r % ne1 != ne1 - 1)
			continue;
		if (layout == DSEEK_LAYOUT_PACKED)
			dseek_tensor_pack(dtype, ne0, ne1, rows, dst + r / ne1 * matrix);
		else
			memcpy(dst + r / ne1 * matrix, rows, row * ne1);
	}
	free(rows);
	free(f);
	return dst;
}

int one_op_run(struct one_op *o, const struct dseek_backend *backend, void *state)
{
	struct dseek_program_view view = {
		.header = &o->header, .tensors = o->tensors, .bindings = o->bindings, .ops = &o->op,
	};
	struct dseek_run run = { .program = &view, .bindings = o->data, .poll = o->poll, .poll_arg = o->poll_arg };
	int ret;

	if (backend->program_prepare) {
		ret = backend->program_prepare(state, &view, &run.prepared, NULL, 0);
		if (ret)
			return ret;
	}
	ret = backend->run(state, &run);
	if (backend->program_release)
		backend->program_release(state, run.prepared);
	return ret;
}

void one_op_free(struct one_op *o)
{
	int i;

	for (i = 0; i < DSEEK_OP_TENSORS; i++)
		free(o->data[i]);
}

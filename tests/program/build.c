// SPDX-License-Identifier: MIT
/* The builder: what it fills in, what it refuses, and how a program prints. */
#include "../tap.h"
#include "sample_program.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct dseek_program_tensor vector = {
	.dtype = DSEEK_F32, .ne = { 16 },
	.ne_param = { DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM },
};

static struct dseek_program_op add_op(int a, int b, int out)
{
	struct dseek_program_op op = { .code = DSEEK_OP_ADD };

	memset(op.t, 0xff, sizeof(op.t));
	op.t[0] = a;
	op.t[1] = b;
	op.t[2] = out;
	return op;
}

static void test_fills_in(void)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_tensor t = vector, cube = vector;
	struct dseek_program_view view;
	struct dseek_program_op op;
	char err[256] = "";
	void *blob;
	size_t size;

	dseek_builder_binding(b, 0, 0);
	dseek_builder_binding(b, 0, 4096);
	dseek_builder_tensor(b, &t);
	t.offset = 128;
	dseek_builder_tensor(b, &t);
	t.binding = 1;
	dseek_builder_tensor(b, &t);
	cube.ne[1] = 3;
	cube.ne[2] = 5;
	dseek_builder_tensor(b, &cube);
	op = add_op(0, 1, 2);
	tap_got(dseek_builder_op(b, &op) == 0, "numbers count from 0", dseek_builder_error(b));
	tap_got(dseek_builder_finish(b, &blob, &size) == 0, "a small program", dseek_builder_error(b));
	tap_got(!dseek_program_validate(blob, size, &view, err, sizeof(err)), "it is valid", err);
	tap_got(view.bindings[0].access == DSEEK_ACCESS_READ && view.bindings[1].access == DSEEK_ACCESS_WRITE,
	       "access is what the ops do", "");
	tap_got(view.bindings[0].min_size == 960 && view.bindings[1].min_size == 4096, "min_size is what the tensors need", "");
	tap_got(view.tensors[3].stride[0] == 64 && view.tensors[3].stride[1] == 192 && view.tensors[3].stride[2] == 960,
	       "strides are contiguous", "");
	free(blob);
	dseek_builder_destroy(b);
}

static void test_keeps_errors(void)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_tensor huge = vector;
	void *blob = NULL;
	size_t size;
	int rc;

	for (int i = 0; i < DSEEK_PROGRAM_MAX_BINDINGS; i++)
		dseek_builder_binding(b, DSEEK_ACCESS_READ, 64);
	rc = dseek_builder_binding(b, DSEEK_ACCESS_READ, 64);
	tap_got(rc == -E2BIG && !strcmp(dseek_builder_error(b), "more than 16 bindings"), "too many bindings",
	       dseek_builder_error(b));
	tap_got(dseek_builder_param(b, 0, 0) == -E2BIG && dseek_builder_tensor(b, &vector) == -E2BIG, "later calls say so too", "");
	tap_got(dseek_builder_finish(b, &blob, &size) == -E2BIG && !blob, "and so does finish", "");
	dseek_builder_destroy(b);

	b = dseek_builder_create(0);
	huge.ne[1] = huge.ne[2] = huge.ne[3] = 0xffffffff;
	rc = dseek_builder_tensor(b, &huge);
	tap_got(rc == -EINVAL && !strcmp(dseek_builder_error(b), "tensor 0 is too large"), "a tensor beyond 2^64",
	       dseek_builder_error(b));
	dseek_builder_destroy(b);

	b = dseek_builder_create(1u << 9);
	tap_got(dseek_builder_finish(b, &blob, &size) == -EINVAL && strstr(dseek_builder_error(b), "unknown flags"),
	       "unknown flags", dseek_builder_error(b));
	dseek_builder_destroy(b);

	b = dseek_builder_create(0);
	tap_got(dseek_builder_finish(b, &blob, &size) == -EINVAL && !strcmp(dseek_builder_error(b), "header: no ops"),
	       "the validation's sentence is kept", dseek_builder_error(b));
	dseek_builder_destroy(b);
	dseek_builder_destroy(NULL);
}

static void test_labels(void)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op nop = { .code = DSEEK_OP_NOP };
	struct dseek_program_view view;
	char err[256] = "";
	void *blob;
	size_t size;

	memset(nop.t, 0xff, sizeof(nop.t));
	dseek_builder_op(b, &nop);
	dseek_builder_label(b, "first");
	dseek_builder_label(b, "renamed");
	dseek_builder_op(b, &nop);
	dseek_builder_label(b, "of-nothing");
	tap_got(!dseek_builder_finish(b, &blob, &size) && !dseek_program_validate(blob, size, &view, err, sizeof(err)) &&
	       view.header->n_labels == 1 && !strcmp(dseek_program_label(&view, 1), "renamed") && !*dseek_program_label(&view, 0),
	       "the last label before an op names it; one behind the last op is dropped", dseek_builder_error(b));
	free(blob);
	dseek_builder_destroy(b);

	b = dseek_builder_create(0);
	tap_got(dseek_builder_label(b, "") == -EINVAL && strstr(dseek_builder_error(b), "has not 1 to 27 characters"),
	       "a label without a name", dseek_builder_error(b));
	dseek_builder_destroy(b);
	b = dseek_builder_create(0);
	tap_got(dseek_builder_label(b, "twenty-eight-characters-long") == -EINVAL, "a label that is too long", dseek_builder_error(b));
	dseek_builder_destroy(b);
	b = dseek_builder_create(0);
	dseek_builder_label(b, "two words");
	dseek_builder_op(b, &nop);
	tap_got(dseek_builder_finish(b, &blob, &size) == -EINVAL && strstr(dseek_builder_error(b), "label 0: character 3"),
	       "a label with a blank", dseek_builder_error(b));
	dseek_builder_destroy(b);
}

struct lines {
	char text[16384];
	size_t used;
	int count;
};

static void keep(void *arg, const char *line)
{
	struct lines *l = arg;

	l->used += snprintf(l->text + l->used, sizeof(l->text) - l->used, "%s\n", line);
	l->count++;
}

static void test_dump(void)
{
	static struct lines l;
	struct dseek_program_view view;
	char err[256], small[10];
	size_t size;
	void *blob = sample_program(&size);

	dseek_program_validate(blob, size, &view, err, sizeof(err));
	dseek_program_dump(&view, keep, &l);
	tap_got(l.count == 1 + 4 + 5 + O_COUNT + 3, "a line each", l.text);
	tap_got(strstr(l.text, "attention") && strstr(l.text, "window=p2") && strstr(l.text, "param p2: 0..64") &&
	       strstr(l.text, "w1=#6 Q4_0/packed[64,64]@0+") && strstr(l.text, "ids=#0 I32[p0<=5]@3+0"),
	       "operands, parameters and places are there", l.text);
	tap_got(strstr(l.text, "label op 3: embed\nlabel op 4: layer\n") != NULL, "labels are there", l.text);
	tap_got(dseek_program_print_op(&view, 0, small, sizeof(small)) == 15 && strlen(small) == 9, "a short buffer is cut", small);
	tap_got(!dseek_op_name(DSEEK_OP_COUNT) && !strcmp(dseek_op_name(DSEEK_OP_MOE_FFN), "moe_ffn"), "names of ops", "");
	free(blob);
}

int main(void)
{
	test_fills_in();
	test_keeps_errors();
	test_labels();
	test_dump();
	return tap_end();
}

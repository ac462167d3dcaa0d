// SPDX-License-Identifier: MIT
/* Programs that carry code of their own: how they are built, and every branch of their validation. */
#include "../tap.h"

#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char object[] = "13 bytes only";	/* what is in it is the executor's to judge */
static char err[300];

static struct dseek_program_op kernel_op(void)
{
	struct dseek_program_op op = { .code = DSEEK_OP_KERNEL, .flags = DSEEK_OPF_WRITES(1), .i = { 1, 2, 1, 1, 64, 1, 2 }, .i_param = 1 << 1 };

	memset(op.t, 0xff, sizeof(op.t));
	op.i[1] = 0;	/* groups: parameter 0 */
	op.t[0] = 0;
	op.t[1] = 1;
	return op;
}

/* Three parameters, a matrix that is read and one that is written, two kernels, one op. */
static void *build(size_t *ret_size)
{
	struct dseek_program_tensor t = { .dtype = DSEEK_F32, .ne = { 8, 4 } };
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = kernel_op();
	void *blob = NULL;

	memset(t.ne_param, DSEEK_NO_PARAM, sizeof(t.ne_param));
	dseek_builder_param(b, 1, 9);
	dseek_builder_param(b, 0, 100);
	dseek_builder_param(b, 7, 7);
	t.binding = (uint32_t)dseek_builder_binding(b, 0, 0);
	dseek_builder_tensor(b, &t);
	t.binding = (uint32_t)dseek_builder_binding(b, 0, 0);
	t.dtype = DSEEK_Q8_0;
	t.ne[0] = 32;
	dseek_builder_tensor(b, &t);
	dseek_builder_code(b, object, sizeof(object) - 1);
	dseek_builder_kernel(b, "first");
	dseek_builder_kernel(b, "second");
	dseek_builder_op(b, &op);
	dseek_builder_finish(b, &blob, ret_size);
	snprintf(err, sizeof(err), "%s", dseek_builder_error(b));
	dseek_builder_destroy(b);
	return blob;
}

static char dumped[4000];

static void emit(void *arg, const char *line)
{
	strcat(dumped, line);
	strcat(dumped, "\n");
}

static void test_good(void)
{
	struct dseek_program_view view = { 0 };
	size_t size = 0;
	void *blob = build(&size);
	int r = blob ? dseek_program_validate(blob, size, &view, err, sizeof(err)) : -1;

	if (!tap_ok(!r, "a program with code is valid: %s", err))
		return;
	tap_ok(view.code && view.code->n_kernels == 2 && view.code->object_size == 13 && !memcmp(view.object, object, 13) &&
	       !strcmp(view.kernels[1].name, "second") && (uintptr_t)view.object % 8 == 0, "its object and its kernels are found");
	tap_ok(view.bindings[0].access == DSEEK_ACCESS_READ && view.bindings[1].access == (DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE),
	       "bindings allow what it says that it does");
	dseek_program_dump(&view, emit, NULL);
	tap_ok(strstr(dumped, "code: 2 kernels, an object of 13 bytes\n") && strstr(dumped, "kernel=1 x=p0 y=1 z=1 lanes=64 first=1 values=2") &&
	       strstr(dumped, " writes=p1 second\n"), "it can be looked at");
	tap_ok(!strcmp(dseek_op_name(DSEEK_OP_KERNEL), "kernel"), "the op has a name");
	free(blob);
}

/* A word of a copy changed. */
struct fault {
	const char *want;
	enum { HEADER, CODE, OP, KERNEL, OBJECT } where;
	size_t offset, size;
	uint64_t value;
};

#define H(field, value)	HEADER, offsetof(struct dseek_program_header, field), 4, value
#define C(field, value)	CODE, offsetof(struct dseek_program_code, field), 4, value
#define O(field, value)	OP, offsetof(struct dseek_program_op, field), sizeof(((struct dseek_program_op *)0)->field), value

static void test_faults(void)
{
	static const struct fault faults[] = {
		{ "code: 4 bytes, its header has 8", H(code_size, 4) },
		{ "code: 8 bytes, its parts take ", H(code_size, 8) },
		{ "code: 0 kernels, not 1 to 256", C(n_kernels, 0) },
		{ "code: 257 kernels, not 1 to 256", C(n_kernels, 257) },
		{ "code: no object", C(object_size, 0) },
		{ "code: 152 bytes, its parts take 160", C(object_size, 17) },
		{ "code: 152 bytes, its parts take 4294967432", C(object_size, UINT32_MAX) },
		{ "code: kernel 0: its name is not 1 to 63 printable characters", KERNEL, 0, 1, 0 },
		{ "code: kernel 0: its name is not 1 to 63 printable characters", KERNEL, 1, 1, ' ' },
		{ "code: kernel 0: its name is not 1 to 63 printable characters", KERNEL, 63, 1, 'x' },
		{ "code: kernel 1: its name is not 1 to 63 printable characters", KERNEL, 64, 1, 0x7f },
		{ "code: not zero behind the object", OBJECT, 15, 1, 1 },
		{ "op 0 (kernel): kernel 2, there are 2", O(i[0], 2) },
		{ "op 0 (kernel): integer 4 (lanes) may be 0", O(i[4], 0) },
		{ "op 0 (kernel): integer 4 (lanes) may be 1025", O(i[4], 1025) },
		{ "op 0 (kernel): integer 2 (y) may be 65536", O(i[2], 65536) },
		{ "op 0 (kernel): integer 3 (z) may be 0", O(i[3], 0) },
		{ "op 0 (kernel): integer 0 (kernel) can't be a parameter", O(i_param, 1) },
		{ "op 0 (kernel): integer 7 is not zero", O(i[7], 1) },
		{ "op 0 (kernel): parameters 2 to 3 by value, there are 3", O(i[5], 2) },
		{ "op 0 (kernel): parameters 1 to 64 by value, there are 3", O(i[6], 64) },
		{ "op 0 (kernel): integer 6 (values) may be 65", O(i[6], 65) },
		{ "op 0 (kernel): integer 5 (first) may be 65", O(i[5], 65) },
		{ "op 0 (kernel): operand 1 without operand 0", O(t[0], DSEEK_NO_TENSOR) },
		{ "op 0 (kernel): it writes operand 1, which is missing", O(t[1], DSEEK_NO_TENSOR) },
		{ "op 0 (kernel): it writes operand 2, which is missing", O(flags, DSEEK_OPF_WRITES(2)) },
		{ "op 0 (kernel): it does not take flags 0x1", O(flags, DSEEK_OPF_ACCUMULATE) },
		{ "op 0 (kernel): operand 0 (p0): it is written, which binding 0 does not allow", O(flags, DSEEK_OPF_WRITES(0)) },
		{ "op 0 (kernel): operand 0 (p0): tensor 2, there are 2", O(t[0], 2) },
		{ "op 0: unknown code 257", O(code, DSEEK_OP_KERNEL + 1) },
		{ "op 0: unknown code 255", O(code, DSEEK_OP_KERNEL - 1) },
	};
	struct dseek_program_view view, other;
	size_t size, i;
	void *blob = build(&size);

	if (dseek_program_validate(blob, size, &view, err, sizeof(err)))
		return;
	for (i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const struct fault *f = &faults[i];
		uint8_t *copy = malloc(size);
		const void *parts[] = { view.header, view.code, view.ops, view.kernels, view.object };
		uint32_t code_size = view.header->code_size;
		int r;

		memcpy(copy, blob, size);
		memcpy(copy + ((const uint8_t *)parts[f->where] - (const uint8_t *)blob) + f->offset, &f->value, f->size);
		/* A header that is right but for its code's size. */
		((struct dseek_program_header *)copy)->total_size += ((struct dseek_program_header *)copy)->code_size - code_size;
		*err = 0;
		r = dseek_program_validate(copy, ((struct dseek_program_header *)copy)->total_size, &other, err, sizeof(err));
		if (!tap_ok(r == -EINVAL && strstr(err, f->want), "refused: %s", err))
			printf("# %d, not \"%s\"\n", r, f->want);
		free(copy);
	}
	free(blob);
}

/* A program with a KERNEL op and no code. */
static void test_no_code(void)
{
	struct dseek_builder *b = dseek_builder_create(0);
	struct dseek_program_op op = kernel_op();
	size_t size;
	void *blob;

	memset(op.t, 0xff, sizeof(op.t));
	op.flags = op.i_param = 0;
	op.i[1] = 1;
	op.i[5] = op.i[6] = 0;
	dseek_builder_op(b, &op);
	tap_ok(dseek_builder_finish(b, &blob, &size) == -EINVAL && strstr(dseek_builder_error(b), "op 0 (kernel): the program carries no code"),
	       "refused: %s", dseek_builder_error(b));
	dseek_builder_destroy(b);
}

#define BUILDER_REFUSES(call, error, sentence) do { \
	struct dseek_builder *b = dseek_builder_create(0); \
	int r = (call); \
	tap_ok(r == -(error) && strstr(dseek_builder_error(b), sentence), "the builder refuses: %s", dseek_builder_error(b)); \
	dseek_builder_destroy(b); \
} while (0)

static void test_builder(void)
{
	static const char long_name[] = "a_name_of_a_kernel_that_is_by_far_longer_than_sixty_three_characters";
	struct dseek_program_op nop = { .code = DSEEK_OP_NOP };
	size_t size, i;
	void *blob;

	memset(nop.t, 0xff, sizeof(nop.t));
	BUILDER_REFUSES(dseek_builder_code(b, object, 0), EINVAL, "code: an object of 0 bytes");
	BUILDER_REFUSES(dseek_builder_code(b, object, (1 << 20) + 1), EINVAL, "code: an object of 1048577 bytes");
	BUILDER_REFUSES((dseek_builder_code(b, object, 5), dseek_builder_code(b, object, 5)), EEXIST, "code: there is an object already");
	BUILDER_REFUSES(dseek_builder_kernel(b, ""), EINVAL, "kernel \"\" has not 1 to 63 characters");
	BUILDER_REFUSES(dseek_builder_kernel(b, long_name), EINVAL, "has not 1 to 63 characters");
	BUILDER_REFUSES((dseek_builder_op(b, &nop), dseek_builder_kernel(b, "k"), dseek_builder_finish(b, &blob, &size)), EINVAL, "code: no object");
	BUILDER_REFUSES((dseek_builder_op(b, &nop), dseek_builder_code(b, object, 5), dseek_builder_finish(b, &blob, &size)), EINVAL,
			"code: 0 kernels, not 1 to 256");
	BUILDER_REFUSES(({ for (i = 0; i < DSEEK_PROGRAM_MAX_KERNELS; i++) dseek_builder_kernel(b, "k"); dseek_builder_kernel(b, "k"); }), E2BIG,
			"more than 256 kernels");
}

int main(void)
{
	test_good();
	test_faults();
	test_no_code();
	test_builder();
	return tap_end();
}

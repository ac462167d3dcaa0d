// SPDX-License-Identifier: MIT
/*
 * Validation of programs: header, tables, and the operands of every op against the table of ops. What
 * is specific to one op is in program_check.c.
 *
 * The proof that no op leaves its bindings: an op touches elements of its tensors only; an element's
 * place is monotone in each index; an extent given by a parameter is at most the tensor's stated one. So the last
 * element of the stated extents is the farthest, and it is checked against the binding's min_size.
 */
#include "program_check.h"

#include <dseek.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdbool.h>
#include <string.h>

#define MAX_BYTES	(1ULL << 48)	/* of a binding; sums of a few stay far from overflow */

int program_fail(struct check *c, const char *fmt, ...)
{
	va_list ap;
	size_t used = 0;

	if (!c->err || !c->err_size)
		return -EINVAL;
	c->err[0] = 0;
	if (c->info)
		used = snprintf(c->err, c->err_size, "op %u (%s): ", c->op_number, c->info->name);
	if (c->info && c->operand >= 0 && used < c->err_size)
		used += snprintf(c->err + used, c->err_size - used, "operand %d (%s): ", c->operand,
				 c->info->t[c->operand].name);
	if (used < c->err_size) {
		va_start(ap, fmt);
		vsnprintf(c->err + used, c->err_size - used, fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

static int check_header(struct check *c, const void *blob, size_t size)
{
	const struct dseek_program_header *h = blob;
	const uint8_t *p = blob;
	uint64_t need;

	if (!blob || (uintptr_t)blob % 8)
		return program_fail(c, "header: the program is not at an 8-aligned address");
	if (size < sizeof(*h))
		return program_fail(c, "header: %zu bytes, a header has %zu", size, sizeof(*h));
	if (h->magic != DSEEK_PROGRAM_MAGIC)
		return program_fail(c, "header: magic 0x%08x is not a program's 0x%08x", h->magic, DSEEK_PROGRAM_MAGIC);
	if (h->version != DSEEK_PROGRAM_VERSION)
		return program_fail(c, "header: version %u, this is version %u", h->version, DSEEK_PROGRAM_VERSION);
	if (h->flags & ~DSEEK_PROGRAM_PRECISE)
		return program_fail(c, "header: unknown flags 0x%x", h->flags & ~DSEEK_PROGRAM_PRECISE);
	if (h->n_params > DSEEK_PROGRAM_MAX_PARAMS)
		return program_fail(c, "header: %u parameters, at most %u", h->n_params, DSEEK_PROGRAM_MAX_PARAMS);
	if (h->n_bindings > DSEEK_PROGRAM_MAX_BINDINGS)
		return program_fail(c, "header: %u bindings, at most %u", h->n_bindings, DSEEK_PROGRAM_MAX_BINDINGS);
	if (h->n_tensors > DSEEK_PROGRAM_MAX_TENSORS)
		return program_fail(c, "header: %u tensors, at most %u", h->n_tensors, DSEEK_PROGRAM_MAX_TENSORS);
	if (h->n_ops > DSEEK_PROGRAM_MAX_OPS)
		return program_fail(c, "header: %u ops, at most %u", h->n_ops, DSEEK_PROGRAM_MAX_OPS);
	if (!h->n_ops)
		return program_fail(c, "header: no ops");
	if (h->n_labels > h->n_ops)
		return program_fail(c, "header: %u labels for %u ops", h->n_labels, h->n_ops);
	need = sizeof(*h) + (uint64_t)h->n_params * sizeof(*c->v.params) +
	       (uint64_t)h->n_bindings * sizeof(*c->v.bindings) +
	       (uint64_t)h->n_tensors * sizeof(*c->v.tensors) + (uint64_t)h->n_ops * sizeof(*c->v.ops) +
	       (uint64_t)h->n_labels * sizeof(*c->v.labels) + h->code_size;
	if (h->total_size != need)
		return program_fail(c, "header: total_size %u, its tables take %llu", h->total_size,
				    (unsigned long long)need);
	if (size != need)
		return program_fail(c, "header: total_size %u, but %zu bytes were given", h->total_size, size);

	c->v.header = h;
	p += sizeof(*h);
	c->v.params = (const void *)p;
	p += h->n_params * sizeof(*c->v.params);
	c->v.bindings = (const void *)p;
	p += h->n_bindings * sizeof(*c->v.bindings);
	c->v.tensors = (const void *)p;
	p += h->n_tensors * sizeof(*c->v.tensors);
	c->v.ops = (const void *)p;
	p += h->n_ops * sizeof(*c->v.ops);
	c->v.labels = (const void *)p;
	p += h->n_labels * sizeof(*c->v.labels);
	c->v.code = h->code_size ? (const void *)p : NULL;
	return 0;
}

static bool name_ok(const char *name, uint32_t room)
{
	uint32_t n, i;

	for (n = 0; n < room && name[n] > ' ' && name[n] <= '~'; n++)
		;
	for (i = n; i < room && !name[i]; i++)
		;
	return n && n < room && i == room;
}

/* What is in the object is the executor's to judge. */
static int check_code(struct check *c)
{
	const struct dseek_program_code *code = c->v.code;
	uint32_t size = c->v.header->code_size, i;
	uint64_t need;

	if (!code)
		return 0;
	if (size < sizeof(*code))
		return program_fail(c, "code: %u bytes, its header has %zu", size, sizeof(*code));
	if (!code->n_kernels || code->n_kernels > DSEEK_PROGRAM_MAX_KERNELS)
		return program_fail(c, "code: %u kernels, not 1 to %u", code->n_kernels, DSEEK_PROGRAM_MAX_KERNELS);
	if (!code->object_size)
		return program_fail(c, "code: no object");
	need = sizeof(*code) + (uint64_t)code->n_kernels * sizeof(*c->v.kernels) + (((uint64_t)code->object_size + 7) & ~7ull);
	if (size != need)
		return program_fail(c, "code: %u bytes, its parts take %llu", size, (unsigned long long)need);
	c->v.kernels = (const void *)(code + 1);
	c->v.object = c->v.kernels + code->n_kernels;
	for (i = 0; i < code->n_kernels; i++)
		if (!name_ok(c->v.kernels[i].name, DSEEK_KERNEL_LEN))
			return program_fail(c, "code: kernel %u: its name is not 1 to %u printable characters without blanks, and zeros", i,
					    DSEEK_KERNEL_LEN - 1);
	for (i = code->object_size; i % 8; i++)
		if (((const char *)c->v.object)[i])
			return program_fail(c, "code: not zero behind the object");
	return 0;
}

static int check_tables(struct check *c)
{
	uint32_t i;

	for (i = 0; i < c->v.header->n_params; i++)
		if (c->v.params[i].min > c->v.params[i].max)
			return program_fail(c, "parameter %u: least value %u is above the largest, %u", i,
					    c->v.params[i].min, c->v.params[i].max);
	for (i = 0; i < c->v.header->n_bindings; i++) {
		const struct dseek_program_binding *b = &c->v.bindings[i];

		if (b->pad)
			return program_fail(c, "binding %u: pad is not zero", i);
		if (!b->access || b->access & ~(DSEEK_ACCESS_READ | DSEEK_ACCESS_WRITE))
			return program_fail(c, "binding %u: access 0x%x is neither read, write nor both", i, b->access);
		if (!b->min_size || b->min_size > MAX_BYTES)
			return program_fail(c, "binding %u: min_size %llu is not in 1..2^48", i,
					    (unsigned long long)b->min_size);
	}
	return 0;
}

/* Bytes from the first to behind the last element: 0 if the strides make no sense, with the reason in c->err. */
static uint64_t check_strides(struct check *c, uint32_t n, const struct dseek_program_tensor *t)
{
	uint64_t span = dseek_row_bytes(t->dtype, t->ne[0]), step;
	bool words = t->dtype == DSEEK_F32 || t->dtype == DSEEK_I32 || t->dtype == DSEEK_F8_E4M3;
	uint32_t align = words ? 4 : t->dtype == DSEEK_MXFP4 ? 1 : 2, left = 0, d, best;

	for (d = 0; d < 3; d++) {
		if (t->stride[d] % align)
			return program_fail(c, "tensor %u: stride[%u] %llu is not a multiple of %u", n, d,
					    (unsigned long long)t->stride[d], align), 0;
		if (t->stride[d] > MAX_BYTES)
			return program_fail(c, "tensor %u: stride[%u] is above 2^48", n, d), 0;
		if (t->ne[d + 1] > 1)
			left |= 1u << d;
	}
	/* From the smallest stride to the largest each dimension must step over all that lies within it. */
	for (; left; left &= ~(1u << best)) {
		best = 3;
		for (d = 0; d < 3; d++)
			if (left & (1u << d) && (best == 3 || t->stride[d] < t->stride[best]))
				best = d;
		if (t->stride[best] < span)
			return program_fail(c, "tensor %u: stride[%u] %llu is below the %llu bytes of what it steps over",
					    n, best, (unsigned long long)t->stride[best], (unsigned long long)span), 0;
		if (__builtin_mul_overflow(t->stride[best], (uint64_t)t->ne[best + 1] - 1, &step) ||
		    __builtin_add_overflow(step, span, &span) || span > MAX_BYTES)
			return program_fail(c, "tensor %u: it is larger than 2^48 bytes", n), 0;
	}
	return span;
}

static uint64_t check_packed(struct check *c, uint32_t n, const struct dseek_program_tensor *t)
{
	uint64_t expert, span;

	expert = dseek_tensor_bytes(t->dtype, DSEEK_LAYOUT_PACKED, t->ne[0], t->ne[1]);
	if (!expert || t->ne[3] != 1)
		return program_fail(c, "tensor %u: %s [%u,%u,%u,%u] has no PACKED layout", n,
				    dseek_dtype_name(t->dtype), t->ne[0], t->ne[1], t->ne[2], t->ne[3]), 0;
	if (__builtin_mul_overflow(expert, (uint64_t)t->ne[2], &span) || span > MAX_BYTES)
		return program_fail(c, "tensor %u: it is larger than 2^48 bytes", n), 0;
	if (t->stride[0] != dseek_row_bytes(t->dtype, t->ne[0]) || t->stride[1] != expert || t->stride[2] != span)
		return program_fail(c, "tensor %u: it is PACKED, but its strides are not the contiguous ones", n), 0;
	return span;
}

static int check_tensor(struct check *c, uint32_t n)
{
	const struct dseek_program_tensor *t = &c->v.tensors[n];
	uint64_t span;
	uint32_t d;

	if (!dseek_dtype_name(t->dtype))
		return program_fail(c, "tensor %u: unknown element type %u", n, t->dtype);
	if (t->layout >= DSEEK_LAYOUT_COUNT)
		return program_fail(c, "tensor %u: unknown layout %u", n, t->layout);
	if (t->pad)
		return program_fail(c, "tensor %u: pad is not zero", n);
	if (t->binding >= c->v.header->n_bindings)
		return program_fail(c, "tensor %u: binding %u, there are %u", n, t->binding, c->v.header->n_bindings);
	if (t->offset % 64)
		return program_fail(c, "tensor %u: offset %llu is not a multiple of 64", n,
				    (unsigned long long)t->offset);
	for (d = 0; d < 4; d++) {
		if (!t->ne[d] || t->ne[d] > INT32_MAX)
			return program_fail(c, "tensor %u: extent %u is %u, not in 1..2^31-1", n, d, t->ne[d]);
		if (t->ne_param[d] == DSEEK_NO_PARAM)
			continue;
		if (t->ne_param[d] >= c->v.header->n_params)
			return program_fail(c, "tensor %u: extent %u is parameter %u, there are %u", n, d,
					    t->ne_param[d], c->v.header->n_params);
		if (c->v.params[t->ne_param[d]].max != t->ne[d])
			return program_fail(c, "tensor %u: extent %u is %u, but parameter %u goes up to %u", n, d,
					    t->ne[d], t->ne_param[d], c->v.params[t->ne_param[d]].max);
		if (!c->v.params[t->ne_param[d]].min)
			return program_fail(c, "tensor %u: extent %u is parameter %u, which may be 0", n, d,
					    t->ne_param[d]);
		if (t->layout == DSEEK_LAYOUT_PACKED || (d == 0 && dseek_dtype_block(t->dtype) != 1))
			return program_fail(c, "tensor %u: extent %u of %s can't be a parameter", n, d,
					    t->layout == DSEEK_LAYOUT_PACKED ? "a PACKED tensor" : "whole blocks");
	}
	if (!dseek_row_bytes(t->dtype, t->ne[0]))
		return program_fail(c, "tensor %u: %u elements are not whole blocks of %s", n, t->ne[0],
				    dseek_dtype_name(t->dtype));
	span = t->layout == DSEEK_LAYOUT_PACKED ? check_packed(c, n, t) : check_strides(c, n, t);
	if (!span)
		return -EINVAL;
	if (t->offset > MAX_BYTES || t->offset + span > c->v.bindings[t->binding].min_size)
		return program_fail(c, "tensor %u: it ends at byte %llu of binding %u, whose min_size is %llu", n,
				    (unsigned long long)(t->offset + span), t->binding,
				    (unsigned long long)c->v.bindings[t->binding].min_size);
	return 0;
}

static int check_op(struct check *c, uint32_t n)
{
	const struct dseek_program_op *op = &c->v.ops[n];
	uint32_t k;
	int rc;

	c->op = op;
	c->op_number = n;
	c->info = NULL;
	c->operand = -1;
	if (!dseek_op_info(op->code))
		return program_fail(c, "op %u: unknown code %u", n, op->code);
	c->info = dseek_op_info(op->code);
	if (op->flags & ~c->info->flags)
		return program_fail(c, "it does not take flags 0x%x", op->flags & ~c->info->flags);
	for (k = 0; k < DSEEK_OP_INTS; k++) {
		const struct dseek_op_int *in = &c->info->i[k];
		bool is_param = op->i_param & (1u << k);
		uint32_t min = op->i[k], max = op->i[k];

		if (!in->name && (op->i[k] || is_param))
			return program_fail(c, "integer %u is not zero, and it has no such argument", k);
		if (is_param && !in->may_be_param)
			return program_fail(c, "integer %u (%s) can't be a parameter", k, in->name);
		if (is_param) {
			if (op->i[k] >= c->v.header->n_params)
				return program_fail(c, "integer %u (%s) is parameter %u, there are %u", k, in->name,
						    op->i[k], c->v.header->n_params);
			min = c->v.params[op->i[k]].min;
			max = c->v.params[op->i[k]].max;
		}
		if (in->name && (min < in->min || max > in->max))
			return program_fail(c, "integer %u (%s) may be %u, not in %u..%u", k, in->name,
					    min < in->min ? min : max, in->min, in->max);
	}
	if (op->i_param >> DSEEK_OP_INTS)
		return program_fail(c, "i_param 0x%x names integers that do not exist", op->i_param);
	for (k = 0; k < DSEEK_OP_FLOATS; k++) {
		const struct dseek_op_float *f = &c->info->f[k];

		if (!f->name && (op->f[k] != 0.0f))
			return program_fail(c, "float %u is not zero, and it has no such argument", k);
		/* Written so that NaN fails. */
		if (f->name && !(op->f[k] >= f->min && op->f[k] <= f->max))
			return program_fail(c, "float %u (%s) is %g, not in %g..%g", k, f->name, op->f[k], f->min,
					    f->max);
	}
	rc = program_check_operands(c);
	return rc ? rc : program_check_op(c);
}

static int check_labels(struct check *c)
{
	uint32_t i, n;

	c->info = NULL;		/* no op is at fault */
	c->operand = -1;
	for (i = 0; i < c->v.header->n_labels; i++) {
		const struct dseek_program_label *label = &c->v.labels[i];

		if (label->op >= c->v.header->n_ops)
			return program_fail(c, "label %u: op %u, there are %u", i, label->op, c->v.header->n_ops);
		if (i && label->op <= label[-1].op)
			return program_fail(c, "label %u: op %u is not behind the one before, %u", i, label->op, label[-1].op);
		for (n = 0; n < DSEEK_LABEL_LEN && label->name[n]; n++)
			if (label->name[n] <= ' ' || label->name[n] > '~')
				return program_fail(c, "label %u: character %u is not printable, or a blank", i, n);
		if (!n || n == DSEEK_LABEL_LEN)
			return program_fail(c, "label %u: its name has not 1 to %u characters", i, DSEEK_LABEL_LEN - 1);
		for (; n < DSEEK_LABEL_LEN; n++)
			if (label->name[n])
				return program_fail(c, "label %u: not zero behind its name", i);
	}
	return 0;
}

const char *dseek_program_label(const struct dseek_program_view *view, uint32_t op)
{
	uint32_t low = 0, high = view->header->n_labels;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (view->labels[mid].op <= op)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? view->labels[low - 1].name : "";
}

int dseek_program_validate(const void *blob, size_t size, struct dseek_program_view *ret_view, char *err, size_t err_size)
{
	struct check c = { .err = err, .err_size = err_size, .operand = -1 };
	uint32_t i;
	int rc;

	rc = check_header(&c, blob, size);
	if (!rc)
		rc = check_tables(&c);
	if (!rc)
		rc = check_code(&c);
	for (i = 0; !rc && i < c.v.header->n_tensors; i++)
		rc = check_tensor(&c, i);
	for (i = 0; !rc && i < c.v.header->n_ops; i++)
		rc = check_op(&c, i);
	if (!rc)
		rc = check_labels(&c);
	if (!rc)
		*ret_view = c.v;
	return rc;
}

// SPDX-License-Identifier: MIT
#include "program_ops.h"

#include <dseek.h>
#include <stdarg.h>
#include <stdio.h>

/* snprintf() that goes on where the last one ended, counting what would have been written. */
struct text {
	char *buf;
	size_t size, used;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	size_t left = t->used < t->size ? t->size - t->used : 0;
	va_list ap;

	va_start(ap, fmt);
	t->used += vsnprintf(left ? t->buf + t->used : NULL, left, fmt, ap);
	va_end(ap);
}

static void add_tensor(struct text *text, const struct dseek_program_view *view, const char *name, uint32_t n)
{
	const struct dseek_program_tensor *t = &view->tensors[n];
	int dims = 4;

	while (dims > 1 && t->ne[dims - 1] == 1 && t->ne_param[dims - 1] == DSEEK_NO_PARAM)
		dims--;
	add(text, " %s=#%u %s%s[", name, n, dseek_dtype_name(t->dtype), t->layout == DSEEK_LAYOUT_PACKED ? "/packed" : "");
	for (int d = 0; d < dims; d++) {
		add(text, "%s", d ? "," : "");
		if (t->ne_param[d] != DSEEK_NO_PARAM)
			add(text, "p%u<=", t->ne_param[d]);
		add(text, "%u", t->ne[d]);
	}
	add(text, "]@%u+%llu", t->binding, (unsigned long long)t->offset);
}

int dseek_program_print_op(const struct dseek_program_view *view, uint32_t n, char *buf, size_t size)
{
	const struct dseek_program_op *op = &view->ops[n];
	const struct dseek_op_info *info = dseek_op_info(op->code);
	struct text text = { buf, size, 0 };

	add(&text, "%4u %-10s", n, info->name);
	for (int i = 0; i < DSEEK_OP_TENSORS; i++)
		if (info->t[i].name && op->t[i] != DSEEK_NO_TENSOR)
			add_tensor(&text, view, info->t[i].name, op->t[i]);
	for (int i = 0; i < DSEEK_OP_INTS; i++)
		if (info->i[i].name)
			add(&text, " %s=%s%u", info->i[i].name, op->i_param & (1u << i) ? "p" : "", op->i[i]);
	for (int i = 0; i < DSEEK_OP_FLOATS; i++)
		if (info->f[i].name)
			add(&text, " %s=%g", info->f[i].name, op->f[i]);
	if (op->flags & DSEEK_OPF_ACCUMULATE)
		add(&text, " accumulate");
	if (op->flags & DSEEK_OPF_NORMALISE)
		add(&text, " normalise");
	if (op->flags & DSEEK_OPF_RING)
		add(&text, " ring");
	for (int i = 0; i < DSEEK_OP_TENSORS; i++)
		if (op->flags & DSEEK_OPF_WRITES(i))
			add(&text, " writes=p%d", i);
	if (op->code == DSEEK_OP_KERNEL)
		add(&text, " %s", view->kernels[op->i[0]].name);
	return text.used;
}

void dseek_program_dump(const struct dseek_program_view *view, void (*emit)(void *arg, const char *line), void *arg)
{
	const struct dseek_program_header *h = view->header;
	char line[2048];

	snprintf(line, sizeof(line), "program version %u%s: %u bytes, %u parameters, %u bindings, %u tensors, %u ops",
		 h->version, h->flags & DSEEK_PROGRAM_PRECISE ? " precise" : "", h->total_size, h->n_params,
		 h->n_bindings, h->n_tensors, h->n_ops);
	emit(arg, line);
	for (uint32_t i = 0; i < h->n_params; i++) {
		snprintf(line, sizeof(line), "param p%u: %u..%u", i, view->params[i].min, view->params[i].max);
		emit(arg, line);
	}
	for (uint32_t i = 0; i < h->n_bindings; i++) {
		snprintf(line, sizeof(line), "binding %u: %llu bytes%s%s", i,
			 (unsigned long long)view->bindings[i].min_size,
			 view->bindings[i].access & DSEEK_ACCESS_READ ? " read" : "",
			 view->bindings[i].access & DSEEK_ACCESS_WRITE ? " write" : "");
		emit(arg, line);
	}
	for (uint32_t i = 0; i < h->n_ops; i++) {
		dseek_program_print_op(view, i, line, sizeof(line));
		emit(arg, line);
	}
	if (view->code) {
		snprintf(line, sizeof(line), "code: %u kernels, an object of %u bytes", view->code->n_kernels, view->code->object_size);
		emit(arg, line);
	}
	for (uint32_t i = 0; i < h->n_labels; i++) {
		snprintf(line, sizeof(line), "label op %u: %s", view->labels[i].op, view->labels[i].name);
		emit(arg, line);
	}
}

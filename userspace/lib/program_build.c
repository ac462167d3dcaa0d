// SPDX-License-Identifier: MIT
#include "program_check.h"

#include <drm/dseek_drm.h>
#include <dseek.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A table that grows. */
struct table {
	void *items;
	uint32_t count, room, max;
	uint32_t item_size;
	const char *what;
};

struct dseek_builder {
	uint32_t flags;
	struct table params, bindings, tensors, ops, labels, kernels;
	void *object;
	uint32_t object_size;
	int error;
	char sentence[256];
};

static int builder_fail(struct dseek_builder *b, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int builder_fail(struct dseek_builder *b, int error, const char *fmt, ...)
{
	va_list ap;

	if (b->error)
		return b->error;
	b->error = error;
	va_start(ap, fmt);
	vsnprintf(b->sentence, sizeof(b->sentence), fmt, ap);
	va_end(ap);
	return error;
}

static int table_add(struct dseek_builder *b, struct table *t, const void *item)
{
	if (b->error)
		return b->error;
	if (t->count == t->max)
		return builder_fail(b, -E2BIG, "more than %u %s", t->max, t->what);
	if (t->count == t->room) {
		uint32_t room = t->room ? t->room * 2 : 16;
		void *items = realloc(t->items, (size_t)room * t->item_size);

		if (!items)
			return builder_fail(b, -ENOMEM, "no memory for %u %s", room, t->what);
		t->items = items;
		t->room = room;
	}
	memcpy((char *)t->items + (size_t)t->count * t->item_size, item, t->item_size);
	return t->count++;
}

struct dseek_builder *dseek_builder_create(uint32_t flags)
{
	struct dseek_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->flags = flags;
	b->params = (struct table){ .max = DSEEK_PROGRAM_MAX_PARAMS, .what = "parameters",
				    .item_size = sizeof(struct dseek_program_param) };
	b->bindings = (struct table){ .max = DSEEK_PROGRAM_MAX_BINDINGS, .what = "bindings",
				      .item_size = sizeof(struct dseek_program_binding) };
	b->tensors = (struct table){ .max = DSEEK_PROGRAM_MAX_TENSORS, .what = "tensors",
				     .item_size = sizeof(struct dseek_program_tensor) };
	b->ops = (struct table){ .max = DSEEK_PROGRAM_MAX_OPS, .what = "ops",
				 .item_size = sizeof(struct dseek_program_op) };
	b->labels = (struct table){ .max = DSEEK_PROGRAM_MAX_OPS, .what = "labels",
				    .item_size = sizeof(struct dseek_program_label) };
	b->kernels = (struct table){ .max = DSEEK_PROGRAM_MAX_KERNELS, .what = "kernels",
				     .item_size = sizeof(struct dseek_program_kernel) };
	if (flags & ~DSEEK_PROGRAM_PRECISE)
		builder_fail(b, -EINVAL, "unknown flags 0x%x", flags);
	return b;
}

void dseek_builder_destroy(struct dseek_builder *b)
{
	if (!b)
		return;
	free(b->params.items);
	free(b->bindings.items);
	free(b->tensors.items);
	free(b->ops.items);
	free(b->labels.items);
	free(b->kernels.items);
	free(b->object);
	free(b);
}

int dseek_builder_param(struct dseek_builder *b, uint32_t min, uint32_t max)
{
	return table_add(b, &b->params, &(struct dseek_program_param){ .min = min, .max = max });
}

int dseek_builder_binding(struct dseek_builder *b, uint32_t access, uint64_t min_size)
{
	return table_add(b, &b->bindings, &(struct dseek_program_binding){ .access = access, .min_size = min_size });
}

int dseek_builder_tensor(struct dseek_builder *b, const struct dseek_program_tensor *tensor)
{
	struct dseek_program_tensor t = *tensor;

	for (int d = 0; d < 4; d++)
		if (!t.ne[d])
			t.ne[d] = 1;
	if (!t.stride[0] && !t.stride[1] && !t.stride[2]) {
		t.stride[0] = dseek_row_bytes(t.dtype, t.ne[0]);
		if (t.layout == DSEEK_LAYOUT_PACKED)
			t.stride[1] = dseek_tensor_bytes(t.dtype, t.layout, t.ne[0], t.ne[1]);
		else if (__builtin_mul_overflow(t.stride[0], t.ne[1], &t.stride[1]))
			return builder_fail(b, -EINVAL, "tensor %u is too large", b->tensors.count);
		if (__builtin_mul_overflow(t.stride[1], t.ne[2], &t.stride[2]))
			return builder_fail(b, -EINVAL, "tensor %u is too large", b->tensors.count);
	}
	return table_add(b, &b->tensors, &t);
}

int dseek_builder_op(struct dseek_builder *b, const struct dseek_program_op *op)
{
	return table_add(b, &b->ops, op);
}

int dseek_builder_label(struct dseek_builder *b, const char *name)
{
	struct dseek_program_label label = { .op = b->ops.count }, *last;
	size_t len = strlen(name);
	int rc;

	if (b->error)
		return b->error;
	if (!len || len >= sizeof(label.name))
		return builder_fail(b, -EINVAL, "label \"%s\" has not 1 to %zu characters", name, sizeof(label.name) - 1);
	memcpy(label.name, name, len);
	last = b->labels.items;
	if (b->labels.count && last[b->labels.count - 1].op == label.op) {	/* of no op yet: renamed */
		last[b->labels.count - 1] = label;
		return 0;
	}
	rc = table_add(b, &b->labels, &label);
	return rc < 0 ? rc : 0;
}

int dseek_builder_code(struct dseek_builder *b, const void *object, size_t size)
{
	if (b->error)
		return b->error;
	if (b->object)
		return builder_fail(b, -EEXIST, "code: there is an object already");
	if (!size || size > DRM_DSEEK_MAX_PROGRAM)
		return builder_fail(b, -EINVAL, "code: an object of %zu bytes, not 1 to %d", size, DRM_DSEEK_MAX_PROGRAM);
	b->object = malloc(size);
	if (!b->object)
		return builder_fail(b, -ENOMEM, "no memory for an object of %zu bytes", size);
	memcpy(b->object, object, size);
	b->object_size = size;
	return 0;
}

int dseek_builder_kernel(struct dseek_builder *b, const char *name)
{
	struct dseek_program_kernel kernel = { 0 };
	size_t len = strlen(name);

	if (b->error)
		return b->error;
	if (!len || len >= sizeof(kernel.name))
		return builder_fail(b, -EINVAL, "kernel \"%.80s\" has not 1 to %zu characters", name, sizeof(kernel.name) - 1);
	memcpy(kernel.name, name, len);
	return table_add(b, &b->kernels, &kernel);
}

const char *dseek_builder_error(const struct dseek_builder *b)
{
	return b->sentence;
}

/* What tensors and ops ask of the bindings; anything odd is left to the validation. */
static void grow_bindings(struct dseek_builder *b)
{
	struct dseek_program_binding *bindings = b->bindings.items;
	const struct dseek_program_tensor *tensors = b->tensors.items;
	const struct dseek_program_op *ops = b->ops.items;

	for (uint32_t i = 0; i < b->tensors.count; i++) {
		const struct dseek_program_tensor *t = &tensors[i];
		uint64_t end;

		if (t->binding >= b->bindings.count)
			continue;
		end = t->offset + program_tensor_span(t);
		if (end > bindings[t->binding].min_size)
			bindings[t->binding].min_size = end;
	}
	for (uint32_t i = 0; i < b->ops.count; i++) {
		const struct dseek_op_info *info = dseek_op_info(ops[i].code);

		for (uint32_t n = 0; info && n < DSEEK_OP_TENSORS; n++) {
			uint16_t t = ops[i].t[n];

			if (t < b->tensors.count && tensors[t].binding < b->bindings.count)
				bindings[tensors[t].binding].access |= dseek_op_access(info, &ops[i], n);
		}
	}
}

/* What comes after it. */
static char *put(char *to, const void *from, size_t bytes)
{
	if (bytes)
		memcpy(to, from, bytes);
	return to + bytes;
}

int dseek_builder_finish(struct dseek_builder *b, void **ret_blob, size_t *ret_size)
{
	const struct table *tables[] = { &b->params, &b->bindings, &b->tensors, &b->ops, &b->labels };
	struct dseek_program_header header = {
		.magic = DSEEK_PROGRAM_MAGIC, .version = DSEEK_PROGRAM_VERSION, .flags = b->flags,
		.n_params = b->params.count, .n_bindings = b->bindings.count,
		.n_tensors = b->tensors.count, .n_ops = b->ops.count, .n_labels = b->labels.count,
	};
	const struct dseek_program_code code = { b->kernels.count, b->object_size };
	struct dseek_program_view view;
	size_t size = sizeof(header);
	char *blob, *p;
	int rc;

	if (b->error)
		return b->error;
	/* One that no op came after names nothing. */
	if (b->labels.count && ((struct dseek_program_label *)b->labels.items)[b->labels.count - 1].op == b->ops.count)
		header.n_labels = --b->labels.count;
	grow_bindings(b);
	for (int i = 0; i < 5; i++)
		size += (size_t)tables[i]->count * tables[i]->item_size;
	if (b->object || b->kernels.count)
		header.code_size = sizeof(code) + b->kernels.count * b->kernels.item_size + ((b->object_size + 7) & ~7u);
	size += header.code_size;
	header.total_size = size;
	blob = calloc(1, size);
	if (!blob)
		return builder_fail(b, -ENOMEM, "no memory for a program of %zu bytes", size);
	p = put(blob, &header, sizeof(header));
	for (int i = 0; i < 5; i++)
		p = put(p, tables[i]->items, (size_t)tables[i]->count * tables[i]->item_size);
	if (header.code_size) {
		p = put(p, &code, sizeof(code));
		p = put(p, b->kernels.items, (size_t)b->kernels.count * b->kernels.item_size);
		put(p, b->object, b->object_size);
	}
	rc = dseek_program_validate(blob, size, &view, b->sentence, sizeof(b->sentence));
	if (rc) {
		b->error = rc;
		free(blob);
		return rc;
	}
	*ret_blob = blob;
	*ret_size = size;
	return 0;
}

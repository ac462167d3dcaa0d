// SPDX-License-Identifier: MIT
#include "program_check.h"

#include <dseek.h>
#include <stdbool.h>
#include <string.h>

uint64_t program_tensor_span(const struct dseek_program_tensor *t)
{
	uint64_t span;

	if (t->layout == DSEEK_LAYOUT_PACKED)
		return t->stride[2];
	span = dseek_row_bytes(t->dtype, t->ne[0]);
	for (int d = 0; d < 3; d++)
		span += t->stride[d] * (t->ne[d + 1] - 1);
	return span;
}

static const struct dseek_program_tensor *operand(const struct check *c, uint32_t n)
{
	return c->op->t[n] == DSEEK_NO_TENSOR ? NULL : &c->v.tensors[c->op->t[n]];
}

static bool letter_may_be_param(char letter)
{
	return letter == 'T' || letter == 'R' || (letter >= 'a' && letter <= 'z');
}

/* What each letter of an op's shapes stands for, and where it was first met. */
struct extent {
	uint32_t ne;
	uint8_t param;
	int8_t operand;		/* + 1; 0: not met */
};

static int check_shape(struct check *c, const char *shape, const struct dseek_program_tensor *t,
		       struct extent *extents)
{
	size_t dims = strlen(shape);

	if (*shape == '*')
		return 0;
	for (uint32_t d = 0; d < 4; d++) {
		struct extent *e;

		if (d >= dims) {
			if (t->ne[d] != 1 || t->ne_param[d] != DSEEK_NO_PARAM)
				return program_fail(c, "it has %u dimensions, not %zu", d + 1, dims);
			continue;
		}
		if (t->ne_param[d] != DSEEK_NO_PARAM && !letter_may_be_param(shape[d]))
			return program_fail(c, "extent %u must be a constant", d);
		e = &extents[(uint8_t)shape[d]];
		if (!e->operand) {
			e->ne = t->ne[d];
			e->param = t->ne_param[d];
			e->operand = c->operand + 1;
		} else if (e->ne != t->ne[d]) {
			return program_fail(c, "extent %u is %u, that of operand %d (%s) is %u", d, t->ne[d],
					    e->operand - 1, c->info->t[e->operand - 1].name, e->ne);
		} else if (e->param != t->ne_param[d]) {
			return program_fail(c, "extent %u and that of operand %d (%s) are not the same parameter", d,
					    e->operand - 1, c->info->t[e->operand - 1].name);
		}
	}
	return 0;
}

static bool same_place(const struct dseek_program_tensor *a, const struct dseek_program_tensor *b)
{
	return a->offset == b->offset && a->dtype == b->dtype && a->layout == b->layout &&
	       !memcmp(a->ne, b->ne, sizeof(a->ne)) && !memcmp(a->stride, b->stride, sizeof(a->stride));
}

static int check_overlaps(struct check *c, uint32_t out)
{
	const struct dseek_program_tensor *a = operand(c, out), *b;

	for (uint32_t n = 0; n < DSEEK_OP_TENSORS; n++) {
		if (n == out || !c->info->t[n].name || !(b = operand(c, n)) || a->binding != b->binding)
			continue;
		if (a->offset >= b->offset + program_tensor_span(b) || b->offset >= a->offset + program_tensor_span(a))
			continue;
		if (c->info->t[out].may_be & (1u << n) && same_place(a, b))
			continue;
		return program_fail(c, "it is written and overlaps operand %u (%s)", n, c->info->t[n].name);
	}
	return 0;
}

int program_check_operands(struct check *c)
{
	struct extent extents[128] = {};
	uint32_t n;
	int rc;

	for (n = 0; n < DSEEK_OP_TENSORS; n++) {
		const struct dseek_op_operand *o = &c->info->t[n];
		const struct dseek_program_tensor *t;
		uint32_t access;

		c->operand = -1;
		if (!o->name) {
			if (c->op->t[n] != DSEEK_NO_TENSOR)
				return program_fail(c, "it has no operand %u, but tensor %u is given for it", n, c->op->t[n]);
			continue;
		}
		c->operand = n;
		if (c->op->t[n] == DSEEK_NO_TENSOR) {
			if (!o->optional)
				return program_fail(c, "it is missing");
			continue;
		}
		if (c->op->t[n] >= c->v.header->n_tensors)
			return program_fail(c, "tensor %u, there are %u", c->op->t[n], c->v.header->n_tensors);
		t = operand(c, n);
		if (!(o->types & OP_T(t->dtype)))
			return program_fail(c, "it can't be %s", dseek_dtype_name(t->dtype));
		if (t->layout == DSEEK_LAYOUT_PACKED && o->types != OP_T_WEIGHT)
			return program_fail(c, "it can't be PACKED");
		access = dseek_op_access(c->info, c->op, n);
		if (access & ~c->v.bindings[t->binding].access)
			return program_fail(c, "it is %s, which binding %u does not allow",
					    access & ~c->v.bindings[t->binding].access & DSEEK_ACCESS_WRITE ? "written" : "read",
					    t->binding);
		rc = check_shape(c, o->shape, t, extents);
		if (rc)
			return rc;
	}
	for (n = 0; n < DSEEK_OP_TENSORS; n++) {
		c->operand = n;
		if (c->info->t[n].name && c->info->t[n].access & DSEEK_ACCESS_WRITE && operand(c, n)) {
			rc = check_overlaps(c, n);
			if (rc)
				return rc;
		}
	}
	c->operand = -1;
	return 0;
}

static int check_linear(struct check *c)
{
	for (int n = 1; n < 3; n++) {
		if (!operand(c, 1 + n) != !operand(c, 4 + n))
			return program_fail(c, "w%d and out%d are not both there", n + 1, n + 1);
		if (operand(c, 7 + n) && !operand(c, 1 + n))
			return program_fail(c, "bias%d without w%d", n + 1, n + 1);
	}
	if (operand(c, 3) && !operand(c, 2))
		return program_fail(c, "w3 without w2");
	return 0;
}

static int check_rope(struct check *c)
{
	if (c->op->i[0] % 2)
		return program_fail(c, "%u dimensions can't be rotated in pairs", c->op->i[0]);
	if (c->op->i[0] > operand(c, 0)->ne[0])
		return program_fail(c, "%u dimensions rotated of %u", c->op->i[0], operand(c, 0)->ne[0]);
	if (operand(c, 2) && operand(c, 2)->ne[0] != c->op->i[0] / 2)
		return program_fail(c, "%u factors for %u rotated dimensions", operand(c, 2)->ne[0], c->op->i[0]);
	return 0;
}

/* The largest value an integer may have. */
static uint64_t most(const struct check *c, uint32_t i)
{
	return c->op->i_param >> i & 1 ? c->v.params[c->op->i[i]].max : c->op->i[i];
}

static int check_kv_store(struct check *c)
{
	if (!operand(c, 1) != !operand(c, 3))
		return program_fail(c, "v and v_cache are not both there");
	if (c->op->flags & DSEEK_OPF_RING && operand(c, 4)->ne[0] > operand(c, 2)->ne[2])
		return program_fail(c, "%u tokens in a ring of %u slots", operand(c, 4)->ne[0], operand(c, 2)->ne[2]);
	return 0;
}

static int check_ring(struct check *c)
{
	uint64_t slots = operand(c, 1)->ne[2], tokens = operand(c, 0)->ne[2], window = most(c, 0);

	if (!(c->op->i_param & 1 ? c->v.params[c->op->i[0]].min : window))
		return program_fail(c, "a ring without a window");
	if (slots < window - 1 + tokens)
		return program_fail(c, "a ring of %llu slots for a window of up to %llu and %llu tokens, which need %llu",
				    (unsigned long long)slots, (unsigned long long)window, (unsigned long long)tokens,
				    (unsigned long long)(window - 1 + tokens));
	return 0;
}

static int check_attention(struct check *c)
{
	if (operand(c, 0)->ne[1] % operand(c, 1)->ne[1])
		return program_fail(c, "%u query heads can't share %u key heads evenly", operand(c, 0)->ne[1],
				    operand(c, 1)->ne[1]);
	return c->op->flags & DSEEK_OPF_RING ? check_ring(c) : 0;
}

static int check_latent(struct check *c)
{
	uint32_t query = operand(c, 0)->ne[0], plain = operand(c, 2)->ne[0], row = operand(c, 1)->ne[0], rank = operand(c, 3)->ne[0];

	if (operand(c, 1)->ne[1] != 1)
		return program_fail(c, "rows of %u key heads, latent attention has one", operand(c, 1)->ne[1]);
	if (query <= plain)
		return program_fail(c, "queries of %u elements, %u of which are not rotated, leave none that are", query, plain);
	if (row != (uint64_t)rank + query - plain)
		return program_fail(c, "rows of %u elements for a latent of %u and a rotated key of %u", row, rank, query - plain);
	if (rank % dseek_dtype_block(operand(c, 1)->dtype))
		return program_fail(c, "a latent of %u elements is not whole blocks of %s", rank, dseek_dtype_name(operand(c, 1)->dtype));
	return 0;
}

static int check_groups(struct check *c, uint32_t experts, uint32_t groups, uint32_t kept)
{
	if (!groups)
		return kept ? program_fail(c, "it keeps %u groups of experts, but there are none", kept) : 0;
	if (experts % groups)
		return program_fail(c, "%u experts can't be in %u groups evenly", experts, groups);
	if (!kept || kept > groups)
		return program_fail(c, "it keeps %u of %u groups", kept, groups);
	if (c->op->i[0] > (uint64_t)kept * (experts / groups))
		return program_fail(c, "it selects %u experts from %u groups of %u", c->op->i[0], kept, experts / groups);
	return 0;
}

static int check_route(struct check *c)
{
	if (c->op->i[0] != operand(c, 1)->ne[0])
		return program_fail(c, "it selects %u experts, ids holds %u", c->op->i[0], operand(c, 1)->ne[0]);
	if (c->op->i[0] > operand(c, 0)->ne[0])
		return program_fail(c, "it selects %u of %u experts", c->op->i[0], operand(c, 0)->ne[0]);
	return check_groups(c, operand(c, 0)->ne[0], c->op->i[2], c->op->i[3]);
}

static int check_kernel(struct check *c)
{
	uint32_t n, end;

	if (!c->v.code)
		return program_fail(c, "the program carries no code");
	if (c->op->i[0] >= c->v.code->n_kernels)
		return program_fail(c, "kernel %u, there are %u", c->op->i[0], c->v.code->n_kernels);
	for (n = 0; n < DSEEK_OP_TENSORS && operand(c, n); n++)
		;
	for (end = n; n < DSEEK_OP_TENSORS; n++) {
		if (operand(c, n))
			return program_fail(c, "operand %u without operand %u", n, end);
		if (c->op->flags & DSEEK_OPF_WRITES(n))
			return program_fail(c, "it writes operand %u, which is missing", n);
	}
	if (c->op->i[5] + c->op->i[6] > c->v.header->n_params)
		return program_fail(c, "parameters %u to %u by value, there are %u", c->op->i[5], c->op->i[5] + c->op->i[6] - 1,
				    c->v.header->n_params);
	return 0;
}

int program_check_op(struct check *c)
{
	switch (c->op->code) {
	case DSEEK_OP_KERNEL:
		return check_kernel(c);
	case DSEEK_OP_LINEAR:
		return check_linear(c);
	case DSEEK_OP_ROPE:
		return check_rope(c);
	case DSEEK_OP_KV_STORE:
		return check_kv_store(c);
	case DSEEK_OP_ATTENTION:
		return check_attention(c);
	case DSEEK_OP_LATENT_ATTENTION:
		return check_latent(c);
	case DSEEK_OP_MOE_ROUTE:
		return check_route(c);
	default:
		return 0;
	}
}

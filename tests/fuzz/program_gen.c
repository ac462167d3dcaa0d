// SPDX-License-Identifier: MIT
#include "program_gen.h"

#include <dseek.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/lib/program_check.h"

#define BINDINGS	3
#define TENSORS		(PROGRAM_GEN_MAX_OPS * DSEEK_OP_TENSORS)
#define MAX_ELEMENTS	(1u << 16)	/* of an operand: a block by a block of the largest fit */
#define MAX_WORK	(1u << 18)	/* of an operand's elements by tokens by selected experts */

struct letter {
	uint32_t ne, multiple;		/* ne 0: the op has no such extent */
	int param;			/* -1: a constant */
};

struct gen {
	struct choices *c;
	struct dseek_builder *b;
	uint32_t bindings, params, tensors;
	uint32_t param_max[DSEEK_PROGRAM_MAX_PARAMS], param_min[DSEEK_PROGRAM_MAX_PARAMS];
	uint64_t end[BINDINGS];		/* of what is placed in them */
	struct dseek_program_tensor placed[TENSORS];

	/* the op at hand */
	const struct dseek_op_info *info;
	struct dseek_program_op op;
	bool present[DSEEK_OP_TENSORS], wanted_packed[DSEEK_OP_TENSORS];
	uint16_t dtype[DSEEK_OP_TENSORS];
	struct letter letters[128];
};

static const uint16_t edges[] = { 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 96, 127, 128, 129, 160,
				  255, 256, 257, 300, 512 };

#define PICK(g, array) ((array)[choose((g)->c, sizeof(array) / sizeof((array)[0]))])

static bool overlap(const struct dseek_program_tensor *a, const struct dseek_program_tensor *b)
{
	return a->binding == b->binding && a->offset < b->offset + program_tensor_span(b) &&
	       b->offset < a->offset + program_tensor_span(a);
}

static int param(struct gen *g, uint32_t min, uint32_t max)
{
	for (uint32_t i = 0; i < g->params; i++)
		if (g->param_min[i] == min && g->param_max[i] == max)
			return i;
	if (g->params == DSEEK_PROGRAM_MAX_PARAMS)
		return -1;
	g->param_min[g->params] = min;
	g->param_max[g->params] = max;
	dseek_builder_param(g->b, min, max);
	return g->params++;
}

/* ---- which operands there are, of what types */

static void choose_operands(struct gen *g)
{
	bool linear = g->op.code == DSEEK_OP_LINEAR;
	uint32_t products = linear ? 1 + choose(g->c, 3) : 0;

	for (int n = 0; n < DSEEK_OP_TENSORS; n++) {
		const struct dseek_op_operand *o = &g->info->t[n];
		uint32_t types = o->types, skip, count = 0;

		g->present[n] = o->name && (!o->optional || choose(g->c, 2));
		if (linear && o->name && n > 0 && n < 10)	/* w, out and perhaps bias of so many products */
			g->present[n] = (n - 1u) % 3 < products && (n < 7 || choose(g->c, 2));
		if (g->op.code == DSEEK_OP_KV_STORE && n == 3)	/* v and its cache: both, or neither */
			g->present[n] = g->present[1];
		if (!g->present[n])
			continue;
		for (uint32_t t = 0; t < DSEEK_DTYPE_COUNT; t++)
			count += types >> t & 1;
		skip = choose(g->c, count);
		for (g->dtype[n] = 0; !(types >> g->dtype[n] & 1) || skip--; g->dtype[n]++)
			;
		g->wanted_packed[n] = types == OP_T_WEIGHT && choose(g->c, 2);
	}
}

/* ---- extents */

static void letter_smaller(struct gen *g, const char *shape)
{
	static const char first[] = "TRJN";	/* keep the others large where these can shrink */
	struct letter *l, *most = NULL;

	for (int i = 0; first[i]; i++) {
		l = &g->letters[(uint8_t)first[i]];
		if (l->ne > 1 && (strchr(shape, first[i]) || i != 3)) {
			l->ne = (l->ne + 1) / 2;
			return;
		}
	}
	for (; *shape; shape++) {
		l = &g->letters[(uint8_t)*shape];
		if (!most || l->ne / l->multiple > most->ne / most->multiple)
			most = l;
	}
	most->ne = (most->ne / most->multiple + 1) / 2 * most->multiple;
}

static bool too_large(const struct gen *g, const char *shape)
{
	const struct letter *tokens = &g->letters['T'], *selected = &g->letters['J'];
	uint64_t elements = 1, work;

	for (const char *p = shape; *p; p++)
		elements *= g->letters[(uint8_t)*p].ne;
	work = elements;
	if (!strchr(shape, 'T') && tokens->ne && !strchr(shape, 'V'))
		work *= tokens->ne;
	if (!strchr(shape, 'J') && selected->ne)
		work *= selected->ne;
	return elements > MAX_ELEMENTS || work > MAX_WORK;
}

/* Groups that divide the experts, and enough of them; or none. */
static void choose_groups(struct gen *g, uint32_t experts, uint32_t k)
{
	uint32_t groups = 1 + choose(g->c, 16), least;

	if (!choose(g->c, 2) || experts % groups)
		return;
	least = (k * groups + experts - 1) / experts;
	g->op.i[2] = groups;
	g->op.i[3] = least + choose(g->c, groups - least + 1);
}

/* What an op asks of extents beyond equal letters; they only get smaller here, as they may after this. */
static void adjust(struct gen *g)
{
	struct letter *l = g->letters;
	uint32_t rotated;

	switch (g->op.code) {
	case DSEEK_OP_ROPE:
		if (l['D'].ne < 2)
			l['D'].ne = 2;
		g->op.i[0] = choose(g->c, 2) ? l['D'].ne / 2 * 2 : 2 * (1 + choose(g->c, 256) % (l['D'].ne / 2));
		l['P'].ne = g->op.i[0] / 2;
		break;
	case DSEEK_OP_KV_STORE:
		if (l['N'].ne < l['T'].ne)
			g->op.flags &= ~DSEEK_OPF_RING;
		break;
	case DSEEK_OP_ATTENTION:
		if (l['H'].ne < l['G'].ne)
			l['G'].ne = l['H'].ne;
		l['H'].ne -= l['H'].ne % l['G'].ne;
		if (l['N'].ne < l['T'].ne)
			g->op.flags &= ~DSEEK_OPF_RING;
		if (g->op.flags & DSEEK_OPF_RING)	/* a window that the ring has slots for, often the largest */
			g->op.i[0] = l['N'].ne - l['T'].ne + 1 - (choose(g->c, 2) ? choose(g->c, 256) % (l['N'].ne - l['T'].ne + 1) : 0);
		break;
	case DSEEK_OP_LATENT_ATTENTION:
		l['G'].ne = 1;
		rotated = 1 + choose(g->c, 16);
		if (dseek_dtype_block(g->dtype[1]) > 1) {	/* whole blocks in the cache's rows */
			l['L'].ne = (l['L'].ne + 31) / 32 * 32;
			rotated = 32;
		}
		l['K'].ne = l['P'].ne + rotated;
		l['C'].ne = l['L'].ne + rotated;
		break;
	case DSEEK_OP_MOE_ROUTE:
		if (l['K'].ne > l['X'].ne)
			l['K'].ne = l['X'].ne;
		g->op.i[0] = l['K'].ne;
		choose_groups(g, l['X'].ne, l['K'].ne);
		break;
	default:
		break;
	}
}

static void choose_extents(struct gen *g)
{
	memset(g->letters, 0, sizeof(g->letters));
	for (int n = 0; n < DSEEK_OP_TENSORS; n++) {
		const char *shape = g->info->t[n].shape;

		for (int d = 0; g->present[n] && shape[d]; d++) {
			struct letter *l = &g->letters[(uint8_t)shape[d]];
			uint32_t block = d ? 1 : dseek_dtype_block(g->dtype[n]);

			if (!l->ne)	/* mostly small: more programs in the same time */
				*l = (struct letter){ choose(g->c, 3) ? edges[choose(g->c, 12)] : PICK(g, edges), 1, -1 };
			if (block > l->multiple)	/* blocks are 1, 4, 32 and 256: the largest is a multiple of all */
				l->multiple = block;
		}
	}
	for (int i = 0; i < 128; i++) {
		struct letter *l = &g->letters[i];

		if (l->ne % (l->multiple ? l->multiple : 1))
			l->ne = l->multiple * (1 + l->ne % 3);
	}
	for (int n = 0; n < DSEEK_OP_TENSORS; n++)
		while (g->present[n] && too_large(g, g->info->t[n].shape))
			letter_smaller(g, g->info->t[n].shape);
	adjust(g);
	for (int i = 0; i < 128; i++) {
		struct letter *l = &g->letters[i];

		if (l->ne && (i == 'T' || i == 'R' || (i >= 'a' && i <= 'z')) && choose(g->c, 2))
			l->param = param(g, 1 + choose(g->c, 2) * (l->ne - 1) / 2, l->ne);
	}
}

/* ---- tensors */

static uint64_t up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/* Gaps between rows are for few and short ones: memory is filled and compared with every run. */
#define MAX_SPAN	(1u << 17)

static void contiguous(struct dseek_program_tensor *t)
{
	t->stride[0] = dseek_row_bytes(t->dtype, t->ne[0]);
	t->stride[1] = dseek_tensor_bytes(t->dtype, t->layout, t->ne[0], t->ne[1]);
	t->stride[2] = t->stride[1] * t->ne[2];
}

static void choose_strides(struct gen *g, struct dseek_program_tensor *t)
{
	static const uint8_t orders[6][3] = { { 0, 1, 2 }, { 0, 1, 2 }, { 1, 0, 2 }, { 2, 0, 1 }, { 1, 2, 0 }, { 2, 1, 0 } };
	static const uint16_t gaps[] = { 0, 0, 0, 0, 4, 12, 64, 60, 256 };
	const uint8_t *order = PICK(g, orders);
	uint32_t align = t->dtype == DSEEK_F32 || t->dtype == DSEEK_I32 || t->dtype == DSEEK_F8_E4M3 ? 4 : 2;
	uint64_t span = dseek_row_bytes(t->dtype, t->ne[0]);

	if (t->layout == DSEEK_LAYOUT_PACKED) {
		contiguous(t);
		return;
	}
	for (int i = 0; i < 3; i++) {
		uint32_t d = order[i];

		t->stride[d] = up(span, align) + PICK(g, gaps) / (4 / align);
		if (t->ne[d + 1] == 1 && choose(g->c, 4) == 3)	/* a step never taken may be any */
			t->stride[d] = choose(g->c, 2) ? align : 1ull << 47;
		else
			span = t->stride[d] * (t->ne[d + 1] - 1) + span;
	}
	if (span > MAX_SPAN)
		contiguous(t);
}

/* May @t be there, beside operands 0..n-1 of this op? */
static bool fits(const struct gen *g, const struct dseek_program_tensor *t, int n)
{
	bool written = dseek_op_access(g->info, &g->op, n) & DSEEK_ACCESS_WRITE;

	for (int k = 0; k < n; k++) {
		if (g->present[k] && (written || g->info->t[k].access & DSEEK_ACCESS_WRITE) &&
		    overlap(t, &g->placed[g->op.t[k]]))
			return false;
	}
	return true;
}

/* A place in a binding: behind all, with a gap or without; or upon another tensor, where that is allowed. */
static void choose_place(struct gen *g, struct dseek_program_tensor *t, int n)
{
	static const uint16_t gaps[] = { 0, 0, 0, 64, 4096 };

	if (g->tensors && choose(g->c, 4) == 3) {
		const struct dseek_program_tensor *o = &g->placed[choose(g->c, g->tensors)];

		t->binding = o->binding;
		t->offset = o->offset + 64 * choose(g->c, 3) * choose(g->c, 2);
		if (fits(g, t, n) && t->offset + program_tensor_span(t) <= up(g->end[t->binding], 64) + 4096)
			return;
	}
	t->binding = choose(g->c, g->bindings);
	t->offset = up(g->end[t->binding], 64) + PICK(g, gaps);
}

static bool in_place(struct gen *g, int n, struct dseek_program_tensor *t)
{
	uint32_t may_be = g->info->t[n].may_be;

	if (!may_be || !choose(g->c, 2))
		return false;
	for (int k = 0; k < n; k++) {
		if (!(may_be >> k & 1) || !g->present[k] || choose(g->c, 3) == 2)
			continue;
		*t = g->placed[g->op.t[k]];
		for (int other = 0; other < n; other++)	/* not upon a third operand, unless that is the same as well */
			if (g->present[other] && overlap(t, &g->placed[g->op.t[other]]) &&
			    (!(may_be >> other & 1) || memcmp(t, &g->placed[g->op.t[other]], sizeof(*t))))
				return false;
		return true;
	}
	return false;
}

static void choose_tensor(struct gen *g, int n)
{
	const char *shape = g->info->t[n].shape;
	struct dseek_program_tensor t = { .dtype = g->dtype[n] };
	uint64_t end;

	for (int d = 0; d < 4; d++) {
		bool used = d < (int)strlen(shape);
		const struct letter *l = &g->letters[used ? (uint8_t)shape[d] : 0];

		t.ne[d] = used ? l->ne : 1;
		t.ne_param[d] = used && l->param >= 0 ? l->param : DSEEK_NO_PARAM;
	}
	if (g->wanted_packed[n] && dseek_tensor_bytes(t.dtype, DSEEK_LAYOUT_PACKED, t.ne[0], t.ne[1]))
		t.layout = DSEEK_LAYOUT_PACKED;
	if (!in_place(g, n, &t)) {
		choose_strides(g, &t);
		choose_place(g, &t, n);
	}
	end = t.offset + program_tensor_span(&t);
	if (end > g->end[t.binding])
		g->end[t.binding] = end;
	g->placed[g->tensors] = t;
	g->op.t[n] = g->tensors++;
	if (dseek_builder_tensor(g->b, &t) != g->op.t[n])
		abort();
}

/* ---- ops */

static void choose_ints(struct gen *g)
{
	for (int k = 0; k < DSEEK_OP_INTS; k++) {
		const struct dseek_op_int *in = &g->info->i[k];
		uint32_t slots = g->letters['N'].ne, most = in->max;

		if (!in->name || g->op.i[k] || (g->op.code == DSEEK_OP_MOE_ROUTE && k >= 2))	/* adjust() has spoken */
			continue;
		if (g->op.code == DSEEK_OP_SPIN)
			most = 20;
		if (in->may_be_param && choose(g->c, 2)) {
			g->op.i[k] = param(g, in->min, most < 40 ? most : 1 + choose(g->c, 40));
			g->op.i_param |= 1u << k;
			continue;
		}
		g->op.i[k] = (const uint32_t[]){ in->min, in->min + 1, most, slots ? slots - 1 : 0, slots, slots + 1, 2, 16 }[choose(g->c, 8)];
		if (g->op.i[k] > most || g->op.i[k] < in->min)
			g->op.i[k] = in->min + choose(g->c, 256) % (most - in->min + 1);
	}
}

static void choose_floats(struct gen *g)
{
	/* Scales of attention are powers of two: a product with one is exact (program_run.c). */
	static const float values[] = { 0, 1, 0.25f, -0.5f, 0x1p-10f, 2, 16, 1e-5f, 1e4f };

	for (int k = 0; k < DSEEK_OP_FLOATS; k++) {
		const struct dseek_op_float *f = &g->info->f[k];
		float v = f->name ? values[choose(g->c, g->op.code == DSEEK_OP_ATTENTION ? 7 : 9)] : 0;

		g->op.f[k] = !f->name || (v >= f->min && v <= f->max) ? v : 1;
	}
}

static void choose_op(struct gen *g)
{
	g->op = (struct dseek_program_op){ .code = (DSEEK_OP_LINEAR + choose(g->c, 256)) % DSEEK_OP_COUNT };
	g->info = dseek_op_info(g->op.code);
	memset(g->op.t, 0xff, sizeof(g->op.t));
	g->op.flags = (choose(g->c, 4) | choose(g->c, 2) * DSEEK_OPF_RING) & g->info->flags;
	choose_operands(g);
	choose_extents(g);
	choose_ints(g);
	choose_floats(g);
	for (int n = 0; n < DSEEK_OP_TENSORS; n++)
		if (g->present[n])
			choose_tensor(g, n);
	if (choose(g->c, 4) == 3)
		dseek_builder_label(g->b, choose(g->c, 2) ? "layer" : "a-name-of-27-characters-now");
	dseek_builder_op(g->b, &g->op);
}

void *program_generate(struct choices *c, size_t *ret_size)
{
	struct gen g = { .c = c };
	uint32_t ops = 1 + choose(c, PROGRAM_GEN_MAX_OPS);
	void *blob;

	g.b = dseek_builder_create(choose(c, 2) * DSEEK_PROGRAM_PRECISE);
	g.bindings = 1 + choose(c, BINDINGS);
	if (!g.b)
		abort();
	for (uint32_t i = 0; i < g.bindings; i++)
		dseek_builder_binding(g.b, DSEEK_ACCESS_READ, 1);
	while (ops--)
		choose_op(&g);
	if (dseek_builder_finish(g.b, &blob, ret_size)) {
		fprintf(stderr, "a generated program is refused: %s\n", dseek_builder_error(g.b));
		abort();
	}
	dseek_builder_destroy(g.b);
	return blob;
}

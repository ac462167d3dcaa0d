// SPDX-License-Identifier: MIT
#include "program_run.h"

#include <dseek.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/executor/backend.h"
#include "../../userspace/executor/cpu/isa.h"
#include "../../userspace/lib/program_check.h"
#include "../random.h"
#include "program_data.h"

#define MAX_BYTES	(4u << 20)	/* of all bindings */
#define MAX_WORK	(1u << 19)

struct program_run_counts program_run_counts;

static const struct dseek_backend *const cpu = &dseek_backend_cpu;

/* ---- engines: each kind of vectors this machine has, with one thread and with two */

static void *engine(enum cpu_isa isa, int threads)
{
	static void *engines[CPU_ISA_COUNT][2];
	void **e = &engines[isa][threads - 1];
	char options[64], err[200] = "";

	snprintf(options, sizeof(options), "isa=%s,threads=%d,spin_us=0", cpu_isa_name(isa), threads);
	if (!*e && cpu->open(options, e, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		abort();
	}
	return *e;
}

static enum cpu_isa any_isa(uint64_t *state)
{
	return cpu_isa_best() ? 1 + random_below(state, cpu_isa_best()) : CPU_ISA_SCALAR;
}

/* ---- memory */

struct memory {
	uint32_t count;
	void *bindings[DSEEK_PROGRAM_MAX_BINDINGS];
	uint64_t size[DSEEK_PROGRAM_MAX_BINDINGS];
};

static void memory_create(struct memory *m, const struct dseek_program_view *v)
{
	m->count = v->header->n_bindings;
	for (uint32_t b = 0; b < m->count; b++) {
		m->size[b] = v->bindings[b].min_size;	/* its end is the allocation's end */
		if (posix_memalign(&m->bindings[b], 64, m->size[b]))
			abort();
	}
}

static void memory_destroy(struct memory *m)
{
	for (uint32_t b = 0; b < m->count; b++)
		free(m->bindings[b]);
}

static void memory_random(struct memory *m, uint64_t *state)
{
	for (uint32_t b = 0; b < m->count; b++) {
		uint8_t *p = m->bindings[b];

		for (uint64_t i = 0; i + 8 <= m->size[b]; i += 8) {
			uint64_t word = splitmix64(state);

			memcpy(p + i, &word, 8);
		}
		memset(p + m->size[b] / 8 * 8, 0xff, m->size[b] % 8);
	}
}

static void memory_copy(struct memory *to, const struct memory *from)
{
	for (uint32_t b = 0; b < to->count; b++)
		memcpy(to->bindings[b], from->bindings[b], to->size[b]);
}

/* The binding they differ in, and the byte; -1: none. */
static int memory_differs(const struct memory *a, const struct memory *b, uint64_t *ret_at)
{
	for (uint32_t n = 0; n < a->count; n++) {
		const uint8_t *p = a->bindings[n], *q = b->bindings[n];

		if (!memcmp(p, q, a->size[n]))
			continue;
		for (*ret_at = 0; p[*ret_at] == q[*ret_at]; ++*ret_at)
			;
		return n;
	}
	return -1;
}

/* ---- one op */

struct step {
	const struct dseek_program_view *v;
	const uint32_t *params;
	uint32_t n;			/* the op's number */
	const struct dseek_op_info *info;
	struct cpu_op op;		/* in the oracle's memory */
	enum cpu_isa isa;
};

static void __attribute__((noreturn, format(printf, 2, 3))) found(const struct step *s, const char *format, ...)
{
	char line[1024];
	va_list ap;

	dseek_program_print_op(s->v, s->n, line, sizeof(line));
	fprintf(stderr, "%s\n%s, flags 0x%x%s: ", line, cpu_isa_name(s->isa), s->op.flags, s->op.precise ? ", precise" : "");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	for (int k = 0; k < DSEEK_OP_TENSORS; k++) {
		const struct dseek_program_tensor *t = s->v->tensors + s->v->ops[s->n].t[k];

		if (s->op.t[k].data)
			fprintf(stderr, "  %s: %s, layout %u, binding %u at %llu, now [%u,%u,%u,%u], strides %llu %llu %llu\n",
				s->info->t[k].name, dseek_dtype_name(t->dtype), t->layout, t->binding, (unsigned long long)t->offset,
				s->op.t[k].ne[0], s->op.t[k].ne[1], s->op.t[k].ne[2], s->op.t[k].ne[3],
				(unsigned long long)t->stride[0], (unsigned long long)t->stride[1], (unsigned long long)t->stride[2]);
	}
	abort();
}

static uint32_t access_of(const struct step *s, int k)
{
	return s->op.t[k].data ? dseek_op_access(s->info, &s->v->ops[s->n], k) : 0;
}

/* Two inputs that share bytes: what was filled into the first may not be there any more. */
static bool inputs_overlap(const struct step *s)
{
	const struct dseek_program_op *op = &s->v->ops[s->n];

	for (int a = 0; a < DSEEK_OP_TENSORS; a++) {
		for (int b = 0; b < a && access_of(s, a) & DSEEK_ACCESS_READ; b++) {
			const struct dseek_program_tensor *x = s->v->tensors + op->t[a], *y = s->v->tensors + op->t[b];

			if (access_of(s, b) & DSEEK_ACCESS_READ && x->binding == y->binding &&
			    x->offset < y->offset + program_tensor_span(y) && y->offset < x->offset + program_tensor_span(x))
				return true;
		}
	}
	return false;
}

static void fill(const struct step *s, bool exact, uint64_t *state)
{
	/* Indexes first: how much of a cache is filled depends on them. */
	for (int k = 0; k < DSEEK_OP_TENSORS; k++)
		if (access_of(s, k) & DSEEK_ACCESS_READ && s->op.t[k].dtype == DSEEK_I32)
			program_data_fill(&s->op, k, state);
	for (int k = 0; exact && k < DSEEK_OP_TENSORS; k++)
		if (access_of(s, k) & DSEEK_ACCESS_READ && s->op.t[k].dtype != DSEEK_I32)
			program_data_fill(&s->op, k, state);
}

static bool near(const struct step *s, int k, const void *got, const void *want, uint64_t i, uint64_t row)
{
	uint32_t dtype = s->op.t[k].dtype, bytes = dseek_dtype_block_bytes(dtype);	/* of a block: equal, or not */
	float g, w;

	if (!memcmp(got, want, bytes))
		return true;
	if (dtype == DSEEK_I32 || dseek_dtype_block(dtype) > 1)
		return false;
	dseek_row_to_f32(dtype, got, 1, &g);
	dseek_row_to_f32(dtype, want, 1, &w);
	return g == w || (isnan(g) && isnan(w)) || fabs((double)g - w) <= program_data_tolerance(&s->op, k, i, row, w);
}

/* Output @k of the fast op: compared, and made the oracle's, so that whatever differs then should have been left alone. */
static void compare_output(const struct step *s, int k, const struct cpu_op *fast, bool exact)
{
	const struct cpu_tensor *want = &s->op.t[k], *got = &fast->t[k];
	uint32_t bytes = dseek_dtype_block_bytes(want->dtype), blocks = want->ne[0] / dseek_dtype_block(want->dtype);
	uint64_t rows = cpu_rows(want);

	for (uint64_t r = 0; r < rows; r++) {
		const uint8_t *w = cpu_row(want, r);
		uint8_t *g = cpu_row(got, r);

		for (uint32_t i = 0; exact && i < blocks; i++) {
			float a = 0, b = 0;

			if (near(s, k, g + i * bytes, w + i * bytes, i, r))
				continue;
			if (dseek_dtype_block(want->dtype) > 1)
				found(s, "output %d (%s), row %llu: block %u is another", k, s->info->t[k].name, (unsigned long long)r, i);
			if (want->dtype != DSEEK_I32) {
				dseek_row_to_f32(want->dtype, g + i * bytes, 1, &a);
				dseek_row_to_f32(want->dtype, w + i * bytes, 1, &b);
			} else {
				a = *(int32_t *)(g + i * 4);
				b = *(int32_t *)(w + i * 4);
			}
			found(s, "output %d (%s), row %llu, element %u: %.9g, the oracle has %.9g", k, s->info->t[k].name,
			      (unsigned long long)r, i, a, b);
		}
		memcpy(g, w, (uint64_t)blocks * bytes);
		program_run_counts.compared += exact ? want->ne[0] : 0;
	}
}

static int once(void *calls)	/* poll: the first op runs, then yield */
{
	return ++*(int *)calls > 1 ? -EAGAIN : 0;
}

/* false: the op found an index out of range, which is the program's end. */
static bool run_op(struct step *s, struct memory *oracle, struct memory *fast, bool exact, uint64_t *state)
{
	int calls = 0, want, got, differs;
	struct dseek_run run = {
		.program = s->v, .bindings = fast->bindings, .params = s->params, .cursor = s->n, .poll = once, .poll_arg = &calls,
	};
	struct cpu_op op;
	uint64_t at;

	s->info = dseek_op_info(s->v->ops[s->n].code);
	cpu_op_resolve(s->v, s->n, s->params, oracle->bindings, &s->op);
	cpu_op_resolve(s->v, s->n, s->params, fast->bindings, &op);
	fill(s, exact, state);
	exact = exact && !inputs_overlap(s);
	memory_copy(fast, oracle);
	want = cpu_op_ref(&s->op);
	got = cpu->run(engine(s->isa, 1), &run);
	if (got == -EAGAIN && run.cursor == s->n + 1)
		got = 0;
	if (got != want || (want && want != -ERANGE))
		found(s, "it returned %d, the oracle %d", got, want);
	program_run_counts.ops++;
	program_run_counts.by_op[s->op.code]++;
	program_run_counts.faulted += want != 0;
	for (int k = 0; k < DSEEK_OP_TENSORS; k++)
		if (access_of(s, k) & DSEEK_ACCESS_WRITE)
			compare_output(s, k, &op, exact && !want);
	differs = memory_differs(fast, oracle, &at);
	if (differs >= 0)
		found(s, "byte %llu of binding %d, which is in no output, has changed", (unsigned long long)at, differs);
	return !want;
}

/* ---- programs */

/* The whole program by one call, with one thread and with two. */
static void run_again(const struct dseek_program_view *v, const uint32_t *params, struct memory *a, struct memory *b, bool exact,
		      uint64_t *state)
{
	struct dseek_run one = { .program = v, .bindings = a->bindings, .params = params }, two = one;
	struct step s = { .v = v, .params = params, .isa = any_isa(state) };
	int r, r2, differs;
	uint64_t at;

	memory_random(a, state);
	for (s.n = 0; s.n < v->header->n_ops; s.n++) {
		s.info = dseek_op_info(v->ops[s.n].code);
		cpu_op_resolve(v, s.n, params, a->bindings, &s.op);
		fill(&s, exact, state);
	}
	memory_copy(b, a);
	two.bindings = b->bindings;
	r = cpu->run(engine(s.isa, 1), &one);
	r2 = cpu->run(engine(s.isa, 2), &two);
	differs = memory_differs(a, b, &at);
	s.n = 0;
	if (r != r2)
		found(&s, "the program returned %d with one thread, %d with two", r, r2);
	if (!r && differs >= 0)
		found(&s, "the program left other bits with two threads, in byte %llu of binding %d", (unsigned long long)at, differs);
	program_run_counts.repeated++;
}

void program_run(const struct dseek_program_view *v, uint64_t seed, bool exact)
{
	uint32_t params[DSEEK_PROGRAM_MAX_PARAMS];
	struct step s = { .v = v, .params = params, .isa = any_isa(&seed) };
	struct memory oracle, fast;

	for (uint32_t i = 0; i < v->header->n_params; i++)
		params[i] = random_below(&seed, 3) ? v->params[i].max :
			    v->params[i].min + (uint32_t)(splitmix64(&seed) % ((uint64_t)v->params[i].max - v->params[i].min + 1));
	memory_create(&oracle, v);
	memory_create(&fast, v);
	memory_random(&oracle, &seed);
	program_run_counts.programs++;
	for (s.n = 0; s.n < v->header->n_ops; s.n++)
		if (!run_op(&s, &oracle, &fast, exact, &seed))
			break;
	if (!random_below(&seed, 16))
		run_again(v, params, &oracle, &fast, exact, &seed);
	memory_destroy(&oracle);
	memory_destroy(&fast);
}

bool program_worth_running(const struct dseek_program_view *v)
{
	uint64_t bytes = 0;

	for (uint32_t b = 0; b < v->header->n_bindings; b++) {
		bytes += v->bindings[b].min_size;
		if (bytes > MAX_BYTES)
			return false;
	}
	for (uint32_t n = 0; n < v->header->n_ops; n++) {
		const struct dseek_program_op *op = &v->ops[n];
		const struct dseek_op_info *info = dseek_op_info(op->code);
		uint64_t tokens = 1, selected = 1;

		if (op->code == DSEEK_OP_SPIN && (op->i_param & 1 ? v->params[op->i[0]].max : op->i[0]) > 100)
			return false;
		for (int pass = 0; pass < 2; pass++)
			for (int k = 0; k < DSEEK_OP_TENSORS && info->t[k].name; k++) {
				const struct dseek_program_tensor *t = v->tensors + op->t[k];
				const char *shape = info->t[k].shape;
				uint64_t work = tokens * selected;

				if (op->t[k] == DSEEK_NO_TENSOR)
					continue;
				for (int d = 0; shape[d]; d++) {
					if (shape[d] == 'T' || shape[d] == 'R')
						tokens = t->ne[d];
					else if (shape[d] == 'J')
						selected = t->ne[d];
					else if (shape[d] != 'X' && shape[d] != 'V')
						work *= t->ne[d];
					if (work > MAX_WORK)
						return false;
				}
			}
	}
	return true;
}

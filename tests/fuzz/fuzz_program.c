// SPDX-License-Identifier: MIT
/*
 * "Validated" means "in bounds": a valid program is changed as the input says; what still validates is run by the
 * cpu backend on bindings of exactly the stated size, full of random bytes, with random parameters. A
 * sanitizer sees every step outside. The input: 16 bytes that choose the valid program's shape and types, then
 * edits of 6 bytes (table, field, how, value and row). $FUZZ_RUN_EVERY=N runs only each Nth valid program, $FUZZ_CPU are
 * the backend's options.
 */
#include "fuzz.h"

#include "../../userspace/executor/backend.h"
#include "../../userspace/lib/program_ops.h"
#include "../program/sample_program.h"

#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES	(1u << 19)	/* of all bindings */
#define MAX_WORK	(1u << 16)	/* product of an op's extents */

#define SHAPE_BYTES	16
#define OPS		(O_ARGMAX + 1)
#define TENSORS		39	/* of the sample program */

static struct {
	uint64_t executions, valid, changed, run, faulted, skipped;
} counts;

static size_t sample_size;
static unsigned long run_every = 1;
static void *state;

static void setup(void)
{
	char err[256] = "";
	const char *options = getenv("FUZZ_CPU"), *every = getenv("FUZZ_RUN_EVERY");

	if (!state && every && atol(every) > 0)
		run_every = atol(every);
	if (!state && dseek_backend_cpu.open(options ? options : "threads=1", &state, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		abort();
	}
}

static uint64_t mix(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	return *s ^= *s << 17;
}

/* The valid program to start from. */
static void *shaped(const uint8_t *data, size_t size)
{
	static const uint16_t heads[] = { 2, 4, 16, 32, 64, 6, 8, 128 }, widths[] = { 32, 64, 33, 1, 256, 96, 20, 7 };
	uint8_t in[SHAPE_BYTES] = {};
	struct sample_shape s = {};

	memcpy(in, data, size < sizeof(in) ? size : sizeof(in));
	s.group = 1 + in[0] % 3;
	s.kv_heads = 1 + in[0] / 4 % 3;
	s.head = heads[in[0] / 16 % 8];
	s.slots = 1 + in[1] % 40;
	s.ffn = widths[in[2] % 8];
	s.experts = 1 + in[3] % 9;
	s.selected = 1 + in[3] / 9 % s.experts;
	s.vocab = 1 + in[4] % 70;
	s.tokens = 1 + in[5] % 17;
	s.rows = 1 + in[5] / 17 % 3;
	for (int i = 0; i < 11; i++) {
		s.dtype[i] = in[6 + i % 5] * (i / 5 + 1) / 2 % DSEEK_DTYPE_COUNT;
		if (s.dtype[i] == DSEEK_I32)
			s.dtype[i] = DSEEK_F32;
		s.layout[i] = in[11 + i % 4] >> i % 8 & 1;
	}
	return sample_program_of(&s, &sample_size);
}

struct field {
	uint32_t offset, width;
};

#define FIELD(type, name) { offsetof(struct dseek_program_##type, name), sizeof(((struct dseek_program_##type *)0)->name) }

/* One field of one row of one table; small steps and special values find more than random ones. */
static void edit(uint8_t *blob, const uint8_t *e)
{
	static const uint64_t special[] = { 0, 1, 2, 3, 4, 5, 15, 16, 31, 32, 33, 63, 64, 128, 255, 0xffff, 0x10000,
					    INT32_MAX, 1u << 31, UINT32_MAX, 1ULL << 40, ~63ULL, ~0ULL, 0x3f800000,
					    0x3e800000, 0x7fc00000 };
	static const struct field params[] = { FIELD(param, min), FIELD(param, max) };
	static const struct field bindings[] = { FIELD(binding, min_size), FIELD(binding, access), FIELD(binding, pad) };
	static const struct field tensors[] = {
		FIELD(tensor, dtype), FIELD(tensor, layout), FIELD(tensor, binding), FIELD(tensor, offset),
		FIELD(tensor, offset), FIELD(tensor, ne[0]), FIELD(tensor, ne[1]), FIELD(tensor, ne[2]), FIELD(tensor, ne[3]),
		FIELD(tensor, ne_param[0]), FIELD(tensor, ne_param[1]), FIELD(tensor, ne_param[2]), FIELD(tensor, ne_param[3]),
		FIELD(tensor, stride[0]), FIELD(tensor, stride[1]), FIELD(tensor, stride[2]), FIELD(tensor, pad),
	};
	static const struct field ops[] = {
		FIELD(op, code), FIELD(op, flags), FIELD(op, i[0]), FIELD(op, i[0]), FIELD(op, i[1]), FIELD(op, i[2]),
		FIELD(op, f[0]), FIELD(op, f[1]), FIELD(op, f[2]), FIELD(op, i_param), FIELD(op, t[0]), FIELD(op, t[1]),
		FIELD(op, t[2]), FIELD(op, t[3]), FIELD(op, t[4]), FIELD(op, t[5]), FIELD(op, t[6]), FIELD(op, t[7]),
		FIELD(op, t[8]), FIELD(op, t[11]),
	};
	static const struct field headers[] = { FIELD(header, flags), FIELD(header, n_ops), FIELD(header, n_tensors),
						FIELD(header, n_bindings), FIELD(header, total_size), FIELD(header, magic) };
	const struct dseek_program_header *h = (const void *)blob;
	size_t at[6] = { 0, sizeof(*h) };
	const struct { const struct field *fields; uint32_t n_fields, rows, row_size; } tables[] = {
		{ headers, 6, 1, sizeof(*h) },
		{ params, 2, 4, sizeof(struct dseek_program_param) },
		{ bindings, 3, 5, sizeof(struct dseek_program_binding) },
		{ tensors, 17, TENSORS, sizeof(struct dseek_program_tensor) },
		{ ops, 20, OPS, sizeof(struct dseek_program_op) },
	};
	static const uint8_t choice[16] = { 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4 };
	uint64_t value = 0, more = e[3] | e[4] << 8 | e[5] << 16;
	int t = choice[e[0] % 16];
	struct field f = tables[t].fields[e[1] % tables[t].n_fields];
	uint8_t *p;

	for (int i = 1; i < 5; i++)
		at[i + 1] = at[i] + tables[i].rows * tables[i].row_size;
	p = blob + at[t] + e[4] % tables[t].rows * tables[t].row_size + f.offset;
	memcpy(&value, p, f.width);
	switch (e[2] % 8) {
	case 0: value = special[e[3] % (sizeof(special) / sizeof(special[0]))]; break;
	case 1: value += (int8_t)e[3]; break;
	case 2: value ^= 1ULL << e[3] % 64; break;
	case 3: value = more; break;
	case 4: value += (int64_t)(int8_t)e[3] * 64; break;
	case 5: value = e[3] % 48; break;
	case 6: value += e[3] % 2 ? 1 : -1; break;
	default: value = value * (e[3] % 4 + 1) / 2; break;
	}
	memcpy(p, &value, f.width);
}

/* Whether the run is short and small enough to be worth it. */
static int worth_running(const struct dseek_program_view *v)
{
	uint64_t bytes = 0;

	for (uint32_t b = 0; b < v->header->n_bindings; b++) {
		bytes += v->bindings[b].min_size;
		if (bytes > MAX_BYTES)
			return 0;
	}
	for (uint32_t n = 0; n < v->header->n_ops; n++) {
		const struct dseek_op_info *info = dseek_op_info(v->ops[n].code);
		uint64_t tokens = 1, selected = 1;

		if (v->ops[n].code == DSEEK_OP_SPIN && v->ops[n].i_param & 1 && v->params[v->ops[n].i[0]].max > 100)
			return 0;
		if (v->ops[n].code == DSEEK_OP_SPIN && !(v->ops[n].i_param & 1) && v->ops[n].i[0] > 20)
			return 0;
		for (int pass = 0; pass < 2; pass++)
			for (int k = 0; k < DSEEK_OP_TENSORS && info->t[k].name; k++) {
				const struct dseek_program_tensor *t = &v->tensors[v->ops[n].t[k]];
				const char *shape = info->t[k].shape;
				uint64_t work = tokens * selected;

				if (v->ops[n].t[k] == DSEEK_NO_TENSOR)
					continue;
				for (int d = 0; shape[d]; d++) {
					if (shape[d] == 'T' || shape[d] == 'R')
						tokens = t->ne[d];
					else if (shape[d] == 'J')
						selected = t->ne[d];
					else if (shape[d] != 'X' && shape[d] != 'V')
						work *= t->ne[d];
					if (work > MAX_WORK)
						return 0;
				}
			}
	}
	return 1;
}

static void run(const struct dseek_program_view *v, uint64_t seed)
{
	void *bindings[DSEEK_PROGRAM_MAX_BINDINGS];
	uint32_t params[DSEEK_PROGRAM_MAX_PARAMS];
	struct dseek_run r = { .program = v, .bindings = bindings, .params = params };
	int rc = 0, wild = mix(&seed) % 4 == 0, least = 1 + mix(&seed) % 2;

	for (uint32_t i = 0; i < v->header->n_params; i++) {
		uint64_t range = (uint64_t)v->params[i].max - v->params[i].min + 1;

		params[i] = mix(&seed) % 2 ? v->params[i].max : v->params[i].min + mix(&seed) % range;
	}
	for (uint32_t b = 0; b < v->header->n_bindings; b++) {
		size_t size = v->bindings[b].min_size;
		uint8_t *p;

		/* Its end is the allocation's end: one byte behind is seen. aligned_alloc() rounds nothing here. */
		if (posix_memalign(&bindings[b], 64, size))
			abort();
		p = bindings[b];
		memset(p, 0, size);
		/* Small ints: mostly valid indexes in the one binding that holds them; elsewhere tiny floats. */
		for (size_t i = 0; i + 4 <= size; i += 4) {
			uint32_t word = wild && mix(&seed) % 8 == 0 ? mix(&seed) : mix(&seed) % least;

			memcpy(p + i, &word, 4);
		}
	}
	if (dseek_backend_cpu.program_prepare)
		rc = dseek_backend_cpu.program_prepare(state, v, &r.prepared);
	if (!rc) {
		rc = dseek_backend_cpu.run(state, &r);
		counts.run++;
		counts.faulted += rc != 0;
		if (rc && rc != -ERANGE && rc != -ENOMEM) {
			fprintf(stderr, "run returned %d\n", rc);
			abort();
		}
		if (dseek_backend_cpu.program_release)
			dseek_backend_cpu.program_release(state, r.prepared);
	} else if (rc != -ENOTSUP) {
		fprintf(stderr, "prepare returned %d\n", rc);
		abort();
	}
	for (uint32_t b = 0; b < v->header->n_bindings; b++)
		free(bindings[b]);
}

static bool try(const uint8_t *data, size_t size)
{
	struct dseek_program_view v;
	uint64_t seed = 88172645463325252ULL;
	char err[160] = "";
	uint8_t *blob, *original;
	int rc;

	setup();
	counts.executions++;
	blob = shaped(data, size);
	if (((struct dseek_program_header *)blob)->n_tensors != TENSORS)
		abort();
	original = malloc(sample_size);
	if (!original)
		abort();
	memcpy(original, blob, sample_size);
	for (size_t i = SHAPE_BYTES; i + 6 <= size; i += 6)
		edit(blob, data + i);
	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3ULL;
	rc = dseek_program_validate(blob, sample_size, &v, err, sizeof(err));
	if (rc && (rc != -EINVAL || !err[0]))
		abort();
	if (!rc) {
		counts.valid++;
		counts.changed += memcmp(blob, original, sample_size) != 0;
		if (counts.valid % run_every == 0 && worth_running(&v))
			run(&v, seed | 1);
		else
			counts.skipped++;
	}
	free(original);
	free(blob);
	return !rc;
}

static int report(char *buf, size_t size)
{
	return snprintf(buf, size, "%llu valid (%llu changed), %llu run (%llu faulted by an index), %llu not run",
		 (unsigned long long)counts.valid, (unsigned long long)counts.changed, (unsigned long long)counts.run,
		 (unsigned long long)counts.faulted, (unsigned long long)counts.skipped);
}

const struct fuzzer fuzzer = { .run = try, .report = report, .max_size = SHAPE_BYTES + 2 * 6, .runs = 50000 };

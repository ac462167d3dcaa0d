// SPDX-License-Identifier: MIT
/*
 * "Validated" means "in bounds", and the cpu backend computes what the oracle does. The input makes a valid program
 * (program_gen.h), which is run beside the oracle (program_run.h). In half of the inputs it is changed first, a field or a few; what
 * still validates is run as well, on any bits: then only errors and places are compared.
 *
 * The input: how many changes, 6 bytes each (table, field, how, value and row), then the choices. $FUZZ_RUN_EVERY=N runs only
 * each Nth valid program.
 */
#include <dseek.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "program_gen.h"
#include "program_run.h"

#define EDIT_BYTES	6

static struct {
	uint64_t valid, changed, changed_valid, not_worth;
} counts;

struct field {
	uint32_t offset, width;
};

#define FIELD(type, name) { offsetof(struct dseek_program_##type, name), sizeof(((struct dseek_program_##type *)0)->name) }
#define FIELDS(array) (array), sizeof(array) / sizeof((array)[0])

/* One field of one row of one table; small steps and special values find more than random ones. @h: as generated. */
static void edit(uint8_t *blob, const struct dseek_program_header *h, const uint8_t *e)
{
	static const uint64_t special[] = { 0, 1, 2, 3, 4, 5, 15, 16, 31, 32, 33, 63, 64, 128, 255, 0xffff, 0x10000,
					    INT32_MAX, 1u << 31, UINT32_MAX, 1ULL << 40, ~63ULL, ~0ULL, 0x3f800000,
					    0x3e800000, 0x7fc00000 };
	static const struct field headers[] = { FIELD(header, flags), FIELD(header, n_ops), FIELD(header, n_tensors),
						FIELD(header, n_bindings), FIELD(header, total_size), FIELD(header, magic),
						FIELD(header, n_labels) };
	static const struct field params[] = { FIELD(param, min), FIELD(param, max) };
	static const struct field bindings[] = { FIELD(binding, min_size), FIELD(binding, access), FIELD(binding, pad) };
	static const struct field tensors[] = {
		FIELD(tensor, dtype), FIELD(tensor, layout), FIELD(tensor, binding), FIELD(tensor, offset),
		FIELD(tensor, offset), FIELD(tensor, ne[0]), FIELD(tensor, ne[1]), FIELD(tensor, ne[2]), FIELD(tensor, ne[3]),
		FIELD(tensor, ne_param[0]), FIELD(tensor, ne_param[1]), FIELD(tensor, ne_param[2]), FIELD(tensor, ne_param[3]),
		FIELD(tensor, stride[0]), FIELD(tensor, stride[1]), FIELD(tensor, stride[2]), FIELD(tensor, pad),
	};
	static const struct field ops[] = {
		FIELD(op, code), FIELD(op, flags), FIELD(op, i[0]), FIELD(op, i[0]), FIELD(op, i[1]), FIELD(op, i[2]), FIELD(op, i[3]),
		FIELD(op, f[0]), FIELD(op, f[1]), FIELD(op, f[2]), FIELD(op, i_param), FIELD(op, t[0]), FIELD(op, t[1]),
		FIELD(op, t[2]), FIELD(op, t[3]), FIELD(op, t[4]), FIELD(op, t[5]), FIELD(op, t[6]), FIELD(op, t[7]),
		FIELD(op, t[8]), FIELD(op, t[11]),
	};
	static const struct field labels[] = { FIELD(label, op), FIELD(label, name[0]), FIELD(label, name[6]) };
	const struct { const struct field *fields; uint32_t n_fields, rows, row_size; } tables[] = {
		{ FIELDS(headers), 1, sizeof(*h) },
		{ FIELDS(params), h->n_params, sizeof(struct dseek_program_param) },
		{ FIELDS(bindings), h->n_bindings, sizeof(struct dseek_program_binding) },
		{ FIELDS(tensors), h->n_tensors, sizeof(struct dseek_program_tensor) },
		{ FIELDS(ops), h->n_ops, sizeof(struct dseek_program_op) },
		{ FIELDS(labels), h->n_labels, sizeof(struct dseek_program_label) },
	};
	static const uint8_t choice[16] = { 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 5 };
	uint64_t value = 0, more = e[3] | e[4] << 8 | e[5] << 16;
	int t = choice[e[0] % 16];
	struct field f = tables[t].fields[e[1] % tables[t].n_fields];
	uint8_t *p = blob;

	if (!tables[t].rows)
		return;
	for (int i = 0; i < t; i++)
		p += tables[i].rows * tables[i].row_size;
	p += e[4] % tables[t].rows * tables[t].row_size + f.offset;
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

static void ignore(void *arg, const char *line)
{
	*(size_t *)arg += strlen(line);
}

static bool run(const uint8_t *data, size_t size)
{
	static const uint8_t edits_of[8] = { 0, 0, 0, 0, 1, 1, 2, 3 };
	static unsigned long run_every;
	struct choices c = { data, size, 0 };
	uint32_t edits = edits_of[choose(&c, 8)];
	const uint8_t *edit_bytes = data + c.at;
	struct dseek_program_header header;
	struct dseek_program_view v;
	uint64_t seed = 88172645463325252ULL;
	size_t blob_size, printed = 0;
	char err[160] = "";
	uint8_t *blob;
	int rc;

	if (!run_every) {
		const char *every = getenv("FUZZ_RUN_EVERY");

		run_every = every && atol(every) > 0 ? atol(every) : 1;
	}
	if (size - c.at < edits * EDIT_BYTES)
		edits = 0;
	c.at += edits * EDIT_BYTES;
	for (size_t i = 0; i < size; i++)
		seed = (seed ^ data[i]) * 0x100000001b3ULL;
	blob = program_generate(&c, &blob_size);
	memcpy(&header, blob, sizeof(header));
	for (uint32_t i = 0; i < edits; i++)
		edit(blob, &header, edit_bytes + i * EDIT_BYTES);
	rc = dseek_program_validate(blob, blob_size, &v, err, sizeof(err));
	if (rc && (rc != -EINVAL || !err[0] || !edits))
		abort();
	counts.valid += !rc;
	counts.changed += edits != 0;
	counts.changed_valid += edits && !rc;
	if (!rc && seed % 64 == 0)
		dseek_program_dump(&v, ignore, &printed);
	if (!rc && edits && !program_worth_running(&v))
		counts.not_worth++;
	else if (!rc && counts.valid % run_every == 0)
		program_run(&v, seed, !edits && seed >> 32 & 3);
	free(blob);
	return !rc;
}

static int report(char *buf, size_t size)
{
	const struct program_run_counts *r = &program_run_counts;
	uint32_t least = 0;

	for (uint32_t i = 1; i < DSEEK_OP_COUNT; i++)
		least = r->by_op[i] < r->by_op[least] ? i : least;
	return snprintf(buf, size, "%llu valid (%llu of %llu changed ones), %llu programs and %llu ops run (least: %s, %llu), %llu faulted, "
			"%llu again with two threads, %llu elements compared", (unsigned long long)counts.valid,
			(unsigned long long)counts.changed_valid, (unsigned long long)counts.changed, (unsigned long long)r->programs,
			(unsigned long long)r->ops, dseek_op_name(least), (unsigned long long)r->by_op[least],
			(unsigned long long)r->faulted, (unsigned long long)r->repeated, (unsigned long long)r->compared);
}

const struct fuzzer fuzzer = { .run = run, .report = report, .max_size = 400, .runs = 5000 };

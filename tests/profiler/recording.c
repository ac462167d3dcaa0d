// SPDX-License-Identifier: MIT
/* Every branch of the reading of recordings: a fault put into a good one, and the sentence it gives; cuts; random bytes. */
#include "../../userspace/profiler/recording.h"
#include "../program/sample_program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures, number;

static void result(int ok, const char *what, const char *detail)
{
	printf("%sok %d %s\n", ok ? "" : "not ", ++number, what);
	if (ok)
		return;
	printf("# got: %s\n", detail);
	failures++;
}

#define OPS 3

/* One chunk: a program, a run of three ops (the second for two), the end; then a chunk of another engine. */
struct good {
	char *bytes;
	size_t size;
	struct profile_chunk *chunk, *other;
	struct profile_record *program_record, *run_record, *end_record;
	struct profile_program *program;
	struct profile_run *run;
	struct profile_op *ops;
};

static void *add(struct good *g, size_t size)
{
	void *at = g->bytes + g->size;

	g->size += size;
	return at;
}

static struct profile_record *add_record(struct good *g, uint32_t kind, size_t size)
{
	struct profile_record *record = add(g, sizeof(*record));

	record->kind = kind;
	record->size = sizeof(*record) + size;
	return record;
}

static struct good good_recording(void)
{
	size_t blob_size;
	void *blob = sample_program(&blob_size);
	struct good g = { .bytes = calloc(1, blob_size + 4096) };

	g.chunk = add(&g, sizeof(*g.chunk));
	*g.chunk = (struct profile_chunk){ .magic = PROFILE_MAGIC, .version = PROFILE_VERSION, .type = 1, .pid = 42, .engine = "cpu0" };
	g.program_record = add_record(&g, PROFILE_PROGRAM, sizeof(*g.program) + blob_size);
	g.program = add(&g, sizeof(*g.program));
	*g.program = (struct profile_program){ .id = 7, .size = blob_size };
	memcpy(add(&g, blob_size), blob, blob_size);
	g.run_record = add_record(&g, PROFILE_RUN, sizeof(*g.run) + OPS * sizeof(*g.ops));
	g.run = add(&g, sizeof(*g.run));
	*g.run = (struct profile_run){ .program = 7, .job = 1, .start_ns = 1000, .end_ns = 1400, .op_count = OPS };
	g.ops = add(&g, OPS * sizeof(*g.ops));
	g.ops[0] = (struct profile_op){ .first = 3, .count = 1, .end_ns = 1100 };
	g.ops[1] = (struct profile_op){ .first = 4, .count = 2, .end_ns = 1200 };
	g.ops[2] = (struct profile_op){ .first = 6, .count = 1, .end_ns = 1300 };
	g.end_record = add_record(&g, PROFILE_END, 0);
	g.chunk->size = g.size;
	g.other = add(&g, sizeof(*g.other));
	*g.other = *g.chunk;
	g.other->pid = 43;
	g.other->size = sizeof(*g.other);
	free(blob);
	return g;
}

#define FAULT(want, change) do { \
	struct good g = good_recording(); \
	struct recording rec; \
	char err[400] = ""; \
	memset(&rec, 0x5a, sizeof(rec)); \
	change; \
	result(recording_parse(g.bytes, g.size, &rec, err, sizeof(err)) == -EINVAL && strstr(err, want), want, err); \
	free(g.bytes); \
} while (0)

static void test_faults(void)
{
	FAULT("no recording of dseek", g.chunk->magic = 1);
	FAULT("damaged: no chunk begins here", g.other->magic = 1);
	FAULT("version 2, this reads version 1", g.chunk->version = 2);
	FAULT("a chunk of 8 bytes", g.chunk->size = 8);
	FAULT("a chunk of", g.chunk->size += 4);
	FAULT("an engine without a name", memset(g.chunk->engine, 'x', sizeof(g.chunk->engine)));
	FAULT("an engine without a name, or of an unknown type", g.chunk->type = 77);
	FAULT("a record that does not fit its chunk", g.run_record->size += 8000);
	FAULT("a record that does not fit its chunk", g.end_record->size = 0);
	FAULT("a record that does not fit its chunk", g.run_record->size += 4);
	FAULT("a record of unknown kind 9", g.end_record->kind = 9);
	FAULT("a program's record is not as long as the program", g.program->size -= 8);
	FAULT("a program's record is not as long as the program", g.program->pad = 1);
	FAULT("program 7 is not valid: header: magic", ((char *)(g.program + 1))[0] ^= 1);
	FAULT("a run's record is not as long as its ops", g.run->op_count = 2);
	FAULT("a run's record is not as long as its ops", g.run->op_count = 1u << 31);
	FAULT("a run of program 8, which was not recorded", g.run->program = 8);
	FAULT("a run of program 7, which was not recorded", g.program_record->kind = PROFILE_END);
	FAULT("a run with 1 ops from op 5 on, where op 6 of 20 would follow", g.ops[2].first = 5);
	FAULT("a run with 0 ops from op 4 on", g.ops[1].count = 0);
	FAULT("a run with 1 ops from op 20 on", g.ops[0].first = 20);
	FAULT("a run with 18 ops from op 3 on", g.ops[0].count = 18);
	FAULT("an op that ended before it began", g.ops[1].end_ns = 1099);
	FAULT("an op that ended before it began", g.run->start_ns = 1101);
	FAULT("a run that ended before its ops", g.run->end_ns = 1299);
}

static void test_good(void)
{
	struct good g = good_recording();
	struct recording rec;
	char err[400] = "";

	result(!recording_parse(g.bytes, g.size, &rec, err, sizeof(err)), "a good one", err);
	result(rec.engine_count == 2 && rec.program_count == 1 && rec.run_count == 1 && !rec.truncated, "all of it is there", "");
	result(rec.engines[0].ended && !rec.engines[1].ended && rec.engines[1].pid == 43, "who ended and who did not", "");
	result(rec_op_start(&rec.runs[0], 0) == 1000 && rec_op_start(&rec.runs[0], 2) == 1200, "ops begin where the last ended", "");
	recording_free(&rec);
	result(!recording_parse(g.bytes, 0, &rec, err, sizeof(err)) && !rec.engine_count, "an empty file is an empty recording", err);
	recording_free(&rec);
	free(g.bytes);
}

static void test_cuts(void)
{
	struct good g = good_recording();
	struct recording rec;
	char err[400] = "";
	size_t n, wrong = 0;
	int rc;

	for (n = 1; n < g.size; n++) {
		char *cut = aligned_alloc(8, (n + 7) & ~(size_t)7);

		memcpy(cut, g.bytes, n);
		rc = recording_parse(cut, n, &rec, err, sizeof(err));
		if (n < sizeof(*g.chunk) ? rc != -EINVAL : rc || rec.truncated != (n != g.chunk->size) ||
		    rec.run_count != (n >= g.chunk->size))
			wrong++;
		if (!rc)
			recording_free(&rec);
		free(cut);
	}
	result(!wrong, "cut anywhere, what is whole is read, and that it was cut is said", err);
	free(g.bytes);
}

/* For a sanitizer: nothing outside is touched, whatever the bytes. */
static void test_random(void)
{
	uint32_t state = 1, i, k, accepted = 0;
	struct recording rec;
	char err[400];

	for (i = 0; i < 20000; i++) {
		struct good g = good_recording();
		size_t from = i % 2 ? 0 : (size_t)((char *)g.run_record - g.bytes);

		for (k = 0; k < 1 + i % 3; k++) {
			state = state * 1664525 + 1013904223;
			g.bytes[from + (state >> 8) % (g.size - from)] = state >> 3;
		}
		if (!recording_parse(g.bytes, g.size, &rec, err, sizeof(err))) {
			accepted++;
			recording_free(&rec);
		}
		free(g.bytes);
	}
	result(accepted && accepted < 20000, "20000 damaged ones, some refused and some harmless", "");
}

int main(void)
{
	test_good();
	test_faults();
	test_cuts();
	test_random();
	printf("1..%d\n", number);
	return failures != 0;
}

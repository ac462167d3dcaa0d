// SPDX-License-Identifier: MIT
/* Reads recordings. They may come from anywhere: nothing in one is believed before it was checked. */
#include "recording.h"

#include <drm/dseek_drm.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	struct recording *rec;
	const char *bytes;
	size_t at;		/* of what is read: for messages */
	char *err;
	size_t err_size;
};

static int bad(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct reader *r, const char *format, ...)
{
	va_list args;
	int n = snprintf(r->err, r->err_size, "byte %zu: ", r->at);

	va_start(args, format);
	if (n >= 0 && (size_t)n < r->err_size)
		vsnprintf(r->err + n, r->err_size - n, format, args);
	va_end(args);
	return -EINVAL;
}

/* Room for one more; NULL: no memory. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 64;
	void *p;

	if (count < *room)
		return items;
	p = realloc(items, more * size);
	if (p)
		*room = more;
	return p;
}

#define GROW(r, what) ({ \
	void *items_ = grow((r)->rec->what##s, (r)->rec->what##_count, &(r)->rec->what##_room, sizeof(*(r)->rec->what##s)); \
	if (items_) \
		(r)->rec->what##s = items_; \
	items_; \
})

static int read_program(struct reader *r, uint32_t engine, const void *body, size_t size)
{
	const struct profile_program *program = body;
	struct rec_program *p;
	char why[200] = "";

	if (size < sizeof(*program) || program->pad || size != sizeof(*program) + (((size_t)program->size + 7) & ~(size_t)7))
		return bad(r, "a program's record is not as long as the program");
	if (!GROW(r, program))
		return -ENOMEM;
	p = &r->rec->programs[r->rec->program_count];
	*p = (struct rec_program){ .engine = engine, .id = program->id };
	if (dseek_program_validate(program + 1, program->size, &p->view, why, sizeof(why)))
		return bad(r, "program %llu is not valid: %s", (unsigned long long)program->id, why);
	r->rec->program_count++;
	return 0;
}

/* The latest of that id: a cache that dropped it may have written it twice. */
static struct rec_program *find_program(struct reader *r, uint32_t engine, uint64_t id)
{
	size_t i = r->rec->program_count;

	while (i-- > 0)
		if (r->rec->programs[i].id == id && r->rec->programs[i].engine == engine)
			return &r->rec->programs[i];
	return NULL;
}

static int read_run(struct reader *r, uint32_t engine, const void *body, size_t size)
{
	const struct profile_run *run = body;
	const struct profile_op *op = (const void *)(run + 1);
	const struct rec_program *program;
	uint64_t last;
	uint32_t next = 0, i, n_ops;

	if (size < sizeof(*run) || (size - sizeof(*run)) / sizeof(*op) != run->op_count || (size - sizeof(*run)) % sizeof(*op))
		return bad(r, "a run's record is not as long as its ops");
	program = find_program(r, engine, run->program);
	if (!program)
		return bad(r, "a run of program %llu, which was not recorded", (unsigned long long)run->program);
	n_ops = program->view.header->n_ops;
	last = run->start_ns;
	for (i = 0; i < run->op_count; i++) {
		if ((i && op[i].first != next) || !op[i].count || op[i].first >= n_ops || op[i].count > n_ops - op[i].first)
			return bad(r, "a run with %u ops from op %u on, where op %u of %u would follow", op[i].count, op[i].first,
				   next, n_ops);
		if (op[i].end_ns < last)
			return bad(r, "an op that ended before it began");
		last = op[i].end_ns;
		next = op[i].first + op[i].count;
	}
	if (run->end_ns < last)
		return bad(r, "a run that ended before its ops");
	if (!GROW(r, run))
		return -ENOMEM;
	r->rec->runs[r->rec->run_count++] = (struct rec_run) {
		.engine = engine, .program = program - r->rec->programs, .run = run, .ops = op,
	};
	return 0;
}

static int read_engine(struct reader *r, const struct profile_chunk *chunk, uint32_t *ret_engine)
{
	size_t i;

	if (!memchr(chunk->engine, 0, sizeof(chunk->engine)) || chunk->type >= DRM_DSEEK_ENGINE_TYPE_COUNT)
		return bad(r, "an engine without a name, or of an unknown type");
	for (i = 0; i < r->rec->engine_count; i++)
		if (r->rec->engines[i].pid == chunk->pid && r->rec->engines[i].opened_ns == chunk->opened_ns &&
		    !strcmp(r->rec->engines[i].name, chunk->engine))
			break;
	if (i == r->rec->engine_count) {
		if (!GROW(r, engine))
			return -ENOMEM;
		r->rec->engines[i] = (struct rec_engine) {
			.type = chunk->type, .pid = chunk->pid, .opened_ns = chunk->opened_ns,
		};
		strcpy(r->rec->engines[i].name, chunk->engine);
		r->rec->engine_count++;
	}
	*ret_engine = i;
	return 0;
}

static int read_chunk(struct reader *r, const struct profile_chunk *chunk)
{
	size_t end = r->at + chunk->size;
	uint32_t engine = 0;
	int rc = read_engine(r, chunk, &engine);

	r->at += sizeof(*chunk);
	while (!rc && r->at < end) {
		const struct profile_record *record = (const void *)(r->bytes + r->at);
		size_t size;

		if (end - r->at < sizeof(*record) || record->size < sizeof(*record) || record->size % 8 ||
		    record->size > end - r->at)
			return bad(r, "a record that does not fit its chunk");
		size = record->size - sizeof(*record);
		switch (record->kind) {
		case PROFILE_PROGRAM:
			rc = read_program(r, engine, record + 1, size);
			break;
		case PROFILE_RUN:
			rc = read_run(r, engine, record + 1, size);
			break;
		case PROFILE_END:
			r->rec->engines[engine].ended = true;
			break;
		default:
			return bad(r, "a record of unknown kind %u", record->kind);
		}
		r->at += record->size;
	}
	return rc;
}

static int by_start(const void *a, const void *b)
{
	const struct rec_run *x = a, *y = b;

	if (x->run->start_ns != y->run->start_ns)
		return x->run->start_ns < y->run->start_ns ? -1 : 1;
	return x->run < y->run ? -1 : x->run > y->run;
}

int recording_parse(const void *bytes, size_t size, struct recording *ret, char *err, size_t err_size)
{
	struct recording rec = { 0 };
	struct reader r = { .rec = &rec, .bytes = bytes, .err = err, .err_size = err_size };
	int rc = 0;

	while (!rc && r.at < size) {
		const struct profile_chunk *chunk = (const void *)(r.bytes + r.at);

		if (size - r.at < sizeof(*chunk)) {
			rec.truncated = true;
			if (!r.at)
				rc = bad(&r, "no recording: too short");
			break;
		}
		if (chunk->magic != PROFILE_MAGIC)
			rc = bad(&r, r.at ? "damaged: no chunk begins here" : "no recording of dseek");
		else if (chunk->version != PROFILE_VERSION)
			rc = bad(&r, "version %u, this reads version %u", chunk->version, PROFILE_VERSION);
		else if (chunk->size < sizeof(*chunk) || chunk->size % 8)
			rc = bad(&r, "a chunk of %u bytes", chunk->size);
		if (rc)
			break;
		if (chunk->size > size - r.at) {
			rec.truncated = true;
			break;
		}
		rc = read_chunk(&r, chunk);
	}
	if (rc == -ENOMEM)
		snprintf(err, err_size, "no memory");
	if (rc) {
		recording_free(&rec);
		return rc;
	}
	if (rec.run_count)
		qsort(rec.runs, rec.run_count, sizeof(*rec.runs), by_start);
	*ret = rec;
	return 0;
}

void recording_free(struct recording *rec)
{
	free(rec->engines);
	free(rec->programs);
	free(rec->runs);
	memset(rec, 0, sizeof(*rec));
}

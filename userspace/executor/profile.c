// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../lib/object.h"
#include "profile.h"

#define BUFFER	(4u << 20)	/* above the largest record: a program of 1 MiB, a run of 8192 ops */
#define DUE	(256u << 10)	/* enough for a write when there is nothing to run */

struct profile {
	int fd;
	uint32_t used;
	struct profile_run *run;	/* in the making, in @buf */
	struct profile_record *record;	/* its header */
	_Alignas(8) char buf[BUFFER];
};

static int open_file(const char **ret_path)
{
	const char *path = secure_getenv("DSEEK_PROFILE");
	int fd;

	*ret_path = path && *path ? path : NULL;
	if (!*ret_path)
		return -1;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	return fd < 0 ? dseek_fail(-errno, "DSEEK_PROFILE=%s: %s", path, strerror(errno)) : fd;
}

int profile_check(void)
{
	const char *path;
	int fd = open_file(&path);

	if (!path)
		return 0;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int profile_open(const char *engine, uint32_t type, struct profile **ret_profile)
{
	struct profile_chunk *chunk;
	struct profile *p = NULL;
	const char *path;
	int fd = open_file(&path);

	if (path && fd < 0)
		return fd;
	if (path) {
		p = malloc(sizeof(*p));
		if (!p) {
			close(fd);
			return dseek_fail(-ENOMEM, "DSEEK_PROFILE: no memory");
		}
		p->fd = fd;
		p->run = NULL;
		p->used = sizeof(*chunk);
		chunk = (void *)p->buf;
		*chunk = (struct profile_chunk) {
			.magic = PROFILE_MAGIC, .version = PROFILE_VERSION, .type = type, .pid = getpid(),
			.opened_ns = dseek_now(),
		};
		strncpy(chunk->engine, engine, sizeof(chunk->engine) - 1);
	}
	*ret_profile = p;
	return 0;
}

/* Whole records only: not while a run is in the making. */
static void flush(struct profile *p)
{
	struct profile_chunk *chunk = (void *)p->buf;

	if (p->used == sizeof(*chunk))
		return;
	chunk->size = p->used;
	/* What is written in part is the end of it: what would follow had no beginning. */
	if (p->fd >= 0 && write(p->fd, p->buf, p->used) != (ssize_t)p->used) {
		close(p->fd);
		p->fd = -1;
	}
	p->used = sizeof(*chunk);
}

static void *add(struct profile *p, uint32_t bytes)
{
	void *at = p->buf + p->used;

	p->used += bytes;
	return at;
}

static struct profile_record *add_record(struct profile *p, enum profile_kind kind, uint32_t bytes, uint32_t room)
{
	struct profile_record *record;

	if (BUFFER - p->used < sizeof(*record) + room)
		flush(p);
	record = add(p, sizeof(*record));
	record->kind = kind;
	record->size = sizeof(*record) + bytes;
	return record;
}

void profile_program(struct profile *p, uint64_t id, const void *blob, uint32_t size)
{
	uint32_t padded = (size + 7) & ~7u;
	struct profile_program *program;

	add_record(p, PROFILE_PROGRAM, sizeof(*program) + padded, sizeof(*program) + padded);
	program = add(p, sizeof(*program));
	*program = (struct profile_program){ .id = id, .size = size };
	memset(p->buf + p->used + padded - 8, 0, 8);
	memcpy(add(p, padded), blob, size);
}

void profile_begin(struct profile *p, const struct drm_dseek_job_desc *job, uint32_t max_ops, uint64_t now)
{
	p->record = add_record(p, PROFILE_RUN, sizeof(*p->run), sizeof(*p->run) + max_ops * sizeof(struct profile_op));
	p->run = add(p, sizeof(*p->run));
	*p->run = (struct profile_run) {
		.program = job->program_id, .job = job->job_id, .queue = job->queue_id, .tenant = job->tenant_id,
		.start_ns = now,
	};
}

void profile_op(struct profile *p, uint32_t first, uint32_t count, uint64_t now)
{
	struct profile_op *op = add(p, sizeof(*op));

	*op = (struct profile_op){ .first = first, .count = count, .end_ns = now };
	p->record->size += sizeof(*op);
	p->run->op_count++;
}

void profile_finish(struct profile *p, int outcome, uint64_t now)
{
	p->run->outcome = outcome;
	p->run->end_ns = now;
	p->run = NULL;
}

void profile_idle(struct profile *p)
{
	if (p->used >= DUE)
		flush(p);
}

void profile_close(struct profile *p)
{
	if (!p)
		return;
	add_record(p, PROFILE_END, 0, 0);
	flush(p);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

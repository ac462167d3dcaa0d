/* SPDX-License-Identifier: MIT */
/*
 * Recordings of what an executor ran, op by op: DSEEK_PROFILE=FILE makes the executor's loop write one, dseek-profiler reads it.
 *
 * The file is a sequence of chunks, each appended by one write(2), so that executors of several engines and processes can
 * share a file. A chunk is its header and whole records; a record is its header and a body. Little-endian, everything
 * 8-aligned, times are CLOCK_MONOTONIC in ns.
 */
#ifndef DSEEK_EXECUTOR_PROFILE_H
#define DSEEK_EXECUTOR_PROFILE_H

#include <stdint.h>

#define PROFILE_MAGIC	0x46505344u	/* "DSPF" */
#define PROFILE_VERSION	1

struct profile_chunk {
	uint32_t magic;
	uint16_t version;
	uint16_t type;		/* enum drm_dseek_engine_type */
	uint32_t size;		/* bytes, this header included */
	uint32_t pid;		/* of the executor */
	uint64_t opened_ns;	/* when: with pid and name it tells one executor's chunks from another's */
	char engine[32];	/* name, NUL-terminated */
};

enum profile_kind {
	PROFILE_PROGRAM = 1,	/* struct profile_program, the program as in dseek_program.h; before its first run */
	PROFILE_RUN,		/* struct profile_run, struct profile_op[op_count] */
	PROFILE_END,		/* nothing: this executor ended as it should */
};

struct profile_record {
	uint32_t kind;
	uint32_t size;		/* bytes, this header included, a multiple of 8 */
};

struct profile_program {
	uint64_t id;		/* within this executor */
	uint32_t size;		/* bytes of the program that follows, padded with zeros */
	uint32_t pad;
};

/* From a fetch to the yield or the end: a job that yields has several. */
struct profile_run {
	uint64_t program, job, queue, tenant;
	uint64_t start_ns, end_ns;
	uint32_t op_count;	/* that follow */
	int32_t outcome;	/* 0, -EAGAIN: it yielded, else the job's error */
};

/*
 * Ops first..first + count - 1 took from the end of those before (the run's start) to @end_ns. More than one where the
 * backend asked less often than once an op.
 */
struct profile_op {
	uint32_t first, count;
	uint64_t end_ns;
};

/* ---- the executor's side; of one thread. A file that can't be written to any more is given up without a word. */

struct profile;
struct drm_dseek_job_desc;

/* Where DSEEK_PROFILE says; *ret_profile NULL if it says nothing. 0 or a negative errno with its sentence. */
int profile_open(const char *engine, uint32_t type, struct profile **ret_profile);
int profile_check(void);	/* 0 if profile_open() will do */
void profile_close(struct profile *p);	/* NULL is fine, here only */
void profile_program(struct profile *p, uint64_t id, const void *blob, uint32_t size);
void profile_begin(struct profile *p, const struct drm_dseek_job_desc *job, uint32_t max_ops, uint64_t now);
void profile_op(struct profile *p, uint32_t first, uint32_t count, uint64_t now);
void profile_finish(struct profile *p, int outcome, uint64_t now);
void profile_idle(struct profile *p);	/* nothing to run: a time to write */

#endif /* DSEEK_EXECUTOR_PROFILE_H */

/* SPDX-License-Identifier: MIT */
/* A recording (userspace/executor/profile.h), read, checked and indexed. */
#ifndef DSEEK_RECORDING_H
#define DSEEK_RECORDING_H

#include <dseek_program.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../executor/profile.h"

struct rec_engine {
	char name[32];
	uint32_t type, pid;
	uint64_t opened_ns;
	bool ended;		/* its executor ended as it should: nothing is missing */
};

struct rec_program {
	uint32_t engine;	/* index */
	uint64_t id;
	struct dseek_program_view view;
};

struct rec_run {
	uint32_t engine, program;	/* indices */
	const struct profile_run *run;
	const struct profile_op *ops;	/* [run->op_count]; in order, within the program, ends never fall */
};

struct recording {
	struct rec_engine *engines;
	struct rec_program *programs;
	struct rec_run *runs;	/* by their start */
	size_t engine_count, program_count, run_count;
	bool truncated;		/* the last chunk is not whole: what is before it is here */
	/* private */
	size_t engine_room, program_room, run_room;
};

/*
 * @bytes (8-aligned) must stay until recording_free(). 0, -ENOMEM, or -EINVAL and in @err one sentence that names the place.
 * An empty recording is one without engines.
 */
int recording_parse(const void *bytes, size_t size, struct recording *ret, char *err, size_t err_size);
void recording_free(struct recording *rec);

/* Where the ops of @run before the @n-th ended: the run's start for the first. */
static inline uint64_t rec_op_start(const struct rec_run *run, uint32_t n)
{
	return n ? run->ops[n - 1].end_ns : run->run->start_ns;
}

#endif /* DSEEK_RECORDING_H */

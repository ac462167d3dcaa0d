/* SPDX-License-Identifier: MIT */
/* Runs programs: one at a time in a process, whatever processes they make themselves. Root. */
#ifndef FUZZER_RUN_H
#define FUZZER_RUN_H

#include "program.h"

struct run_sums {
	uint64_t programs, calls, succeeded, forks, kills, signals;
};

/*
 * The engines and settings that programs name, once for all processes of the fuzzer: "own", "nic" and "second" of each of @workers,
 * and "shared". Jobs' limits are made short, so that executors are lost often. 0 or -errno.
 */
int run_prepare(unsigned int workers);
void run_restore(void);		/* the module's parameters */

/* In each process, before its first program. */
int run_begin(unsigned int worker, struct run_sums *sums);
void run_count_in(struct run_sums *sums);	/* from the next program on */

/* Afterwards nothing of the program is left in the process: no descriptor, mapping or child, and settings are put back. */
void run_program(const struct program *p);

/* To stderr, what each call returns. */
void run_be_verbose(void);

/* Descriptors below this stay through programs: for whoever needs one of their own. */
#define RUN_FIRST_FD	20

#endif

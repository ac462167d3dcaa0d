/* SPDX-License-Identifier: MIT */
/* The fuzzer's processes: some that run programs, are killed and made anew, and one that watches them and the kernel's log. */
#ifndef FUZZER_FUZZ_H
#define FUZZER_FUZZ_H

#include "recorder.h"
#include <stdbool.h>

struct fuzz_options {
	unsigned int seconds, workers;
	uint64_t count;			/* programs; 0: as many as there is time for */
	uint64_t seed;
	bool guided;			/* by KCOV; false: don't even try */
	const struct program *seeds;
	int seed_count;
};

/* Prints TAP. 0: nothing was found. */
int fuzz(const struct fuzz_options *o, struct recorder *recorder);

#endif

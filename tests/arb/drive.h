/* SPDX-License-Identifier: MIT */
/*
 * Drives the core and the oracle with the same events, drawn from a source of numbers, compares every decision
 * and looks at the core's invariants. One function for the long comparison (diff.c) and the fuzzer (fuzz_arb.c).
 */
#ifndef TESTS_ARB_DRIVE_H
#define TESTS_ARB_DRIVE_H

#include <stddef.h>
#include <stdint.h>

#include "../random.h"

struct source {			/* numbers from bytes, if there are any, else from a seed */
	const uint8_t *bytes;
	size_t size, at;
	uint64_t seed;
};

struct drive_result {
	uint64_t events, picks, preemptions, trials, predictions;
	uint64_t late_starts;	/* deadline queues that began without a budget, as what removed ones used lingered */
	double fluid_ns, excess_ns;	/* sums over predictions: of the fluid's, and of how much later they were */
	char error[160];	/* empty: all well */
};

/* Up to @events events, or until the bytes are used up; then everything is drained. */
void drive(struct source *source, uint64_t events, struct drive_result *ret);

/* How much to run: under the address sanitizer, which is to see each kind of access, a quarter of what the decisions are compared with. */
#ifdef __SANITIZE_ADDRESS__
#define DRIVE_RUNS(n)	((n) / 4)
#else
#define DRIVE_RUNS(n)	(n)
#endif

#endif /* TESTS_ARB_DRIVE_H */

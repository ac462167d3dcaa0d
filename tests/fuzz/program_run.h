/* SPDX-License-Identifier: MIT */
/*
 * A validated program run op by op on the cpu backend and on its oracle (isa=scalar), from the same memory. After each op
 * they must agree: on the error, on what the outputs hold, and that nothing but the outputs has changed. Bindings are
 * exactly as large as stated, so a sanitizer sees every step outside.
 */
#ifndef TESTS_FUZZ_PROGRAM_RUN_H
#define TESTS_FUZZ_PROGRAM_RUN_H

#include <dseek_program.h>
#include <stdbool.h>
#include <stdint.h>

struct program_run_counts {
	uint64_t programs, ops, faulted;	/* faulted: ops that found an index out of range */
	uint64_t by_op[DSEEK_OP_COUNT];
	uint64_t compared;			/* elements of outputs, with the oracle's */
	uint64_t repeated;			/* programs run again with other threads or vectors: the same bits */
};

/*
 * @seed chooses vectors, parameters and contents. With @exact, contents are whole numbers such that products are exact in
 * whatever order and precision, and outputs are compared; else any bits, and only errors and places are.
 */
void program_run(const struct dseek_program_view *v, uint64_t seed, bool exact);

/* Small enough to be worth it: a changed program may ask for anything. */
bool program_worth_running(const struct dseek_program_view *v);

extern struct program_run_counts program_run_counts;

#endif /* TESTS_FUZZ_PROGRAM_RUN_H */

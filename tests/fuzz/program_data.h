/* SPDX-License-Identifier: MIT */
/* Contents of operands for which results are defined to the bit, or nearly, and how near (program_run.c). */
#ifndef TESTS_FUZZ_PROGRAM_DATA_H
#define TESTS_FUZZ_PROGRAM_DATA_H

#include <dseek_program.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../userspace/executor/cpu/op.h"

/*
 * Whole numbers into operand @n of @op: activations are small but for one 127 in each 16, which 8 bits hold exactly; weights'
 * scales are 1. Indexes are in range, but for one operand in many. What no token can see is left as it is.
 */
void program_data_fill(const struct cpu_op *op, int n, uint64_t *state);

/*
 * How far element (@i, row @row) of output @n may be from @want. @op is the oracle's, which has run. 0: equal. INFINITY: any
 * (scratch).
 */
double program_data_tolerance(const struct cpu_op *op, int n, uint64_t i, uint64_t row, double want);

#endif /* TESTS_FUZZ_PROGRAM_DATA_H */

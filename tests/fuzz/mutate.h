/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer of files or text, where random bytes would never get past the first check, is a source with these two
 * functions. With clang's libFuzzer only the first counts (make fuzz-llvm); with any compiler mutate_main.c changes the
 * seeds by a seeded generator: the same -s gives the same inputs.
 */
#ifndef DSEEK_FUZZ_MUTATE_H
#define DSEEK_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* 0; a finding aborts. 1: the input was taken as a good one (counted by mutate_main.c). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The @n-th good input, written to @out; its size, 0: there are no more. */
size_t fuzz_seed(unsigned int n, uint8_t *out, size_t room);

#endif /* DSEEK_FUZZ_MUTATE_H */

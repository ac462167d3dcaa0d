/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer is one source with these two functions. Linked with fuzz_main.c it runs by itself on seeded
 * random input (-n EXECUTIONS -s SEED, or files to replay); built by clang with -fsanitize=fuzzer and without
 * fuzz_main.c it is a libFuzzer target.
 */
#ifndef DSEEK_FUZZ_H
#define DSEEK_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* A sentence of counts for the end, and the longest input that makes sense. */
void fuzz_report(char *buf, size_t size);
extern const size_t fuzz_max_size;

#endif /* DSEEK_FUZZ_H */

/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer is a source that defines "fuzzer". With main.c it is a program that runs anywhere, on inputs which a seed
 * determines; with libfuzzer.c and clang it is one that coverage guides (make fuzzers). A finding aborts.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fuzzer {
	/* One input; true: it was taken as a good one. */
	bool (*run)(const uint8_t *data, size_t size);
	/*
	 * The @n-th good input, written to @out; its size, 0: there are no more. Inputs are mutations of these.
	 * NULL: any bytes are a good input, and random ones of up to @max_size do.
	 */
	size_t (*seed)(unsigned int n, uint8_t *out, size_t room);
	size_t max_size;
	/* More counts for the last line, as snprintf() does; NULL: none. */
	int (*report)(char *buf, size_t size);
	unsigned long runs;	/* unless told otherwise: a few seconds */
};

extern const struct fuzzer fuzzer;

#endif /* TESTS_FUZZ_H */

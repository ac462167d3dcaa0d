// SPDX-License-Identifier: MIT
/*
 * A fuzzer's main without libFuzzer: random inputs from a seed, and mutations of them.
 * fuzz_arb [SEED [EXECUTIONS]] | fuzz_arb FILE...
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include "drive.h"
#include "fuzz.h"

#define INPUT_MAX	2048

static int replay(const char *path)
{
	static uint8_t input[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(input, 1, sizeof(input), file);
	fclose(file);
	return LLVMFuzzerTestOneInput(input, size);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, executions = 20000, i, k, n;
	uint8_t input[INPUT_MAX];
	size_t size = 0;

	if (argc > 1 && !isdigit((unsigned char)argv[1][0])) {
		for (i = 1; i < (uint64_t)argc; i++)
			if (replay(argv[i]))
				return 1;
		return 0;
	}
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		executions = strtoull(argv[2], NULL, 0);
	for (i = 0; i < executions; i++) {
		if (i % 4 == 0) {
			size = splitmix64(&seed) % INPUT_MAX + 1;
			for (k = 0; k < size; k++)
				input[k] = splitmix64(&seed);
		} else {
			for (n = splitmix64(&seed) % 8 + 1; n; n--)
				input[splitmix64(&seed) % size] = splitmix64(&seed);
		}
		LLVMFuzzerTestOneInput(input, size);
	}
	printf("ok 1 fuzz: %llu executions\n1..1\n", (unsigned long long)executions);
	return 0;
}

// SPDX-License-Identifier: MIT
/* Runs a fuzzer without libFuzzer: fuzz_X [-n EXECUTIONS] [-s SEED] [FILE...]. Input I of SEED is always the same. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t next(uint64_t *state)	/* splitmix64 (Steele et al. 2014) */
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static int replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(fuzz_max_size);
	size_t size;

	if (!f || !data) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, fuzz_max_size, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long long executions = 50000, seed = 1;
	char report[256];
	uint8_t *data;
	int o, rc = 0;

	while ((o = getopt(argc, argv, "n:s:")) != -1) {
		if (o == 'n')
			executions = strtoull(optarg, NULL, 0);
		else if (o == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (optind < argc) {
		for (; optind < argc; optind++)
			rc |= replay(argv[optind]);
		return rc;
	}
	for (unsigned long long i = 0; i < executions; i++) {
		uint64_t state = seed << 40 ^ i;
		size_t size = next(&state) % fuzz_max_size + 1;

		data = malloc(size);	/* exact: a read behind it is seen */
		if (!data)
			return 1;
		for (size_t k = 0; k < size; k++)
			data[k] = next(&state);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	fuzz_report(report, sizeof(report));
	printf("ok 1 %llu executions, seed %llu: %s\n1..1\n", executions, seed, report);
	return 0;
}

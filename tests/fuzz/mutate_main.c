// SPDX-License-Identifier: MIT
/*
 * fuzz_NAME [-n RUNS] [-s SEED] [FILE...]: mutates the fuzzer's seeds RUNS times, or runs the FILEs once each. An input that makes it
 * die is left in $TMPDIR/fuzz-NAME-input.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/model/random.h"
#include "mutate.h"

#define MAX_SIZE	(64 << 10)
#define MAX_SEEDS	64

static struct {
	uint8_t *data;
	size_t size;
} seeds[MAX_SEEDS];
static unsigned int n_seeds;
static struct random rng;
static uint8_t input[MAX_SIZE];
static size_t input_size;
static char keep_path[512];

static uint64_t below(uint64_t n)
{
	return random_next(&rng) % n;
}

static void keep_input(int signal_number)
{
	FILE *f = fopen(keep_path, "wb");	/* the process is dying: nothing to lose by stdio in a handler */

	if (f) {
		fwrite(input, 1, input_size, f);
		fclose(f);
	}
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void put_number(void)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 4, 7, 8, 9, 13, 31, 32, 33, 64, 255, 256, 0x7f, 0x80, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 1ull << 40, 1ull << 60, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 31,
	};
	static const unsigned int widths[] = { 1, 2, 4, 8, 8 };
	uint64_t v = below(4) ? numbers[below(sizeof(numbers) / sizeof(numbers[0]))] : random_next(&rng) >> below(64);
	unsigned int width = widths[below(5)];
	size_t at;

	if (input_size < width)
		return;
	at = below(input_size - width + 1);
	for (unsigned int i = 0; i < width; i++)
		input[at + i] = v >> (8 * i);
}

static void move_block(bool insert)
{
	size_t n = 1 + below(below(4) ? 16 : 256), from, to;

	if (n > input_size)
		return;
	from = below(input_size - n + 1);
	to = below(input_size - n + 1);
	if (!insert) {
		memmove(input + to, input + from, n);
	} else if (input_size + n <= MAX_SIZE) {
		uint8_t block[256];

		memcpy(block, input + from, n);
		memmove(input + to + n, input + to, input_size - to);
		memcpy(input + to, block, n);
		input_size += n;
	}
}

static void mutate(void)
{
	size_t n, at;

	if (!input_size)
		return;
	switch (below(8)) {
	case 0:
		input[below(input_size)] ^= 1 << below(8);
		break;
	case 1:
		input[below(input_size)] = random_next(&rng);
		break;
	case 2:
	case 3:
	case 4:
		put_number();
		break;
	case 5:
		move_block(false);
		break;
	case 6:
		move_block(true);
		break;
	default:
		if (!below(4)) {
			input_size = below(input_size + 1);	/* truncate */
		} else {				/* take out */
			n = 1 + below(16);
			if (n < input_size) {
				at = below(input_size - n);
				memmove(input + at, input + at + n, input_size - at - n);
				input_size -= n;
			}
		}
	}
}

static int run(void)
{
	uint8_t *exact = malloc(input_size ? input_size : 1);	/* so that the sanitizers see a byte too many */
	int r;

	memcpy(exact, input, input_size);
	r = LLVMFuzzerTestOneInput(exact, input_size);
	free(exact);
	return r;
}

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return 1;
	}
	input_size = fread(input, 1, sizeof(input), f);
	fclose(f);
	printf("%s: %zu bytes, %s\n", path, input_size, run() ? "taken" : "refused");
	return 0;
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", *name = strrchr(argv[0], '/');
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	unsigned long runs = 100000, taken = 0;
	uint64_t seed = 1;
	int option;

	while ((option = getopt(argc, argv, "n:s:")) != -1) {
		if (option == 'n')
			runs = strtoul(optarg, NULL, 10);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	name = name ? name + 1 : argv[0];
	snprintf(keep_path, sizeof(keep_path), "%s/%s-input", tmp, name);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], keep_input);
	if (optind < argc) {
		int r = 0;

		for (; optind < argc; optind++)
			r |= run_file(argv[optind]);
		return r;
	}
	for (; n_seeds < MAX_SEEDS; n_seeds++) {
		seeds[n_seeds].data = malloc(MAX_SIZE);
		seeds[n_seeds].size = fuzz_seed(n_seeds, seeds[n_seeds].data, MAX_SIZE);
		if (!seeds[n_seeds].size)
			break;
		memcpy(input, seeds[n_seeds].data, input_size = seeds[n_seeds].size);
		if (!run()) {
			printf("not ok 1 %s: seed %u isn't taken\n1..1\n", name, n_seeds);
			return 1;
		}
	}
	random_seed(&rng, seed);
	for (unsigned long i = 0; i < runs; i++) {
		unsigned int s = below(n_seeds), mutations = 1 + below(below(3) ? 3 : 12);

		memcpy(input, seeds[s].data, input_size = seeds[s].size);
		while (mutations--)
			mutate();
		taken += run();
		if (runs >= 1000000 && i % 1000000 == 999999) {
			printf("# %lu runs\n", i + 1);
			fflush(stdout);
		}
	}
	printf("ok 1 %s: %lu runs from %u seeds (-s %llu), %lu inputs taken\n1..1\n", name, runs, n_seeds, (unsigned long long)seed, taken);
	for (unsigned int i = 0; i < MAX_SEEDS; i++)
		free(seeds[i].data);
	return 0;
}

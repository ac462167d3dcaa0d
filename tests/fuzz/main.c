// SPDX-License-Identifier: MIT
/*
 * fuzz_NAME [-n RUNS] [-s SEED] [-w FOLDER] [FILE...]: runs mutations of the fuzzer's seeds, or random bytes where it has none;
 * or each FILE once; or writes the seeds to FOLDER, for libFuzzer to begin with. The same SEED makes the same inputs. One
 * that makes it die is left in $TMPDIR/fuzz_NAME-input. SIGINT and SIGTERM end it with its counts.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../random.h"
#include "fuzz.h"

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

/* Of the sanitizers, where they are linked: they end the process without a signal. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void keep_input(void)
{
	FILE *f = fopen(keep_path, "wb");	/* the process is dying: nothing to lose by stdio in a handler */

	if (f) {
		fwrite(input, 1, input_size, f);
		fclose(f);
	}
}

static void die(int signal_number)
{
	keep_input();
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

static volatile sig_atomic_t stop;

static void stop_soon(int signal_number)
{
	stop = 1;
}

static void random_input(void)
{
	input_size = 1 + below(fuzzer.max_size);
	for (size_t i = 0; i < input_size; i++)
		input[i] = random_next(&rng);
}

/* The next input, from the one before or from a seed. */
static void next_input(void)
{
	unsigned int mutations = 1 + below(below(3) ? 3 : 12);

	if (n_seeds) {
		unsigned int s = below(n_seeds);

		memcpy(input, seeds[s].data, input_size = seeds[s].size);
	} else if (!input_size || !below(4)) {
		random_input();
		return;
	}
	while (mutations--)
		mutate();
}

static bool run(void)
{
	uint8_t *exact = malloc(input_size ? input_size : 1);	/* so that the sanitizers see a byte too many */
	bool taken;

	if (!exact)
		abort();
	memcpy(exact, input, input_size);
	taken = fuzzer.run(exact, input_size);
	free(exact);
	return taken;
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
	printf("%s: %zu bytes, ", path, input_size);
	fflush(stdout);
	printf("%s\n", run() ? "taken" : "refused");
	return 0;
}

static void make_seeds(void)
{
	for (; fuzzer.seed && n_seeds < MAX_SEEDS; n_seeds++) {
		size_t size = fuzzer.seed(n_seeds, input, MAX_SIZE);

		if (!size)
			break;
		seeds[n_seeds].data = malloc(size);
		if (!seeds[n_seeds].data)
			abort();
		memcpy(seeds[n_seeds].data, input, seeds[n_seeds].size = size);
	}
	input_size = 0;
}

static int write_input(const char *folder, unsigned int number)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%u", folder, number);
	f = fopen(path, "wb");
	if (!f || fwrite(input, 1, input_size, f) != input_size || fclose(f)) {
		perror(path);
		return 1;
	}
	return 0;
}

static int write_seeds(const char *folder)
{
	for (unsigned int i = 0; i < (n_seeds ? n_seeds : MAX_SEEDS); i++) {
		if (n_seeds)
			memcpy(input, seeds[i].data, input_size = seeds[i].size);
		else
			random_input();
		if (write_input(folder, i))
			return 1;
	}
	return 0;
}

static bool number(const char *text, unsigned long long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *text != '-';
}

int main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", *name = strrchr(argv[0], '/'), *folder = NULL;
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
	unsigned long long runs = fuzzer.runs, taken = 0, seed = 1, i;
	char report[512] = "";
	int option, rc = 0;

	name = name ? name + 1 : argv[0];
	while ((option = getopt(argc, argv, "n:s:w:")) != -1) {
		if (option == 'w')
			folder = optarg;
		else if (option == '?' || !number(optarg, option == 'n' ? &runs : &seed))
			return fprintf(stderr, "usage: %s [-n RUNS] [-s SEED] [-w FOLDER] [FILE...]\n", name), 2;
	}
	snprintf(keep_path, sizeof(keep_path), "%s/%s-input", tmp, name);
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		signal(fatal[i], die);
	signal(SIGINT, stop_soon);
	signal(SIGTERM, stop_soon);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(keep_input);
	random_seed(&rng, seed);
	if (optind < argc) {
		for (; optind < argc; optind++)
			rc |= run_file(argv[optind]);
		return rc;
	}
	make_seeds();
	if (folder)
		return write_seeds(folder);
	for (i = 0; i < n_seeds; i++) {
		memcpy(input, seeds[i].data, input_size = seeds[i].size);
		if (!run()) {
			printf("not ok 1 %s: seed %llu isn't taken\n1..1\n", name, i);
			return 1;
		}
	}
	for (i = 0; i < runs && !stop; i++) {
		next_input();
		taken += run();
		if (i % 1000000 == 999999) {
			printf("# %llu runs\n", i + 1);
			fflush(stdout);
		}
	}
	if (fuzzer.report)
		fuzzer.report(report, sizeof(report));
	printf("ok 1 %s: %llu runs from %u seeds (-s %llu), %llu inputs taken%s%s\n1..1\n", name, i, n_seeds, seed, taken,
	       *report ? "; " : "", report);
	for (i = 0; i < n_seeds; i++)
		free(seeds[i].data);
	return 0;
}

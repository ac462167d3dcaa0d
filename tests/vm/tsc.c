// SPDX-License-Identifier: MIT
/*
 * Prints the rate of this machine's time-stamp counter in kHz. Emulated guests read the same counter, but calibrate it
 * against emulated timers: on a busy machine they get it wrong by factors, and every time limit with it.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

struct point {
	uint64_t ticks, ns;
};

/* The least disturbed of some readings. */
static struct point now(void)
{
	struct point best = { 0, 0 };
	uint64_t shortest = UINT64_MAX;
	struct timespec t;
	int i;

	for (i = 0; i < 1000; i++) {
		uint64_t before = __rdtsc(), took;

		clock_gettime(CLOCK_MONOTONIC, &t);
		took = __rdtsc() - before;
		if (took < shortest) {
			shortest = took;
			best = (struct point){ before + took / 2, (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec };
		}
	}
	return best;
}

int main(void)
{
	struct point a = now(), b;

	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	b = now();
	printf("%llu\n", (unsigned long long)((double)(b.ticks - a.ticks) * 1e6 / (double)(b.ns - a.ns) + 0.5));
	return 0;
}

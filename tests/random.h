/* SPDX-License-Identifier: MIT */
/* Seeded random numbers of the tests: the generators that the model's sampler has, and a number below a bound. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../userspace/model/random.h"

static inline uint32_t random_below(uint64_t *state, uint32_t below)	/* below > 0 */
{
	return (uint32_t)(splitmix64(state) >> 32) % below;
}

/* The seed that was asked for, or one of this moment; printed, so that a failure can be had again: @again says how. */
static inline uint64_t random_seed_or_new(const char *asked, const char *again)
{
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
	seed = asked && *asked ? strtoull(asked, NULL, 0) : splitmix64(&seed) >> 16;
	printf("# seed: %s=0x%llx\n", again, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

#endif /* TESTS_RANDOM_H */

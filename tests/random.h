/* SPDX-License-Identifier: MIT */
/* Seeded random numbers of the tests: the generators that the model's sampler has, and a number below a bound. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include "../userspace/model/random.h"

static inline uint32_t random_below(uint64_t *state, uint32_t below)	/* below > 0 */
{
	return (uint32_t)(splitmix64(state) >> 32) % below;
}

#endif /* TESTS_RANDOM_H */

/* SPDX-License-Identifier: MIT */
/* Seeded random numbers, the same on every machine. */
#ifndef DSEEK_RANDOM_H
#define DSEEK_RANDOM_H

#include <stdint.h>

/* SplitMix64 (Steele, Lea and Flood 2014). */
static inline uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* xoshiro256** 1.0 (Blackman and Vigna 2018). */
struct random {
	uint64_t s[4];
};

static inline void random_seed(struct random *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix64(&seed);
}

static inline uint64_t random_next(struct random *r)
{
	uint64_t *s = r->s, x = s[1] * 5, result = (x << 7 | x >> 57) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

static inline double random_unit(struct random *r)	/* 0 <= x < 1, multiples of 2^-53 */
{
	return (double)(random_next(r) >> 11) * 0x1p-53;
}

#endif /* DSEEK_RANDOM_H */

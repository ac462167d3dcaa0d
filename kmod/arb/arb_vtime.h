/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Virtual time: nanoseconds of engine time divided by a weight, as 64.32 bit fixed point. 2^64 ns
 * are 584 years even at weight 1, so it never wraps and idle entities can be compared at any age;
 * a charge at the largest weight is off by less than 2^-16 ns. No 128-bit arithmetic is needed.
 */
#ifndef DSEEK_ARB_VTIME_H
#define DSEEK_ARB_VTIME_H

#include "arb_env.h"

struct arb_vtime {
	u64 ns;
	u32 frac;			/* 2^-32 ns */
};

static inline int arb_vtime_before(struct arb_vtime a, struct arb_vtime b)
{
	return a.ns < b.ns || (a.ns == b.ns && a.frac < b.frac);
}

static inline struct arb_vtime arb_vtime_add(struct arb_vtime a, struct arb_vtime b)
{
	u64 frac = (u64)a.frac + b.frac;

	return (struct arb_vtime){ a.ns + b.ns + (frac >> 32), (u32)frac };
}

/* Zero if b is the larger. */
static inline struct arb_vtime arb_vtime_sub(struct arb_vtime a, struct arb_vtime b)
{
	if (arb_vtime_before(a, b))
		return (struct arb_vtime){ 0, 0 };
	return (struct arb_vtime){ a.ns - b.ns - (a.frac < b.frac), a.frac - b.frac };
}

/* ns / weight, rounded down. Weights of 2^32 and more (sums) keep 16 bits after the point. */
static inline struct arb_vtime arb_vtime_of(u64 ns, u64 weight)
{
	u64 rest, frac;

	if (!(ns >> 32) && !(weight >> 32)) {	/* four seconds: one division does */
		frac = (ns << 32) / weight;
		return (struct arb_vtime){ frac >> 32, (u32)frac };
	}
	rest = ns % weight;
	frac = weight >> 32 ? (rest / (weight >> 16)) << 16 : (rest << 32) / weight;
	return (struct arb_vtime){ ns / weight, frac >> 32 ? ~0u : (u32)frac };
}

/* vtime * weight in ns, rounded down; saturates. */
static inline u64 arb_vtime_ns(struct arb_vtime v, u64 weight)
{
	u64 part = weight >> 32 ? ((v.frac >> 16) * (weight >> 16)) : (v.frac * weight) >> 32;

	u64 whole;

	if (__builtin_mul_overflow(v.ns, weight, &whole) || whole > ~0ULL >> 1)
		return ~0ULL >> 1;
	return whole + part;
}

#endif /* DSEEK_ARB_VTIME_H */

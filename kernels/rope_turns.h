/* SPDX-License-Identifier: MIT */
/*
 * For hosts, kernels' and the model engine: YaRN's frequencies, and the table that dsk_rope takes, in turns a position, as a sum of
 * two floats; in double precision, once a model.
 */
#ifndef ROPE_TURNS_H
#define ROPE_TURNS_H

#include <math.h>

/* YaRN (Peng et al. 2023): context @factor times as long as @trained; dimensions that turn more than @fast times in it stay. */
struct rope_yarn {
	double factor, trained, fast, slow;
};

/* What YaRN divides the frequency of pair @i of n/2 by: 1 for those that stay, @factor for those that turn less than @slow times. */
static inline double rope_yarn_divisor(int i, int n, double base, const struct rope_yarn *yarn)
{
	double per_base = n / (2 * log(base)), context = yarn->trained / (2 * M_PI);
	double low = fmax(floor(per_base * log(context / yarn->fast)), 0);
	double high = fmin(ceil(per_base * log(context / yarn->slow)), n - 1);
	double slowed = fmin(fmax((i - low) / fmax(high - low, 0.001), 0), 1);

	return 1 / (1 - slowed + slowed / yarn->factor);
}

/* Of what is turned: YaRN's equation 22. */
static inline double rope_yarn_magnitude(double factor)
{
	return 0.1 * log(factor) + 1;
}

/* @turns [n/2][2]; the factor of the result is returned. @yarn: NULL for none. */
static inline float rope_turns(float *turns, int n, double base, const struct rope_yarn *yarn)
{
	for (int i = 0; i < n / 2; i++) {
		double f = pow(base, -2.0 * i / n) / (2 * M_PI);

		if (yarn)
			f /= rope_yarn_divisor(i, n, base, yarn);
		turns[2 * i] = (float)f;
		turns[2 * i + 1] = (float)(f - turns[2 * i]);
	}
	return yarn ? (float)rope_yarn_magnitude(yarn->factor) : 1;
}

#endif /* ROPE_TURNS_H */

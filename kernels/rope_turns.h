/* SPDX-License-Identifier: MIT */
/*
 * For hosts: the table of frequencies that dsk_rope takes, in turns a position, as a sum of two floats; in double precision, once a
 * model.
 */
#ifndef ROPE_TURNS_H
#define ROPE_TURNS_H

#include <math.h>

/* YaRN (Peng et al. 2023): context @factor times as long as @trained; dimensions that turn more than @fast times in it stay. */
struct rope_yarn {
	double factor, trained, fast, slow;
};

/* @turns [n/2][2]; the factor of the result (YaRN's equation 22, or 1) is returned. @yarn: NULL for none. */
static inline float rope_turns(float *turns, int n, double base, const struct rope_yarn *yarn)
{
	double low = 0, high = 0;

	if (yarn) {
		double per_base = n / (2 * log(base)), context = yarn->trained / (2 * M_PI);

		low = fmax(floor(per_base * log(context / yarn->fast)), 0);
		high = fmin(ceil(per_base * log(context / yarn->slow)), n - 1);
	}
	for (int i = 0; i < n / 2; i++) {
		double f = pow(base, -2.0 * i / n) / (2 * M_PI);

		if (yarn) {
			double slowed = fmin(fmax((i - low) / fmax(high - low, 0.001), 0), 1);

			f = f * (1 - slowed) + f / yarn->factor * slowed;
		}
		turns[2 * i] = (float)f;
		turns[2 * i + 1] = (float)(f - turns[2 * i]);
	}
	return yarn ? (float)(0.1 * log(yarn->factor) + 1) : 1;
}

#endif /* ROPE_TURNS_H */

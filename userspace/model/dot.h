/* SPDX-License-Identifier: MIT */
/* For the trainers, which are built with -O3: sixteen sums that a compiler makes vectors of. */
#ifndef DSEEK_MODEL_DOT_H
#define DSEEK_MODEL_DOT_H

#include <stdint.h>

static inline float dot(const float *a, const float *b, uint32_t n)
{
	float part[16] = {}, sum = 0;

	for (uint32_t i = 0; i + 16 <= n; i += 16)
		for (int j = 0; j < 16; j++)
			part[j] += a[i + j] * b[i + j];
	for (uint32_t i = n / 16 * 16; i < n; i++)
		sum += a[i] * b[i];
	for (int j = 0; j < 16; j++)
		sum += part[j];
	return sum;
}

#endif /* DSEEK_MODEL_DOT_H */

// SPDX-License-Identifier: MIT
#include "moefy_fit.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS	8

static float dot(const float *a, const float *b, uint32_t n)
{
	float part[16] = {}, sum = 0;
	uint32_t i = 0;

	for (; i + 16 <= n; i += 16)	/* independent sums: the compiler may use vectors */
		for (int j = 0; j < 16; j++)
			part[j] += a[i + j] * b[i + j];
	for (; i < n; i++)
		sum += a[i] * b[i];
	for (int j = 0; j < 16; j++)
		sum += part[j];
	return sum;
}

static void normalise(float *v, uint32_t n)
{
	float length = sqrtf(dot(v, v, n));

	for (uint32_t i = 0; length > 0 && i < n; i++)
		v[i] /= length;
}

struct wish {
	float gain;		/* of the best cluster over the worst: who has most to lose chooses first */
	uint32_t vector;
};

static int by_gain(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	return x->gain != y->gain ? (x->gain < y->gain ? 1 : -1) : (x->vector > y->vector) - (x->vector < y->vector);
}

static void assign(const float *v, const float *centres, uint32_t n, uint32_t dims, uint32_t k, float *likeness,
		   struct wish *wishes, uint32_t *room, uint32_t *cluster)
{
	for (uint32_t i = 0; i < n; i++) {
		float best = -INFINITY, worst = INFINITY;

		for (uint32_t c = 0; c < k; c++) {
			float l = dot(v + (uint64_t)i * dims, centres + (uint64_t)c * dims, dims);

			likeness[(uint64_t)i * k + c] = l;
			best = fmaxf(best, l);
			worst = fminf(worst, l);
		}
		wishes[i] = (struct wish){ best - worst, i };
	}
	qsort(wishes, n, sizeof(*wishes), by_gain);
	for (uint32_t c = 0; c < k; c++)
		room[c] = n / k;
	for (uint32_t i = 0; i < n; i++) {
		const float *l = likeness + (uint64_t)wishes[i].vector * k;
		uint32_t best = k;

		for (uint32_t c = 0; c < k; c++)
			if (room[c] && (best == k || l[c] > l[best]))
				best = c;
		cluster[wishes[i].vector] = best;
		room[best]--;
	}
}

int moefy_cluster(float *v, uint32_t n, uint32_t dims, uint32_t k, uint32_t *ret_cluster)
{
	float *centres = calloc((size_t)k * dims, sizeof(*centres)), *likeness = malloc((size_t)n * k * sizeof(*likeness));
	struct wish *wishes = malloc(n * sizeof(*wishes));
	uint32_t *room = malloc(k * sizeof(*room));
	int rc = centres && likeness && wishes && room ? 0 : -ENOMEM;

	for (uint32_t i = 0; !rc && i < n; i++)
		normalise(v + (uint64_t)i * dims, dims);
	for (uint32_t c = 0; !rc && c < k; c++)		/* begin with vectors spread over the list */
		memcpy(centres + (uint64_t)c * dims, v + (uint64_t)c * (n / k) * dims, dims * sizeof(*v));
	for (int round = 0; !rc && round < ROUNDS; round++) {
		assign(v, centres, n, dims, k, likeness, wishes, room, ret_cluster);
		memset(centres, 0, (size_t)k * dims * sizeof(*centres));
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t d = 0; d < dims; d++)
				centres[(uint64_t)ret_cluster[i] * dims + d] += v[(uint64_t)i * dims + d];
		for (uint32_t c = 0; c < k; c++)
			normalise(centres + (uint64_t)c * dims, dims);
	}
	free(centres);
	free(likeness);
	free(wishes);
	free(room);
	return rc;
}

/* Solve A z = b for @k right sides (columns of @b, n x k), A symmetric positive definite: Cholesky, in place. */
static int solve(double *a, double *b, uint32_t n, uint32_t k)
{
	for (uint32_t j = 0; j < n; j++) {
		for (uint32_t i = 0; i < j; i++) {
			double s = a[(uint64_t)j * n + i];

			for (uint32_t m = 0; m < i; m++)
				s -= a[(uint64_t)j * n + m] * a[(uint64_t)i * n + m];
			a[(uint64_t)j * n + i] = s / a[(uint64_t)i * n + i];
		}
		for (uint32_t m = 0; m < j; m++)
			a[(uint64_t)j * n + j] -= a[(uint64_t)j * n + m] * a[(uint64_t)j * n + m];
		if (!(a[(uint64_t)j * n + j] > 0))
			return -EDOM;
		a[(uint64_t)j * n + j] = sqrt(a[(uint64_t)j * n + j]);
	}
	for (uint32_t c = 0; c < k; c++) {
		for (uint32_t j = 0; j < n; j++) {
			for (uint32_t m = 0; m < j; m++)
				b[(uint64_t)j * k + c] -= a[(uint64_t)j * n + m] * b[(uint64_t)m * k + c];
			b[(uint64_t)j * k + c] /= a[(uint64_t)j * n + j];
		}
		for (uint32_t j = n; j-- > 0; ) {
			for (uint32_t m = j + 1; m < n; m++)
				b[(uint64_t)j * k + c] -= a[(uint64_t)m * n + j] * b[(uint64_t)m * k + c];
			b[(uint64_t)j * k + c] /= a[(uint64_t)j * n + j];
		}
	}
	return 0;
}

int moefy_ridge(const float *x, const float *y, uint32_t n, uint32_t dims, uint32_t k, double ridge, float *ret_w, float *ret_b)
{
	float *columns = malloc((size_t)dims * n * sizeof(*columns)), *targets = malloc((size_t)k * n * sizeof(*targets));
	double *a = malloc((size_t)dims * dims * sizeof(*a)), *b = malloc((size_t)dims * k * sizeof(*b));
	double *mean = calloc(dims, sizeof(*mean)), *mean_y = calloc(k, sizeof(*mean_y)), trace = 0;
	int rc = columns && targets && a && b && mean && mean_y ? 0 : -ENOMEM;

	for (uint32_t i = 0; !rc && i < n; i++) {
		for (uint32_t d = 0; d < dims; d++)
			mean[d] += x[(uint64_t)i * dims + d] / (double)n;
		for (uint32_t c = 0; c < k; c++)
			mean_y[c] += y[(uint64_t)i * k + c] / (double)n;
	}
	/* Columns around their means, so that the constant term falls out of the sums. */
	for (uint32_t i = 0; !rc && i < n; i++) {
		for (uint32_t d = 0; d < dims; d++)
			columns[(uint64_t)d * n + i] = x[(uint64_t)i * dims + d] - mean[d];
		for (uint32_t c = 0; c < k; c++)
			targets[(uint64_t)c * n + i] = y[(uint64_t)i * k + c] - mean_y[c];
	}
	for (uint32_t d = 0; !rc && d < dims; d++) {
		for (uint32_t e = 0; e <= d; e++)
			a[(uint64_t)d * dims + e] = dot(columns + (uint64_t)d * n, columns + (uint64_t)e * n, n);
		for (uint32_t c = 0; c < k; c++)
			b[(uint64_t)d * k + c] = dot(columns + (uint64_t)d * n, targets + (uint64_t)c * n, n);
		trace += a[(uint64_t)d * dims + d];
	}
	for (uint32_t d = 0; !rc && d < dims; d++)
		a[(uint64_t)d * dims + d] += ridge * trace / dims + 1e-9;
	if (!rc)
		rc = solve(a, b, dims, k);
	for (uint32_t c = 0; !rc && c < k; c++) {
		double constant = mean_y[c];

		for (uint32_t d = 0; d < dims; d++) {
			ret_w[(uint64_t)c * dims + d] = b[(uint64_t)d * k + c];
			constant -= b[(uint64_t)d * k + c] * mean[d];
		}
		ret_b[c] = constant;
		if (!isfinite(constant))
			rc = -EDOM;
	}
	free(columns);
	free(targets);
	free(a);
	free(b);
	free(mean);
	free(mean_y);
	return rc;
}

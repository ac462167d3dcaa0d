/* SPDX-License-Identifier: MIT */
#ifndef DSEEK_MOEFY_FIT_H
#define DSEEK_MOEFY_FIT_H

#include <stdint.h>

/*
 * Divide @n vectors of @dims floats (rows of @v, changed: scaled to length 1) among @k clusters of n / k each, by balanced
 * k-means. @ret_cluster gets n numbers. Deterministic. -ENOMEM.
 */
int moefy_cluster(float *v, uint32_t n, uint32_t dims, uint32_t k, uint32_t *ret_cluster);

/*
 * Ridge regression: @ret_w (k rows of dims) and @ret_b (k) that bring w x + b nearest to y over @n samples, x: n rows of @dims, y: n
 * rows of @k. The penalty is @ridge times the mean variance of a dimension. -ENOMEM; -EDOM: values that are no numbers.
 */
int moefy_ridge(const float *x, const float *y, uint32_t n, uint32_t dims, uint32_t k, double ridge, float *ret_w, float *ret_b);

#endif /* DSEEK_MOEFY_FIT_H */

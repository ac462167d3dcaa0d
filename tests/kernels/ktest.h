/* SPDX-License-Identifier: MIT */
/* Data, launches and comparisons of the kernels' tests. References are in double precision, in the tests, from the formula. */
#ifndef KTEST_H
#define KTEST_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "device.h"

extern uint64_t ktest_random;	/* the same sequence in every run */

float random_float(float low, float high);
int random_int(int low, int high);		/* inclusive */

/* n elements of enum dsk_type (not I8), from -@range to @range; free() them */
void *random_typed(size_t n, int type, float range);
void *typed(const float *src, size_t n, int type);
double typed_get(const void *p, size_t i, int type);
size_t type_size(int type);
const char *type_name(int type);
double type_epsilon(int type);		/* half a unit in the last place, relative */

double f8_value(int code);		/* E4M3 by its definition */
/* Is a row that was rounded to E4M3 @want, which float arithmetic came within 1e-5 of? The reason in @err. */
int f8_row_is(const unsigned char *codes, float scale, const double *want, int n, char *err, size_t err_size);

/* Results, as in tap.h, whose state is ktest.c's. */
int ktest_ok(int good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Calls @test for each device there is, or those in DSEEK_KERNEL_DEVICES ("simt32,opencl64"); says why others are skipped;
 * the exit status.
 */
int ktest_main(void (*test)(const struct device *device));
int ktest_main_mma(void (*test)(const struct device *device));	/* and on device_simt_mma */

/*
 * One result: @n elements of @got are within absolute + relative * |want|, where relative gets the type's rounding on top. The line says
 * how far the farthest is, in units of what is allowed.
 */
int ktest_close(const void *got, int type, const double *want, size_t n, double absolute, double relative, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));

/* A launch; a failure is a failed result, named. */
int ktest_launch(const struct device *d, const char *kernel, const struct simt_launch *launch, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define LAUNCH_PARAMS(p)	.params = &(p), .params_size = sizeof(p)
#define BUFFERS(...)	.buffers = { __VA_ARGS__ }, .n_buffers = sizeof((struct simt_buffer[]){ __VA_ARGS__ }) / sizeof(struct simt_buffer)
#define IN(p, bytes)	{ (void *)(p), bytes, SIMT_IN }
#define OUT(p, bytes)	{ p, bytes, SIMT_OUT }
#define INOUT(p, bytes)	{ p, bytes, SIMT_INOUT }
#define NONE		{ NULL, 0, SIMT_IN }

#endif /* KTEST_H */

/* SPDX-License-Identifier: MIT */
/* Weights as programs have them, of any type, with what their bits mean. */
#ifndef KWEIGHT_H
#define KWEIGHT_H

#include <dseek_program.h>

#include "ktest.h"

struct kweight {
	uint32_t dtype, k, rows;
	int packed;
	void *data;
	size_t bytes;
	double *exact;		/* what its bits mean, [rows][k] */
	struct dsk_matrix m;
};

#define KWEIGHT_DTYPES	10
extern const uint32_t kweight_dtypes[KWEIGHT_DTYPES];	/* all that weights can have */

struct kweight kweight_make(uint32_t dtype, uint32_t k, uint32_t rows, int packed);
void kweight_free(struct kweight *w);

/* Row @row times x [k], and the sum of the products' magnitudes, by which errors of sums in float are bounded. */
double kweight_dot(const struct kweight *w, uint32_t row, const float *x, double *ret_magnitude);

/* Are the @n elements of @y what is wanted? Else @what says what is wrong; "" if nothing is. */
int kweight_close(const float *y, const double *want, const double *allowed, size_t n, char *what, size_t size);

#endif /* KWEIGHT_H */

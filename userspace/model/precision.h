/* SPDX-License-Identifier: MIT */
/*
 * How few bits are enough: what rounding to a format costs at most, for data that was measured, and the cheapest format that costs no more
 * than is allowed. No model, no engine: sessions (session.c) say what they can do with the answer.
 */
#ifndef DSEEK_PRECISION_H
#define DSEEK_PRECISION_H

#include <stddef.h>
#include <stdint.h>

/* Formats, and with the first two what DSEEK_PRECISION_MODE may say. */
enum dsk_precision {
	DSK_PRECISION_UNSET,	/* what DSEEK_PRECISION_MODE says; nothing: as before there was a choice */
	DSK_PRECISION_AUTO,	/* measured */
	DSK_PRECISION_FP32,
	DSK_PRECISION_BF16,
	DSK_PRECISION_FP16,	/* IEEE 754 binary16 */
	DSK_PRECISION_FP8,	/* E4M3 (kernels/f8.h) with a float scale of max|x| / 448, at least 2^-126, for each row; of weights */
	DSK_PRECISION_INT8,	/* with a float scale of max|x| / 127 for each DSK_PRECISION_BLOCK elements of a row */
	DSK_PRECISION_COUNT
};

#define DSK_PRECISION_BLOCK	16
#define DSK_PRECISION_TOLERANCE	0.01	/* of sessions that say nothing else */
#define DSK_PRECISION_FP8_ROUNDOFF	0x1p-4	/* no row's bound is less */

const char *dsk_precision_name(enum dsk_precision precision);	/* "auto", "fp32", ...; "" for UNSET */

/* @text as DSEEK_PRECISION_MODE; NULL is UNSET. -EINVAL: none of the names; one sentence with all of them in @err. */
int dsk_precision_parse(const char *text, enum dsk_precision *ret_precision, char *err, size_t err_size);

/*
 * Rows that were measured. For each row x and format, dsk_spread_bound() is no less than |round(x) - x| / |x| (2-norms), infinite
 * where the format can't hold x:
 *
 *	floating point of unit roundoff u, least subnormal s, and m elements below the least normal number:
 *		fl(x_i) = x_i (1 + d) + e, |d| <= u, |e| <= s / 2, d e = 0	(Higham 2002, Accuracy and Stability, 2.1 and 2.8)
 *		so |fl(x) - x| <= u |x| + sqrt(m) s / 2
 *		fp16: u = 2^-11, s = 2^-24; bf16: 2^-8, 2^-133
 *	fp8: the same with u = 2^-4 and s = 2^-9 d, m elements below 2^-6 d, d the row's scale; the quotient x / d is float arithmetic's,
 *		another 2^-22 |x|. As d is max|x| / 448, at most |x| / 448, the second term is below sqrt(m) 2^-18.8 |x|: scales of groups
 *		could take away no more than that
 *	int8: an element is off by half a step, d/2 with d = max|x| / 127 of its block; step and quotient are float arithmetic's, another
 *		2^-15 d: |x' - x|^2 <= sum over blocks of n_b (d_b (1/2 + 2^-15))^2
 *	fp32: 0
 */
struct dsk_spread {
	uint64_t rows, values;
	double max_abs;
	uint64_t outliers;	/* values beyond 6 times the root mean square of their row */
	double range;		/* greatest, of all blocks, of max|x| / min|x|, zeros left out */
	double bound[DSK_PRECISION_COUNT];	/* greatest of all rows */
};

void dsk_spread_init(struct dsk_spread *spread);

/* -EDOM: an infinity or a NaN, and nothing is added. */
int dsk_spread_add(struct dsk_spread *spread, const float *row, uint32_t n);

double dsk_spread_bound(const struct dsk_spread *spread, enum dsk_precision format);

/*
 * Of the formats in @allowed (bits 1 << enum dsk_precision) whose bound is at most @tolerance the one of fewest bits, of equals the one of the
 * least bound; FP32 if there is none, allowed or not.
 */
enum dsk_precision dsk_precision_choose(const struct dsk_spread *spread, unsigned int allowed, double tolerance);

#endif /* DSEEK_PRECISION_H */

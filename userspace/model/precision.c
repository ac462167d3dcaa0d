// SPDX-License-Identifier: MIT
#include "precision.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const names[DSK_PRECISION_COUNT] = {
	[DSK_PRECISION_UNSET] = "", [DSK_PRECISION_AUTO] = "auto", [DSK_PRECISION_FP32] = "fp32", [DSK_PRECISION_BF16] = "bf16",
	[DSK_PRECISION_FP16] = "fp16", [DSK_PRECISION_FP8] = "fp8", [DSK_PRECISION_INT8] = "int8",
};

static const unsigned int bits[DSK_PRECISION_COUNT] = {
	[DSK_PRECISION_FP32] = 32, [DSK_PRECISION_BF16] = 16, [DSK_PRECISION_FP16] = 16, [DSK_PRECISION_FP8] = 8, [DSK_PRECISION_INT8] = 8,
};

/* Overflow: the least magnitude that rounds to what the format hasn't. */
static const struct {
	enum dsk_precision format;
	double roundoff, subnormal, normal, overflow;
} floats[] = {
	{ DSK_PRECISION_BF16, 0x1p-8, 0x1p-133, 0x1p-126, 0x1.ffp127 },
	{ DSK_PRECISION_FP16, 0x1p-11, 0x1p-24, 0x1p-14, 65520 },
};

/* Below it a block's step is no normal number, or what to multiply by to get steps is infinite. */
#define INT8_LEAST	0x1p-118

#define OUTLIER		6.0

const char *dsk_precision_name(enum dsk_precision precision)
{
	return names[precision];
}

int dsk_precision_parse(const char *text, enum dsk_precision *ret_precision, char *err, size_t err_size)
{
	size_t used;

	if (!text) {
		*ret_precision = DSK_PRECISION_UNSET;
		return 0;
	}
	for (int i = DSK_PRECISION_AUTO; i < DSK_PRECISION_COUNT; i++)
		if (!strcmp(text, names[i])) {
			*ret_precision = i;
			return 0;
		}
	used = (size_t)snprintf(err, err_size, "DSEEK_PRECISION_MODE is \"%.32s\", which is none of", text);
	for (int i = DSK_PRECISION_AUTO; i < DSK_PRECISION_COUNT && used < err_size; i++)
		used += (size_t)snprintf(err + used, err_size - used, "%s %s", i > DSK_PRECISION_AUTO ? "," : "", names[i]);
	return -EINVAL;
}

void dsk_spread_init(struct dsk_spread *spread)
{
	memset(spread, 0, sizeof(*spread));
}

static void raise(double *to, double v)
{
	*to = v > *to ? v : *to;
}

/* The sum of squares of what a block may be off by, and its dynamic range. */
static double block(struct dsk_spread *spread, const float *x, uint32_t n)
{
	double most = 0, least = INFINITY, off;

	for (uint32_t i = 0; i < n; i++) {
		double v = fabs(x[i]);

		raise(&most, v);
		least = v > 0 && v < least ? v : least;
	}
	if (most > 0)
		raise(&spread->range, most / least);
	off = most / 127 * (0.5 + 0x1p-15);
	return most == 0 ? 0 : most < INT8_LEAST ? INFINITY : n * off * off;
}

/* Of E4M3 with the row's scale; @most and @norm of the row. */
static double fp8_bound(const float *row, uint32_t n, double most, double norm)
{
	double scale = fmax(most / 448, 0x1p-126);
	uint32_t below = 0;

	for (uint32_t i = 0; i < n; i++)
		below += row[i] != 0 && fabs(row[i]) < 0x1p-6 * scale;
	return DSK_PRECISION_FP8_ROUNDOFF + 0x1p-22 + sqrt(below) * 0x1p-10 * scale / norm;
}

int dsk_spread_add(struct dsk_spread *spread, const float *row, uint32_t n)
{
	double squares = 0, most = 0, norm, of_blocks = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!isfinite(row[i]))
			return -EDOM;
		squares += (double)row[i] * row[i];
		raise(&most, fabs(row[i]));
	}
	spread->rows++;
	spread->values += n;
	if (most == 0)
		return 0;
	norm = sqrt(squares);
	raise(&spread->max_abs, most);
	for (uint32_t i = 0; i < n; i++)
		spread->outliers += fabs(row[i]) > OUTLIER * norm / sqrt(n);
	for (size_t f = 0; f < sizeof(floats) / sizeof(*floats); f++) {
		uint32_t below = 0;

		for (uint32_t i = 0; i < n; i++)
			below += row[i] != 0 && fabs(row[i]) < floats[f].normal;
		raise(&spread->bound[floats[f].format], most >= floats[f].overflow ? INFINITY :
		      floats[f].roundoff + sqrt(below) * floats[f].subnormal / 2 / norm);
	}
	raise(&spread->bound[DSK_PRECISION_FP8], fp8_bound(row, n, most, norm));
	for (uint32_t i = 0; i < n; i += DSK_PRECISION_BLOCK)
		of_blocks += block(spread, row + i, n - i < DSK_PRECISION_BLOCK ? n - i : DSK_PRECISION_BLOCK);
	raise(&spread->bound[DSK_PRECISION_INT8], sqrt(of_blocks) / norm);
	return 0;
}

double dsk_spread_bound(const struct dsk_spread *spread, enum dsk_precision format)
{
	return spread->bound[format];
}

enum dsk_precision dsk_precision_choose(const struct dsk_spread *spread, unsigned int allowed, double tolerance)
{
	enum dsk_precision best = DSK_PRECISION_FP32;

	for (int f = DSK_PRECISION_BF16; f < DSK_PRECISION_COUNT; f++) {
		int fewer = bits[f] < bits[best], same = bits[f] == bits[best];

		if (allowed >> f & 1 && spread->bound[f] <= tolerance && (fewer || (same && spread->bound[f] < spread->bound[best])))
			best = f;
	}
	return best;
}

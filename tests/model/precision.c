// SPDX-License-Identifier: MIT
/*
 * Bounds of precision.h against what rounding does, in double precision, for data of many shapes: the bound holds for every row, and isn't far
 * above what happens where the data are ordinary.
 */
#include "../../userspace/model/precision.h"

#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "../tap.h"

#define ROWS	20

static uint64_t seed = 7;

static double uniform(void)
{
	return ((double)(splitmix64(&seed) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

/* Student's t with 2 degrees of freedom: no variance. */
static double heavy(void)
{
	return normal() / sqrt(-log(uniform()));
}

static double outlier(void)
{
	return splitmix64(&seed) % 100 ? normal() : 60 * normal();
}

static double zero(void) { return 0; }
static double zero_or_one(void) { return splitmix64(&seed) & 1 ? (double)(splitmix64(&seed) % 3) - 1 : 0; }
static double equal(void) { return 0.3; }
static double subnormal(void) { return normal() * 0x1p-130; }
static double small(void) { return normal() * 0x1p-20; }		/* subnormal in fp16 */
static double smallest(void) { return normal() * 0x1p-119; }	/* about the least that int8 takes */
static double large(void) { return 40000 + 30000 * uniform(); }	/* some beyond fp16 */
static double huge_values(void) { return 0x1.fep127 * (0.9 + 0.1005 * uniform()); }	/* some beyond bf16 */
static double wide(void) { return normal() * exp2(40 * uniform() - 20); }

static const struct shape {
	const char *name;
	double (*draw)(void);
	int ordinary;	/* bounds are within so many times what happens */
} shapes[] = {
	{ "normal", normal, 1 }, { "heavy tails", heavy, 0 }, { "normal with outliers", outlier, 1 }, { "all zero", zero, 0 },
	{ "-1, 0 and 1", zero_or_one, 0 }, { "equal", equal, 0 }, { "subnormal", subnormal, 0 }, { "small", small, 0 }, { "smallest", smallest, 0 },
	{ "large", large, 0 }, { "huge", huge_values, 0 }, { "of 40 binary orders", wide, 0 },
};

/* What F8_E4M3's codes and scale stand for; rows are in fours. */
static void to_fp8(const float *x, uint32_t n, double *out)
{
	uint32_t room = (n + 3) / 4 * 4;
	float *padded = calloc(room, sizeof(*padded)), scale;
	uint8_t *row = malloc(room + sizeof(scale));

	memcpy(padded, x, n * sizeof(*x));
	dseek_row_from_f32(DSEEK_F8_E4M3, padded, room, row);
	memcpy(&scale, row + room, sizeof(scale));
	for (uint32_t i = 0; i < n; i++) {
		int exponent = row[i] >> 3 & 15, mantissa = row[i] & 7;
		double v = exponent ? ldexp(8 + mantissa, exponent - 10) : ldexp(mantissa, -9);

		out[i] = (row[i] & 0x7f) == 0x7f ? NAN : (row[i] & 0x80 ? -v : v) * scale;
	}
	free(padded);
	free(row);
}

/* As the cpu engine's tiles (vec_tile.h). */
static void to_int8(const float *x, uint32_t n, double *out)
{
	for (uint32_t i = 0; i < n; i += DSK_PRECISION_BLOCK) {
		uint32_t end = i + DSK_PRECISION_BLOCK < n ? i + DSK_PRECISION_BLOCK : n;
		float most = 0, step, inverse;

		for (uint32_t j = i; j < end; j++)
			most = fmaxf(most, fabsf(x[j]));
		step = most / 127;
		inverse = most > 0 ? 127 / most : 0;
		for (uint32_t j = i; j < end; j++)
			out[j] = (double)step * nearbyintf(x[j] * inverse);
	}
}

static void round_to(enum dsk_precision format, const float *x, uint32_t n, double *out)
{
	uint32_t dtype = format == DSK_PRECISION_BF16 ? DSEEK_BF16 : DSEEK_F16;

	if (format == DSK_PRECISION_INT8)
		to_int8(x, n, out);
	if (format == DSK_PRECISION_FP8)
		to_fp8(x, n, out);
	for (uint32_t i = 0; format != DSK_PRECISION_INT8 && format != DSK_PRECISION_FP8 && i < n; i++) {
		uint16_t h;
		float f;

		dseek_row_from_f32(dtype, x + i, 1, &h);
		dseek_row_to_f32(dtype, &h, 1, &f);
		out[i] = format == DSK_PRECISION_FP32 ? x[i] : f;
	}
}

/* |round(x) - x| / |x|; infinite if the format has no such number; 0 of zeros. */
static double error(enum dsk_precision format, const float *x, uint32_t n)
{
	double *out = malloc(n * sizeof(*out)), off = 0, norm = 0;

	round_to(format, x, n, out);
	for (uint32_t i = 0; i < n; i++) {
		off += (out[i] - x[i]) * (out[i] - x[i]);
		norm += (double)x[i] * x[i];
	}
	free(out);
	return norm == 0 ? 0 : isfinite(off) ? sqrt(off / norm) : INFINITY;
}

static void holds(const struct shape *s, uint32_t n)
{
	double worst[DSK_PRECISION_COUNT] = { 0 };
	struct dsk_spread of_all;
	float *x = malloc(n * sizeof(*x));
	int good = 1;

	dsk_spread_init(&of_all);
	for (int row = 0; row < ROWS; row++) {
		struct dsk_spread spread;

		for (uint32_t i = 0; i < n; i++)
			x[i] = (float)s->draw();
		dsk_spread_init(&spread);
		good &= !dsk_spread_add(&spread, x, n) && !dsk_spread_add(&of_all, x, n);
		for (int f = DSK_PRECISION_FP32; f < DSK_PRECISION_COUNT; f++) {
			double off = error(f, x, n);

			worst[f] = fmax(worst[f], off);
			if (off <= dsk_spread_bound(&spread, f) * (1 + 1e-12))
				continue;
			printf("# row %d, %s: off by %g, bound %g\n", row, dsk_precision_name(f), off, dsk_spread_bound(&spread, f));
			good = 0;
		}
	}
	tap_ok(good, "%s, %u a row: bounds hold: bf16 %.2g of %.2g, fp16 %.2g of %.2g, fp8 %.2g of %.2g, int8 %.2g of %.2g", s->name, n,
	       worst[DSK_PRECISION_BF16], of_all.bound[DSK_PRECISION_BF16], worst[DSK_PRECISION_FP16], of_all.bound[DSK_PRECISION_FP16],
	       worst[DSK_PRECISION_FP8], of_all.bound[DSK_PRECISION_FP8], worst[DSK_PRECISION_INT8], of_all.bound[DSK_PRECISION_INT8]);
	good = of_all.rows == ROWS && of_all.values == (uint64_t)ROWS * n && of_all.bound[DSK_PRECISION_FP32] == 0;
	for (int f = DSK_PRECISION_BF16; s->ordinary && n > 100 && f < DSK_PRECISION_COUNT; f++)
		good &= of_all.bound[f] < 3.5 * worst[f];
	if (s->ordinary && n > 100)
		tap_ok(good, "%s, %u a row: bounds are within 3.5 times what happens", s->name, n);
	free(x);
}

static void parsing(void)
{
	enum dsk_precision p = DSK_PRECISION_COUNT;
	char err[256] = "";
	int good = 1;

	for (int i = DSK_PRECISION_AUTO; i < DSK_PRECISION_COUNT; i++)
		good &= !dsk_precision_parse(dsk_precision_name(i), &p, err, sizeof(err)) && (int)p == i;
	tap_ok(good, "every name is parsed");
	tap_ok(!dsk_precision_parse(NULL, &p, err, sizeof(err)) && p == DSK_PRECISION_UNSET, "none is UNSET");
	p = DSK_PRECISION_COUNT;
	tap_got(dsk_precision_parse("fp64", &p, err, sizeof(err)) == -EINVAL && p == DSK_PRECISION_COUNT &&
		!strcmp(err, "DSEEK_PRECISION_MODE is \"fp64\", which is none of auto, fp32, bf16, fp16, fp8, int8"), "another is refused, by name", err);
	tap_got(dsk_precision_parse("", &p, err, sizeof(err)) == -EINVAL, "so is an empty one", err);
	tap_ok(dsk_precision_parse("FP32", &p, err, sizeof(err)) == -EINVAL && dsk_precision_parse("fp3", &p, err, 8) == -EINVAL && strlen(err) == 7,
	       "so are others that begin or are written like one; a short buffer is not overrun");
}

static void refusals(void)
{
	struct dsk_spread spread, before;
	float x[40];
	int good = 1;

	dsk_spread_init(&spread);
	for (int i = 0; i < 40; i++)
		x[i] = (float)normal();
	good &= !dsk_spread_add(&spread, x, 40);
	before = spread;
	for (int i = 0; i < 3; i++) {
		float saved = x[20];

		x[20] = i == 0 ? NAN : i == 1 ? INFINITY : -INFINITY;
		good &= dsk_spread_add(&spread, x, 40) == -EDOM && !memcmp(&spread, &before, sizeof(spread));
		x[20] = saved;
	}
	tap_ok(good, "a row with a NaN or an infinity is refused, nothing of it is added");
	good = !dsk_spread_add(&spread, x, 0) && spread.rows == 2 && spread.values == 40;
	tap_ok(good, "a row of nothing adds nothing");
}

/* Rows of @n with @change applied; what is chosen of @allowed. */
static enum dsk_precision chosen(double (*draw)(void), unsigned int allowed, double tolerance, struct dsk_spread *spread)
{
	float x[512];

	dsk_spread_init(spread);
	for (int row = 0; row < 8; row++) {
		for (int i = 0; i < 512; i++)
			x[i] = (float)draw();
		if (dsk_spread_add(spread, x, 512))
			return DSK_PRECISION_COUNT;
	}
	return dsk_precision_choose(spread, allowed, tolerance);
}

static double spikes(void) { return splitmix64(&seed) % 16 ? 0.01 * normal() : 1; }

static void choices(void)
{
	const unsigned int all = 1u << DSK_PRECISION_FP32 | 1u << DSK_PRECISION_BF16 | 1u << DSK_PRECISION_FP16 | 1u << DSK_PRECISION_FP8 |
		1u << DSK_PRECISION_INT8, of_16 = 1u << DSK_PRECISION_FP16 | 1u << DSK_PRECISION_BF16;
	struct dsk_spread s;
	enum dsk_precision got;

	got = chosen(normal, all, DSK_PRECISION_TOLERANCE, &s);
	tap_ok(got == DSK_PRECISION_INT8 && s.outliers == 0, "normal: int8, bound %.3g", s.bound[DSK_PRECISION_INT8]);
	got = chosen(normal, all, 0.005, &s);
	tap_ok(got == DSK_PRECISION_FP16, "less is tolerated: of 16 bits fp16, bound %.3g", s.bound[DSK_PRECISION_FP16]);
	got = chosen(normal, all, 0x1p-12, &s);
	tap_ok(got == DSK_PRECISION_FP32, "nothing but fp32 is as good as 2^-12");
	got = chosen(normal, all & ~(1u << DSK_PRECISION_FP16), 0.005, &s);
	tap_ok(got == DSK_PRECISION_BF16, "without fp16, bf16");
	got = chosen(large, of_16, 0.005, &s);
	tap_ok(got == DSK_PRECISION_BF16 && isinf(s.bound[DSK_PRECISION_FP16]), "beyond fp16's range, bf16");
	got = chosen(small, of_16, 0.005, &s);
	tap_ok(got == DSK_PRECISION_BF16, "below fp16's normal numbers, bf16: fp16's bound is %.3g", s.bound[DSK_PRECISION_FP16]);
	got = chosen(normal, 1u << DSK_PRECISION_FP8, 0.1, &s);
	tap_ok(got == DSK_PRECISION_FP8, "fp8, if that is all and a tenth is tolerated");
	got = chosen(normal, 1u << DSK_PRECISION_FP8, 0.0624, &s);
	tap_ok(got == DSK_PRECISION_FP32, "less than 2^-4 is what fp8 keeps of nothing");
	got = chosen(small, 1u << DSK_PRECISION_FP8, 0.0626, &s);
	tap_ok(got == DSK_PRECISION_FP8, "fp8's scale makes up for small numbers: bound %.5g", s.bound[DSK_PRECISION_FP8]);
	got = chosen(normal, 0, 1, &s);
	tap_ok(got == DSK_PRECISION_FP32, "nothing allowed: fp32");
	got = chosen(zero, all, 0, &s);
	tap_ok(got == DSK_PRECISION_FP8 || got == DSK_PRECISION_INT8, "zeros: any 8 bits");
	got = chosen(subnormal, all, DSK_PRECISION_TOLERANCE, &s);
	tap_ok(got == DSK_PRECISION_FP32 && isinf(s.bound[DSK_PRECISION_INT8]), "subnormal: fp32, int8's step would be no normal number");
	got = chosen(heavy, all, DSK_PRECISION_TOLERANCE, &s);
	tap_ok(got == DSK_PRECISION_FP16 && s.outliers > 0, "heavy tails: fp16, int8's bound is %.3g; %llu outliers of %llu", s.bound[DSK_PRECISION_INT8],
	       (unsigned long long)s.outliers, (unsigned long long)s.values);
	chosen(spikes, all, 0.0001, &s);
	tap_ok(s.range > 50 && s.max_abs == 1, "the dynamic range of a block and the greatest magnitude: %.3g, %g", s.range, s.max_abs);
}

int main(void)
{
	static const uint32_t sizes[] = { 1, 15, 16, 17, 300, 4096 };

	parsing();
	refusals();
	choices();
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		for (size_t j = 0; j < sizeof(sizes) / sizeof(*sizes); j++)
			holds(&shapes[i], sizes[j]);
	return tap_end();
}

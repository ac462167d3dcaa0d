/* SPDX-License-Identifier: MIT */
#include <dseek_program.h>

#include "../tap.h"
#include "ktest.h"

uint64_t ktest_random = 1;

float random_float(float low, float high)
{
	return low + (high - low) * (float)(splitmix64(&ktest_random) >> 40) * 0x1p-24f;
}

int random_int(int low, int high)
{
	return low + (int)random_below(&ktest_random, (uint32_t)(high - low + 1));
}

static uint32_t dtype(int type)
{
	return type == DSK_F32 ? DSEEK_F32 : type == DSK_F16 ? DSEEK_F16 : DSEEK_BF16;
}

size_t type_size(int type)
{
	return type == DSK_F32 ? 4 : type == DSK_I8 || type == DSK_F8 ? 1 : 2;
}

const char *type_name(int type)
{
	return type == DSK_F32 ? "f32" : type == DSK_F16 ? "f16" : type == DSK_BF16 ? "bf16" : type == DSK_I8 ? "i8" : type == DSK_I4 ? "i4" : "f8";
}

double type_epsilon(int type)
{
	return type == DSK_F32 ? 0x1p-24 : type == DSK_F16 ? 0x1p-11 : 0x1p-8;
}

void *typed(const float *src, size_t n, int type)
{
	void *p = malloc(n * type_size(type) + 1);

	dseek_row_from_f32(dtype(type), src, n, p);
	return p;
}

double typed_get(const void *p, size_t i, int type)
{
	float f;

	dseek_row_to_f32(dtype(type), (const char *)p + i * type_size(type), 1, &f);
	return f;
}

double f8_value(int code)
{
	int exponent = code >> 3 & 15;
	double v = ldexp(exponent ? 8 + (code & 7) : code & 7, (exponent ? exponent : 1) - 10);

	return (code & 0x7f) == 0x7f ? NAN : code & 0x80 ? -v : v;
}

int f8_row_is(const unsigned char *codes, float scale, const double *want, int n, char *err, size_t err_size)
{
	double top = 0, least;

	for (int i = 0; i < n; i++)
		top = fmax(top, fabs(want[i]));
	least = fmax(top / 448, 0x1p-126);
	if (fabs(scale - least) > 1e-5 * least) {
		snprintf(err, err_size, ": the scale is %g, not %g", scale, least);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		double off = fabs(f8_value(codes[i]) * scale - want[i]);

		if (!(off <= (0x1p-4 + 2e-5) * fabs(want[i]) || off <= 0x1p-10 * scale * 1.0001 + 1e-5 * fabs(want[i]))) {
			snprintf(err, err_size, ": element %d is %g, not %g", i, f8_value(codes[i]) * scale, want[i]);
			return 0;
		}
	}
	return 1;
}

void *random_typed(size_t n, int type, float range)
{
	float *f = malloc(n * sizeof(*f) + 1);
	void *p;

	for (size_t i = 0; i < n; i++)
		f[i] = random_float(-range, range);
	p = typed(f, n, type);
	free(f);
	return p;
}

/* For tests/kernels/mutate one failure is enough. */
static int result(int good, const char *what)
{
	if (!tap_ok(good, "%s", what) && getenv("DSEEK_KERNEL_STOP"))
		exit(1);
	return good;
}

int ktest_ok(int good, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return result(good, what);
}

int ktest_close(const void *got, int type, const double *want, size_t n, double absolute, double relative, const char *fmt, ...)
{
	double worst = 0;
	size_t at = 0;
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	relative += type_epsilon(type);
	for (size_t i = 0; i < n; i++) {
		double off = fabs(typed_get(got, i, type) - want[i]) / (absolute + relative * fabs(want[i]));

		if (!(off <= worst)) {		/* a NaN is as far as can be */
			worst = off;
			at = i;
			if (isnan(off))
				break;
		}
	}
	if (worst > 1 || isnan(worst))
		printf("# element %zu of %zu is %.9g, not %.9g\n", at, n, typed_get(got, at, type), want[at]);
	return ktest_ok(worst <= 1, "%s: off by %.2f of what is allowed", what, worst);
}

int ktest_launch(const struct device *d, const char *kernel, const struct simt_launch *launch, const char *fmt, ...)
{
	char err[2048], what[256];
	va_list ap;

	if (!device_run(d, kernel, launch, err, sizeof(err)))
		return 1;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	printf("# %s\n", err);
	return ktest_ok(0, "%s: %s", what, kernel);
}

static int chosen(const char *name)
{
	const char *only = getenv("DSEEK_KERNEL_DEVICES"), *at = only;
	size_t n = strlen(name);

	for (; at && *at; at += strcspn(at, ","), at += *at == ',')
		if (!strncmp(at, name, n) && (at[n] == ',' || !at[n]))
			return 1;
	return !only;
}

static int on_each(void (*test)(const struct device *device), size_t n)
{
	const struct device *all[] = { &device_simt[0], &device_simt[1], &device_opencl[0], &device_opencl[1],
				       &device_simt_mma[0], &device_simt_mma[1], &device_simt_mma[2] };

	for (size_t i = 0; i < n; i++) {
		if (!chosen(all[i]->name))
			continue;
		if (all[i]->why_not)
			tap_skip(all[i]->name, all[i]->why_not);
		else
			test(all[i]);
	}
	return tap_end();
}

int ktest_main(void (*test)(const struct device *device))
{
	return on_each(test, 4);
}

int ktest_main_mma(void (*test)(const struct device *device))
{
	return on_each(test, 7);
}

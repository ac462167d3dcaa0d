/* SPDX-License-Identifier: MIT */
/* RMSNorm and LayerNorm. Tolerance: 4e-6 + 4e-6 |y| and y's rounding; int8: within half a step and 1e-3 of it. */
#include "ktest.h"

struct norm_case {
	int n, rows, x_type, y_type, flags, act;
	float offset;		/* of x: what a variance by sum of squares would drown in */
};

static const struct norm_case cases[] = {
	{ 1, 1, DSK_F32, DSK_F32, 0, DSK_ACT_NONE, 0 },
	{ 1, 2, DSK_F32, DSK_F32, DSK_NORM_MEAN | DSK_NORM_BIAS, DSK_ACT_NONE, 0 },
	{ 2, 1, DSK_F32, DSK_F32, DSK_NORM_WEIGHT, DSK_ACT_SILU, 0 },
	{ 31, 3, DSK_BF16, DSK_F32, DSK_NORM_WEIGHT, DSK_ACT_RELU, 0 },
	{ 64, 1, DSK_F16, DSK_F16, DSK_NORM_WEIGHT | DSK_NORM_MEAN, DSK_ACT_GELU_TANH, 0 },
	{ 255, 2, DSK_F32, DSK_BF16, DSK_NORM_WEIGHT, DSK_ACT_NONE, 0 },
	{ 256, 1, DSK_F32, DSK_F32, DSK_NORM_WEIGHT | DSK_NORM_BIAS | DSK_NORM_MEAN, DSK_ACT_GELU_TANH, 0 },
	{ 257, 2, DSK_BF16, DSK_BF16, DSK_NORM_WEIGHT, DSK_ACT_SILU, 0 },
	{ 1000, 1, DSK_F32, DSK_F32, DSK_NORM_MEAN, DSK_ACT_NONE, 300 },
	{ 4096, 1, DSK_F32, DSK_F32, DSK_NORM_WEIGHT, DSK_ACT_NONE, 0 },
	{ 1, 1, DSK_F32, DSK_I8, 0, DSK_ACT_NONE, 0 },
	{ 33, 2, DSK_F32, DSK_I8, DSK_NORM_WEIGHT, DSK_ACT_NONE, 0 },
	{ 777, 2, DSK_BF16, DSK_I8, DSK_NORM_WEIGHT | DSK_NORM_MEAN | DSK_NORM_BIAS, DSK_ACT_SILU, 0 },
	{ 1, 1, DSK_F32, DSK_F8, 0, DSK_ACT_NONE, 0 },
	{ 33, 2, DSK_F32, DSK_F8, DSK_NORM_WEIGHT, DSK_ACT_NONE, 0 },
	{ 777, 2, DSK_BF16, DSK_F8, DSK_NORM_WEIGHT | DSK_NORM_MEAN | DSK_NORM_BIAS, DSK_ACT_SILU, 0 },
};

static double activate(double x, int act)
{
	switch (act) {
	case DSK_ACT_SILU: return x / (1 + exp(-x));
	case DSK_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
	case DSK_ACT_RELU: return x > 0 ? x : 0;
	default: return x;
	}
}

static void reference(const struct norm_case *c, const void *x, int stride, const float *w, const float *b, double eps, double *y)
{
	for (int r = 0; r < c->rows; r++) {
		double mean = 0, var = 0;

		for (int i = 0; i < c->n; i++)
			mean += typed_get(x, (size_t)(r * stride + i), c->x_type) / c->n;
		if (!(c->flags & DSK_NORM_MEAN))
			mean = 0;
		for (int i = 0; i < c->n; i++)
			var += pow(typed_get(x, (size_t)(r * stride + i), c->x_type) - mean, 2) / c->n;
		for (int i = 0; i < c->n; i++) {
			double v = (typed_get(x, (size_t)(r * stride + i), c->x_type) - mean) / sqrt(var + eps);

			v = v * (c->flags & DSK_NORM_WEIGHT ? w[i] : 1) + (c->flags & DSK_NORM_BIAS ? b[i] : 0);
			y[r * c->n + i] = activate(v, c->act);
		}
	}
}

static int quantised(const signed char *y, const float *scales, const double *want, const struct norm_case *c, char *err, size_t size)
{
	for (int r = 0; r < c->rows; r++) {
		double top = 0;

		for (int i = 0; i < c->n; i++)
			top = fmax(top, fabs(want[r * c->n + i]));
		if (fabs(scales[r] - top / 127) > 1e-5 * top / 127) {
			snprintf(err, size, ": scale of row %d is %g, not %g", r, scales[r], top / 127);
			return 0;
		}
		for (int i = 0; i < c->n; i++)
			if (fabs(y[r * c->n + i] - want[r * c->n + i] * 127 / top) > 0.501) {
				snprintf(err, size, ": row %d, element %d is %d, not %.3f", r, i, y[r * c->n + i],
					 want[r * c->n + i] * 127 / top);
				return 0;
			}
	}
	return 1;
}

static void run(const struct device *d, const struct norm_case *c)
{
	int stride = c->n + 3, y_stride = c->n, given_w = c->flags & DSK_NORM_WEIGHT, given_b = c->flags & DSK_NORM_BIAS;
	size_t n = (size_t)(c->n * c->rows), n_x = (size_t)(stride * c->rows);
	float *f = malloc(n_x * sizeof(*f)), *scales = malloc((size_t)c->rows * sizeof(*scales));
	float *w = random_typed((size_t)c->n, DSK_F32, 2), *b = random_typed((size_t)c->n, DSK_F32, 1);
	double *want = malloc(n * sizeof(*want));
	struct dsk_norm_params p = { .n = c->n, .x_stride = stride, .y_stride = y_stride, .x_type = c->x_type, .y_type = c->y_type,
				     .flags = c->flags, .act = c->act, .eps = 1e-6f };
	void *x, *y = malloc(n * type_size(c->y_type));
	char what[128], err[128] = "";

	snprintf(what, sizeof(what), "%s: %s %d x %d, %s to %s, act %d%s%s", d->name, c->flags & DSK_NORM_MEAN ? "layernorm" : "rmsnorm",
		 c->n, c->rows, type_name(c->x_type), type_name(c->y_type), c->act, given_w ? ", weight" : "", given_b ? ", bias" : "");
	for (size_t i = 0; i < n_x; i++)
		f[i] = c->offset + random_float(-3, 3);
	x = typed(f, n_x, c->x_type);
	reference(c, x, stride, w, b, p.eps, want);
	struct simt_launch l = {
		.grid = { (unsigned int)c->rows, 1, 1 }, LAUNCH_PARAMS(p),
		BUFFERS({ y, n * type_size(c->y_type), SIMT_OUT },
			{ scales, c->y_type == DSK_I8 || c->y_type == DSK_F8 ? (size_t)c->rows * 4 : 0, SIMT_OUT },
			{ x, n_x * type_size(c->x_type), SIMT_IN },
			{ given_w ? w : NULL, given_w ? (size_t)c->n * 4 : 0, SIMT_IN },
			{ given_b ? b : NULL, given_b ? (size_t)c->n * 4 : 0, SIMT_IN })
	};
	if (ktest_launch(d, "dsk_norm", &l, "%s", what)) {
		if (c->y_type == DSK_I8)
			ktest_ok(quantised(y, scales, want, c, err, sizeof(err)), "%s%s", what, err);
		else if (c->y_type == DSK_F8)
			for (int r = 0; r < c->rows; r++)
				ktest_ok(f8_row_is((unsigned char *)y + r * c->n, scales[r], want + r * c->n, c->n, err, sizeof(err)), "%s, row %d%s", what, r, err);
		else
			ktest_close(y, c->y_type, want, n, 4e-6 * (1 + c->offset / 10), 4e-6, "%s", what);
	}
	free(f); free(x); free(y); free(w); free(b); free(want); free(scales);
}

static void zeros(const struct device *d)
{
	struct dsk_norm_params p = { .n = 40, .x_stride = 40, .y_stride = 40, .y_type = DSK_I8, .eps = 1e-6f };
	float x[40] = { 0 }, scale = 1;
	signed char y[40];
	int good = 1;
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS({ y, 40, SIMT_OUT }, { &scale, 4, SIMT_OUT }, { x, 160, SIMT_IN }, NONE, NONE) };

	if (!ktest_launch(d, "dsk_norm", &l, "%s: zeros", d->name))
		return;
	for (int i = 0; i < 40; i++)
		good &= y[i] == 0;
	ktest_ok(good && scale == 0, "%s: a row of zeros is quantised to zeros", d->name);
	p.y_type = DSK_F8;
	if (!ktest_launch(d, "dsk_norm", &l, "%s: zeros", d->name))
		return;
	for (int i = 0; i < 40; i++)
		good &= y[i] == 0;
	ktest_ok(good && scale == 0x1p-126f, "%s: to E4M3, too", d->name);
}

static void test(const struct device *d)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		run(d, &cases[i]);
	zeros(d);
}

int main(void)
{
	return ktest_main(test);
}

/* SPDX-License-Identifier: MIT */
/* Sums, products and conversions, the largest of a row, and frequencies divided by factors: exact but for the type's rounding. */
#include "ktest.h"

/* @in_place: out is a. Dimensions in another order than memory's, with gaps. */
static void elementwise(const struct device *d, int op, int n, int y, int z, int w, int a_type, int out_type, int in_place)
{
	struct dsk_elementwise_params p = {
		.op = op, .a_type = a_type, .out_type = out_type, .n = n, .ne1 = y, .ne2 = z,
		.a_stride = { n + 1, (n + 1) * y, (n + 1) * y * z }, .b_stride = { n * z, n, n * z * y },
		.out_stride = { n * w, n * w * y, n },
	};
	size_t n_a = (size_t)((n + 1) * y * z * w), n_b = (size_t)(n * y * z * w), n_out = in_place ? n_a : n_b;
	void *a = random_typed(n_a, a_type, 4), *out = in_place ? a : random_typed(n_b, out_type, 1);
	float *b = random_typed(n_b, DSK_F32, 4);
	double *want = malloc(n_out * sizeof(*want));

	if (in_place)
		memcpy(p.out_stride, p.a_stride, sizeof(p.out_stride));
	for (size_t i = 0; i < n_out; i++)
		want[i] = typed_get(out, i, out_type);
	for (int i3 = 0; i3 < w; i3++)
		for (int i2 = 0; i2 < z; i2++)
			for (int i1 = 0; i1 < y; i1++)
				for (int i = 0; i < n; i++) {
					double l = typed_get(a, (size_t)(i + i1 * p.a_stride[0] + i2 * p.a_stride[1] + i3 * p.a_stride[2]), a_type);
					double r = b[i + i1 * p.b_stride[0] + i2 * p.b_stride[1] + i3 * p.b_stride[2]];

					want[i + i1 * p.out_stride[0] + i2 * p.out_stride[1] + i3 * p.out_stride[2]] =
						op == DSK_ADD ? l + r : op == DSK_MUL ? l * r : l;
				}
	struct simt_launch l = { .grid = { (unsigned int)(y * z), (unsigned int)w, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(out, n_out * type_size(out_type)), IN(a, n_a * type_size(a_type)),
					 IN(op == DSK_COPY ? NULL : b, op == DSK_COPY ? 0 : n_b * 4)) };

	if (ktest_launch(d, "dsk_elementwise", &l, "%s", d->name))
		ktest_close(out, out_type, want, n_out, 1e-30, 0x1p-24, "%s: op %d, %d x %d x %d x %d, %s to %s%s", d->name, op, n, y, z, w,
			    type_name(a_type), type_name(out_type), in_place ? ", in place" : "");
	if (!in_place)
		free(out);
	free(a); free(b); free(want);
}

/* @kind 1: equals, 2: NaN among them, 3: nothing but NaN, 4: all -infinity */
static void argmax(const struct device *d, int n, int tokens, int kind)
{
	struct dsk_argmax_params p = { .n = n, .x_stride = n + 5 };
	size_t n_x = (size_t)(p.x_stride * tokens);
	float *x = random_typed(n_x, DSK_F32, 1);
	int *out = malloc((size_t)tokens * sizeof(*out)), good = 1;

	for (size_t i = 0; i < n_x; i++)
		x[i] = kind == 1 ? (float)random_int(0, 2) : kind == 3 || (kind == 2 && i % 3 == 0) ? NAN : kind == 4 ? -INFINITY : x[i];
	struct simt_launch l = { .grid = { (unsigned int)tokens, 1, 1 }, LAUNCH_PARAMS(p), BUFFERS(OUT(out, (size_t)tokens * 4), IN(x, n_x * 4)) };

	if (ktest_launch(d, "dsk_argmax", &l, "%s", d->name)) {
		for (int t = 0; t < tokens; t++) {
			int best = 0;

			for (int i = 1; i < n; i++) {
				float v = x[t * p.x_stride + i], top = x[t * p.x_stride + best];

				if (v > top || (isnan(top) && !isnan(v)))
					best = i;
			}
			good &= out[t] == best;
		}
		ktest_ok(good, "%s: argmax of %d x %d, kind %d", d->name, n, tokens, kind);
	}
	free(x); free(out);
}

/* The two floats together are the quotient to 2^-44. */
static void turns(const struct device *d, int pairs)
{
	struct dsk_turns_params p = { .pairs = pairs };
	float *in = malloc((size_t)pairs * 8), *f = malloc((size_t)pairs * 4), *out = malloc((size_t)pairs * 8);
	int good = 1;

	for (int i = 0; i < pairs; i++) {
		double v = random_float(1e-5f, 0.16f) + random_float(0, 1) * 0x1p-30;

		in[2 * i] = (float)v;
		in[2 * i + 1] = (float)(v - in[2 * i]);
		f[i] = random_float(0.5f, 40);
	}
	struct simt_launch l = { .grid = { (unsigned int)(pairs + 63) / 64, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(OUT(out, (size_t)pairs * 8), IN(in, (size_t)pairs * 8), IN(f, (size_t)pairs * 4)) };

	if (ktest_launch(d, "dsk_turns", &l, "%s", d->name)) {
		for (int i = 0; i < pairs; i++) {
			double want = ((double)in[2 * i] + in[2 * i + 1]) / f[i], got = (double)out[2 * i] + out[2 * i + 1];

			good &= fabs(got - want) <= 0x1p-44 * want;
		}
		ktest_ok(good, "%s: %d frequencies divided", d->name, pairs);
	}
	free(in); free(f); free(out);
}

static void test(const struct device *d)
{
	static const int types[] = { DSK_F32, DSK_F16, DSK_BF16 };

	for (int i = 0; i < 9; i++)
		elementwise(d, DSK_COPY, 37, 3, 2, 2, types[i / 3], types[i % 3], 0);
	elementwise(d, DSK_ADD, 1, 1, 1, 1, DSK_F32, DSK_F32, 0);
	elementwise(d, DSK_ADD, 300, 2, 3, 1, DSK_F32, DSK_F32, 1);
	elementwise(d, DSK_MUL, 257, 1, 3, 2, DSK_F32, DSK_F32, 0);
	argmax(d, 1, 2, 0);
	argmax(d, 300, 2, 0);
	argmax(d, 1025, 1, 0);
	for (int kind = 1; kind < 5; kind++)
		argmax(d, 600, 2, kind);
	turns(d, 1);
	turns(d, 70);
}

int main(void)
{
	return ktest_main(test);
}

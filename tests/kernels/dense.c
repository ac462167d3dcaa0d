/* SPDX-License-Identifier: MIT */
/*
 * Dense layers on every type of weight, in rows and PACKED. Tolerance: 2e-6 times the sum of the products' magnitudes, which bounds what
 * summing k floats in order loses for the k here; with matrix instructions 32e-6, 2^-15 for what products.h leaves out; GLU: that of both
 * factors; lookup: 2e-6 of the row's largest.
 */
#include "kweight.h"

static double silu(double v)
{
	return v / (1 + exp(-v));
}

enum form { PLAIN, FEW, MANY };
static const char *const form_names[] = { "", "_few", "_many" };

static int form_chosen(const struct device *d, enum form form)
{
	return form != PLAIN || strlen(d->name) <= 8;	/* the harness's other matrix instructions: these kernels alone */
}

static void set_grid(const struct device *d, enum form form, int glu, uint32_t rows, uint32_t tokens, struct simt_launch *l)
{
	unsigned int columns = form == PLAIN ? 64 : DSK_DENSE_LANES / d->wave * (glu ? 16 : 32), most = form == FEW ? DSK_DENSE_FEW : DSK_DENSE_MANY;

	l->grid[0] = (rows + columns - 1) / columns;
	l->grid[1] = form == PLAIN ? tokens : (tokens + most - 1) / most;
}

static void linear(const struct device *d, uint32_t dtype, uint32_t k, uint32_t rows, uint32_t tokens, int packed, int flags)
{
	struct kweight w = kweight_make(dtype, k, rows, packed);
	uint32_t x_stride = k + 3, y_stride = rows + 1;
	size_t n = (size_t)y_stride * tokens;
	float *x = random_typed((size_t)x_stride * tokens, DSK_F32, 1), *bias = random_typed(rows, DSK_F32, 1);
	float *y = random_typed(n, DSK_F32, 1), *glu = calloc(n, sizeof(*glu)), *before = malloc(n * sizeof(*before));
	double *want = malloc(n * sizeof(*want)), *allowed = calloc(n, sizeof(*allowed));
	double *want_glu = calloc(n, sizeof(*want_glu)), *allowed_glu = calloc(n, sizeof(*allowed_glu));
	struct dsk_linear_params p = { .w = w.m, .rows = (int)rows, .x_stride = (int)x_stride, .y_stride = (int)y_stride, .flags = flags,
				       .tokens = (int)tokens };
	struct dsk_linear_glu_params g = { .gate = w.m, .up = w.m, .rows = (int)rows, .x_stride = (int)x_stride, .y_stride = (int)y_stride,
				    .act = DSK_ACT_SILU, .tokens = (int)tokens };
	char what[160], why[120] = "", name[40];

	snprintf(what, sizeof(what), "%s: %s%s %u x %u, %u tokens%s%s", d->name, dseek_dtype_name(dtype), packed ? " packed" : "", k, rows,
		 tokens, flags & DSK_LINEAR_BIAS ? ", bias" : "", flags & DSK_LINEAR_ACCUMULATE ? ", added" : "");
	for (size_t i = 0; i < n; i++)
		want[i] = before[i] = y[i];
	for (uint32_t t = 0; t < tokens; t++)
		for (uint32_t r = 0; r < rows; r++) {
			size_t at = (size_t)t * y_stride + r;
			double m, v = kweight_dot(&w, r, x + (size_t)t * x_stride, &m);

			want_glu[at] = silu(v) * v;
			allowed_glu[at] = 2e-6 * (m * (fabs(silu(v)) + 1.1 * fabs(v) + 1));
			want[at] = v + (flags & DSK_LINEAR_BIAS ? bias[r] : 0) + (flags & DSK_LINEAR_ACCUMULATE ? want[at] : 0);
			allowed[at] = 2e-6 * (m + 1);
		}
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(y, n * 4), IN(x, (size_t)x_stride * tokens * 4), IN(w.data, w.bytes),
					 IN(flags & DSK_LINEAR_BIAS ? bias : NULL, flags & DSK_LINEAR_BIAS ? rows * 4 : 0)) };
	struct simt_launch m = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(g),
				 BUFFERS(INOUT(glu, n * 4), IN(x, (size_t)x_stride * tokens * 4), IN(w.data, w.bytes), IN(w.data, w.bytes)) };

	for (enum form form = PLAIN; form <= MANY; form++) {
		for (size_t i = 0; i < n && form == FEW; i++) {
			allowed[i] *= 16;
			allowed_glu[i] *= 16;
		}
		if (!form_chosen(d, form))
			continue;
		memcpy(y, before, n * sizeof(*y));
		memset(glu, 0, n * sizeof(*glu));
		set_grid(d, form, 0, rows, tokens, &l);
		set_grid(d, form, 1, rows, tokens, &m);
		snprintf(name, sizeof(name), "dsk_linear%s", form_names[form]);
		if (ktest_launch(d, name, &l, "%s", what))
			ktest_ok(kweight_close(y, want, allowed, n, why, sizeof(why)), "linear%s %s%s", form_names[form], what, why);
		snprintf(name, sizeof(name), "dsk_linear_glu%s", form_names[form]);
		if (!flags && ktest_launch(d, name, &m, "%s", what))
			ktest_ok(kweight_close(glu, want_glu, allowed_glu, n, why, sizeof(why)), "glu%s %s%s", form_names[form], what, why);
	}
	kweight_free(&w); free(x); free(bias); free(y); free(glu); free(before);
	free(want); free(allowed); free(want_glu); free(allowed_glu);
}

static void lookup(const struct device *d, uint32_t dtype, uint32_t k, int packed, int bad)
{
	struct kweight w = kweight_make(dtype, k, 19, packed);
	uint32_t tokens = 4, stride = k + 2;
	float *out = calloc((size_t)stride * tokens, sizeof(*out));
	double *want = calloc((size_t)stride * tokens, sizeof(*want));
	int ids[4] = { 18, 0, 7, 16 }, fault = 0;
	struct dsk_lookup_params p = { .table = w.m, .rows = 19, .out_stride = (int)stride, .scale = 3 };

	if (bad)
		ids[2] = bad < 0 ? -1 : 19;
	for (uint32_t t = 0; t < tokens; t++)
		for (uint32_t i = 0; i < k && ids[t] >= 0 && ids[t] < 19; i++)
			want[t * stride + i] = 3 * w.exact[(size_t)ids[t] * k + i];
	struct simt_launch l = { .grid = { (k + 255) / 256, tokens, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(out, (size_t)stride * tokens * 4), INOUT(&fault, 4), IN(ids, sizeof(ids)), IN(w.data, w.bytes)) };

	if (ktest_launch(d, "dsk_lookup", &l, "%s", d->name)) {
		ktest_close(out, DSK_F32, want, (size_t)stride * tokens, 1e-6, 1e-6, "%s: lookup %s%s of %u%s", d->name, dseek_dtype_name(dtype),
			    packed ? " packed" : "", k, bad ? ", an id out of range" : "");
		ktest_ok(fault == (bad != 0), "%s: lookup: fault is %d", d->name, fault);
	}
	kweight_free(&w); free(out); free(want);
}

/* One matrix as that of all heads, one after the other. */
static void heads(const struct device *d, uint32_t dtype, uint32_t rows, int packed)
{
	enum { HEADS = 3, TOKENS = 18 };	/* more than a wave of the kernels for few has */
	uint32_t block = dseek_dtype_block(dtype), k = block == 1 ? 34 : block, head_rows = (rows + 15) / 16 * 16;	/* whole groups */
	struct kweight w = kweight_make(dtype, k, HEADS * head_rows, packed);
	uint32_t x_stride = k + 2, y_stride = rows + 1;
	size_t n = (size_t)y_stride * HEADS * TOKENS;
	float *x = random_typed((size_t)x_stride * HEADS * TOKENS, DSK_F32, 1), *y = random_typed(n, DSK_F32, 1);
	double *want = malloc(n * sizeof(*want)), *allowed = calloc(n, sizeof(*allowed));
	struct dsk_head_linear_params p = {
		.w = w.m, .w_stride = (int)(w.bytes / HEADS / 2), .rows = (int)rows, .heads = HEADS, .x_head_stride = (int)x_stride,
		.x_token_stride = (int)x_stride * HEADS, .y_head_stride = (int)y_stride, .y_token_stride = (int)y_stride * HEADS, .tokens = TOKENS,
	};
	float *before = malloc(n * sizeof(*before));
	char why[160] = "", name[40];

	for (size_t i = 0; i < n; i++)
		want[i] = before[i] = y[i];
	for (uint32_t i = 0; i < HEADS * TOKENS; i++)
		for (uint32_t r = 0; r < rows; r++) {
			double size;

			want[i * y_stride + r] = kweight_dot(&w, i % HEADS * head_rows + r, x + i * x_stride, &size);
			allowed[i * y_stride + r] = 2e-6 * (size + 1);
		}
	struct simt_launch l = { .grid = { 1, 1, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(y, n * 4), IN(x, (size_t)x_stride * HEADS * TOKENS * 4), IN(w.data, w.bytes)) };

	for (enum form form = PLAIN; form <= MANY; form++) {
		for (size_t i = 0; i < n && form == FEW; i++)
			allowed[i] *= 16;
		if (!form_chosen(d, form) || (form != PLAIN && d->name[0] != 's' && dtype != DSEEK_Q8_0))	/* OpenCL: as below */
			continue;
		memcpy(y, before, n * sizeof(*y));
		set_grid(d, form, 0, rows, TOKENS, &l);
		if (form == PLAIN)
			l.grid[0] *= HEADS;
		else
			l.grid[2] = HEADS;
		snprintf(name, sizeof(name), "dsk_head_linear%s", form_names[form]);
		if (ktest_launch(d, name, &l, "%s", d->name))
			ktest_ok(kweight_close(y, want, allowed, n, why, sizeof(why)), "%s: heads' products%s %s%s, %u rows%s", d->name, form_names[form],
				 dseek_dtype_name(dtype), packed ? " packed" : "", rows, why);
	}
	kweight_free(&w); free(x); free(y); free(before); free(want); free(allowed);
}

static void test(const struct device *d)
{
	int by_matrix = strlen(d->name) > 8;

	for (size_t i = 0; i < KWEIGHT_DTYPES; i++) {
		uint32_t block = dseek_dtype_block(kweight_dtypes[i]), k = block == 1 ? 38 : block == 32 ? 96 : 512;

		for (int packed = 0; packed < 2; packed++) {
			/* more rows and tokens than a wave has; OpenCL's model of matrix instructions is slow */
			if (d->name[0] == 's' || i == 3)
				linear(d, kweight_dtypes[i], block == 1 ? 34 : block, 70, packed ? 17 : i == 2 || i == 3 ? 66 : 5, packed, 0);
			if (by_matrix)
				continue;
			linear(d, kweight_dtypes[i], k, 1, 1, packed, 0);
			linear(d, kweight_dtypes[i], k, 65, 2, packed, 0);
			linear(d, kweight_dtypes[i], k, 37, 3, packed, DSK_LINEAR_BIAS);
			linear(d, kweight_dtypes[i], block == 1 ? 2 : block, 16, 1, packed, DSK_LINEAR_ACCUMULATE | DSK_LINEAR_BIAS);
			lookup(d, kweight_dtypes[i], k, packed, 0);
			heads(d, kweight_dtypes[i], i % 2 ? 70 : 9, packed);
		}
	}
	if (by_matrix)
		return;
	linear(d, DSEEK_F32, 1, 3, 2, 0, 0);
	linear(d, DSEEK_F16, 7, 3, 2, 1, 0);
	linear(d, DSEEK_BF16, 5, 3, 2, 0, 0);
	lookup(d, DSEEK_F32, 259, 0, -1);
	lookup(d, DSEEK_Q8_0, 64, 1, 1);
}

int main(void)
{
	return ktest_main_mma(test);
}

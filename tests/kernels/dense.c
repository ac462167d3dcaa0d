/* SPDX-License-Identifier: MIT */
/*
 * Dense layers on every type of weight, in rows and PACKED. Tolerance: 2e-6 times the sum of the products' magnitudes, which bounds what
 * summing k floats in order loses for the k here; with matrix instructions 32e-6, 2^-15 for what products.h leaves out; GLU: that of both
 * factors; lookup: 2e-6 of the row's largest.
 */
#include <dseek_program.h>

#include "ktest.h"

struct weight {
	uint32_t dtype, k, rows;
	int packed;
	void *data;
	size_t bytes;
	double *exact;		/* what its bits mean, [rows][k] */
	struct dsk_matrix m;
};

static const uint32_t dtypes[] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_Q4_K, DSEEK_Q6_K, DSEEK_MXFP4,
	DSEEK_F8_E4M3 };
#define N_DTYPES	(sizeof(dtypes) / sizeof(*dtypes))

/* K-quants have no encoder here: any bits are valid once the scales are sane. */
static void random_row(uint32_t dtype, uint32_t k, const float *f, uint8_t *row)
{
	uint32_t bytes = (uint32_t)dseek_row_bytes(dtype, k), block = dseek_dtype_block_bytes(dtype);
	float scale[2];

	if (dtype != DSEEK_Q4_K && dtype != DSEEK_Q6_K) {
		dseek_row_from_f32(dtype, f, k, row);
		return;
	}
	for (uint32_t i = 0; i < bytes; i++)
		row[i] = (uint8_t)random_int(0, 255);
	for (uint32_t i = 0; i < bytes; i += block) {
		scale[0] = random_float(0, dtype == DSEEK_Q4_K ? 0.002f : 0.0004f);
		scale[1] = random_float(0, 0.02f);
		dseek_row_from_f32(DSEEK_F16, scale, dtype == DSEEK_Q4_K ? 2 : 1, row + i + (dtype == DSEEK_Q4_K ? 0 : 208));
	}
}

static struct weight make(uint32_t dtype, uint32_t k, uint32_t rows, int packed)
{
	uint32_t row_bytes = (uint32_t)dseek_row_bytes(dtype, k);
	struct weight w = { dtype, k, rows, packed, .exact = malloc((size_t)k * rows * sizeof(double)) };
	uint8_t *plain = malloc((size_t)row_bytes * rows);
	float *f = malloc(k * sizeof(*f));

	for (uint32_t r = 0; r < rows; r++) {
		for (uint32_t i = 0; i < k; i++)
			f[i] = random_float(-1, 1);
		random_row(dtype, k, f, plain + (size_t)r * row_bytes);
		dseek_row_to_f32(dtype, plain + (size_t)r * row_bytes, k, f);
		for (uint32_t i = 0; i < k; i++)
			w.exact[(size_t)r * k + i] = f[i];
	}
	w.bytes = dseek_tensor_bytes(dtype, packed ? DSEEK_LAYOUT_PACKED : DSEEK_LAYOUT_ROWS, k, rows);
	w.data = malloc(w.bytes);
	if (packed)
		dseek_tensor_pack(dtype, k, rows, plain, w.data);
	else
		memcpy(w.data, plain, w.bytes);
	w.m = (struct dsk_matrix){ (int)(dtype < DSEEK_I32 ? dtype : dtype - 1), packed, (int)k, (int)row_bytes };
	free(plain);
	free(f);
	return w;
}

static double dot(const struct weight *w, uint32_t row, const float *x, double *ret_magnitude)
{
	double sum = 0, magnitude = 0;

	for (uint32_t i = 0; i < w->k; i++) {
		sum += w->exact[(size_t)row * w->k + i] * x[i];
		magnitude += fabs(w->exact[(size_t)row * w->k + i] * x[i]);
	}
	*ret_magnitude = magnitude;
	return sum;
}

static double silu(double v)
{
	return v / (1 + exp(-v));
}

/* @what is wrong with y, "" if nothing is */
static int close_to(const float *y, const double *want, const double *allowed, size_t n, char *what, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs(y[i] - want[i]) <= allowed[i])) {
			snprintf(what, size, ": element %zu is %.9g, not %.9g within %.2g", i, y[i], want[i], allowed[i]);
			return 0;
		}
	*what = 0;
	return 1;
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
	struct weight w = make(dtype, k, rows, packed);
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
			double m, v = dot(&w, r, x + (size_t)t * x_stride, &m);

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
			ktest_ok(close_to(y, want, allowed, n, why, sizeof(why)), "linear%s %s%s", form_names[form], what, why);
		snprintf(name, sizeof(name), "dsk_linear_glu%s", form_names[form]);
		if (!flags && ktest_launch(d, name, &m, "%s", what))
			ktest_ok(close_to(glu, want_glu, allowed_glu, n, why, sizeof(why)), "glu%s %s%s", form_names[form], what, why);
	}
	free(w.data); free(w.exact); free(x); free(bias); free(y); free(glu); free(before);
	free(want); free(allowed); free(want_glu); free(allowed_glu);
}

static void lookup(const struct device *d, uint32_t dtype, uint32_t k, int packed, int bad)
{
	struct weight w = make(dtype, k, 19, packed);
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
	free(w.data); free(w.exact); free(out); free(want);
}

/* One matrix as that of @experts, of which an id picks one. */
static void moe(const struct device *d, uint32_t dtype, int packed, int bad, int biases)
{
	enum { EXPERTS = 5, CHOICES = 2, TOKENS = 3 };
	uint32_t block = dseek_dtype_block(dtype), k = block == 1 ? 34 : block, f = block == 1 ? 66 : 2 * block, m = 37;
	struct weight gate = make(dtype, k, EXPERTS * ((f + 15) / 16 * 16), packed), down = make(dtype, f, EXPERTS * ((m + 15) / 16 * 16), packed);
	uint32_t gate_rows = (f + 15) / 16 * 16, down_rows = (m + 15) / 16 * 16;	/* whole groups: experts one after the other */
	float *x = random_typed(k * TOKENS, DSK_F32, 1), *weights = random_typed(CHOICES * TOKENS, DSK_F32, 1);
	float *h = calloc((size_t)f * CHOICES * TOKENS, 4), *out = calloc((size_t)m * TOKENS, 4);
	double *want_h = calloc((size_t)f * CHOICES * TOKENS, sizeof(double)), *allowed_h = calloc((size_t)f * CHOICES * TOKENS, sizeof(double));
	double *want = calloc((size_t)m * TOKENS, sizeof(double)), *allowed = calloc((size_t)m * TOKENS, sizeof(double));
	int ids[CHOICES * TOKENS] = { 4, 0, 2, 2, 3, 1 }, fault = 0;
	struct dsk_moe_glu_params g = {
		.gate = gate.m, .up = gate.m, .gate_stride = (int)(gate.bytes / EXPERTS / 2), .up_stride = (int)(gate.bytes / EXPERTS / 2),
		.rows = (int)f, .experts = EXPERTS, .choices = CHOICES, .x_stride = (int)k, .ids_stride = CHOICES, .h_stride = (int)f,
		.h_token_stride = (int)f * CHOICES, .act = DSK_ACT_SILU,
	};
	struct dsk_moe_down_params p = {
		.down = down.m, .down_stride = (int)(down.bytes / EXPERTS / 2), .rows = (int)m, .experts = EXPERTS, .choices = CHOICES,
		.h_stride = (int)f, .h_token_stride = (int)f * CHOICES, .ids_stride = CHOICES, .weights_stride = CHOICES, .out_stride = (int)m,
	};
	float *gate_bias = random_typed(f * EXPERTS, DSK_F32, 3), *up_bias = random_typed((f + 1) * EXPERTS, DSK_F32, 9);
	float *down_bias = random_typed(m * EXPERTS, DSK_F32, 1);
	char why[160] = "";

	g.flags = biases & (DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS);
	g.gate_bias_stride = (int)f;
	g.up_bias_stride = (int)f + 1;
	p.flags = biases & DSK_MOE_DOWN_BIAS;
	p.bias_stride = (int)m;
	if (biases)
		g.act = DSK_ACT_SWIGLU_CLAMPED;
	if (bad)
		ids[3] = bad < 0 ? -1 : EXPERTS;
	for (int i = 0; i < CHOICES * TOKENS; i++)
		for (uint32_t r = 0; r < f && ids[i] >= 0 && ids[i] < EXPERTS; r++) {
			double size, v = dot(&gate, (uint32_t)ids[i] * gate_rows + r, x + i / CHOICES * k, &size);

			if (biases) {	/* the slopes of its factors are at most 1.1 */
				double a = fmin(v + (biases & DSK_MOE_GATE_BIAS ? gate_bias[ids[i] * (int)f + (int)r] : 0), 7);
				double b = fmax(fmin(v + (biases & DSK_MOE_UP_BIAS ? up_bias[ids[i] * (int)(f + 1) + (int)r] : 0), 7), -7);

				want_h[i * f + r] = a / (1 + exp(-1.702 * a)) * (b + 1);
				allowed_h[i * f + r] = 2e-6 * (size + 9) * (fabs(a) + 1.1 * fabs(b + 1) + 1);
				continue;
			}
			want_h[i * f + r] = silu(v) * v;
			allowed_h[i * f + r] = 2e-6 * size * (fabs(silu(v)) + 1.1 * fabs(v) + 1);
		}
	struct simt_launch l = { .grid = { (f + 63) / 64, CHOICES * TOKENS, 1 }, LAUNCH_PARAMS(g),
				 BUFFERS(INOUT(h, (size_t)f * CHOICES * TOKENS * 4), INOUT(&fault, 4), IN(x, (size_t)k * TOKENS * 4),
					 IN(ids, sizeof(ids)), IN(gate.data, gate.bytes), IN(gate.data, gate.bytes),
					 IN(biases & DSK_MOE_GATE_BIAS ? gate_bias : NULL, biases & DSK_MOE_GATE_BIAS ? f * EXPERTS * 4 : 0),
					 IN(biases & DSK_MOE_UP_BIAS ? up_bias : NULL, biases & DSK_MOE_UP_BIAS ? (f + 1) * EXPERTS * 4 : 0)) };
	struct simt_launch n = { .grid = { (m + 63) / 64, TOKENS, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(out, (size_t)m * TOKENS * 4), INOUT(&fault, 4), IN(h, (size_t)f * CHOICES * TOKENS * 4),
					 IN(ids, sizeof(ids)), IN(weights, sizeof(float) * CHOICES * TOKENS), IN(down.data, down.bytes),
					 IN(biases & DSK_MOE_DOWN_BIAS ? down_bias : NULL, biases & DSK_MOE_DOWN_BIAS ? m * EXPERTS * 4 : 0)) };

	if (ktest_launch(d, "dsk_moe_glu", &l, "%s", d->name)) {
		ktest_ok(close_to(h, want_h, allowed_h, (size_t)f * CHOICES * TOKENS, why, sizeof(why)), "%s: experts' glu %s%s%s%s", d->name,
			 dseek_dtype_name(dtype), packed ? " packed" : "", bad ? ", an id out of range" : biases ? ", biases" : "", why);
		ktest_ok(fault == (bad != 0), "%s: experts' glu: fault is %d", d->name, fault);
	}
	fault = 0;
	for (int t = 0; t < TOKENS; t++)
		for (uint32_t r = 0; r < m; r++)
			for (int j = 0; j < CHOICES; j++) {
				int id = ids[t * CHOICES + j];
				double size;

				if (id < 0 || id >= EXPERTS)
					continue;
				want[t * m + r] += weights[t * CHOICES + j] *
						   dot(&down, (uint32_t)id * down_rows + r, h + (t * CHOICES + j) * f, &size);
				allowed[t * m + r] += 2e-6 * size + 1e-6;
				if (biases & DSK_MOE_DOWN_BIAS)
					want[t * m + r] += weights[t * CHOICES + j] * down_bias[id * m + (int)r];
			}
	if (ktest_launch(d, "dsk_moe_down", &n, "%s", d->name)) {
		ktest_ok(close_to(out, want, allowed, (size_t)m * TOKENS, why, sizeof(why)), "%s: experts' down %s%s%s%s", d->name,
			 dseek_dtype_name(dtype), packed ? " packed" : "", bad ? ", an id out of range" : biases ? ", biases" : "", why);
		ktest_ok(fault == (bad != 0), "%s: experts' down: fault is %d", d->name, fault);
	}
	free(gate.data); free(gate.exact); free(down.data); free(down.exact); free(x); free(weights);
	free(gate_bias); free(up_bias); free(down_bias);
	free(h); free(out); free(want_h); free(allowed_h); free(want); free(allowed);
}

/* One matrix as that of all heads, one after the other. */
static void heads(const struct device *d, uint32_t dtype, uint32_t rows, int packed)
{
	enum { HEADS = 3, TOKENS = 2 };
	uint32_t block = dseek_dtype_block(dtype), k = block == 1 ? 34 : block, head_rows = (rows + 15) / 16 * 16;	/* whole groups */
	struct weight w = make(dtype, k, HEADS * head_rows, packed);
	uint32_t x_stride = k + 2, y_stride = rows + 1;
	size_t n = (size_t)y_stride * HEADS * TOKENS;
	float *x = random_typed((size_t)x_stride * HEADS * TOKENS, DSK_F32, 1), *y = random_typed(n, DSK_F32, 1);
	double *want = malloc(n * sizeof(*want)), *allowed = calloc(n, sizeof(*allowed));
	struct dsk_head_linear_params p = {
		.w = w.m, .w_stride = (int)(w.bytes / HEADS / 2), .rows = (int)rows, .heads = HEADS, .x_head_stride = (int)x_stride,
		.x_token_stride = (int)x_stride * HEADS, .y_head_stride = (int)y_stride, .y_token_stride = (int)y_stride * HEADS,
	};
	char why[160] = "";

	for (size_t i = 0; i < n; i++)
		want[i] = y[i];
	for (uint32_t i = 0; i < HEADS * TOKENS; i++)
		for (uint32_t r = 0; r < rows; r++) {
			double size;

			want[i * y_stride + r] = dot(&w, i % HEADS * head_rows + r, x + i * x_stride, &size);
			allowed[i * y_stride + r] = 2e-6 * (size + 1);
		}
	struct simt_launch l = { .grid = { (rows + 63) / 64 * HEADS, TOKENS, 1 }, LAUNCH_PARAMS(p),
				 BUFFERS(INOUT(y, n * 4), IN(x, (size_t)x_stride * HEADS * TOKENS * 4), IN(w.data, w.bytes)) };

	if (ktest_launch(d, "dsk_head_linear", &l, "%s", d->name))
		ktest_ok(close_to(y, want, allowed, n, why, sizeof(why)), "%s: heads' products %s%s, %u rows%s", d->name, dseek_dtype_name(dtype),
			 packed ? " packed" : "", rows, why);
	free(w.data); free(w.exact); free(x); free(y); free(want); free(allowed);
}

static void test(const struct device *d)
{
	int by_matrix = strlen(d->name) > 8;

	for (size_t i = 0; i < N_DTYPES; i++) {
		uint32_t block = dseek_dtype_block(dtypes[i]), k = block == 1 ? 38 : block == 32 ? 96 : 512;

		for (int packed = 0; packed < 2; packed++) {
			/* more rows and tokens than a wave has; OpenCL's model of matrix instructions is slow */
			if (d->name[0] == 's' || i == 3)
				linear(d, dtypes[i], block == 1 ? 34 : block, 70, packed ? 17 : i == 2 || i == 3 ? 66 : 5, packed, 0);
			if (by_matrix)
				continue;
			linear(d, dtypes[i], k, 1, 1, packed, 0);
			linear(d, dtypes[i], k, 65, 2, packed, 0);
			linear(d, dtypes[i], k, 37, 3, packed, DSK_LINEAR_BIAS);
			linear(d, dtypes[i], block == 1 ? 2 : block, 16, 1, packed, DSK_LINEAR_ACCUMULATE | DSK_LINEAR_BIAS);
			lookup(d, dtypes[i], k, packed, 0);
			heads(d, dtypes[i], i % 2 ? 70 : 9, packed);
		}
	}
	if (by_matrix)
		return;
	moe(d, DSEEK_F32, 0, 0, 0);
	moe(d, DSEEK_F16, 1, 0, 0);
	moe(d, DSEEK_Q8_0, 1, 0, 0);
	moe(d, DSEEK_Q4_0, 0, 0, 0);
	moe(d, DSEEK_MXFP4, 1, 0, 0);
	moe(d, DSEEK_MXFP4, 0, 0, DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS | DSK_MOE_DOWN_BIAS);
	moe(d, DSEEK_F8_E4M3, 1, 0, DSK_MOE_DOWN_BIAS);
	moe(d, DSEEK_BF16, 1, -1, 0);
	moe(d, DSEEK_Q4_1, 1, 1, 0);
	moe(d, DSEEK_F32, 1, 0, DSK_MOE_GATE_BIAS | DSK_MOE_UP_BIAS | DSK_MOE_DOWN_BIAS);
	moe(d, DSEEK_BF16, 0, 0, DSK_MOE_GATE_BIAS);
	moe(d, DSEEK_Q8_0, 1, 0, DSK_MOE_UP_BIAS);
	moe(d, DSEEK_F32, 0, 1, DSK_MOE_DOWN_BIAS);
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

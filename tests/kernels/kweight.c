/* SPDX-License-Identifier: MIT */
#include "kweight.h"

const uint32_t kweight_dtypes[KWEIGHT_DTYPES] = { DSEEK_F32, DSEEK_F16, DSEEK_BF16, DSEEK_Q8_0, DSEEK_Q4_0, DSEEK_Q4_1, DSEEK_Q4_K, DSEEK_Q6_K,
						  DSEEK_MXFP4, DSEEK_F8_E4M3 };

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

struct kweight kweight_make(uint32_t dtype, uint32_t k, uint32_t rows, int packed)
{
	uint32_t row_bytes = (uint32_t)dseek_row_bytes(dtype, k);
	struct kweight w = { dtype, k, rows, packed, .exact = malloc((size_t)k * rows * sizeof(double)) };
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

void kweight_free(struct kweight *w)
{
	free(w->data);
	free(w->exact);
}

double kweight_dot(const struct kweight *w, uint32_t row, const float *x, double *ret_magnitude)
{
	double sum = 0, magnitude = 0;

	for (uint32_t i = 0; i < w->k; i++) {
		sum += w->exact[(size_t)row * w->k + i] * x[i];
		magnitude += fabs(w->exact[(size_t)row * w->k + i] * x[i]);
	}
	*ret_magnitude = magnitude;
	return sum;
}

int kweight_close(const float *y, const double *want, const double *allowed, size_t n, char *what, size_t size)
{
	for (size_t i = 0; i < n; i++)
		if (!(fabs(y[i] - want[i]) <= allowed[i])) {
			snprintf(what, size, ": element %zu is %.9g, not %.9g within %.2g", i, y[i], want[i], allowed[i]);
			return 0;
		}
	*what = 0;
	return 1;
}

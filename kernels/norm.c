/* SPDX-License-Identifier: MIT */
/* RMSNorm (Zhang and Sennrich 2019, equation 4) and LayerNorm (Ba et al. 2016), with an activation and, to int8 and E4M3, quantisation. */
#include "element.h"

#define LANES	256

K_DEV float normed(K_GLOBAL const void *x, long at, int i, float mean, float factor, K_GLOBAL const float *w,
		   K_GLOBAL const float *b, struct dsk_norm_params p)
{
	float v = (load_element(x, at + i, p.x_type) - mean) * factor;

	if (p.flags & DSK_NORM_WEIGHT)
		v *= w[i];
	if (p.flags & DSK_NORM_BIAS)
		v += b[i];
	return activate(v, p.act);
}

/* y [n, rows], scales [rows] for y of int8 or E4M3, x [n, rows], w [n], b [n]; groups: rows */
K_KERNEL(LANES) dsk_norm(K_GLOBAL void *y, K_GLOBAL float *scales, K_GLOBAL const void *x, K_GLOBAL const float *w,
			 K_GLOBAL const float *b, struct dsk_norm_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_COLLECTIVES;
	long x_at = (long)k_group_x() * p.x_stride, y_at = (long)k_group_x() * p.y_stride;
	float sum = 0, mean = 0, factor, top = 0, scale;

	if (p.flags & DSK_NORM_MEAN) {
		for (int i = k_tid(); i < p.n; i += LANES)
			sum += load_element(x, x_at + i, p.x_type);
		mean = k_group_sum(K_WAVE_PASS red, LANES, sum) / (float)p.n;
	}
	/* the variance in a second pass: a sum of squares less the mean's square would have no digits left if |mean| is large */
	sum = 0;
	for (int i = k_tid(); i < p.n; i += LANES) {
		float v = load_element(x, x_at + i, p.x_type) - mean;

		sum = k_fma(v, v, sum);
	}
	factor = k_rsqrt(k_group_sum(K_WAVE_PASS red, LANES, sum) / (float)p.n + p.eps);

	if (p.y_type != DSK_I8 && p.y_type != DSK_F8) {
		for (int i = k_tid(); i < p.n; i += LANES)
			store_element(y, y_at + i, p.y_type, normed(x, x_at, i, mean, factor, w, b, p));
		return;
	}
	for (int i = k_tid(); i < p.n; i += LANES)
		top = k_max(top, k_fabs(normed(x, x_at, i, mean, factor, w, b, p)));
	top = k_group_max(K_WAVE_PASS red, LANES, top);
	if (p.y_type == DSK_F8) {
		scale = f8_scale(top);
		for (int i = k_tid(); i < p.n; i += LANES)
			((K_GLOBAL unsigned char *)y)[y_at + i] =
				(unsigned char)f8_from_f32_bits(k_as_u32(normed(x, x_at, i, mean, factor, w, b, p) * (1 / scale)));
		if (k_tid() == 0)
			scales[k_group_x()] = scale;
		return;
	}
	scale = 127 / k_max(top, 1e-30f);	/* a row of zeros stays one */
	for (int i = k_tid(); i < p.n; i += LANES)
		((K_GLOBAL signed char *)y)[y_at + i] = (signed char)k_rint(normed(x, x_at, i, mean, factor, w, b, p) * scale);
	if (k_tid() == 0)
		scales[k_group_x()] = top / 127;
}

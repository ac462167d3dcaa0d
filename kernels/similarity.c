/* SPDX-License-Identifier: MIT */
/* Texts and images in one space: projection, length 1, scaled products of all pairs (Radford et al. 2021, figure 3). fp32. */
#include "element.h"

#define LANES	256

/* out [d, rows], x [n, rows], w [n, d]; groups: rows. A row that is projected to zeros stays so. */
K_KERNEL(LANES) dsk_project(K_GLOBAL float *out, K_GLOBAL const void *x, K_GLOBAL const void *w, struct dsk_project_params p)
{
	K_LDS(float, red, LANES / K_WAVE);
	K_COLLECTIVES;
	K_GLOBAL float *row = out + (long)k_group_x() * p.d;
	long x_at = (long)k_group_x() * p.x_stride;
	float squares = 0, factor;

	for (int j = k_tid(); j < p.d; j += LANES) {
		float sum = 0;

		for (int i = 0; i < p.n; i++)
			sum = k_fma(load_element(x, x_at + i, p.x_type), load_element(w, (long)j * p.n + i, p.w_type), sum);
		row[j] = sum;
		squares = k_fma(sum, sum, squares);
	}
	factor = k_rsqrt(k_max(k_group_sum(K_WAVE_PASS red, LANES, squares), 1e-24f));
	for (int j = k_tid(); j < p.d; j += LANES)	/* the lane's own */
		row[j] *= factor;
}

/* out [images, texts] = scale * text . image; texts [d, .], images [d, .] of dsk_project; groups: texts, ceil(images / 256) */
K_KERNEL(LANES) dsk_similarity(K_GLOBAL float *out, K_GLOBAL const float *texts, K_GLOBAL const float *images,
			       struct dsk_similarity_params p)
{
	int image = k_group_y() * LANES + k_tid();
	float sum = 0;

	if (image >= p.images)
		return;
	for (int i = 0; i < p.d; i++)
		sum = k_fma(texts[(long)k_group_x() * p.d + i], images[(long)image * p.d + i], sum);
	out[(long)k_group_x() * p.out_stride + image] = sum * p.scale;
}

/* SPDX-License-Identifier: MIT */
/* The largest of a row. */
#include "kdev.h"
#include "dsk_layout.h"

#define LANES	256

/* Does (a, i) come before (b, j)? A NaN comes after every number, and before none; index -1 after all. */
K_DEV int better(float a, int i, float b, int j)
{
	if (i < 0 || j < 0)
		return i >= 0;
	if (b != b)
		return a == a;
	return a > b || (a == b && i < j);
}

/* out [T]: index of the largest of x [n, T], the lowest of equals; groups: T */
K_KERNEL(LANES) dsk_argmax(K_GLOBAL int *out, K_GLOBAL const float *x, struct dsk_argmax_params p)
{
	K_LDS(float, value, LANES);
	K_LDS(int, index, LANES);
	K_GLOBAL const float *row = x + (long)k_group_x() * p.x_stride;
	float top = 0;
	int at = -1;

	for (int i = k_tid(); i < p.n; i += LANES)
		if (better(row[i], i, top, at)) {
			top = row[i];
			at = i;
		}
	value[k_tid()] = top;
	index[k_tid()] = at;
	k_sync();
	for (int step = LANES / 2; step; step /= 2) {
		if (k_tid() < step && better(value[k_tid() + step], index[k_tid() + step], value[k_tid()], index[k_tid()])) {
			value[k_tid()] = value[k_tid() + step];
			index[k_tid()] = index[k_tid() + step];
		}
		k_sync();
	}
	if (k_tid() == 0)
		out[k_group_x()] = index[0];
}

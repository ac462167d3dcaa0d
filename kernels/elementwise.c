/* SPDX-License-Identifier: MIT */
/* Sums, products and conversions of tensors of up to four dimensions, element by element. */
#include "element.h"

#define LANES	256

K_DEV long place(int y, int z, int w, int s1, int s2, int s3)
{
	return (long)y * s1 + (long)z * s2 + (long)w * s3;
}

/* out = a + b, a * b, or a; out may be a or b; groups: ne1 * ne2, ne3 */
K_KERNEL(LANES) dsk_elementwise(K_GLOBAL void *out, K_GLOBAL const void *a, K_GLOBAL const void *b, struct dsk_elementwise_params p)
{
	int y = k_group_x() % p.ne1, z = k_group_x() / p.ne1, w = k_group_y();
	long a_at = place(y, z, w, p.a_stride[0], p.a_stride[1], p.a_stride[2]);
	long b_at = place(y, z, w, p.b_stride[0], p.b_stride[1], p.b_stride[2]);
	long out_at = place(y, z, w, p.out_stride[0], p.out_stride[1], p.out_stride[2]);

	for (int i = k_tid(); i < p.n; i += LANES) {
		float v = load_element(a, a_at + i, p.a_type);

		if (p.op == DSK_ADD)
			v += load_element(b, b_at + i, DSK_F32);
		else if (p.op == DSK_MUL)
			v *= load_element(b, b_at + i, DSK_F32);
		store_element(out, out_at + i, p.out_type, v);
	}
}

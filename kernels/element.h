/* SPDX-License-Identifier: MIT */
/* Elements of any type, one at a time; the type is the same for the whole launch, so the branch costs a scalar. Indices of tenants. */
#ifndef ELEMENT_H
#define ELEMENT_H

#include "dsk_layout.h"
#include "kdev.h"
#include "f8.h"

/* An index that a tenant wrote, loaded once: it may change meanwhile. -1, and *fault is set, where it is not one of @count. */
K_DEV int checked_index(K_GLOBAL int *fault, K_GLOBAL const int *at, int count)
{
	int i = *at;

	if (i >= 0 && i < count)
		return i;
	k_atomic_or(fault, 1);
	return -1;
}

K_DEV float load_element(K_GLOBAL const void *p, long i, int type)
{
	if (type == DSK_F32)
		return ((K_GLOBAL const float *)p)[i];
	if (type == DSK_BF16)
		return k_bf16_to_f32(((K_GLOBAL const k_u16 *)p)[i]);
	return k_f16_to_f32(((K_GLOBAL const k_u16 *)p)[i]);
}

K_DEV void store_element(K_GLOBAL void *p, long i, int type, float v)
{
	if (type == DSK_F32)
		((K_GLOBAL float *)p)[i] = v;
	else if (type == DSK_BF16)
		((K_GLOBAL k_u16 *)p)[i] = k_f32_to_bf16(v);
	else
		((K_GLOBAL k_u16 *)p)[i] = k_f32_to_f16(v);
}

K_DEV float f8_to_f32(K_GLOBAL const unsigned char *code)
{
	return k_as_float(f8_to_f32_bits(*code));
}

/* The scale of a row of F8 whose largest magnitude is @top: as userspace/lib/dtype.c's. */
K_DEV float f8_scale(float top)
{
	return k_max(top / F8_MAX, k_as_float(0x00800000u));
}

K_DEV float sigmoid(float x)
{
	return k_rcp(1 + k_exp2(-K_LOG2E * x));
}

K_DEV float k_tanh(float x)
{
	/* for large |x| exp2 is 0 or infinite, and 1 - 2 / (1 + that) is -1 or 1; near 0 the difference has no digits left */
	if (k_fabs(x) < 0.04f)
		return x * (1 - x * x * (1.0f / 3 - x * x * (2.0f / 15)));
	return 1 - 2 * k_rcp(1 + k_exp2(2 * K_LOG2E * x));
}

K_DEV float activate(float x, int act)
{
	if (act == DSK_ACT_SILU)
		return x * sigmoid(x);
	if (act == DSK_ACT_GELU_TANH)	/* Hendrycks and Gimpel 2016 */
		return 0.5f * x * (1 + k_tanh(0.797884560802865f * (x + 0.044715f * x * x * x)));
	if (act == DSK_ACT_RELU)
		return k_max(x, 0);
	return x;
}

#endif /* ELEMENT_H */

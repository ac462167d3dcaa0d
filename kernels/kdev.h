/* SPDX-License-Identifier: MIT */
/*
 * The language of kernels: what C, C++ (HIP) and OpenCL C have in common, and the k_ primitives below. One
 * source of a kernel is compiled as
 *
 *	HIP	clang -x hip for an AMD GPU, without HIP's headers		kdev_amdgcn.h
 *	C	for the lock-step harness of tests/kernels/simt			kdev_simt.h
 *	OpenCL	OpenCL C 1.2 by whoever runs it (PoCL)				kdev_opencl.h
 *
 * A kernel
 *
 *	K_KERNEL(256) dsk_name(K_GLOBAL float *out, K_GLOBAL const float *in, struct dsk_name_params p)
 *
 * has so many lanes a group, takes its buffers first and then one struct of dsk_layout.h by value, and is listed in
 * dsk_kernels.h. Groups of a launch run in any order and do not wait for each other.
 *
 * K_WAVE lanes are a wave, 32 or 64. Collectives (k_shfl, k_shfl_xor, k_ballot, k_wave_*, k_group_*) and barriers are
 * reached by every lane of the group, at the same place and in the same order: OpenCL C 1.2 has no collectives, there
 * they are an exchange between two barriers. So loops around them have one trip count for the group.
 * A kernel that uses them says K_COLLECTIVES; before its first statement; a function that does takes K_WAVE_PARAM as the
 * first thing in its list of parameters and is called with K_WAVE_PASS there.
 *
 * LDS is declared by K_LDS(type, name, count); in the kernel itself: one dimension, contents undefined. Only
 * barriers order it (and global memory) between lanes: k_sync() for the group, k_wave_sync() for the wave.
 *
 *	K_DEV			a function of the device, always inlined
 *	K_GLOBAL K_LOCAL	of a pointer: into a buffer, into LDS
 *	k_tid()	k_lane() k_wave()	lane in the group, lane in the wave, wave in the group
 *	k_group_x() _y() _z()	the group's place in the launch
 *	k_shfl(v, lane)		@v of another lane of the wave; float, int or unsigned int: k_shfl, k_shfl_i, k_shfl_u
 *	k_shfl_xor(v, mask)	@v of the lane whose number differs by @mask
 *	k_ballot(cond)		bit n: lane n's @cond
 *	k_atomic_add(p, v), k_atomic_max, k_atomic_or	int; on a buffer or LDS; the value before; order nothing else
 *	k_host_add(p, v) k_host_cas(p, old, v)	the same, add and @v if it was @old, on memory of the host's that it uses meanwhile: what PCIe has of atomics
 *	k_load_acquire(p)	int, on a buffer; what comes after sees what came before the release that it reads, the host's too
 *	k_add_release(p, v)	adds, for groups and the host that acquire; what the group's other lanes did is before it if they call k_release() and then a
 *				k_sync() is between
 *	k_exp2 k_log2 k_rsqrt k_rcp	fast: relative error below 2^-20 for normal arguments and results
 *	k_sin_turns k_cos_turns	of @x turns, |x| <= 1/2: absolute error below 2^-19
 *	k_fma k_rint k_fabs k_max k_min
 *	K_UNROLL(n)		before a loop: so many times and no more
 *	k_opaque(x)		x, an int, of which the compiler knows nothing: what is made of it in a loop is made there and not kept
 *	k_fill_registers(x)	the last thing a kernel does: every vector register that its waves are given is @x then, as many as make waves that fill a
 *				SIMD's registers to the last one (RDNA: 8 waves of 192; CDNA: 2 of 128 and 128 for accumulation), and the wave stays
 *				for 8000 clocks, so that what comes after it gets others; not on hosts
 *
 * Nothing is contracted: a product and a sum are one operation where the source says k_fma, so the three differ by k_exp2 and its
 * like only.
 */
#ifndef KDEV_H
#define KDEV_H

#if defined(__OPENCL_C_VERSION__)
#include "kdev_opencl.h"
#elif defined(__AMDGCN__)
#include "kdev_amdgcn.h"
#else
#include "kdev_simt.h"
#endif

typedef unsigned short k_u16;
typedef unsigned int k_u32;

#define K_LOG2E	1.44269504088896340736f
#define K_NEG_BIG	(-1e30f)	/* less than any logit, and its differences are finite */

/* ---- numbers in memory */

K_DEV float k_bf16_to_f32(k_u16 h)
{
	return k_as_float((k_u32)h << 16);
}

/* To the nearest, ties to even; a NaN stays one. */
K_DEV k_u16 k_f32_to_bf16(float f)
{
	k_u32 u = k_as_u32(f);

	if ((u & 0x7fffffffu) > 0x7f800000u)
		return (k_u16)(u >> 16 | 0x40);
	return (k_u16)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* ---- reductions over a wave: every lane gets the result, the same bits */

K_DEV float k_wave_sum(K_WAVE_PARAM float v)
{
	for (int mask = K_WAVE / 2; mask; mask >>= 1)
		v += k_shfl_xor(v, mask);
	return v;
}

K_DEV float k_wave_max(K_WAVE_PARAM float v)
{
	for (int mask = K_WAVE / 2; mask; mask >>= 1)
		v = k_max(v, k_shfl_xor(v, mask));
	return v;
}

/* Lanes of the wave below this one whose bit is set in @ballot. */
K_DEV int k_ballot_below(k_ballot_t ballot)
{
	return k_popcount(ballot & (((k_ballot_t)1 << k_lane()) - 1));
}

/* ---- over the group; @red: LDS, an element a wave, free for other use when this returns */

K_DEV float k_group_sum(K_WAVE_PARAM K_LOCAL float *red, int lanes, float v)
{
	float sum = 0;

	v = k_wave_sum(K_WAVE_PASS v);
	if (k_lane() == 0)
		red[k_wave()] = v;
	k_sync();
	for (int w = 0; w < lanes / K_WAVE; w++)
		sum += red[w];
	k_sync();
	return sum;
}

K_DEV float k_group_max(K_WAVE_PARAM K_LOCAL float *red, int lanes, float v)
{
	float top;

	v = k_wave_max(K_WAVE_PASS v);
	if (k_lane() == 0)
		red[k_wave()] = v;
	k_sync();
	top = red[0];
	for (int w = 1; w < lanes / K_WAVE; w++)
		top = k_max(top, red[w]);
	k_sync();
	return top;
}

/* *seen and the lanes below this one whose @cond is true; to *seen all such are added. */
K_DEV int k_group_rank(K_WAVE_PARAM K_LOCAL int *red, int lanes, int cond, int *seen)
{
	k_ballot_t ballot = k_ballot(cond);
	int rank = *seen + k_ballot_below(ballot);

	if (k_lane() == 0)
		red[k_wave()] = k_popcount(ballot);
	k_sync();
	for (int w = 0; w < lanes / K_WAVE; w++) {
		rank += w < k_wave() ? red[w] : 0;
		*seen += red[w];
	}
	k_sync();
	return rank;
}

#endif /* KDEV_H */

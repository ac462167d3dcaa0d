/* SPDX-License-Identifier: MIT */
/*
 * kdev.h for OpenCL C 1.2, which has no subgroups: a wave is K_WAVE work-items by number (-DK_WAVE=32|64), and a
 * collective an exchange through local memory between two barriers of the whole group.
 */
#ifndef KDEV_OPENCL_H
#define KDEV_OPENCL_H

#pragma OPENCL FP_CONTRACT OFF

#define K_MAX_LANES	1024

#define K_KERNEL(lanes)	__kernel __attribute__((reqd_work_group_size(lanes, 1, 1))) void
/* Always, as kdev.h says: PoCL 3.1 makes LDS that a function which it did not inline was given one variable of all groups. */
#define K_DEV		static inline __attribute__((always_inline))
#define K_GLOBAL	__global
#define K_LOCAL		__local
#define K_RESTRICT	restrict
#define K_CONST_TABLE	__constant const
#define K_LDS(type, name, count) __local type name[count] __attribute__((aligned(16)))
#define K_COLLECTIVES	__local unsigned int k_exchange_[K_MAX_LANES]
#define K_WAVE_PARAM	__local unsigned int *k_exchange_,
#define K_UNROLL(n)	__attribute__((opencl_unroll_hint(n)))
#define K_WAVE_PASS	k_exchange_,

typedef ulong k_ballot_t;

K_DEV float k_as_float(unsigned int u) { return as_float(u); }
K_DEV unsigned int k_as_u32(float f) { return as_uint(f); }

K_DEV int k_tid(void) { return (int)get_local_id(0); }
K_DEV int k_group_x(void) { return (int)get_group_id(0); }
K_DEV int k_group_y(void) { return (int)get_group_id(1); }
K_DEV int k_group_z(void) { return (int)get_group_id(2); }
K_DEV int k_lane(void) { return k_tid() & (K_WAVE - 1); }
K_DEV int k_wave(void) { return k_tid() / K_WAVE; }

#define k_sync()	barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define k_wave_sync()	k_sync()
#define k_release()	mem_fence(CLK_GLOBAL_MEM_FENCE)

K_DEV unsigned int k_exchange(K_WAVE_PARAM unsigned int v, int lane)
{
	unsigned int got;

	k_exchange_[k_tid()] = v;
	barrier(CLK_LOCAL_MEM_FENCE);
	got = k_exchange_[k_tid() - k_lane() + (lane & (K_WAVE - 1))];
	barrier(CLK_LOCAL_MEM_FENCE);
	return got;
}

#define k_shfl_u(v, lane)	k_exchange(K_WAVE_PASS v, lane)
#define k_shfl_i(v, lane)	((int)k_shfl_u((unsigned int)(v), lane))
#define k_shfl(v, lane)		as_float(k_shfl_u(as_uint((float)(v)), lane))
#define k_shfl_xor_i(v, mask)	k_shfl_i(v, k_lane() ^ (mask))
#define k_shfl_xor(v, mask)	k_shfl(v, k_lane() ^ (mask))

K_DEV k_ballot_t k_ballot_(K_WAVE_PARAM int cond)
{
	k_ballot_t all = 0;

	k_exchange_[k_tid()] = cond != 0;
	barrier(CLK_LOCAL_MEM_FENCE);
	for (int i = 0; i < K_WAVE; i++)
		all |= (k_ballot_t)k_exchange_[k_tid() - k_lane() + i] << i;
	barrier(CLK_LOCAL_MEM_FENCE);
	return all;
}

#define k_ballot(cond)		k_ballot_(K_WAVE_PASS cond)

K_DEV int k_popcount(k_ballot_t x) { return (int)popcount(x); }

#define k_atomic_add(p, v)	atomic_add(p, v)
#define k_atomic_max(p, v)	atomic_max(p, v)
#define k_atomic_or(p, v)	atomic_or(p, v)
#define k_host_add(p, v)	atomic_add(p, v)
#define k_host_cas(p, old, v)	atomic_cmpxchg(p, old, v)
/* OpenCL C 1.2 orders no memory between groups: this is what its compilers make of it (PoCL's atomics on processors order everything). */
K_DEV int k_load_acquire_(volatile __global int *p) { int v = atomic_add(p, 0); mem_fence(CLK_GLOBAL_MEM_FENCE); return v; }
K_DEV void k_add_release_(volatile __global int *p, int v) { mem_fence(CLK_GLOBAL_MEM_FENCE); atomic_add(p, v); }
#define k_load_acquire(p)	k_load_acquire_(p)
#define k_add_release(p, v)	k_add_release_(p, v)

K_DEV int k_opaque(int x) { return x; }
K_DEV void k_fill_registers(unsigned int x) { }
K_DEV float k_exp2(float x) { return exp2(x); }
K_DEV float k_log2(float x) { return log2(x); }
K_DEV float k_rsqrt(float x) { return 1 / sqrt(x); }
K_DEV float k_rcp(float x) { return 1 / x; }
K_DEV float k_sin_turns(float x) { return sinpi(2 * x); }
K_DEV float k_cos_turns(float x) { return cospi(2 * x); }
K_DEV float k_fma(float a, float b, float c) { return fma(a, b, c); }
K_DEV float k_rint(float x) { return rint(x); }
K_DEV float k_fabs(float x) { return fabs(x); }
K_DEV float k_max(float a, float b) { return fmax(a, b); }
K_DEV float k_min(float a, float b) { return fmin(a, b); }

K_DEV float k_f16_to_f32(unsigned short h)
{
	return vload_half(0, (const half *)&h);
}

K_DEV unsigned short k_f32_to_f16(float f)
{
	unsigned short h;

	vstore_half_rte(f, 0, (half *)&h);
	return h;
}

#endif /* KDEV_OPENCL_H */

/* SPDX-License-Identifier: MIT */
/* kdev.h for AMD GPUs: clang's HIP language and its builtins, no header of HIP's. */
#ifndef KDEV_AMDGCN_H
#define KDEV_AMDGCN_H

#define K_KERNEL(lanes) \
	extern "C" __attribute__((global)) __attribute__((amdgpu_flat_work_group_size(lanes, lanes))) void
#define K_DEV		static __attribute__((device)) __attribute__((always_inline)) inline
#define K_GLOBAL
#define K_LOCAL
#define K_RESTRICT	__restrict__
#define K_CONST_TABLE	static __attribute__((constant)) const
#define K_LDS(type, name, count) __attribute__((shared)) __attribute__((aligned(16))) type name[count]
#define K_COLLECTIVES	do { } while (0)
#define K_WAVE_PARAM
#define K_UNROLL(n)	_Pragma(K_STRING(unroll n))
#define K_STRING(x)	#x
#define K_WAVE_PASS

#ifdef __GFX9__
#define K_WAVE	64
#else
#define K_WAVE	32
#endif

typedef unsigned long k_ballot_t;

K_DEV float k_as_float(unsigned int u) { return __builtin_bit_cast(float, u); }
K_DEV unsigned int k_as_u32(float f) { return __builtin_bit_cast(unsigned int, f); }

K_DEV int k_tid(void) { return (int)__builtin_amdgcn_workitem_id_x(); }
K_DEV int k_group_x(void) { return (int)__builtin_amdgcn_workgroup_id_x(); }
K_DEV int k_group_y(void) { return (int)__builtin_amdgcn_workgroup_id_y(); }
K_DEV int k_group_z(void) { return (int)__builtin_amdgcn_workgroup_id_z(); }
K_DEV int k_wave(void) { return k_tid() / K_WAVE; }

K_DEV int k_lane(void)
{
#if K_WAVE == 64
	return (int)__builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0));
#else
	return (int)__builtin_amdgcn_mbcnt_lo(~0u, 0);
#endif
}

K_DEV void k_sync(void)
{
	__builtin_amdgcn_fence(__ATOMIC_RELEASE, "workgroup");
	__builtin_amdgcn_s_barrier();
	__builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "workgroup");
}

/* k_sync()'s release waits on CDNA for no store to memory: none of a group's lanes would see the difference. */
K_DEV void k_release(void) { __builtin_amdgcn_fence(__ATOMIC_RELEASE, "agent"); }

K_DEV void k_wave_sync(void)
{
	__builtin_amdgcn_fence(__ATOMIC_RELEASE, "wavefront");
	__builtin_amdgcn_wave_barrier();
	__builtin_amdgcn_fence(__ATOMIC_ACQUIRE, "wavefront");
}

K_DEV int k_shfl_i(int v, int lane) { return __builtin_amdgcn_ds_bpermute(lane << 2, v); }
K_DEV unsigned int k_shfl_u(unsigned int v, int lane) { return (unsigned int)k_shfl_i((int)v, lane); }
K_DEV float k_shfl(float v, int lane) { return k_as_float(k_shfl_u(k_as_u32(v), lane)); }
K_DEV int k_shfl_xor_i(int v, int mask) { return k_shfl_i(v, k_lane() ^ mask); }
K_DEV float k_shfl_xor(float v, int mask) { return k_shfl(v, k_lane() ^ mask); }

K_DEV k_ballot_t k_ballot(int cond)
{
#if K_WAVE == 64
	return __builtin_amdgcn_ballot_w64(cond != 0);
#else
	return __builtin_amdgcn_ballot_w32(cond != 0);
#endif
}

K_DEV int k_popcount(k_ballot_t x) { return __builtin_popcountl(x); }

/* Pointers are generic in HIP; once inlined the compiler knows which memory they are of. */
K_DEV int k_atomic_add(int *p, int v) { return __hip_atomic_fetch_add(p, v, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT); }
K_DEV int k_atomic_max(int *p, int v) { return __hip_atomic_fetch_max(p, v, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT); }
K_DEV int k_atomic_or(int *p, int v) { return __hip_atomic_fetch_or(p, v, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_AGENT); }

/* Of the system's scope: the other side may be the host. */
K_DEV int k_host_add(int *p, int v) { return __hip_atomic_fetch_add(p, v, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM); }

K_DEV int k_host_cas(int *p, int old, int v)
{
	__hip_atomic_compare_exchange_strong(p, &old, v, __ATOMIC_RELAXED, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
	return old;
}

K_DEV int k_load_acquire(int *p) { return __hip_atomic_load(p, __ATOMIC_ACQUIRE, __HIP_MEMORY_SCOPE_SYSTEM); }
K_DEV void k_add_release(int *p, int v) { __hip_atomic_fetch_add(p, v, __ATOMIC_RELEASE, __HIP_MEMORY_SCOPE_SYSTEM); }

K_DEV int k_opaque(int x) { __asm__ volatile("" : "+v"(x)); return x; }

/* By name: which registers there are to be, and so how many a wave is given, is then not the compiler's choice. */
#define K_SET_V(n)	__asm__ volatile("v_mov_b32 v" #n ", %0" : : "s"(x) : "v" #n);
#define K_SET_ACC(n)	__asm__ volatile("v_accvgpr_write_b32 a" #n ", %0" : : "v"(x) : "a" #n);
#define K_EIGHT(set, a, b, c, d, e, f, g, h)	set(a) set(b) set(c) set(d) set(e) set(f) set(g) set(h)
#define K_TEN(set, tens)	set(tens##0) set(tens##1) K_EIGHT(set, tens##2, tens##3, tens##4, tens##5, tens##6, tens##7, tens##8, tens##9)
#define K_120(set)	K_TEN(set, ) K_TEN(set, 1) K_TEN(set, 2) K_TEN(set, 3) K_TEN(set, 4) K_TEN(set, 5) K_TEN(set, 6) K_TEN(set, 7) K_TEN(set, 8) \
			K_TEN(set, 9) K_TEN(set, 10) K_TEN(set, 11)
#define K_128(set)	K_120(set) K_EIGHT(set, 120, 121, 122, 123, 124, 125, 126, 127)
#define K_192(set)	K_120(set) K_TEN(set, 12) K_TEN(set, 13) K_TEN(set, 14) K_TEN(set, 15) K_TEN(set, 16) K_TEN(set, 17) K_TEN(set, 18) \
			set(190) set(191)

K_DEV void k_fill_registers(unsigned int x)
{
#ifdef __GFX9__
	K_128(K_SET_ACC)
	K_128(K_SET_V)
#else
	K_192(K_SET_V)
#endif
	__builtin_amdgcn_s_sleep(127);
}

K_DEV float k_exp2(float x) { return __builtin_amdgcn_exp2f(x); }
K_DEV float k_log2(float x) { return __builtin_amdgcn_logf(x); }
K_DEV float k_rsqrt(float x) { return __builtin_amdgcn_rsqf(x); }
K_DEV float k_rcp(float x) { return __builtin_amdgcn_rcpf(x); }
K_DEV float k_sin_turns(float x) { return __builtin_amdgcn_sinf(x); }
K_DEV float k_cos_turns(float x) { return __builtin_amdgcn_cosf(x); }
K_DEV float k_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
K_DEV float k_rint(float x) { return __builtin_rintf(x); }
K_DEV float k_fabs(float x) { return __builtin_fabsf(x); }
K_DEV float k_max(float a, float b) { return __builtin_fmaxf(a, b); }
K_DEV float k_min(float a, float b) { return __builtin_fminf(a, b); }

K_DEV float k_f16_to_f32(unsigned short h) { return (float)__builtin_bit_cast(_Float16, h); }
K_DEV unsigned short k_f32_to_f16(float f) { return __builtin_bit_cast(unsigned short, (_Float16)f); }

#endif /* KDEV_AMDGCN_H */

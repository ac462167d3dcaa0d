/* SPDX-License-Identifier: MIT */
/*
 * kdev.h for the host: every lane is a fiber of the harness in tests/kernels/simt, which provides the functions declared here
 * and, because this is compiled with -fsanitize=thread and linked with no such runtime, is called before each load and store.
 * -DK_WAVE=32|64.
 */
#ifndef KDEV_SIMT_H
#define KDEV_SIMT_H

#include <math.h>
#include <string.h>

#define K_KERNEL(lanes)	__attribute__((visibility("default"))) void
#define K_DEV		static inline __attribute__((always_inline, unused))
#define K_GLOBAL
#define K_LOCAL
#define K_RESTRICT	__restrict__
#define K_CONST_TABLE	static const
#define K_COLLECTIVES	do { } while (0)
#define K_WAVE_PARAM
#define K_UNROLL(n)
#define K_WAVE_PASS

/* A variable between two guards, and its address: the harness tells what is beside it from what is in it. */
#define SIMT_GUARD	512
#define K_LDS(type, name, count)								\
	static struct {										\
		char before[SIMT_GUARD];							\
		type v[count] __attribute__((aligned(16)));					\
		char after[SIMT_GUARD];								\
	} name##_lds_;										\
	type *const name = name##_lds_.v;							\
	simt_lds(name, sizeof(name##_lds_.v), #name)

typedef unsigned long k_ballot_t;

/*
 * A place in a source where lanes meet. @here tells copies of an inlined function apart, which one line may have many of, and
 * stays one if the compiler copies the call to two paths: a label is neither shared nor doubled.
 */
struct simt_site {
	const char *what, *file;
	int line;
};

#define SIMT_SITE(what)									\
	({ static const struct simt_site site_ = { what, __FILE__, __LINE__ }; &site_; }),	\
	({ __label__ here_; here_: &&here_; })

/* What each lane of the wave gave, @size bytes (at most SIMT_SLOT), one after the other to @all: for kmma_model.h. */
#define SIMT_SLOT	128
void simt_exchange(const struct simt_site *site, const void *here, const void *v, unsigned long size, void *all);

void simt_lds(void *v, unsigned long size, const char *name);
int simt_tid(void);
int simt_group(int dim);
void simt_barrier(const struct simt_site *site, const void *here);
void simt_wave_barrier(const struct simt_site *site, const void *here);
unsigned int simt_shfl(const struct simt_site *site, const void *here, unsigned int v, int lane);
unsigned long simt_ballot(const struct simt_site *site, const void *here, int cond);
int simt_atomic_add(int *p, int v);
int simt_atomic_max(int *p, int v);
int simt_atomic_or(int *p, int v);
int simt_atomic_cas(int *p, int old, int v);
int simt_atomic_load(int *p);
unsigned short simt_f32_to_f16(float f);
float simt_f16_to_f32(unsigned short h);

K_DEV float k_as_float(unsigned int u) { float f; memcpy(&f, &u, 4); return f; }
K_DEV unsigned int k_as_u32(float f) { unsigned int u; memcpy(&u, &f, 4); return u; }

#define k_tid()		simt_tid()
#define k_lane()	(simt_tid() & (K_WAVE - 1))
#define k_wave()	(simt_tid() / K_WAVE)
#define k_group_x()	simt_group(0)
#define k_group_y()	simt_group(1)
#define k_group_z()	simt_group(2)
#define k_sync()	simt_barrier(SIMT_SITE("k_sync"))
#define k_release()	do { } while (0)	/* groups share no data */
#define k_wave_sync()	simt_wave_barrier(SIMT_SITE("k_wave_sync"))
#define k_shfl_u(v, lane)	simt_shfl(SIMT_SITE("k_shfl"), v, lane)
#define k_shfl_i(v, lane)	((int)k_shfl_u((unsigned int)(v), lane))
#define k_shfl(v, lane)		k_as_float(k_shfl_u(k_as_u32(v), lane))
#define k_shfl_xor_i(v, mask)	k_shfl_i(v, k_lane() ^ (mask))
#define k_shfl_xor(v, mask)	k_shfl(v, k_lane() ^ (mask))
#define k_ballot(cond)		simt_ballot(SIMT_SITE("k_ballot"), cond)
#define k_popcount(x)		__builtin_popcountl(x)
#define k_atomic_add(p, v)	simt_atomic_add(p, v)
#define k_atomic_max(p, v)	simt_atomic_max(p, v)
#define k_atomic_or(p, v)	simt_atomic_or(p, v)
#define k_host_add(p, v)	simt_atomic_add(p, v)
#define k_host_cas(p, old, v)	simt_atomic_cas(p, old, v)
#define k_load_acquire(p)	simt_atomic_load(p)	/* orders nothing for the harness: groups share no data */
#define k_add_release(p, v)	((void)simt_atomic_add(p, v))

K_DEV int k_opaque(int x) { return x; }
K_DEV void k_fill_registers(unsigned int x) { }
K_DEV float k_exp2(float x) { return exp2f(x); }
K_DEV float k_log2(float x) { return log2f(x); }
K_DEV float k_rsqrt(float x) { return 1 / sqrtf(x); }
K_DEV float k_rcp(float x) { return 1 / x; }
K_DEV float k_sin_turns(float x) { return (float)sin(2 * M_PI * (double)x); }
K_DEV float k_cos_turns(float x) { return (float)cos(2 * M_PI * (double)x); }
K_DEV float k_fma(float a, float b, float c) { return fmaf(a, b, c); }
K_DEV float k_rint(float x) { return rintf(x); }
K_DEV float k_fabs(float x) { return fabsf(x); }
K_DEV float k_max(float a, float b) { return fmaxf(a, b); }
K_DEV float k_min(float a, float b) { return fminf(a, b); }
#define k_f16_to_f32	simt_f16_to_f32
#define k_f32_to_f16	simt_f32_to_f16

#endif /* KDEV_SIMT_H */

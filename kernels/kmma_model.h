/* SPDX-License-Identifier: MIT */
/*
 * kmma.h's instructions without them: lanes exchange their fragments, and each computes its elements of D in the order of K, in
 * float. Hardware may take another order, and adds products of bf16 and f16 exactly: within the tests' tolerances.
 */
#ifndef KMMA_MODEL_H
#define KMMA_MODEL_H

struct k_frag16 { k_u16 v[K_FRAG16]; };
struct k_frag8 { signed char v[K_FRAG8]; };
struct k_acc_f32 { float v[K_ACC]; };
struct k_acc_i32 { int v[K_ACC]; };

K_DEV struct k_frag16 k_frag16_of(const k_u32 *words)
{
	struct k_frag16 f;

	for (int i = 0; i < K_FRAG16; i++)
		f.v[i] = (k_u16)(words[i / 2] >> (i % 2 * 16));
	return f;
}

K_DEV struct k_frag8 k_frag8_of(const k_u32 *words)
{
	struct k_frag8 f;

	for (int i = 0; i < K_FRAG8; i++)
		f.v[i] = (signed char)(words[i / 4] >> (i % 4 * 8));
	return f;
}

/* What a byte of a fragment is to the instruction: E4M3, or E4M3FNUZ, by its definition. */
K_DEV float k_f8_value(int byte)
{
	int code = byte & 0xff, exponent = code >> 3 & 15;

	if (K_MMA != K_MMA_CDNA3)
		return k_as_float(f8_to_f32_bits((unsigned int)code));
	if (code == 0x80)
		return k_as_float(0x7fc00000u);
	return (code & 0x80 ? -1.0f : 1.0f) * (float)(exponent ? 8 + (code & 7) : code & 7) * k_as_float((unsigned int)(116 + (exponent ? exponent : 1)) << 23);
}

/* What 16 bits are to the instruction. CDNA2's takes subnormal numbers for 0 (AMD, ROCm documentation of MI200: "MFMA" flushes them). */
K_DEV float k_model_bf16(k_u32 u)
{
	return k_bf16_to_f32((k_u16)(K_MMA == K_MMA_CDNA2 && !(u & 0x7f80) ? 0 : u));
}

K_DEV float k_model_f16(k_u32 u)
{
	return k_f16_to_f32((k_u16)(K_MMA == K_MMA_CDNA2 && !(u & 0x7c00) ? 0 : u));
}

#if defined(__OPENCL_C_VERSION__)

/* One element of every lane's fragments at a time. */
#define K_MODEL(name, frag, acc, halves, count, type, convert)						\
K_DEV struct acc name##_(K_WAVE_PARAM struct frag a, struct frag b, struct acc c)			\
{													\
	for (int half_wave = 0; half_wave < (halves); half_wave++)					\
		for (int e = 0; e < (count); e++) {							\
			type y = convert(k_shfl_u((unsigned int)b.v[e], half_wave * K_TILE + k_acc_col(k_lane()))); \
													\
			for (int i = 0; i < K_ACC; i++)							\
				c.v[i] += y * convert(k_shfl_u((unsigned int)a.v[e],			\
							       half_wave * K_TILE + k_acc_row(k_lane(), i))); \
		}											\
	return c;											\
}
#define K_FROM_I8(u)	((int)(char)(u))
K_MODEL(k_mma_bf16, k_frag16, k_acc_f32, K_HALVES, K_FRAG16, float, k_model_bf16)
K_MODEL(k_mma_f16, k_frag16, k_acc_f32, K_HALVES, K_FRAG16, float, k_model_f16)
K_MODEL(k_mma_i8, k_frag8, k_acc_i32, K_HALVES, K_FRAG8, int, K_FROM_I8)
K_MODEL(k_mma_f8, k_frag8, k_acc_f32, K_HALVES, K_FRAG8, float, k_f8_value)
#define k_mma_bf16(a, b, c)	k_mma_bf16_(K_WAVE_PASS a, b, c)
#define k_mma_f16(a, b, c)	k_mma_f16_(K_WAVE_PASS a, b, c)
#define k_mma_i8(a, b, c)	k_mma_i8_(K_WAVE_PASS a, b, c)
#define k_mma_f8(a, b, c)	k_mma_f8_(K_WAVE_PASS a, b, c)

#else

/*
 * All lanes' fragments at once; D is summed in the order of K, whatever the layout. What no lane's memory is, nobody has to watch: the sums
 * are in functions that aren't instrumented.
 */
#define K_MODEL(name, frag, acc, count, column, depth, type, convert)					\
struct name##_pair { struct frag a, b; };								\
static __attribute__((noinline, unused, no_sanitize("thread")))						\
void name##_sums(const struct name##_pair *all, int me, struct acc *c)					\
{													\
	type rows[2][K_TILE][depth];									\
													\
	for (int lane = 0; lane < K_WAVE; lane++)							\
		for (int e = 0; e < (count); e++) {							\
			rows[0][k_mma_row(lane)][column(lane, e)] = convert(all[lane].a.v[e]);		\
			rows[1][k_mma_row(lane)][column(lane, e)] = convert(all[lane].b.v[e]);		\
		}											\
	for (int i = 0; i < K_ACC; i++)									\
		for (int k = 0; k < (depth); k++)							\
			c->v[i] += rows[0][k_acc_row(me, i)][k] * rows[1][k_acc_col(me)][k];		\
}													\
K_DEV struct acc name##_(const struct simt_site *site, const void *here, struct frag a, struct frag b, struct acc c) \
{													\
	struct name##_pair mine = { a, b }, all[K_WAVE];						\
													\
	simt_exchange(site, here, &mine, sizeof(mine), all);						\
	name##_sums(all, k_lane(), &c);									\
	return c;											\
}
#define K_AS_IS(x)	(x)
K_MODEL(k_mma_bf16, k_frag16, k_acc_f32, K_FRAG16, k_mma_k16, K_MMA_K16, float, k_model_bf16)
K_MODEL(k_mma_f16, k_frag16, k_acc_f32, K_FRAG16, k_mma_k16, K_MMA_K16, float, k_model_f16)
K_MODEL(k_mma_i8, k_frag8, k_acc_i32, K_FRAG8, k_mma_k8, K_MMA_K8, int, K_AS_IS)
K_MODEL(k_mma_f8, k_frag8, k_acc_f32, K_FRAG8, k_mma_k8, K_MMA_K8, float, k_f8_value)
#define k_mma_bf16(a, b, c)	k_mma_bf16_(SIMT_SITE("k_mma_bf16"), a, b, c)
#define k_mma_f16(a, b, c)	k_mma_f16_(SIMT_SITE("k_mma_f16"), a, b, c)
#define k_mma_i8(a, b, c)	k_mma_i8_(SIMT_SITE("k_mma_i8"), a, b, c)
#define k_mma_f8(a, b, c)	k_mma_f8_(SIMT_SITE("k_mma_f8"), a, b, c)

#endif
#endif /* KMMA_MODEL_H */

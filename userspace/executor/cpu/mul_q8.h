/* SPDX-License-Identifier: MIT */
/*
 * The functions of mul_q8_avx2.c and mul_q8_avx512.c that aren't inline: one for each dtype, in it a loop for each
 * width of tile. Included last, by a source that has
 *	mul(dtype, group, k, tile, out, m)	always inline, for constant dtype and m
 *	MUL_Q8					the name to give to what kernels.h calls mul_q8
 *	MUL_WIDTHS(X, dtype)			X(dtype, m) for each m
 */
#define MUL_TYPES(X) X(Q8_0) X(Q4_0) X(Q4_1) X(Q4_K) X(Q6_K) X(MXFP4)

#define MUL_WIDTH(dtype, m) case m: mul(dtype, group, k, tile, out, m); break;
/* not inlined: the registers of one are enough for the compiler to allocate at a time */
#define MUL_TYPE(type) \
	static __attribute__((noinline)) void mul_tile_##type(const uint8_t *group, uint32_t k, const uint8_t *tile, uint32_t m, float *out) \
	{ \
		switch (m) { MUL_WIDTHS(MUL_WIDTH, DSEEK_##type) } \
	}
#define MUL_CASE(type) case DSEEK_##type: mul_tile_##type(group, k, tile, m, out); break;

MUL_TYPES(MUL_TYPE)

void MUL_Q8(uint32_t dtype, const uint8_t *group, uint32_t k, const uint8_t *tile, uint32_t m, float *out)
{
	switch (dtype) { MUL_TYPES(MUL_CASE) }
}

/* SPDX-License-Identifier: MIT */
/*
 * The table of the kernels in terms of vec.h, compiled once for each instruction set by vec_avx2.c and
 * vec_avx512.c, which define KERNELS, MUL_Q8 and the tile sizes. Contracts: kernels.h.
 */
#include "vec_attend.h"
#include "vec_attend_few.h"
#include "vec_mul_f32.h"
#include "vec_row.h"
#include "vec_tile.h"

const struct cpu_kernels KERNELS = {
	.q8_tile = Q8_TILE,
	.f32_tile = F32_TILE,
	.tile_q8 = tile_q8,
	.tile_f32 = tile_f32,
	.mul_q8 = MUL_Q8,
	.mul_f32 = mul_f32,
	.glu = glu,
	.rmsnorm = rmsnorm,
	.rotate = rotate,
	.to_half = to_half,
	.to_f32 = slot_to_f32,
	.attend = attend,
	.attend_few = attend_few,
	.attend_merge = attend_merge,
	.argmax = argmax,
};

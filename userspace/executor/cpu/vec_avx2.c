// SPDX-License-Identifier: MIT
/* The shared kernels for AVX2. */
#define KERNELS		cpu_kernels_avx2
#define MUL_Q8		cpu_mul_q8_avx2
#define Q8_TILE		4
#define F32_TILE	4
#include "vec_kernels.h"

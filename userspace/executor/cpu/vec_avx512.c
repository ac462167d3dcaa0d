// SPDX-License-Identifier: MIT
/* The shared kernels for AVX-512. */
#define KERNELS		cpu_kernels_avx512
#define MUL_Q8		cpu_mul_q8_avx512
#define Q8_TILE		16
#define F32_TILE	8
#include "vec_kernels.h"

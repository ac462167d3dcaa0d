// SPDX-License-Identifier: MIT
/* The model engine on the opencl backend, on the machine's OpenCL: what tests/hip/generate.c does with the hip backend. */
#define GPU_BACKEND	"opencl"
#define GPU_TARGET	"opencl"
#define GPU_SUFFIX	".cl"
#include "../hip/generate.c"

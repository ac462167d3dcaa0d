// SPDX-License-Identifier: MIT
/* Choice of the vector instructions. */
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa.h"

static const char *const names[CPU_ISA_COUNT] = {
	[CPU_ISA_SCALAR] = "scalar",
	[CPU_ISA_AVX2] = "avx2",
	[CPU_ISA_AVX512] = "avx512",
	[CPU_ISA_AVX512_BF16] = "avx512bf16",
};

const char *cpu_isa_name(enum cpu_isa isa)
{
	return isa < CPU_ISA_COUNT ? names[isa] : NULL;
}

enum cpu_isa cpu_isa_best(void)
{
#if defined(__x86_64__)
	unsigned int a, b, c = 0, d;

	__builtin_cpu_init();
	__get_cpuid(1, &a, &b, &c, &d);
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !(c & bit_F16C))
		return CPU_ISA_SCALAR;
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
	    !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vnni"))
		return CPU_ISA_AVX2;
	if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vbmi"))
		return CPU_ISA_AVX512;
	return CPU_ISA_AVX512_BF16;
#else
	return CPU_ISA_SCALAR;
#endif
}

int cpu_isa_choose(const char *name, enum cpu_isa *ret_isa, char *err, size_t err_size)
{
	enum cpu_isa best = cpu_isa_best(), isa;

	if (!name || !strcmp(name, "auto"))
		name = getenv("DSEEK_CPU_ISA");
	if (!name || !*name || !strcmp(name, "auto")) {
		*ret_isa = best;
		return 0;
	}
	for (isa = 0; isa < CPU_ISA_COUNT; isa++)
		if (!strcmp(name, names[isa]))
			break;
	if (isa == CPU_ISA_COUNT) {
		snprintf(err, err_size, "isa=%s: unknown; one of auto, scalar, avx2, avx512, avx512bf16", name);
		return -EINVAL;
	}
	if (isa > best) {
		snprintf(err, err_size, "isa=%s: this machine or build has at most %s", name, names[best]);
		return -ENOTSUP;
	}
	*ret_isa = isa;
	return 0;
}

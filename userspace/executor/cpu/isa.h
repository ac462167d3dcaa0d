/* SPDX-License-Identifier: MIT */
/* Which vector instructions to use: what the machine has, or less when told so. */
#ifndef DSEEK_CPU_ISA_H
#define DSEEK_CPU_ISA_H

#include <stddef.h>

enum cpu_isa {
	CPU_ISA_SCALAR,		/* the oracle itself */
	CPU_ISA_AVX2,		/* and FMA, F16C */
	CPU_ISA_AVX512,		/* F, BW, DQ, VL, VNNI */
	CPU_ISA_AVX512_BF16,	/* and BF16, VBMI: for F8_E4M3, else the same */
	CPU_ISA_COUNT,
};

const char *cpu_isa_name(enum cpu_isa isa);
enum cpu_isa cpu_isa_best(void);	/* of this machine and this build */

/*
 * @name: one of the names, or NULL or "auto" for the environment's DSEEK_CPU_ISA or, without it, the
 * best. -EINVAL for an unknown name, -ENOTSUP for one this machine lacks, with a sentence in @err.
 */
int cpu_isa_choose(const char *name, enum cpu_isa *ret_isa, char *err, size_t err_size);

#endif /* DSEEK_CPU_ISA_H */

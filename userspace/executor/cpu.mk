# SPDX-License-Identifier: MIT
cpu := userspace/executor/cpu
libdseek-src += userspace/executor/backend_cpu.c \
	$(addprefix $(cpu)/,attention.c fast.c head_linear.c isa.c latent.c linear.c moe.c mul_f8_avx512.c mul_q8_avx2.c mul_q8_avx512.c op.c ops_ref.c pool.c \
	simple.c tiles.c vec_avx2.c vec_avx512.c)

# The same bits from every compiler: fused multiply-adds only where the source says so.
cpu-float := -ffp-contract=off
avx2-flags := -mavx2 -mfma -mf16c
avx512-flags := $(avx2-flags) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mprefer-vector-width=512
# The checks of the address sanitizer in unrolled loops take gcc minutes to optimise at -O2.
cpu-opt = $(if $(findstring address,$(SAN)),-O1,$(1))
$(foreach f,attention head_linear latent linear moe ops_ref simple tiles,$(eval CFLAGS-$(cpu)/$(f).c := $(cpu-float)))
CFLAGS-$(cpu)/mul_q8_avx2.c := $(call cpu-opt,-O2) $(cpu-float) $(avx2-flags)
CFLAGS-$(cpu)/vec_avx2.c := $(call cpu-opt,-O3) $(cpu-float) $(avx2-flags)
CFLAGS-$(cpu)/mul_f8_avx512.c := $(call cpu-opt,-O2) $(cpu-float) $(avx512-flags) -mavx512vbmi -mavx512bf16
CFLAGS-$(cpu)/mul_q8_avx512.c := $(call cpu-opt,-O2) $(cpu-float) $(avx512-flags)
CFLAGS-$(cpu)/vec_avx512.c := $(call cpu-opt,-O3) $(cpu-float) $(avx512-flags)

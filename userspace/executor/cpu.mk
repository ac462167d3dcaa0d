# SPDX-License-Identifier: MIT
cpu := userspace/executor/cpu
libdseek-src += userspace/executor/backend_cpu.c $(addprefix $(cpu)/,isa.c op.c ops_ref.c)
# The same bits from every compiler: fused multiply-adds only where the source says so.
CFLAGS-$(cpu)/ops_ref.c := -ffp-contract=off

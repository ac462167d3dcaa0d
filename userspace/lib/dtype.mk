# SPDX-License-Identifier: MIT
libdseek-src += userspace/lib/dtype.c userspace/lib/dtype_pack.c
# Conversions state which roundings they make: no contraction into fused multiply-adds.
CFLAGS-userspace/lib/dtype.c := -ffp-contract=off

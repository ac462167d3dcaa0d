# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_ops.c userspace/cli/read_roof.c
CFLAGS-userspace/cli/bench_ops.c := -Iuserspace/executor

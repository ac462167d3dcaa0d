# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_ops.c
CFLAGS-userspace/cli/bench_ops.c := -Iuserspace/executor

# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_ops.c userspace/cli/read_roof.c
dseek-src += userspace/cli/bench_latent.c
CFLAGS-userspace/cli/bench_latent.c := -Iuserspace/executor
CFLAGS-userspace/cli/bench_ops.c := -Iuserspace/executor

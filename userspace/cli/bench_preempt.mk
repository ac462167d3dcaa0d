# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_preempt.c

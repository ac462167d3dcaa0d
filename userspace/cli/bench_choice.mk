# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_choice.c

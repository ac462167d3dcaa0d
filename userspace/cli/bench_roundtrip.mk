# SPDX-License-Identifier: MIT
dseek-src += userspace/cli/bench_roundtrip.c

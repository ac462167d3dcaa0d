# SPDX-License-Identifier: MIT
script-benches += tests/bench/quality.sh
benches += tests/bench/fused
tests/bench/fused-src := tests/bench/fused.c tests/ops/one_op.c
CFLAGS-tests/bench/fused.c := -Iuserspace/executor

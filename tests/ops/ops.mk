# SPDX-License-Identifier: MIT
tests += tests/ops/dtype tests/ops/ref
tests/ops/dtype-src := tests/ops/dtype.c
tests/ops/ref-src := tests/ops/ref.c tests/ops/one_op.c
CFLAGS-tests/ops/ref.c := -Iuserspace/executor
CFLAGS-tests/ops/one_op.c := -Iuserspace/executor

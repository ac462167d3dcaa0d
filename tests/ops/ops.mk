# SPDX-License-Identifier: MIT
tests += tests/ops/dtype tests/ops/ref tests/ops/compare tests/ops/pool tests/ops/odd tests/ops/work tests/ops/latent tests/ops/abort
tests/ops/dtype-src := tests/ops/dtype.c
tests/ops/pool-src := tests/ops/pool.c
tests/ops/ref-src := tests/ops/ref.c tests/ops/one_op.c
tests/ops/compare-src := tests/ops/compare.c tests/ops/one_op.c
tests/ops/odd-src := tests/ops/odd.c tests/ops/one_op.c
tests/ops/latent-src := tests/ops/latent.c tests/ops/one_op.c
tests/ops/abort-src := tests/ops/abort.c tests/ops/one_op.c
tests/ops/work-src := tests/ops/work.c tests/ops/one_op.c
$(foreach t,ref one_op compare pool odd work latent abort,$(eval CFLAGS-tests/ops/$(t).c := -Iuserspace/executor))

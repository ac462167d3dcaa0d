# SPDX-License-Identifier: MIT
tests += tests/model/engine tests/model/fast tests/model/reference tests/model/moefy
tests/model/engine-src := $(addprefix tests/model/,engine.c tiny_model.c forward_ref.c)
tests/model/engine-libs := $(shell pkg-config --libs check)
tests/model/fast-src := tests/model/fast.c
tests/model/reference-src := tests/model/reference.c
tests/model/reference-libs := -lcjson
tests/model/moefy-src := $(addprefix tests/model/,moefy.c tiny_model.c)
tests/model/moefy-libs := $(shell pkg-config --libs check)
tests += tests/model/balance
tests/model/balance-src := tests/model/balance.c tests/model/tiny_model.c tests/ops/one_op.c
tests/model/balance-libs := $(shell pkg-config --libs check)
CFLAGS-tests/model/balance.c := -Iuserspace/executor
tests += tests/model/gate_fit
tests/model/gate_fit-src := tests/model/gate_fit.c
tests/model/gate_fit-libs := $(shell pkg-config --libs check)

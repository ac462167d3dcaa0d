# SPDX-License-Identifier: MIT
tests += tests/model/engine tests/model/reference
tests/model/engine-src := $(addprefix tests/model/,engine.c tiny_model.c forward_ref.c)
tests/model/engine-libs := $(shell pkg-config --libs check)
tests/model/reference-src := tests/model/reference.c
tests/model/reference-libs := -lcjson

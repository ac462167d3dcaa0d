# SPDX-License-Identifier: MIT
tests += tests/model/engine
tests/model/engine-src := $(addprefix tests/model/,engine.c tiny_model.c forward_ref.c)
tests/model/engine-libs := $(shell pkg-config --libs check)

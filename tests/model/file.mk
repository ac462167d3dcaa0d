# SPDX-License-Identifier: MIT
check-libs := $(shell pkg-config --libs check)

tests += tests/model/gguf tests/model/gguf_bad
tests/model/gguf-src := tests/model/gguf.c
tests/model/gguf-libs := $(check-libs)
tests/model/gguf_bad-src := tests/model/gguf_bad.c
tests/model/gguf_bad-libs := $(check-libs)

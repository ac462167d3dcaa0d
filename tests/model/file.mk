# SPDX-License-Identifier: MIT
check-libs := $(shell pkg-config --libs check)

file-tests := gguf gguf_bad tokens tokenizer tokenizer_bad chat sampler synth nomem
tests += $(addprefix tests/model/,$(file-tests))
$(foreach t,$(file-tests),$(eval tests/model/$(t)-src := tests/model/$(t).c)$(eval tests/model/$(t)-libs := $(check-libs) -lm))

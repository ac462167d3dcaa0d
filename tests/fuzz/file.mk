# SPDX-License-Identifier: MIT
# Fuzzers: a few seconds each in make check; make fuzz RUNS=10000000; make fuzz-llvm (clang, libFuzzer, sanitizers).
file-fuzzers := fuzz_gguf fuzz_tokenizer
tests += $(addprefix tests/fuzz/,$(file-fuzzers))
fuzz-mutating := $(file-fuzzers)
$(foreach f,$(file-fuzzers),$(eval tests/fuzz/$(f)-src := tests/fuzz/$(f).c tests/fuzz/mutate_main.c))

RUNS ?= 10000000
FUZZ_SEED ?= 1
fuzz: $(addprefix $(O)/tests/fuzz/,$(fuzz-mutating))
	@for f in $^; do nice $$f -n $(RUNS) -s $(FUZZ_SEED) || exit 1; done

LLVM_RUNS ?= 1000000
fuzz-llvm: $(addprefix fuzz-llvm-,$(file-fuzzers))
fuzz-llvm-%:
	@mkdir -p $(O)/llvm/corpus-$*
	clang $(base-cflags) -Wno-unknown-warning-option -O1 -g -fsanitize=fuzzer,address,undefined tests/fuzz/$*.c \
		$(filter-out %/sample_text.c,$(wildcard userspace/model/gguf*.c) $(addprefix userspace/model/,$(text-src))) \
		-o $(O)/llvm/$* $(model-libs) -lm
	$(O)/llvm/$* -runs=$(LLVM_RUNS) -max_len=4096 -timeout=10 $(O)/llvm/corpus-$*
.PHONY: fuzz fuzz-llvm

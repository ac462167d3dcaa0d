# SPDX-License-Identifier: MIT
# Fuzzers. In make check: a few seconds each, always the same inputs. Longer:
#   make fuzz RUNS=10000000 FUZZ_SEED=2 [SAN=address,undefined O=build-asan]   each with so many inputs
#   make fuzzers                       clang's libFuzzer, address and undefined sanitizers: $(O)/fuzzers/NAME, NAME.seeds/
#   make fuzz-llvm FUZZ_SECONDS=240    builds and runs those, from the seeds
fuzzers := arb/fuzz_arb fuzz/fuzz_code fuzz/fuzz_gguf fuzz/fuzz_program fuzz/fuzz_tokenizer
tests/arb/fuzz_arb-fuzzer := tests/arb/fuzz_arb.c $(arb-drive-src)
tests/fuzz/fuzz_code-fuzzer := tests/fuzz/fuzz_code.c tests/hip/object.c
tests/fuzz/fuzz_gguf-fuzzer := tests/fuzz/fuzz_gguf.c
tests/fuzz/fuzz_program-fuzzer := $(addprefix tests/fuzz/,fuzz_program.c program_gen.c program_run.c program_data.c)
tests/fuzz/fuzz_tokenizer-fuzzer := tests/fuzz/fuzz_tokenizer.c
tests += $(addprefix tests/,$(fuzzers))
$(foreach f,$(addprefix tests/,$(fuzzers)),$(eval $(f)-src := $($(f)-fuzzer) tests/fuzz/main.c))

RUNS ?= 10000000
FUZZ_SEED ?= 1
fuzz: $(addprefix $(O)/tests/,$(fuzzers))
	@for f in $^; do nice $$f -n $(RUNS) -s $(FUZZ_SEED) || exit 1; done

# The second make compiles everything for libFuzzer; what it links is below.
fuzzers:
	$(Q)$(MAKE) --no-print-directory CC=clang O=$(O)/fuzzers CFLAGS="-O1 -g -fno-sanitize-recover=all" SAN=fuzzer-no-link,address,undefined \
		$(addprefix $(O)/fuzzers/,$(notdir $(fuzzers)))
define fuzzer-rule
$(O)/$(notdir $(1)): $(patsubst %.c,$(O)/%.o,$(tests/$(1)-fuzzer) tests/fuzz/libfuzzer.c) $(O)/libdseek-model.a $(O)/libdseek.a $(O)/tests/$(1)
	$$(call say,LD,$$@)
	@mkdir -p $$@.seeds
	$$(Q)$(O)/tests/$(1) -w $$@.seeds
	$$(Q)$$(CC) -pthread -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $$(filter %.o %.a,$$^) \
		-o $$@ $$(model-libs) $$(libdseek-libs)
endef
$(foreach f,$(fuzzers),$(eval $(call fuzzer-rule,$(f))))

FUZZ_SECONDS ?= 60
fuzz-llvm: fuzzers
	@for f in $(notdir $(fuzzers)); do \
		nice $(O)/fuzzers/$$f -max_total_time=$(FUZZ_SECONDS) -max_len=32768 -timeout=20 -print_final_stats=1 \
			-artifact_prefix=$(O)/fuzzers/$$f- $(O)/fuzzers/$$f.seeds || exit 1; done
.PHONY: fuzz fuzzers fuzz-llvm

# SPDX-License-Identifier: MIT
# Kernels compiled for the harness: a library a file and wave size. -fsanitize=thread, but linked without its runtime, makes gcc call
# the harness before each access.
simt-cflags := -std=gnu11 -O1 -fno-strict-aliasing -g -fPIC -ffp-contract=off -fsanitize=thread --param tsan-instrument-func-entry-exit=0 \
	       -Wall -Wextra -Werror -Wno-unused-parameter -Ikernels
simt-kernels :=
SIMT_CC ?= gcc

# $(1) folder of the result, $(2) flags, $(3) source
define simt-rule
$(O)/kernels/simt/$(1)/$(basename $(notdir $(3))).so: $(3) $(kernel-headers) tests/kernels/kernels.mk
	$$(call say,SIMT,"$$< $(2)")
	@mkdir -p $$(@D)
	$$(Q)$$(SIMT_CC) $$(simt-cflags) $(2) -c $$< -o $$(@:.so=.o) && $$(SIMT_CC) -shared $$(@:.so=.o) -o $$@
simt-kernels += $(O)/kernels/simt/$(1)/$(basename $(notdir $(3))).so
endef
$(foreach w,32 64,$(foreach f,$(kernel-files:%=kernels/%.c) tests/kernels/simt/faulty.c tests/kernels/kdev_probe.c tests/kernels/separate.c,$(eval $(call simt-rule,w$(w),-DK_WAVE=$(w),$(f)))))
$(foreach g,cdna2 cdna3 cdna4,$(eval $(call simt-rule,$(g),-DK_WAVE=64 -DK_MMA=K_MMA_$(shell echo $(g) | tr a-z A-Z),tests/kernels/mma_probe.c)))
$(foreach g,rdna3 rdna4,$(eval $(call simt-rule,$(g),-DK_WAVE=32 -DK_MMA=K_MMA_$(shell echo $(g) | tr a-z A-Z),tests/kernels/mma_probe.c)))

$(foreach f,expert_mma expert_few attn_prefill_mma attn_decode_mma slots_mma dense_mma moe_mma,$(foreach g,cdna2 cdna4,$(eval $(call simt-rule,$(g),-DK_WAVE=64 -DK_MMA=K_MMA_$(shell echo $(g) | tr a-z A-Z),kernels/$(f).c)))\
	$(eval $(call simt-rule,rdna3,-DK_WAVE=32 -DK_MMA=K_MMA_RDNA3,kernels/$(f).c)))

# The harness switches stacks and sees every address: no sanitizer's business. Kernels find what they call in the program.
simt-src := $(addprefix tests/kernels/simt/,simt.c memory.c fiber.c)
$(foreach f,$(simt-src),$(eval CFLAGS-$(f) := -fno-sanitize=all -fvisibility=default))

# OpenCL where its loader is; PoCL's compiler and sanitizers don't mix.
ifeq ($(SAN)$(shell pkg-config --exists OpenCL && echo yes),yes)
kernel-opencl := device_opencl.c
kernel-libs := -lOpenCL
else
kernel-opencl := device_no_opencl.c
endif
device-src := $(addprefix tests/kernels/,device.c device_simt.c ktest.c $(kernel-opencl)) $(simt-src)

kernel-tests := tests/kernels/simt/faults $(addprefix tests/kernels/,kdev norm rope embed route permute attn_decode attn_prefill attn_gate attn_pyramid mla mma)
kernel-tests += $(addprefix tests/kernels/,expert sample kv_copy scrub reroute similarity)
kernel-tests += $(addprefix tests/kernels/,dense moe slots elementwise persist)
# With the model library's trainers.
kernel-tests += $(addprefix tests/kernels/,balance recall)
$(foreach t,$(kernel-tests),$(eval $(t)-src := $(t).c $(device-src))$(eval $(t)-libs := $(kernel-libs)))
tests/kernels/sample-src += userspace/model/sampler.c
$(foreach t,dense moe,$(eval tests/kernels/$(t)-src += tests/kernels/kweight.c))
CFLAGS-tests/kernels/rope.c := -Ikernels
$(foreach t,attn_decode attn_prefill attn_gate attn_pyramid mla persist recall,$(eval tests/kernels/$(t)-src += tests/kernels/attn_ref.c))
tests/kernels/simt/faults-src := tests/kernels/simt/faults.c $(simt-src)
# What fusion saves, counted: a test, and for its figures a benchmark.
tests/kernels/fusion-src := tests/kernels/fusion.c $(device-src)
tests/kernels/fusion-libs := $(kernel-libs)
ifeq ($(shell uname -m),x86_64)
tests += $(kernel-tests) tests/kernels/fusion
benches += tests/kernels/fusion
# Of code objects, in which no sanitizer has a part.
ifeq ($(SAN),)
script-tests += tests/kernels/gates
endif
$(addprefix $(O)/,$(kernel-tests) tests/kernels/fusion): | $(simt-kernels)
build-tests: $(simt-kernels)
endif

print-simt-cflags:
	@echo $(simt-cflags)
check-mutants: $(addprefix $(O)/,$(kernel-tests))
	DSEEK_BUILD=$(abspath $(O)) tests/kernels/mutate -v
# On an OpenCL device that has DSEEK_OPENCL in its name.
check-opencl: $(addprefix $(O)/,$(filter-out tests/kernels/simt/faults,$(kernel-tests)))
	DSEEK_KERNEL_DEVICES=opencl32,opencl64 tests/run -o $(O) -t 1200 $^
.PHONY: print-simt-cflags check-mutants check-opencl

# SPDX-License-Identifier: MIT
# Kernels. Nothing here is part of the default build: kernels for GPUs need a clang that knows AMD's (tools/packages install kernels;
# tools/gpu-clang says which is taken), those for the harness are built with the tests.
#
#   make kernels         code objects and manifests, $(O)/kernels/TARGET
#   make kernels-TARGET  for one
#   make kernels-table   what they need of each target, in Markdown
#   GPU_TARGETS="gfx942 ..."  DSEEK_GPU_CLANG=PATH
kernel-files := norm rope embed route permute attn_decode attn_decode_packed attn_prefill attn_prefill_mma attn_gate attn_pyramid
kernel-files += expert expert_mma expert_few sample kv_copy scrub reroute similarity
kernel-files += attn_decode_mma persist
kernel-files += dense moe_dense elementwise argmax slots slots_mma dense_mma moe_mma
kernel-headers := $(wildcard kernels/*.h)
GPU_TARGETS ?= gfx90a gfx942 gfx950 gfx1100 gfx1201

# -mcumode: a group stays on one compute unit, as CHIPS in tools/kernel-manifest reckons.
gpu-cflags = -x hip --offload-arch=$(1) --offload-device-only --no-gpu-bundle-output -nogpuinc -nogpulib -O3 -fno-strict-aliasing -ffp-contract=off \
	     -Wall -Wextra -Werror -Wno-unused-parameter -Ikernels $(if $(filter gfx1%,$(1)),-mcumode)

# The compiler is looked for when something is to be compiled, not whenever make reads this; another one compiles all again.
define gpu-rules
$(O)/kernels/$(1)/clang: FORCE
	@mkdir -p $$(@D)
	$$(Q)tools/gpu-clang $(1) >$$@.new && { cmp -s $$@.new $$@ || mv $$@.new $$@; }
$(O)/kernels/$(1)/%.co: kernels/%.c $(kernel-headers) kernels/kernels.mk $(O)/kernels/$(1)/clang
	$$(call say,GPU,"$$< $(1)")
	$$(Q)clang=$$$$(cat $$(@D)/clang) && PATH=$$$$(dirname $$$$clang):$$$$PATH $$$$clang $(call gpu-cflags,$(1)) $$< -o $$@
$(O)/kernels/$(1)/manifest.json: $(kernel-files:%=$(O)/kernels/$(1)/%.co) tools/kernel-manifest
	$$(call say,GPU,$$@)
	$$(Q)tools/kernel-manifest $(1) $$$$(dirname $$$$(cat $$(@D)/clang))/llvm-objdump $$(filter %.co,$$^) >$$@
kernels-$(1): $(O)/kernels/$(1)/manifest.json
.PHONY: kernels-$(1)
endef
$(foreach t,$(GPU_TARGETS),$(eval $(call gpu-rules,$(t))))

# For the opencl backend: each kernel's file as one text, all it includes in it. The device's compiler makes the rest of it when it is needed.
opencl-kernels := $(kernel-files:%=$(O)/kernels/opencl/%.cl)
$(O)/kernels/opencl/%.cl: kernels/%.c $(kernel-headers) kernels/kernels.mk
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -undef -nostdinc -x c -D__OPENCL_C_VERSION__=120 -DK_WAVE=32 -Ikernels $< -o $@
all: $(opencl-kernels)

kernels: $(addprefix kernels-,$(GPU_TARGETS))
kernels-table: kernels
	@tools/kernel-manifest --table $(GPU_TARGETS:%=$(O)/kernels/%/manifest.json)
print-gpu-targets:
	@echo $(GPU_TARGETS)
print-gpu-cflags:
	@echo $(call gpu-cflags,$(T))
FORCE:
.PHONY: kernels kernels-table print-gpu-targets print-gpu-cflags

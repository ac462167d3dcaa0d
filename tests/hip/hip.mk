# SPDX-License-Identifier: MIT
# The hip backend on a stand-in for AMD's runtime, where OpenCL is; without a device of it, or without OpenCL, tests say so.
standin-dir := $(O)/tests/hip/lib
standin-src := $(addprefix tests/hip/,standin.c standin_memory.c standin_fail.c)
standin-targets := gfx90a gfx942 gfx1100
standin-objects := $(foreach t,$(standin-targets),$(kernel-files:%=$(O)/tests/hip/kernels/$(t)/%.co))

# Built as it is for every sanitizer: it has to live beside PoCL's compiler.
define standin-rule
$(standin-dir)/$(1): $(standin-src) tests/hip/standin.h userspace/executor/hip/hip_api.h $(kernel-headers) tests/hip/hip.mk
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -std=gnu11 -O1 -g -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror -Wno-unused-parameter -Wno-deprecated-declarations \
		-pthread -DSTANDIN_SOURCE='"$$(CURDIR)"' $(2) $(standin-src) -Wl,-soname,$(1) -o $$@ $(3)
endef
ifeq ($(shell pkg-config --exists OpenCL && echo yes),yes)
$(eval $(call standin-rule,libamdhip64.so.6,,-lOpenCL))
$(eval $(call standin-rule,old/libamdhip64.so.5,-DSTANDIN_OLD,-lOpenCL))
standin-libraries := $(standin-dir)/libamdhip64.so.6 $(standin-dir)/old/libamdhip64.so.5
endif

$(O)/tests/hip/kernels/%.co: tests/hip/hip.mk
	@mkdir -p $(@D)
	$(Q)printf 'dseek stand-in code object\n%s\n%s\n' $(notdir $(patsubst %/,%,$(dir $*))) $(notdir $*) >$@

# Libraries that lack something, for the loader's refusals.
$(standin-dir)/lacks/libamdhip64.so.6: tests/hip/lacks.c
	@mkdir -p $(@D)
	$(Q)$(CC) -fPIC -shared -Wl,-soname,libamdhip64.so.6 $< -o $@

hip-tests := $(addprefix tests/hip/,load ops run inject generate)
tests += $(hip-tests)
$(foreach t,$(hip-tests),$(eval $(t)-src := $(t).c tests/hip/device.c)$(eval CFLAGS-$(t).c := -Iuserspace/executor))
tests/hip/ops-src += tests/ops/one_op.c
CFLAGS-tests/hip/device.c := -Iuserspace/executor
$(addprefix $(O)/,$(hip-tests)): | $(standin-libraries) $(standin-objects) $(standin-dir)/lacks/libamdhip64.so.6

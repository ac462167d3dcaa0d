# SPDX-License-Identifier: MIT
# The hip backend on a stand-in for AMD's runtime: over OpenCL where there is a device of it, else, and in guests,
# over this processor.
standin-dir := $(O)/tests/hip/lib
standin-src := $(addprefix tests/hip/,standin.c standin_memory.c standin_stream.c standin_fail.c)
standin-targets := gfx90a gfx942 gfx1100
standin-objects := $(foreach t,$(standin-targets),$(kernel-files:%=$(O)/tests/hip/kernels/$(t)/%.co))
standin-cflags := -std=gnu11 -D_GNU_SOURCE -g -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror -Wno-unused-parameter -Wno-deprecated-declarations \
		  -fno-strict-aliasing -ffp-contract=off

# $(1) file, $(2) flags, $(3) sources of the device, $(4) libraries. Built as it is for every sanitizer: it has to live beside PoCL's compiler.
define standin-rule
$(standin-dir)/$(1): $(standin-src) $(3) tests/hip/standin.h userspace/executor/hip/hip_api.h $(kernel-headers) tests/hip/hip.mk
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(SIMT_CC) $(standin-cflags) -O1 -pthread $(2) $(standin-src) $(3) -Wl,-soname,$$(notdir $$@),-Bsymbolic -o $$@ $(4)
endef
ifeq ($(shell pkg-config --exists OpenCL && echo yes),yes)
$(eval $(call standin-rule,libamdhip64.so.6,-DSTANDIN_SOURCE='"$(CURDIR)"',tests/hip/standin_cl.c,-lOpenCL))
standin-libraries := $(standin-dir)/libamdhip64.so.6
endif
ifeq ($(shell uname -m),x86_64)
$(eval $(call standin-rule,host/libamdhip64.so.6,,tests/hip/standin_host.c tests/kernels/simt/fiber.c,-ldl))
$(eval $(call standin-rule,old/libamdhip64.so.5,-DSTANDIN_OLD,tests/hip/standin_host.c tests/kernels/simt/fiber.c,-ldl))
standin-libraries += $(standin-dir)/host/libamdhip64.so.6 $(standin-dir)/old/libamdhip64.so.5 $(foreach w,32 64,$(kernel-files:%=$(standin-dir)/host/w$(w)/%.so))
endif

define standin-kernel-rule
$(standin-dir)/host/w$(1)/%.so: kernels/%.c $(kernel-headers) tests/hip/hip.mk
	@mkdir -p $$(@D)
	$$(Q)$$(SIMT_CC) $(standin-cflags) -O2 -DK_WAVE=$(1) -Ikernels $$< -o $$@
endef
$(foreach w,32 64,$(eval $(call standin-kernel-rule,$(w))))

$(O)/tests/hip/kernels/%.co: tests/hip/hip.mk
	@mkdir -p $(@D)
	$(Q)printf 'dseek stand-in code object\n%s\n%s\n' $(notdir $(patsubst %/,%,$(dir $*))) $(notdir $*) >$@

# Libraries that lack something, for the loader's refusals.
$(standin-dir)/lacks/libamdhip64.so.6: tests/hip/lacks.c
	@mkdir -p $(@D)
	$(Q)$(CC) -fPIC -shared -Wl,-soname,libamdhip64.so.6 $< -o $@

hip-tests := $(addprefix tests/hip/,load ops run tenants code inject generate launches forms memory)
tests += $(hip-tests)
$(foreach t,$(hip-tests),$(eval $(t)-src := $(t).c tests/hip/device.c)$(eval CFLAGS-$(t).c := -Iuserspace/executor))
tests/hip/ops-src += tests/ops/one_op.c
tests/hip/code-src += tests/hip/object.c tests/hip/own_program.c
CFLAGS-tests/hip/device.c := -Iuserspace/executor
$(addprefix $(O)/,$(hip-tests)): | $(standin-libraries) $(standin-objects) $(standin-dir)/lacks/libamdhip64.so.6

# For the guest: tests/vm/guest/hip.sh, owner.sh.
check-programs += tests/hip/near tests/hip/own
tests/hip/own-src := $(addprefix tests/hip/,own.c own_program.c object.c)
tests/hip/near-src := tests/hip/near.c
guest-programs: $(O)/tests/hip/near $(O)/tests/hip/own $(filter $(standin-dir)/host/%,$(standin-libraries)) $(filter $(O)/tests/hip/kernels/gfx942/%,$(standin-objects))

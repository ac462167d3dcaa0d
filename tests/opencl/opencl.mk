# SPDX-License-Identifier: MIT
# The opencl backend on the machine's OpenCL (PoCL, say), by a shim that counts calls and fails them.
opencl-shim := $(O)/tests/opencl/libOpenCL-shim.so
# Built as it is for every sanitizer: it has to live beside PoCL's compiler.
$(opencl-shim): tests/opencl/shim.c userspace/executor/opencl/cl_api.h
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -g -O1 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror -Wl,-Bsymbolic $< -o $@ -ldl

opencl-tests := $(addprefix tests/opencl/,load ops tenants generate inject)
tests += $(opencl-tests) tests/opencl/abi
$(foreach t,$(opencl-tests),$(eval $(t)-src := $(t).c tests/opencl/device.c)$(eval CFLAGS-$(t).c := -Iuserspace/executor))
tests/opencl/ops-src += tests/ops/one_op.c
tests/opencl/abi-src := tests/opencl/abi.c
CFLAGS-tests/opencl/device.c := -Iuserspace/executor
ifeq ($(shell pkg-config --exists OpenCL && echo yes),yes)
CFLAGS-tests/opencl/abi.c := -DHAVE_OPENCL
endif
$(addprefix $(O)/,$(opencl-tests)): | $(opencl-shim) $(opencl-kernels) $(O)/tests/hip/lib/lacks/libamdhip64.so.6

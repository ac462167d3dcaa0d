# SPDX-License-Identifier: MIT
# The npu backend on a model of the driver and the device, which takes the place of npu_ioctl.c when a test links it.
npu-tests := $(addprefix tests/npu/,open binary linear run job)
tests += $(npu-tests) tests/npu/abi tests/npu/real
$(foreach t,$(npu-tests),$(eval $(t)-src := $(t).c tests/npu/model.c tests/npu/files.c))
tests/npu/open-src += tests/ops/one_op.c
tests/npu/linear-src += tests/ops/one_op.c
$(foreach t,open linear,$(eval CFLAGS-tests/npu/$(t).c := -Iuserspace/executor))
tests/npu/abi-src := tests/npu/abi.c
tests/npu/real-src := tests/npu/real.c

amdxdna-header := $(firstword $(wildcard /usr/include/drm/amdxdna_accel.h \
	$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/dseek/kernels/newest/usr/src/*/include/uapi/drm/amdxdna_accel.h))
ifneq ($(amdxdna-header),)
CFLAGS-tests/npu/abi.c := -DAMDXDNA_HEADER='"$(amdxdna-header)"' $(if $(shell grep -l amdxdna_drm_va_tbl $(amdxdna-header)),-DAMDXDNA_HAS_VA_TABLE)
endif

# SPDX-License-Identifier: MIT
hip := userspace/executor/hip
libdseek-src += $(addprefix $(hip)/,backend_hip.c hip_api.c hip_code.c hip_kernels.c hip_memory.c hip_msgpack.c hip_op_attention.c hip_op_dense.c \
	hip_op_simple.c hip_own.c hip_program.c hip_run.c hip_scrub.c hip_streams.c hip_target.c)
# Where installed kernels are, in a file of its own: make install with another PREFIX than make compiles this one anew, not everything.
kernel-dir := \#define DSEEK_KERNEL_DIR "$(LIBDIR)/dseek/kernels"
ifneq ($(file <$(O)/kernel_dir.h),$(kernel-dir))
$(shell mkdir -p $(O))$(file >$(O)/kernel_dir.h,$(kernel-dir))
endif
CFLAGS-$(hip)/backend_hip.c := -include $(O)/kernel_dir.h

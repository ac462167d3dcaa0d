# SPDX-License-Identifier: MIT
hip := userspace/executor/hip
libdseek-src += $(addprefix $(hip)/,backend_hip.c hip_api.c hip_kernels.c hip_memory.c hip_op_attention.c hip_op_dense.c hip_op_simple.c \
	hip_program.c hip_run.c hip_target.c)
CFLAGS-$(hip)/backend_hip.c := -DDSEEK_KERNEL_DIR='"$(LIBDIR)/dseek/kernels"'

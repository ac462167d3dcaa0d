# SPDX-License-Identifier: MIT
libdseek-src += $(addprefix userspace/executor/npu/,backend_npu.c npu_binary.c npu_command.c npu_device.c npu_ioctl.c npu_linear.c npu_memory.c \
	npu_run.c npu_xclbin.c)

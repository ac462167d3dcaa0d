# SPDX-License-Identifier: MIT
libdseek-src += userspace/lib/program.c userspace/lib/program_ops.c userspace/lib/program_check.c \
		userspace/lib/program_build.c userspace/lib/program_dump.c

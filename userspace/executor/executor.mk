# SPDX-License-Identifier: MIT
libdseek-src += $(addprefix userspace/executor/,registry.c option.c cache.c host_memory.c loop.c profile.c backend_null.c backend_fault.c)
programs += dseek-exec
dseek-exec-src += $(addprefix userspace/executor/,main.c notify.c) userspace/cli/log.c

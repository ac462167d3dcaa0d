# SPDX-License-Identifier: MIT
programs += dseek
dseek-src += $(addprefix userspace/cli/,main.c options.c log.c progress.c)

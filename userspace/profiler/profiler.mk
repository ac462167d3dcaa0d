# SPDX-License-Identifier: MIT
programs += dseek-profiler
dseek-profiler-src += $(addprefix userspace/profiler/,main.c record.c report.c export.c recording.c) $(addprefix userspace/cli/,commands.c options.c log.c)

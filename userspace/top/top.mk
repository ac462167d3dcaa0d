# SPDX-License-Identifier: MIT
programs += dseek-top
dseek-top-src += $(addprefix userspace/top/,main.c sample.c rates.c print.c screen.c) $(addprefix userspace/cli/,options.c log.c progress.c)
dseek-top-libs += -lcjson -lncursesw

# SPDX-License-Identifier: MIT
programs += dseek
dseek-libs += -lcjson
dseek-src += $(addprefix userspace/cli/,main.c options.c log.c progress.c cmd_doctor.c doctor_arb.c doctor_machine.c)

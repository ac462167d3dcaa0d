# SPDX-License-Identifier: MIT
programs += dseekctl
dseekctl-libs += -lcjson -lyaml
dseekctl-src += $(addprefix userspace/ctl/,main.c field.c admin.c set.c engines.c tenants.c policy.c apply.c)
dseekctl-src += $(addprefix userspace/cli/,commands.c options.c log.c)

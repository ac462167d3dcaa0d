# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The core's sources, once: included by the Makefile and by Kbuild.
arb-src := $(addprefix kmod/arb/,arb_engine.c arb_fair.c arb_server.c arb_split.c arb_backlog.c arb_predict.c arb_choice.c arb_fluid.c arb_preempt.c arb_cost.c arb_heap.c)
libdseek-src += $(arb-src)

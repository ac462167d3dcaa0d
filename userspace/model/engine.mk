# SPDX-License-Identifier: MIT
model-src += $(addprefix userspace/model/,arch.c rope.c weights.c weights_fp8.c model.c graph.c kv.c session.c formats.c precision.c generate.c moefy.c moefy_fit.c balance.c gate_fit.c recall.c)
CFLAGS-userspace/model/moefy_fit.c := -O3
CFLAGS-userspace/model/gate_fit.c := -O3
CFLAGS-userspace/model/recall.c := -O3

# SPDX-License-Identifier: MIT
model-src += $(addprefix userspace/model/,arch.c weights.c model.c graph.c session.c generate.c)

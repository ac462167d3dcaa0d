# SPDX-License-Identifier: MIT
dseek-src += $(addprefix userspace/cli/,cli_model.c cmd_logits.c cmd_generate.c cmd_model_moefy.c \
	bench_quality.c bench_model.c bench_routing.c bench_sparse.c)

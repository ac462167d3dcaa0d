# SPDX-License-Identifier: MIT
dseek-src += $(addprefix userspace/cli/,cmd_tokenize.c cmd_model_inspect.c cmd_model_synth.c)

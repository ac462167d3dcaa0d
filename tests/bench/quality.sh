#!/bin/bash
# SPDX-License-Identifier: MIT
# What the sparse gate and balanced routing keep and cost, at full size, for make bench: the second on the demonstration model split into 16
# experts, if it is there (tools/fetch-model).
dseek=${DSEEK_BUILD:-build}/bin/dseek
model=${XDG_CACHE_HOME:-$HOME/.cache}/dseek/SmolLM2-135M-Instruct.Q4_1.gguf
set -e
"$dseek" bench sparse -q
if [ ! -r "$model" ]; then
	"$dseek" bench routing -q
	echo "bench routing of a model: there is no $model (tools/fetch-model)"
	exit 0
fi
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
"$dseek" model moefy -q -d embed: -m "$model" -o "$dir/moe.gguf" --experts 16 --used 6
"$dseek" bench routing -q -d embed: -m "$dir/moe.gguf" -t 4096

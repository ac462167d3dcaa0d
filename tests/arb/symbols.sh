#!/bin/bash
# SPDX-License-Identifier: MIT
# The core compiles freestanding, without floating point or vector registers, and needs nothing but mem* of anyone.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../..}" || exit 1
n=0 failed=0
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
src=$(make -s --no-print-directory -f - <<<$'include kmod/arb/arb.mk\nall:\n\t@echo $(arb-src)')
regs=$([ "$(uname -m)" = x86_64 ] && echo "-mgeneral-regs-only -mno-red-zone -mcmodel=kernel")
for cc in gcc clang; do
	n=$((n + 1))
	command -v $cc >/dev/null || { echo "ok $n core: freestanding with $cc # SKIP no $cc here"; continue; }
	out=$(for f in $src; do
		$cc -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -ffreestanding $regs -fno-pic -c "$f" \
			-o "$tmp/$(basename "$f" .c).o" || exit 1
	done 2>&1) || { echo "not ok $n core: freestanding with $cc"; echo "$out" | sed 's/^/# /'; failed=1; continue; }
	# Undefined in one object and defined by none of them.
	need=$(nm -u "$tmp"/*.o | awk '$1 == "U" { print $2 }' | sort -u)
	have=$(nm --defined-only "$tmp"/*.o | awk 'NF == 3 { print $3 }' | sort -u)
	alien=$(comm -23 <(echo "$need") <(echo "$have") | grep -vE '^mem(cpy|move|set|cmp)$')
	if [ -z "$alien" ]; then echo "ok $n core: freestanding with $cc"; else
		echo "not ok $n core: freestanding with $cc"; echo "$alien" | sed 's/^/# needs /'; failed=1; fi
done
echo "1..$n"
exit $failed

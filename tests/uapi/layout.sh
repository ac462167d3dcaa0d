#!/bin/bash
# SPDX-License-Identifier: MIT
# The ABI's layout: every structure of uapi/drm/dseek_drm.h, without a hole, a multiple of 8 bytes, and the
# same in 32 and 64 bits, with every compiler there is, as C and as C++. The lists of structures and
# members are read from the header, so that none can be forgotten.
set -u
cd "$(dirname "$0")/../.." || exit 1
header=uapi/drm/dseek_drm.h
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
result() { # NAME STATUS LOG
	n=$((n + 1))
	if [ "$2" = 0 ]; then echo "ok $n $1"; else echo "not ok $n $1"; sed 's/^/# /' "$3" | head -n 20; failed=1; fi
}

# "STRUCT MEMBER" lines; the member "-" stands for the structure itself
awk '/^struct [a-z_]+ \{/ {s = $2; print s, "-"; next}
     /^};/ {s = ""}
     s != "" && /;/ {sub(/;.*/, ""); sub(/\[.*/, ""); print s, $NF}' $header >"$tmp/members"
structs=$(awk '$2 == "-"' "$tmp/members" | wc -l)
{
	echo '#include <drm/dseek_drm.h>'
	echo '#include <stddef.h>'
	echo '#ifdef __cplusplus'
	echo '#define CHECK(x) static_assert(x, #x)'
	echo 'extern "C" const unsigned dseek_layout[];'
	echo '#else'
	echo '#define CHECK(x) _Static_assert(x, #x)'
	echo '#endif'
	awk '$2 == "-" {printf "CHECK(sizeof(struct %s) %% 8 == 0);\n", $1}' "$tmp/members"
	echo 'const unsigned dseek_layout[] = {'
	awk '$2 == "-" {printf "sizeof(struct %s),\n", $1; next} {printf "offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s),\n", $1, $2, $1, $2}' "$tmp/members"
	echo '};'
} >"$tmp/layout.c"
cp "$tmp/layout.c" "$tmp/layout.cc"

[ "$structs" -gt 20 ]; result "the header's structures were found ($structs)" $? "$tmp/members"

if grep -nE '^[[:space:]]+(unsigned|int|long|short|char|size_t|uint|bool|enum|union|void)' <(awk '/^struct [a-z_]+ \{/,/^};/' $header) >"$tmp/log"; then result "integers of fixed size only" 1 "$tmp/log"; else result "integers of fixed size only" 0 "$tmp/log"; fi
if grep -nE '~0|^[^*]*:[[:space:]]*[0-9]+;|\bunion\b' $header | grep -v '^[0-9]*: \*' >"$tmp/log"; then result "no unions, bit-fields or ~0" 1 "$tmp/log"; else result "no unions, bit-fields or ~0" 0 "$tmp/log"; fi

# asm/ is below the 64-bit multiarch folder; it serves -m32 as well
arch=$(gcc -print-multiarch 2>/dev/null)
flags="-O1 -Werror=padded -Wall -Werror -Iuapi -fno-lto -fdata-sections $(pkg-config --cflags libdrm | sed 's/-I/-isystem /g') -idirafter /usr/include/$arch -idirafter /usr/include"
words() { objcopy -O binary -j .rodata.dseek_layout "$1" /dev/stdout 2>/dev/null | od -An -v -tu4; }
reference=
for cc in gcc clang g++ clang++; do
	command -v $cc >/dev/null || { n=$((n + 1)); echo "ok $n $cc # SKIP not installed"; continue; }
	src=$tmp/layout.c std=-std=gnu11; case $cc in *++) src=$tmp/layout.cc std=-std=gnu++11;; esac
	for bits in 64 32; do
		# shellcheck disable=SC2086
		$cc $std -m$bits $flags -c "$src" -o "$tmp/$cc$bits.o" >"$tmp/log" 2>&1; rc=$?
		if [ $rc = 0 ]; then
			words "$tmp/$cc$bits.o" >"$tmp/$cc$bits.words"
			[ -s "$tmp/$cc$bits.words" ] || { echo "no layout in the object" >"$tmp/log"; rc=1; }
			[ -n "$reference" ] || reference=$tmp/$cc$bits.words
			[ $rc = 0 ] && { diff "$reference" "$tmp/$cc$bits.words" >"$tmp/log"; rc=$?; }
		fi
		result "$cc -m$bits: no padding, same sizes and offsets" $rc "$tmp/log"
	done
done

# A check that can't fail is none: a hole and an odd size must be seen.
sed 's/__u32 pad;/__u8 pad;/' $header >"$tmp/dseek_drm.h"
mkdir -p "$tmp/bad/drm"; mv "$tmp/dseek_drm.h" "$tmp/bad/drm/"
# shellcheck disable=SC2086
gcc -std=gnu11 -I"$tmp/bad" $flags -c "$tmp/layout.c" -o /dev/null >"$tmp/log" 2>&1 && rc=1 || rc=0
result "a hole is noticed" $rc "$tmp/log"
echo "1..$n"
exit $failed

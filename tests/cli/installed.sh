#!/bin/bash
# SPDX-License-Identifier: MIT
# installed.sh PREFIX: an installed tree is whole: programs run, a program builds against it, pages are there.
prefix=${1:?PREFIX} n=0 failed=0 pass=0
ok() {
	local name=$1; shift; n=$((n + 1))
	if "$@" >"$tmp/log" 2>&1; then echo "ok $n $name"; pass=$((pass + 1)); else echo "not ok $n $name"; sed 's/^/# /' "$tmp/log"; failed=$((failed + 1)); fi
}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
cat >"$tmp/user.c" <<'END'
#include <dseek.h>
#include <dseek_program.h>
#include <drm/dseek_drm.h>
#include <stdio.h>
int main(void)
{
	printf("%s\n", dseek_dtype_name(DSEEK_Q8_0));
	return DRM_DSEEK_ABI_MAJOR != 1;
}
END
cc="${CC:-gcc} $tmp/user.c -I$prefix/include $(pkg-config --cflags libdrm)"
ok "dseek --version" "$prefix/bin/dseek" --version
for c in ${CC:-gcc} g++ clang; do
	command -v $c >/dev/null && ok "$c takes the headers" $c -fsyntax-only -Wall -Werror -x "$([ $c = g++ ] && echo c++ || echo c)" \
		"$tmp/user.c" -I"$prefix/include" $(pkg-config --cflags libdrm)
done
ok "a program links with libdseek.so" $cc -L"$prefix/lib" -ldseek -o "$tmp/user"
ok "and runs" env LD_LIBRARY_PATH="$prefix/lib" "$tmp/user"
ok "a program links with libdseek.a" $cc "$prefix/lib/libdseek.a" -ldrm -lnuma -ldl -lm -pthread -o "$tmp/user-static"
ok "and runs" "$tmp/user-static"
# As a user of the installed library would ask, where the tree was meant to be installed.
sed "s|^prefix=.*|prefix=$prefix|; s|^libdir=.*|libdir=$prefix/lib|" "$prefix/lib/pkgconfig/dseek.pc" >"$tmp/dseek.pc"
export PKG_CONFIG_PATH=$tmp
ok "pkg-config knows the version" test "$(pkg-config --modversion dseek)" = "$(sed -n 's/^DSEEK_VERSION ?= //p' kmod/version.mk)"
ok "a program builds with what pkg-config says" ${CC:-gcc} "$tmp/user.c" -o "$tmp/user-pc" $(pkg-config --cflags --libs dseek)
ok "and runs" env LD_LIBRARY_PATH="$prefix/lib" "$tmp/user-pc"
ok "and a static one" ${CC:-gcc} "$tmp/user.c" -o "$tmp/user-pc-static" $(pkg-config --cflags dseek) \
	"$prefix/lib/libdseek.a" $(pkg-config --static --libs dseek | sed 's/-ldseek\>//')
ok "libdseek.so exports the calls of its headers and nothing else" diff \
	<(grep -hoE '^[a-z].*\bdseek_[a-z_0-9]+\(' "$prefix"/include/dseek*.h | grep -oE 'dseek_[a-z_0-9]+\($' | tr -d '(' | sort -u) \
	<(nm -D --defined-only "$prefix/lib/libdseek.so" | awk '{print $3}' | sort)
ok "libdseek.so has no undefined symbol" bash -c '! ldd -r "$1" 2>&1 | grep "undefined symbol"' - "$prefix/lib/libdseek.so"
for m in $(ls userspace/*/man/*.[1-8] kmod/man/*.[1-8] 2>/dev/null); do
	ok "page $(basename "$m")" test -s "$prefix/share/man/man${m##*.}/$(basename "$m")"
done
ok "all plain files are readable, none writable by others" test -z "$(find "$prefix" -type f \( ! -perm -444 -o -perm -002 \))"
echo "$pass passed, $failed failed, 0 skipped"
[ $failed = 0 ]

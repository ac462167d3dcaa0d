#!/bin/bash
# SPDX-License-Identifier: MIT
# Layout and include rules of the tree (STYLE): top level, who includes what, SPDX lines.
cd "$(dirname "$0")/.." || exit 1
n=0 failed=0
check() { # NAME OFFENDERS
	n=$((n + 1))
	if [ -z "$2" ]; then echo "ok $n $1"; else echo "not ok $n $1"; printf '%s\n' "$2" | sed 's/^/# /'; failed=1; fi
}
files() { find "$@" -name '*.[ch]' -not -path './build*' 2>/dev/null | sort; }
includes() { # DIR ALLOWED-REGEX: quoted includes of DIR's files that aren't allowed
	local f; for f in $(files "$1"); do grep -HnE '^#[[:space:]]*include "' "$f" | grep -vE "include \"($2)\""; done
}
listing() { git ls-files 2>/dev/null | grep . || find . -type f -not -path './build*' | sed 's|^\./||'; }

check "top level" "$(listing | cut -d/ -f1 | sort -u | grep -vE '^(\..*|Kbuild|Makefile|kmod|userspace|kernels|uapi|tests|tools|README\.md|LICENSES)$')"
check "arb includes only itself" "$(includes kmod/arb 'arb[a-z_]*\.h'; files kmod/arb | grep -v arb_env.h | xargs -r grep -HnE '^#[[:space:]]*include <')"
check "__KERNEL__ only in arb_env.h" "$(files kmod/arb | grep -v arb_env.h | xargs -r grep -Hn __KERNEL__)"
check "kmod includes arb, uapi and itself" "$(includes kmod '(arb/)?arb[a-z_]*\.h|dseek_[a-z_]*\.h|drm/dseek_drm\.h|\.\./uapi/drm/dseek_drm\.h')"
check "kernel version tests only in dseek_compat.h" "$(files kmod | grep -v dseek_compat.h | xargs -r grep -HnE 'LINUX_VERSION_CODE|KERNEL_VERSION')"
check "user copies of the module only in dseek_copy.h" "$(files kmod | grep -v dseek_copy.h | xargs -r grep -HnE '\b(copy_(to|from)_user|(get|put)_user|copy_(to|from)_iter|copy_struct_from_user|kernel_(read|write))\(')"
check "model includes no transport, core or backend internals" "$(files userspace/model | xargs -r grep -HnE 'include .*(arb\.h|embed|executor/cpu)')"
check "lib includes arb only in the embedded transport" "$(files userspace/lib | grep -v '/embed' | xargs -r grep -HnE 'include .*arb\.h')"
check "kernels include only themselves" "$(includes kernels '[a-z0-9_]+\.h'; files kernels | grep -vE '(kdev_simt|rope_turns)\.h' | xargs -r grep -HnE '^#[[:space:]]*include <')"
check "every source has an SPDX line" "$(listing | grep -E '\.(c|h|S|mk|sh|py)$' | while read -r f; do head -n 3 "$f" | grep -q SPDX-License-Identifier || echo "$f"; done)"
check "no word that says unfinished" "$(listing | grep -E '^(kmod|userspace|kernels|uapi)/' | xargs -r grep -nIwE 'TODO|FIXME|XXX|HACK' 2>/dev/null)"
echo "1..$n"
exit $failed

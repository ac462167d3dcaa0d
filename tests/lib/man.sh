#!/bin/bash
# SPDX-License-Identifier: MIT
# Every public call has a manual page; the examples in them compile; mandoc, where there is one, finds nothing to complain of.
cd "$(dirname "$0")/../.." || exit 1
n=0 failed=0
ok() { # NAME OFFENDERS
	if [ -z "$2" ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; printf '%s\n' "$2" | sed 's/^/# /'; failed=1; fi
}
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
calls=$(grep -hoE '^[a-z].*\bdseek_[a-z_0-9]+\(' userspace/include/dseek.h userspace/include/dseek_exec.h | grep -oE 'dseek_[a-z_0-9]+\($' | tr -d '(' | sort -u)
ok "every call has a page" "$(for c in $calls; do grep -qxE "\.Fo $c" userspace/lib/man/*.3 || echo "$c"; done)"
ok "every page has an example" "$(grep -L '^\.Sh EXAMPLES' userspace/lib/man/*.3 userspace/executor/man/*.8 userspace/ctl/man/*.8 kmod/man/*.4)"
for page in userspace/lib/man/*.3; do
	{
		printf '#include <err.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <dseek.h>\n#include <dseek_exec.h>\n#include <dseek_program.h>\nvoid example(void);\nvoid example(void)\n{\n'
		sed -n '/^\.Sh EXAMPLES/,/^\.Ed/{/^\./!p}' "$page" | sed 's/\\e/\\/g'
		echo '}'
	} >"$tmp/example.c"
	ok "$(basename "$page"): the example compiles" "$(${CC:-gcc} -std=gnu11 -Wall -Werror -Iuserspace/include -Iuapi -isystem /usr/include/libdrm -fsyntax-only "$tmp/example.c" 2>&1)"
done
# A parameter's line in the page states its default; its description in the source ends with it, or says what 0 means.
parameters=$(cat kmod/*.c | tr -d '\n' | grep -oE 'MODULE_PARM_DESC\([a-z_]+,\s*"[^"]*"' | sed -E 's/MODULE_PARM_DESC\(([a-z_]+),\s*".*\((0:[^)]*|[^()]*)\)"$/\1 \2/; s/ 0:.*/ 0/' | sort)
ok "every parameter of the module is described" "$(diff <(grep -hoE '^module_param(_named)?\([a-z_]+' kmod/*.c | sed 's/.*(//' | sort) <(echo "$parameters" | cut -d' ' -f1))"
ok "dseek(4) has every parameter and its default, and no other" "$(diff <(echo "$parameters") \
	<(sed -n 's/^\.It Cm \([a-z_]*\) No = \(.*\)$/\1 \2/p' kmod/man/dseek.4 | sort))"
ok "and so has modprobe.conf of those it names" "$(comm -23 <(grep -oE '[a-z_]+=[^ ]+' tools/systemd/modprobe.conf | tr = ' ' | sort) <(echo "$parameters"))"
if command -v mandoc >/dev/null; then
	ok "mandoc" "$(mandoc -Tlint -Wwarning userspace/lib/man/*.3 userspace/executor/man/*.8 userspace/ctl/man/*.8 kmod/man/*.4 2>&1)"
else
	echo "ok $((++n)) mandoc # SKIP not installed"
fi
echo "1..$n"
exit $failed

#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/up: what ends it ends its build; files are named as seen from where it was started.
. "$(dirname "$0")/lib.sh"
slow_tree
for s in INT TERM HUP; do
	ended_by $s up --no-install --model x
	ok "SIG$s: it fails" test $rc = 1
	ok "SIG$s: the build is over" gone "$worker"
done

# Built already: what dseek is given.
printf 'all:\n' >"$dir/tree/Makefile"
printf '#!/bin/bash\nprintf "%%s\\n" "$@" >"$(dirname "$0")/given"\n' >"$dir/tree/build/bin/dseek"; chmod +x "$dir/tree/build/bin/dseek"
mkdir "$dir/from"; cd "$dir/from" || exit 1
given() { # ARGUMENT-GIVEN... -- ARGUMENT...
	local want=()
	while [ "$1" != -- ]; do want+=("$1"); shift; done; shift
	"$dir/tree/tools/up" --no-install "$@" >"$dir/out" 2>&1 &&
		diff <(printf '%s\n' run --model "${want[@]}") "$dir/tree/build/bin/given"
}
ok "-m FILE" given "$dir/from/m" -- -m m
ok "-mFILE" given "$dir/from/m" -- -mm
ok "--model FILE" given "$dir/from/m" -- --model m
ok "--model=FILE" given "$dir/from/m" -- --model=m
ok "a file of the root's" given /m -- -m/m
ok "-t FILE" given "$dir/from/m" -t "$dir/from/t" -- -t t -mm
ok "-tFILE" given "$dir/from/m" -t "$dir/from/t" -- -tt -mm
ok "--tenants FILE" given "$dir/from/m" --tenants "$dir/from/t" -- --tenants t -mm
ok "--tenants=FILE" given "$dir/from/m" --tenants "$dir/from/t" -- --tenants=t -mm
ok "and what is dseek run's" given "$dir/from/m" -q --seconds 3 -- -q --seconds 3 -mm
for o in -m --model -t --tenants; do
	"$dir/tree/tools/up" --no-install -mm $o >"$dir/out" 2>&1; rc=$?
	ok "$o without a file" test "$rc $(cat "$dir/out")" = "2 tools/up: $o needs a file"
done
end

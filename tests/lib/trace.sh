#!/bin/bash
# SPDX-License-Identifier: MIT
# What an embedded instance decided in a storm, decided again: trace=FILE and dseek-replay.
build=${DSEEK_BUILD:-build}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
ok() { # NAME; status in $?
	if [ $? = 0 ]; then echo "ok $((++n)) trace: $1"; else echo "not ok $((++n)) trace: $1"; failed=1; sed 's/^/# /' "$tmp/out" | tail -n 5; fi
}
"$build/tests/lib/storm" 2 1 "$tmp/trace" >"$tmp/out" 2>&1; ok "recorded"
"$build/bin/dseek-replay" "$tmp/trace" >"$tmp/out" 2>&1; ok "replayed"
grep -qE '^.*[1-9][0-9]{3,} decisions compared, 0 differ' "$tmp/out"; ok "every decision equal"
"$build/tests/conformance/suite" -d "embed:engine=null,trace=/nonexistent/file" "device engines" >"$tmp/out" 2>&1
grep -q 'trace=/nonexistent/file: No such file' "$tmp/out"; ok "a file that can't be written is named"
echo "1..$n"
exit $failed

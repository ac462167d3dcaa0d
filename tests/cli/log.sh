#!/bin/bash
# SPDX-License-Identifier: MIT
# DSEEK_LOG_LEVEL: the same words in every program.
bin=$(realpath "${DSEEK_BUILD:-build}")/bin
n=0 failed=0
ok() { if [ $? = 0 ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; failed=1; fi; }
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir" || exit 1
for p in dseek dseek-exec dseek-profiler dseek-top dseekctl; do
	[ "$(DSEEK_LOG_LEVEL=loud "$bin/$p" --help 2>&1 >/dev/null)" = "$p: warn: DSEEK_LOG_LEVEL is 'loud'; it knows error, warn, info and debug" ]
	ok "$p: a level that is none"
	for level in error warn info debug; do
		[ -z "$(DSEEK_LOG_LEVEL=$level "$bin/$p" --help 2>&1 >/dev/null)" ]; ok "$p: $level"
	done
done
record() { DSEEK_LOG_LEVEL=$1 "$bin/dseek-profiler" record -o p true 2>&1; }	# warns, as nothing is recorded
[ -z "$(record error)" ] && [[ "$(record warn)" = "dseek-profiler: warn: nothing was recorded"* ]]; ok "error hides warnings"
exec_() { DSEEK_LOG_LEVEL=$1 timeout -s TERM 2 "$bin/dseek-exec" --device=embed: --backend=null --allow-root 2>&1 >/dev/null; }
[ -z "$(exec_ warn)" ] && [ "$(exec_ info | tail -n 1)" = "dseek-exec: asked to stop" ]; ok "warn hides what is merely told"
echo "1..$n"
exit $failed

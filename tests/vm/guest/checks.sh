#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 30
# default: yes
# kernels: debug uml kcsan
# The checks of the debug kernels are on and have seen the module: nothing below would be found otherwise.
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
check "two CPUs, or nothing happens at the same time" '[ "$(nproc)" = 2 ]'
if [ -e /sys/kernel/debug/kcsan ]; then
	check "KCSAN is on" "grep -q '^enabled: 1' /sys/kernel/debug/kcsan && grep -q '^setup_watchpoints: [1-9]' /sys/kernel/debug/kcsan"
	check "the module is instrumented" "grep -q __tsan_read8 /t/dseek.ko && grep -q __tsan_write8 /t/dseek.ko"
	echo "1..$n"
	exit
fi
# A class of /proc/lockdep and the classes taken while it was held: "ADDRESS FD: N BD: N USAGE: NAME", then " -> [ADDRESS] NAME".
before() { # OUTER INNER
	awk -v outer="$1" -v inner="$2" '{sub(/#[0-9]+$/, "", $NF)} / FD:/ {at = $NF == outer} /^ *-> / && at && $NF == inner {found = 1}
		END {exit !found}' /proc/lockdep
}
check "lockdep is on" "grep -q 'debug_locks: *1' /proc/lockdep_stats"
for pair in "submit_lock &dev->lock" "&dev->lock &mm->mmap_lock" "&mm->mmap_lock bo_lock" "bo_lock engine_lock" "bo_lock &dev->map_lock"; do
	outer=${pair% *} inner=${pair#* }
	check "lockdep knows $outer before $inner" 'before "$outer" "$inner"'
done
check "kmemleak is on" "echo scan >/sys/kernel/debug/kmemleak"
check "failures can be injected" "[ -w /proc/self/fail-nth ] && [ -e /sys/kernel/debug/failslab/require-start ]"
check "the module is instrumented" "grep -qE '__asan_(report_)?store8' /t/dseek.ko && grep -q __sanitizer_cov_trace_pc /t/dseek.ko && [ -e /sys/kernel/debug/kcov ]"
echo "1..$n"

#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/vm/run fails when it must: what guests said, good and bad, read again without a boot. tests/vm/bad does the same
# with a guest that really misbehaves.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../..}" || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0

says() { # NAME SUMMARY PATTERN LINE...: run's last line, and what it says besides, of a guest that runs "boot" ("": nothing)
	local name=$1 sums=$2 pattern=$3 want=0 rc; shift 3
	printf '%s\n' "$@" >"$dir/said"
	mkdir -p "$dir/vm/6.12/log"; echo "${console:-what the console had last}" >"$dir/vm/6.12/log/console"; : >"$dir/vm/6.12/log/qemu"
	DSEEK_BUILD=$dir tests/vm/run -n -r "$dir/said" 6.12 "${tests[@]}" >"$dir/out" 2>&1; rc=$?
	[[ $sums = *" 0 failed,"* ]] || want=1
	n=$((n + 1))
	if [ $rc = $want ] && [ "$(tail -n 1 "$dir/out")" = "$sums" ] && grep -qE -- "$pattern" "$dir/out" &&
		{ [ $want = 1 ] || ! grep -q FAIL "$dir/out"; }; then echo "ok $n $name"
	else echo "not ok $n $name (exit $rc; wanted: $sums, /$pattern/)"; sed 's/^/# /' "$dir/out" | head -n 20; failed=1; fi
}
one() { # NAME SUMMARY PATTERN LINE...: the lines of test "boot", which ends with 0
	local name=$1 sums=$2 pattern=$3; shift 3
	says "$name" "$sums" "$pattern" "START boot" "$@" "END boot 0 10.00 11.50" "GUEST done"
}
tests=(boot)

one "results are counted" "2 passed, 0 failed, 0 skipped" "^ok   6.12/boot: 2 passed \(1 s\)" "ok 1 a" "ok 2 b" "1..2"
one "a test without TAP is one" "1 passed, 0 failed, 0 skipped" "^ok   6.12/boot" "hello"
one "a skipped part says why" "1 passed, 0 failed, 1 skipped" "^skip 6.12/boot: 2 b # SKIP no KVM" "ok 1 a" "ok 2 b # SKIP no KVM"
says "a skipped test says why" "0 passed, 0 failed, 1 skipped" "^skip 6.12/boot: no such device" \
	"START boot" "no such device" "END boot 77 1 2" "GUEST done"
one "a quiet log is no failure" "1 passed, 0 failed, 0 skipped" "^ok" "ok 1 a" "LOG [    1.5] [drm] Initialized dseek 1.0 for dseek on minor 1" \
	"LOG [    2.0] dseek: engine null0 attached"
one "lines from a serial port" "1 passed, 0 failed, 0 skipped" "^ok" $'ok 1 a\r' $'1..1\r'

one "not ok" "1 passed, 1 failed, 0 skipped" "^    not ok 2 b" "ok 1 a" "not ok 2 b" "ok"
one "not ok from a serial port" "0 passed, 1 failed, 0 skipped" "^FAIL 6.12/boot" $'not ok 1 a\r'
says "an exit status" "1 passed, 1 failed, 0 skipped" "^    exit status 3" "START boot" "ok 1 a" "END boot 3 1 2" "GUEST done"
says "killed by a signal" "0 passed, 1 failed, 0 skipped" "^    exit status 139" "START boot" "END boot 139 1 2" "GUEST done"
says "no end within its time" "1 passed, 1 failed, 0 skipped" "^    no end within its time" "START boot" "ok 1 a" "END boot 137 1 61" "GUEST done"
says "a guest that dies in a test" "0 passed, 1 failed, 0 skipped" "^FAIL 6.12/boot: the guest died" "START boot" "ok 1 a"
says "a guest that dies between tests" "1 passed, 1 failed, 0 skipped" "died between tests, after boot" "START boot" "ok 1 a" "END boot 0 1 2"
says "a guest that dies at rmmod" "1 passed, 1 failed, 0 skipped" "^FAIL 6.12/rmmod: the guest died" "START boot" "ok 1 a" "END boot 0 1 2" "START rmmod"
says "rmmod that fails" "1 passed, 1 failed, 0 skipped" "^FAIL 6.12/rmmod" "START boot" "ok 1 a" "END boot 0 1 2" \
	"START rmmod" "END rmmod 1 0 0" "GUEST done"
says "a guest that never starts" "0 passed, 1 failed, 0 skipped" "did not reach its first test" "Linux version 6.12"
says "a guest that says nothing" "0 passed, 1 failed, 0 skipped" "did not reach its first test" ""
# A kernel that panics before its init, where nothing of ours has run, is booted once more, and only once.
panic=$'[    2.3] Oops: int3: 0000 [#1] SMP NOPTI\n[    2.4] Kernel panic - not syncing: Fatal exception in interrupt'
printf '%s\n' "GUEST 6.12 up 2.50" "START boot" "ok 1 a" "END boot 0 10 11" "GUEST done" >"$dir/said.again"
console=$panic says "a kernel that dies before its init" "1 passed, 0 failed, 0 skipped" "^note 6.12: the kernel died before its init.*Oops: int3" ""
printf '%s\n' "GUEST 6.12 up 2.50" "START boot" "ok 1 a" "not ok 2 b" "END boot 0 10 11" "GUEST done" >"$dir/said.again"
console=$panic says "its second boot is judged as any" "1 passed, 1 failed, 0 skipped" "^    not ok 2 b" ""
: >"$dir/said.again"
console=$panic says "one that dies twice" "0 passed, 1 failed, 0 skipped" "^FAIL 6.12: the guest did not reach its first test" ""
rm "$dir/said.again"
console=$panic says "one that dies in its init" "0 passed, 1 failed, 0 skipped" "^FAIL 6.12: the guest did not reach its first test" "GUEST 6.12 up 2.50"
says "a module that does not load" "1 passed, 1 failed, 0 skipped" "^FAIL 6.12: dseek.ko does not load" "GUEST dseek.ko does not load" \
	"START boot" "ok 1 a" "END boot 0 1 2" "GUEST done"
says "a module of the kernel's that does not load" "1 passed, 1 failed, 0 skipped" "^FAIL 6.12: insmod drm.ko failed" \
	"GUEST insmod drm.ko failed" "START boot" "ok 1 a" "END boot 0 1 2" "GUEST done"
one "a failure names its seed" "1 passed, 1 failed, 0 skipped" "^    seed: DSEEK_STORM_SEED=0x5eed" "# seed: DSEEK_STORM_SEED=0x5eed" "ok 1 a" "not ok 2 b"
says "so does a death" "0 passed, 1 failed, 0 skipped" "^    seed: DSEEK_STORM_SEED=0x5eed" "START boot" "# seed: DSEEK_STORM_SEED=0x5eed" "ok 1 a"
one "something left behind" "1 passed, 1 failed, 0 skipped" "^    left behind: references 1 bos=2" "ok 1 a" "LEAK references 1 bos=2"

while read -r line; do
	one "kernel: $line" "1 passed, 1 failed, 0 skipped" "^    kernel: \[    3.14\]" "ok 1 a" "LOG [    3.14] $line"
done <<'END'
WARNING: CPU: 0 PID: 77 at drivers/gpu/drm/drm_gem.c:123 drm_gem_object_free+0x1f/0x30 [drm]
------------[ cut here ]------------ WARNING: kernel/sched/core.c:1 at x+0x1/0x2, CPU#1: y/12
BUG: kernel NULL pointer dereference, address: 0000000000000008
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585
BUG: KASAN: slab-use-after-free in dseek_job_end+0x40/0x80 [dseek]
Oops: 0002 [#1] PREEMPT SMP NOPTI
UBSAN: array-index-out-of-bounds in dseek_exec.c:1:2
WARNING: possible circular locking dependency detected
WARNING: possible recursive locking detected
WARNING: suspicious RCU usage
INFO: task dseek-exec:88 blocked for more than 122 seconds.
general protection fault, probably for non-canonical address 0xdead000000000108: 0000 [#1] SMP
refcount_t: underflow; use-after-free.
rcu: INFO: rcu_preempt self-detected stall on CPU
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [storm:99]
unreferenced object 0xffff888104a3c000 (size 192):
Call Trace:
dseek dseek: [drm] *ERROR* engine null0: the executor did not stop job 7
END

# What a test says it expects is no failure; anything else still is one.
expected=$(sed -n 's/^# expect-log: //p' tests/vm/guest/storm.sh | sed 's/(\([a-z]*\)[^)]*)/\1/; s/stop job/stop job 3/')
tests=(storm)
says "an expected message" "1 passed, 0 failed, 0 skipped" "^ok   6.12/storm" \
	"START storm" "ok 1 a" "LOG [    1.0] dseek dseek: [drm] *ERROR* engine storm0: $expected" "END storm 0 1 2" "GUEST done"
says "an unexpected one beside it" "1 passed, 1 failed, 0 skipped" "^    kernel: .*refcount_t" \
	"START storm" "ok 1 a" "LOG [    1.0] dseek dseek: [drm] *ERROR* engine storm0: $expected" "LOG [    1.1] refcount_t: saturated" \
	"END storm 0 1 2" "GUEST done"
tests=(boot storm)
says "one test's failure is not another's" "2 passed, 1 failed, 0 skipped" "^ok   6.12/storm" \
	"START boot" "ok 1 a" "not ok 2 b" "END boot 0 1 2" "START storm" "ok 1 a" "END storm 0 2 3" "GUEST done"
echo "1..$n"
exit $failed

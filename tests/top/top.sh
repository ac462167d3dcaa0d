#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek-top on a made-up /proc and /sys: what it shows, how it sorts, what it refuses; on a terminal and without one.
top=$(realpath "${DSEEK_BUILD:-build}")/bin/dseek-top starved=$(realpath "${DSEEK_BUILD:-build}")/tests/top/nomem.so
n=0 failed=0
ok() { # NAME, status in $?
	if [ $? = 0 ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; failed=1; [ -e out ] && head -n 20 out | cat -v | sed 's/^/# /'; fi
}
refused() { # NAME STATUS WORDS ARGUMENT...
	local name=$1 status=$2 words=$3 rc; shift 3
	timeout 20 "$top" "$@" >out 2>&1 </dev/null; rc=$?
	[ $rc = "$status" ] && grep -qF -- "$words" out; ok "$name"
}
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir" || exit 1

engine() { # NAME STATE BUSY QUEUED RUNNING DEPTH GENERATION LONGEST
	local e=root/sys/class/misc/dseek-exec/device/engines/$1 i=2 f
	mkdir -p "$e"
	for f in state busy_ns queued running attached_depth generation longest_op_ns; do echo "${!i}" >"$e/$f"; i=$((i + 1)); done
}
client() { # PID FD ID COMM TENANT ENGINE0 ENGINE1 USED ENTITLED KIB QUEUES JOBS
	local p=root/proc/$1
	mkdir -p "$p/fd" "$p/fdinfo"; echo "$4" >"$p/comm"
	ln -sf /dev/dri/renderD129 "$p/fd/$2"
	printf '%s\n' "pos:	0" "drm-driver:	dseek" "drm-client-id:	$3" "drm-engine-cpu0:	$6 ns" "drm-engine-null0:	$7 ns" \
		"drm-total-memory:	${10} KiB" "drm-resident-memory:	${10} KiB" "drm-purgeable-memory:	4 KiB" "dseek-tenant:	$5" \
		"dseek-tenant-used-cpu0:	$8 ns" "dseek-tenant-entitled-cpu0:	$9 ns" "dseek-queues:	${11}" "dseek-jobs:	${12}" >"$p/fdinfo/$2.new"
	mv "$p/fdinfo/$2.new" "$p/fdinfo/$2"
}
first() {
	engine cpu0 attached 1000000000 5 2 2 1 1500000; engine null0 gone 0 0 0 0 3 0
	client 100 3 11 alpha uid:1001 500000000 0 1000000000 900000000 1024 1 2
	client 100 7 12 alpha uid:1001 500000000 0 1000000000 900000000 2048 2 9
	client 200 3 13 beta uid:1002 100000000 0 100000000 300000000 512 3 4
}
second() { # client 11 used three times what 13 did; 12 nothing
	engine cpu0 attached 1400000000 6 1 2 1 1500000; engine null0 gone 0 0 0 0 3 0
	client 100 3 11 alpha uid:1001 800000000 0 1300000000 1100000000 1024 1 2
	client 200 3 13 beta uid:1002 200000000 0 200000000 500000000 512 3 4
}
first
# not ours, or nobody's: another driver's file, a file that is no device, a process without descriptors
mkdir -p root/proc/300/fd root/proc/300/fdinfo root/proc/400 root/proc/self; echo gamma >root/proc/300/comm
ln -s /dev/dri/card0 root/proc/300/fd/1; printf 'drm-driver:\ti915\ndrm-client-id:\t99\n' >root/proc/300/fdinfo/1
ln -s /tmp/x root/proc/300/fd/2; printf 'drm-driver:\tdseek\ndrm-client-id:\t98\n' >root/proc/300/fdinfo/2
ln -s /dev/dri/renderD129 root/proc/300/fd/3; printf 'drm-driver:\tdseek\n' >root/proc/300/fdinfo/3	# no id
mkdir -p root/proc/500/fd root/proc/500/fdinfo; ln -s ../../100/fdinfo/3 root/proc/500/fdinfo/4	# inherited: client 11 again
ln -s /dev/dri/renderD129 root/proc/500/fd/4; echo child >root/proc/500/comm

refused "help" 0 "Usage: dseek-top" --help
refused "help says what embedded mode can't" 0 "can't be seen from outside" --help
refused "unknown option" 2 "unknown option '--paint'" --paint
refused "operand" 2 "operand" x
refused "delay too short" 2 "--delay: 0.1 to 3600" -d 0
refused "delay not a number" 2 "delay" -d soon
refused "sort by what" 2 "--sort colour: share, name" --sort colour
refused "no module" 77 "none below --root" --root "$dir/empty"
[ -d /sys/class/misc/dseek-exec ] || refused "no module on this machine" 77 "can't be seen from outside their process" --once

"$top" --root root --once -d 0.1 >out 2>&1; ok "without movement"
grep -Eq '^cpu0 +attached +0\.0 % +5 +2 +2 +1 +1\.500 ms$' out; ok "an engine's figures"
grep -Eq '^null0 +gone ' out; ok "one that is gone"
grep -Eq '^uid:1001 +0\.0 % +0\.0 % +3\.0 MiB +8\.0 KiB +3 +11 +2$' out; ok "a tenant is the sum of its clients"
[ "$(grep -Ec ' (alpha|beta) ' out)" = 3 ] && ! grep -Eq 'gamma|child' out; ok "clients: each once, and ours only"

moving() { first; (sleep 0.5; second) & "$top" --root root --once -d 1.5 "$@" >out 2>&1; local rc=$?; wait; return $rc; }
moving --json && python3 - out <<'E'
import json, sys
r = json.load(open(sys.argv[1]))
c = {x["client"]: x for x in r["clients"]}; t = {x["tenant"]: x for x in r["tenants"]}; e = {x["name"]: x for x in r["engines"]}
near = lambda a, b: abs(a - b) < 1e-6
assert sorted(c) == [11, 12, 13], c
s = r["seconds"]
assert s >= 1.4
assert near(c[11]["share"], 0.3 / s) and near(c[13]["share"], 0.1 / s) and c[12]["share"] == 0, c
assert near(t["uid:1001"]["share"], 0.3 / s) and near(t["uid:1001"]["entitled"], 0.2 / s), t
assert near(t["uid:1002"]["entitled"], 0.2 / s) and t["uid:1002"]["clients"] == 1
assert near(e["cpu0"]["busy"], 0.4 / s) and e["cpu0"]["queued"] == 6 and e["cpu0"]["longest_op_ns"] == 1500000, e
assert c[13]["memory_bytes"] == 512 << 10 and c[13]["jobs"] == 4
E
ok "shares are what moved in the time between"
"$top" --root root --json -n 3 -d 0.1 >out; [ "$(wc -l <out)" = 3 ] && python3 -c 'import json, sys; [json.loads(l) for l in open("out")]'; ok "a JSON object a sample"

order() { "$top" --root root --once -d 0.1 "$@" | awk '/^ +PID/ {c = 1; next} c {printf "%s ", $2}'; }
[ "$(order --sort memory)" = "12 11 13 " ]; ok "by memory"
[ "$(order --sort memory --reverse)" = "13 11 12 " ]; ok "reversed"
[ "$(order --sort jobs)" = "12 13 11 " ]; ok "by jobs"
[ "$(order --sort queues)" = "13 12 11 " ]; ok "by queues"
[ "$(order --sort name)" = "11 12 13 " ]; ok "by name, equals by process and client"
[ "$(order --sort pid --reverse)" = "13 11 12 " ]; ok "by process"
moving >/dev/null; [ "$(awk '/^ +PID/ {c = 1; next} c {printf "%s ", $2}' out)" = "11 13 12 " ]; ok "by share, unless told"
timeout 20 "$top" --root root -d 0.1 >out; [ $? = 0 ] && [ "$(grep -c ^ENGINE out)" = 1 ]; ok "no terminal: one sample"
timeout 20 "$top" --root root -d 0.1 --json >out; [ $? = 0 ] && [ "$(wc -l <out)" = 1 ]; ok "and one of JSON"
! "$top" --root root --once -d 0.1 >/dev/full 2>out && grep -q "No space left" out; ok "a full disk"
client 200 3 13 beta uid:1002 1 0 1 1 512 3 4 && rm root/proc/100/fdinfo/3 && "$top" --root root --once -d 0.1 >out; ok "a file that goes while it is read"

# No memory for a sample: the first, the second. The address sanitizer would be preloaded before what is.
first
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0
for i in 1 2; do
	DSEEK_TEST_NOMEM=$i LD_PRELOAD=$starved timeout 20 "$top" --root root -d 0.1 >out 2>&1; rc=$?
	[ $rc = 1 ] && grep -q "error: Cannot allocate memory" out; ok "no memory for sample $i"
done

if command -v script >/dev/null; then
	first
	screen() { # KEYS [COMMAND...]: what a terminal of 100 x 30 was sent
		(sleep 1; printf %s "$1"; sleep 0.5) | TERM=xterm timeout 20 script -qec "stty cols 100 rows 30; ${*:2} $top --root root -d 0.3" /dev/null >out 2>&1
	}
	screen q; ok "on a terminal, until q"
	grep -q uid:1001 out && grep -q "by share" out; ok "it shows tenants and what it sorts by"
	screen '>>rq'; grep -q "memory " out && grep -q ", reversed" out; ok "keys choose the column and turn it round"
	TERM=xterm script -qec "timeout -s INT 1 $top --root root -d 0.1 --json" /dev/null >out 2>&1; [ "$(grep -c '"engines"' out)" -gt 1 ]; ok "JSON on a terminal, until it is ended"
	for i in 1 2 3; do
		screen q env DSEEK_TEST_NOMEM=$i LD_PRELOAD="$starved"; rc=$?
		[ $rc = 1 ] && grep -q "error: Cannot allocate memory" out; ok "no memory for sample $i there"
	done
else
	for t in q shows keys JSON memory; do echo "ok $((++n)) terminal: $t # SKIP no script(1)"; done
fi
echo "1..$n"
exit $failed

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 180
# default: yes
# files: $O/bin/dseek $O/bin/dseek-exec $O/bin/dseek-top $O/bin/dseek-profiler tests/cli/shares.yaml
# dseek-top on the real thing: two users' processes, who sees whom, that shares add up. dseek-exec records what it ran.
. /t/guest/lib/executor.sh
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
rm -f /tmp/exec.profile
executor_start --backend=cpu --backend-options=threads=1 --profile=/tmp/exec.profile || { echo "not ok 1 dseek-exec"; exit 1; }
d=4 busy=20
[ -e /proc/lockdep_stats ] || [ -e /sys/kernel/debug/kcsan ] && d=20	# it takes so much longer to read
[ -e /sys/kernel/debug/kcsan ] && busy=4	# jobs come slower: the module stands still at every 500th access
for u in 1001 1002; do as $u $u dseek run -q -d drm: --tenants /t/data/shares.yaml --seconds 90 --view lines >run.$u 2>&1 & pids="$pids $!"; done
sleep 4
dseek-top --once -d $d >top.out 2>&1
sed 's/^/# /' top.out
check "the engine is busy, and attached" 'awk -v busy=$busy "\$1 == \"cpu0\" && \$2 == \"attached\" && \$3 > busy {f = 1} END {exit !f}" top.out'
check "both users are there" 'grep -q "^uid:1001 " top.out && grep -q "^uid:1002 " top.out'
check "both are entitled to the same, and have used of it" 'awk "/^uid:100/ {n++; e[n] = \$4; if (\$2 <= 0) bad = 1} END {exit bad || n != 2 || e[1] < e[2] * 0.9 || e[1] > e[2] * 1.1}" top.out'
check "tenants and clients use the same time, which is the engine's" \
	'awk "/^cpu0/ {e = \$3} /^uid:/ {t += \$2} / dseek  / {c += \$5} END {exit !(t > e * 0.8 && t < e * 1.25 && c > t * 0.8 && c < t * 1.25)}" top.out'
check "six clients with two queues each, and their two parents" 'awk "/ dseek  / {n++; if (\$9 == 2) q++} END {exit !(n == 8 && q == 6)}" top.out'
as 1001 1001 dseek-top --json --once -d 1 >own.json 2>own.err
check "a user sees its own" 'grep -q uid:1001 own.json && ! grep -q uid:1002 own.json && grep -q "\"name\":\"cpu0\"" own.json'
check "and how many it may not see" '! grep -q "\"unreadable_processes\":0" own.json'
kill $pids; wait $pids
dseek-top --once -d 0.5 >idle.out
check "nobody is left" '! grep -q uid: idle.out && grep -q "^cpu0 .* 0.0 %" idle.out'
check "dseek-exec ends when asked" executor_stop
dseek-profiler report --by kind /tmp/exec.profile >kinds 2>&1; sed 's/^/# /' kinds
check "it recorded the ops of both" 'grep -q "^spin .*100.0 %$" kinds'
echo "1..$n"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: yes
# files: $O/bin/dseek $O/bin/dseek-exec
# The preemption bound that the module publishes, measured as a tenant: how large the ratio is, is no test.
. /t/guest/lib/executor.sh
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
executor_start --backend=cpu --backend-options=threads=1 --depth=2 || { echo "not ok 1 dseek-exec"; exit 1; }
as 1001 1001 dseek bench preempt -d drm: -n 40 -o 10000 >preempt.out 2>&1; rc=$?
sed 's/^/# /' preempt.out
check "what runs gives way" '[ $rc = 0 ] && grep -q "^40 waits, [1-9]" preempt.out'
check "the longest op is published, of this executor" 'grep -q "^cpu0 (drm), ops of 10000 us: depth 2 \* longest op [1-9][0-9]" preempt.out'
check "and is there for who debugs" 'grep -q "^engine .* cpu0 .* longest_op_us [1-9]" /sys/kernel/debug/dseek/state'
check "dseek-exec ends when asked" executor_stop
echo "1..$n"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# module: fresh
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/failover $O/bin/dseek-exec
# An executor that stands by takes over from one that is killed, and from one that hangs; DSEEK_FAILOVER rounds of each.
ulimit -l unlimited
gap=1000
[ -e /proc/lockdep_stats ] || [ -e /sys/kernel/debug/kcsan ] && gap=6000	# what the checks cost is no gap
failover "${DSEEK_FAILOVER:-20}" $gap as 900 900 dseek-exec --name=failover0 --backend=null --standby 2>/tmp/failover.log && exit
tail -n 4 /tmp/failover.log | sed 's/^/# /'
exit 1

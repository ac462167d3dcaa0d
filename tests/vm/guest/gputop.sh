#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: yes
# prepare: tests/vm/prepare-gputop
# module: fresh
# files: $O/vm/gputop $O/bin/dseek $O/bin/dseek-exec tests/cli/shares.yaml
# igt's gputop, which knows nothing of dseek, reads our fdinfo: clients, engines, how busy they are, memory. It ends where
# there are more than 15 engines, so those that earlier tests have left behind go first.
. /t/guest/lib/executor.sh
g=/t/data/gputop
[ -e $g/why ] && { cat $g/why; exit 77; }
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
executor_start --backend=cpu --backend-options=threads=1 || { echo "not ok 1 dseek-exec"; exit 1; }
dseek run -q -d drm: --tenants /t/data/shares.yaml --seconds 60 --view lines >run.out 2>&1 &
run=$!
sleep 3
$g/ld-linux-x86-64.so.2 --library-path $g $g/gputop -d 2 -n 3 >out 2>err </dev/ttyS0	# it asks its input for the terminal's size
cat err out | tr -d '\033' | sed 's/\[[0-9;]*[A-Za-z]//g' >plain
sed 's/^/# /' plain
check "it sees the device" 'grep -q "^DRM minor [0-9]" plain'
check "and our engine by its name" 'grep -q "cpu0" plain'
check "and each tenant's process" '[ "$(grep -c " dseek *$" plain)" -ge 3 ]'
check "and that they are busy" 'grep -q "[1-9][0-9]*\.[0-9]% .*| dseek" plain'
kill $run; wait $run
sed 's/^/# /' run.out
check "dseek-exec ends when asked" executor_stop
echo "1..$n"

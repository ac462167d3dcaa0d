#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/storm $O/bin/dseek-top
# Storms while others look, until they have seen something: fdinfo of every process, debugfs' state, dseek-top, and all trace events on.
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
echo 4096 >/sys/kernel/tracing/buffer_size_kb; echo 1 >/sys/kernel/tracing/events/dseek/enable
touch watch
while [ -e watch ]; do cat /sys/kernel/debug/dseek/state /proc/[0-9]*/fdinfo/[0-9]* >seen.new 2>/dev/null; grep -q '^    job ' seen.new && grep -q ^drm-engine seen.new && touch saw; done & cats=$!
while [ -e watch ]; do dseek-top --json --once -d 0.1; done >top.out 2>&1 & tops=$!
# on a quick machine one is over before anybody has looked
rc=0 storms=0
while [ $rc = 0 ] && [ $storms -lt 20 ]; do
	storm 12 ${DSEEK_STORM_SEED:-} >>storm.out 2>&1; rc=$? storms=$((storms + 1))
	[ -e saw ] && grep -q '"client":' top.out && break
done
rm watch; wait $cats $tops
sed 's/^/# /' storm.out
check "the storms are none the worse for it" '[ $rc = 0 ]'
check "they saw clients and jobs" '[ -e saw ] && grep -q "\"client\":" top.out'
check "and so did the trace" 'grep -q dseek_job_over /sys/kernel/tracing/trace && grep -q dseek_engine_lose /sys/kernel/tracing/trace'
echo 0 >/sys/kernel/tracing/events/dseek/enable
rmmod dseek; rc=$?
check "rmmod with the events known to the tracer" '[ $rc = 0 ]'
echo >/sys/kernel/tracing/trace
echo "1..$n"

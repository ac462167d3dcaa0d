#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 10
# default: no
# variants: notok exit hang warn leak panic
# A fault each, on purpose: tests/vm/bad demands that the harness sees it.
case $1 in
notok) echo "not ok 1 as meant";;
exit) echo "ok 1"; exit 3;;
hang) sleep 10000;;
warn) echo "ok 1"; echo "WARNING: CPU: 0 PID: 1 at tests/vm/guest/bad.sh" >/dev/kmsg;;
leak) echo "ok 1"; sleep 10000 <"$DSEEK_NODE" >/dev/null 2>&1 & ;;	# outlives the test, with a reference to the module
panic) echo c >/proc/sysrq-trigger; sleep 10;;
esac

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 30
# default: yes
# files: $O/vm/selftests/memory $O/vm/selftests/recover $O/vm/selftests/state $O/vm/selftests/trace
# Self-tests whose every test needs root: who isn't is told, and none of them runs half set up.
n=0
for p in memory recover state trace; do
	n=$((n + 1))
	as 65534 65534 $p >/tmp/out 2>&1; rc=$?
	if [ $rc = 4 ] && [ "$(wc -l </tmp/out)" = 1 ] && grep -q '^1..0 # SKIP .*not root$' /tmp/out; then
		echo "ok $n $p as nobody: skipped"
	else
		sed 's/^/# /' /tmp/out; echo "# exit status $rc"; echo "not ok $n $p as nobody: skipped"
	fi
done
echo "1..$n"

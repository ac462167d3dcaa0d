#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# module: fresh
# files: $O/tests/conformance/suite $O/bin/dseek-exec
# The suite over the public headers, on the module: three engines by the daemon, and those it serves itself.
serve() { # NAME ARGUMENT...
	name=$1; shift
	dseek-exec --name="$name" --user=dseek-exec "$@" >"/tmp/$name.out" &
	i=0
	while ! grep -q READY=1 "/tmp/$name.out"; do
		i=$((i + 1))
		[ $i -lt 100 ] || { echo "Bail out! dseek-exec --name=$name isn't ready"; exit 1; }
		sleep 0.1
	done
	pids="$pids $!"
}
# A cpu engine's own memory is exported where its executor may open this.
chown dseek-exec /dev/udmabuf 2>/dev/null
pids=
serve null0 --backend=null --backend-options=spin=1
serve cpu0 --backend=cpu --backend-options=threads=1
serve fault0 --backend=fault
[ -e /sys/kernel/debug/kcsan ] && export DSEEK_TEST_SECONDS="${DSEEK_TEST_SECONDS:-240}"	# it stops the module's CPU all the time
DSEEK_DEVICE=drm: suite
rc=$?
kill $pids
wait
exit $rc

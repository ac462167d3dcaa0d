#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek-exec: its options, its refusals, its end. It serves an embedded instance here; the module's device in a guest.
exec_=${DSEEK_BUILD:-build}/bin/dseek-exec
n=0 failed=0
ok() { # NAME, status in $?
	if [ $? = 0 ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; failed=1; [ -e out ] && sed 's/^/# /' out; fi
}
refused() { # NAME STATUS WORDS ARGUMENT...
	local name=$1 status=$2 words=$3 rc; shift 3
	timeout 20 "$exec_" "$@" >out 2>&1; rc=$?
	[ $rc = "$status" ] && grep -qF -- "$words" out; ok "$name"
}
cd "${TMPDIR:-/tmp}" || exit 1
exec_=$(realpath "$exec_" 2>/dev/null || echo "$exec_")
refused "help" 0 "usage: dseek-exec" --help
refused "help lists the backends" 0 "misbehaves on demand" --help
refused "version" 0 "$(sed -n 's/^DSEEK_VERSION ?= //p' "${DSEEK_SOURCE:-$OLDPWD}/kmod/version.mk"): ABI 1.3" --version
refused "unknown option" 2 "unrecognized option" --colour=red
refused "operand" 2 "unexpected argument 'x'" x
refused "depth out of range" 2 "--depth=65: not a number from 1 to 64" --depth=65
refused "depth not a number" 2 "--depth=two" --depth=two
refused "unknown backend" 2 "no backend is called 'hal'" --backend=hal
refused "unknown user" 2 "--user=nobody-at-all: no such user" --user=nobody-at-all
refused "unknown group" 2 "--group=nogroup-at-all: no such group" --allow-root --group=nogroup-at-all
refused "unknown owner" 2 "--owner=nobody-at-all: no such user" --allow-root --owner=nobody-at-all
refused "an owner that is no uid" 2 "--owner=4294967295: no such user" --allow-root --owner=4294967295
refused "a negative owner" 2 "--owner=-1: no such user" --allow-root --owner=-1
refused "an empty owner" 2 "--owner=: no such user" --allow-root --owner=
refused "code of everybody's" 2 "--own-code: only an engine that serves one user alone may: give --owner=NAME" --allow-root --backend=hip --own-code
refused "code for a backend that has none" 2 "--own-code: backend cpu runs no code of tenants" --allow-root --owner=0 --own-code
refused "nor has this one" 2 "--own-code: backend opencl runs no code of tenants" --allow-root --owner=0 --backend=opencl --own-code
refused "no device" 1 "/nonexistent: No such file" --allow-root --device=/nonexistent
refused "backend's options" 1 "null: unknown option 'x'" --allow-root --device=embed: --backend=null --backend-options=x=1
refused "an NPU that isn't there" 1 "backend npu: npu: /nonexistent: No such file" --allow-root --device=embed: --backend=npu --backend-options=device=/nonexistent
refused "long name" 2 "longer than 31" --allow-root --name=a-name-of-more-than-thirty-one-characters --device=embed:
DSEEK_LOG_LEVEL=loud refused "log level" 0 "DSEEK_LOG_LEVEL is 'loud'; it knows error, warn, info and debug" --help
if [ "$(id -u)" = 0 ]; then
	refused "as root, untold" 2 "as root" --device=embed:
	"$exec_" --device=embed: --backend=null --user=nobody >out 2>&1 & pid=$!
	for _ in $(seq 100); do grep -qs READY=1 out && break; sleep 0.1; done
	grep -q "READY=1 engine=null0 id=0 generation=1" out; ok "ready"
	[ "$(stat -c %U /proc/$pid 2>/dev/null)" = nobody ] || [ "$(awk '/^Uid:/{print $2$3$4}' /proc/$pid/status)" = "$(id -u nobody)$(id -u nobody)$(id -u nobody)" ]; ok "another user"
	[ -z "$(awk '/^Groups:/{print $2}' /proc/$pid/status)" ]; ok "no supplementary groups"
	kill -TERM $pid; wait $pid; ok "ends when asked"
	grep -q "dseek-exec: asked to stop" out; ok "and says so"
else
	for t in untold ready user groups end says; do echo "ok $((++n)) as root: $t # SKIP not root"; done
fi
rm -f out	# what the last one said would do for this one
"$exec_" --device=embed: --backend=null --allow-root >out 2>err & pid=$!
for _ in $(seq 100); do grep -qs READY=1 out && break; sleep 0.1; done
kill -INT $pid; wait $pid; ok "ends on an interrupt"
[ "$(wc -l <out)" = 1 ] && [ "$(grep -cv '^dseek-exec: ' err)" = 0 ]; ok "one line on the output, log lines elsewhere"
sample=$(dirname "$exec_")/../tests/executor/sample_backend.so
if [ -e "$sample" ]; then
	rm -f out
	"$exec_" --device=embed: --backend="$sample" --allow-root >out 2>err & pid=$!
	for _ in $(seq 100); do grep -qs READY=1 out && break; sleep 0.1; done
	kill -INT $pid; wait $pid
	grep -q "backend sample: 0 jobs so far" err; ok "what a backend says of itself is logged"
else
	echo "ok $((++n)) what a backend says of itself # SKIP tests/executor/sample_backend.so is not here"
fi
lost=$(dirname "$exec_")/../tests/executor/sample_lost.so
if [ -e "$lost" ]; then
	refused "an engine that is given up ends it, though its library hangs at the end" 1 "dseek-exec: error: backend sample has given up its engine" \
		--device=embed: --backend="$lost" --allow-root
else
	echo "ok $((++n)) an engine that is given up # SKIP tests/executor/sample_lost.so is not here"
fi
# What a service manager hears, on a socket with a path and on an abstract one.
for address in "$PWD/notify.$$" "@dseek-test-notify.$$"; do
	kind=path; [ "${address:0:1}" = @ ] && kind=abstract
	rm -f heard	# what was heard before would do for this one
	python3 - "$address" >heard <<-'END' & listener=$!
	import os, socket, sys
	name = sys.argv[1]
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind("\0" + name[1:] if name[0] == "@" else name)
	s.settimeout(20)
	print("listens", flush=True)
	while True:
	    text = s.recv(4096).decode()
	    print(text.replace("\n", " "), flush=True)
	    if "STOPPING=1" in text:
	        break
	END
	for _ in $(seq 100); do grep -qs listens heard && break; sleep 0.1; done
	NOTIFY_SOCKET=$address "$exec_" --device=embed: --backend=null --allow-root >out 2>&1 & pid=$!
	for _ in $(seq 100); do grep -q READY=1 heard && break; sleep 0.1; done
	kill -TERM $pid; wait $pid; wait $listener
	[ "$(tail -n 2 heard | tr '\n' '|')" = "READY=1 STATUS=serves null0, generation 1|STOPPING=1|" ]; ok "a service manager is told: $kind socket"
	rm -f "$PWD/notify.$$"
done
for address in relative "" / @ "/$(printf 'x%.0s' {1..120})" /nonexistent/socket; do
	rm -f out
	NOTIFY_SOCKET=$address "$exec_" --device=embed: --backend=null --allow-root >out 2>&1 & pid=$!
	for _ in $(seq 100); do grep -qs READY=1 out && break; sleep 0.1; done
	for _ in $(seq 100); do grep -q "warn: NOTIFY_SOCKET=$address: " out && break; sleep 0.1; done
	kill -TERM $pid; wait $pid; rc=$?
	[ $rc = 0 ] && grep -q "warn: NOTIFY_SOCKET=$address: " out; ok "NOTIFY_SOCKET=${address:0:12}: a warning, and it serves"
done
echo "1..$n"
exit $failed

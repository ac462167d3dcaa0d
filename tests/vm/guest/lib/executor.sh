# SPDX-License-Identifier: MIT
# Sourced by guest tests: start dseek-exec as its own user, wait until its engine is there.

# Pinned pages count against this limit for those who lack CAP_IPC_LOCK, as on a machine whose
# administrator has raised it (limits.conf, LimitMEMLOCK=).
ulimit -l unlimited

executor_start() { # OPTION...
	: >/tmp/executor.log; chmod 666 /tmp/executor.log
	as 900 900 dseek-exec "$@" >/tmp/executor.log 2>&1 &
	executor=$!
	for i in $(seq 200); do
		grep -q READY=1 /tmp/executor.log && return 0
		kill -0 $executor 2>/dev/null || break
		sleep 0.1
	done
	sed 's/^/# dseek-exec: /' /tmp/executor.log
	return 1
}

executor_stop() {
	kill -TERM $executor 2>/dev/null
	wait $executor
	rc=$?
	[ $rc = 0 ] || sed 's/^/# dseek-exec: /' /tmp/executor.log
	return $rc
}

# SPDX-License-Identifier: MIT
# Sourced by the tests of tools/check and tools/up: a tree of one Makefile, $dir/tree, in which these two are, and what they share.
source=$(realpath "${DSEEK_SOURCE:-$(dirname "$0")/../..}")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/tree/tools" "$dir/tree/build/bin"
cp "$source/tools/check" "$source/tools/up" "$dir/tree/tools"
unset MAKEFLAGS MAKELEVEL
n=0 failed=0

ok() { # NAME COMMAND...: what the command says is shown if it fails, and what the tool said last
	local name=$1; shift; n=$((n + 1))
	if "$@" >"$dir/why" 2>&1; then echo "ok $n $name"; else
		echo "not ok $n $name"; failed=1; cat "$dir/why" "$dir/out" 2>/dev/null | head -n 20 | sed 's/^/# /'
	fi
}
end() { echo "1..$n"; exit $failed; }

# A build that never ends, and writes down which process that is.
slow_tree() {
	printf 'all check:\n\t@echo $$$$ >at-work; exec sleep 300\n' >"$dir/tree/Makefile"
}

# As on a terminal, where Ctrl-C is for the whole group in the foreground: SIGNAL to TOOL ARGUMENT..., once it builds.
# How it ended in $rc; which process was at work then in $worker.
ended_by() {
	local signal=$1 pid i; shift
	rm -f "$dir/tree/at-work"
	set -m
	"$dir/tree/tools/$1" "${@:2}" >"$dir/out" 2>&1 </dev/null & pid=$!
	set +m
	for i in $(seq 200); do [ -s "$dir/tree/at-work" ] && break; sleep 0.1; done
	kill -"$signal" -- -$pid
	wait $pid; rc=$?
	worker=$(cat "$dir/tree/at-work")
}
gone() { # PID, soon
	local i
	for i in $(seq 30); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
	kill -KILL "$1"
	return 1
}

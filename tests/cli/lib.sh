# SPDX-License-Identifier: MIT
# Sourced by the tests of dseek, which then stand at the top of the source tree: $dseek, a folder of their own $dir, and
# n, failed for tests that print a line themselves.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../..}" || exit 1
dseek=$(realpath "${DSEEK_BUILD:-build}/bin/dseek")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0

ok() { # NAME COMMAND...: what the command says is shown if it fails, and what dseek said last
	local name=$1; shift; n=$((n + 1))
	if "$@" >"$dir/why" 2>&1; then echo "ok $n $name"; else
		echo "not ok $n $name"; failed=1
		for f in why out err; do [ ! -s "$dir/$f" ] || head -n 8 "$dir/$f" | cut -c 1-500 | sed "s/^/# $f: /"; done
	fi
}
skip() { n=$((n + 1)); echo "ok $n $1 # SKIP $2"; }	# NAME REASON
end() { echo "1..$n"; exit $failed; }

go() { rc=0; "$dseek" "$@" >"$dir/out" 2>"$dir/err" <"${in:-/dev/null}" || rc=$?; }	# ARGUMENT...
is() { [ "$rc" = "$1" ]; }					# STATUS
said() { is "$1" && grep -qF -e "$2" "$dir/$3"; }		# STATUS TEXT out|err
printed() { is 0 && printf "$1" | cmp -s - "$dir/out"; }	# FORMAT: all of it
# PYTHON-CONDITION on d, the JSON of the output, and t, its tenants by name
json() {
	is 0 && python3 -c "
import json, sys
d = json.load(sys.stdin)
t = {x['tenant']: x for x in d.get('tenants', [])} if isinstance(d, dict) else {}
good = ($1)
[print(x) for x in t.values() if not good]
sys.exit(not good)" <"$dir/out"
}

#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek bench preempt: what it refuses, and that its figures are what they say. How large they are is no test.
dseek=${DSEEK_BUILD:-build}/bin/dseek
n=0 failed=0 out=$(mktemp); trap 'rm -f "$out"' EXIT
ok() { if [ $? = 0 ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; failed=1; sed 's/^/# /' "$out"; fi; }
refused() { # NAME STATUS WORDS ARGUMENT...
	local name=$1 status=$2 words=$3 rc; shift 3
	timeout 60 "$dseek" bench preempt "$@" >"$out" 2>&1; rc=$?
	[ $rc = "$status" ] && grep -qF -- "$words" "$out"; ok "$name"
}
refused "too few" 2 "--count: 10 to" -n 9
refused "op too short" 2 "--op-us: 10 to" -o 9
refused "op too long" 2 "--op-us: 10 to" -o 1000001
refused "no device" 1 "colour" -d embed:colour=red
refused "an engine that does not spin" 1 "nothing had to give way" -d embed:engine=null -n 10
for spec in threads=1 engine=null,spin=1,depth=3; do
	timeout 60 "$dseek" bench preempt -d "embed:$spec" -n 20 -o 3000 --json >"$out" 2>&1 && python3 - "$out" "$spec" <<'E'
import json, sys
r = json.load(open(sys.argv[1]))
near = lambda a, b: abs(a - b) <= 0.02 * max(abs(a), abs(b)) + 0.02
assert r["depth"] == (3 if "depth=3" in sys.argv[2] else 1)
assert r["longest_op_us"] >= 3000 and r["preemptions"] > 0 and r["count"] == 20
assert near(r["bound_us"], r["depth"] * r["longest_op_us"] + r["roundtrip_p50_us"])
assert near(r["max_to_bound"], r["delay_max_us"] / r["bound_us"]) and near(r["p50_to_bound"], r["delay_p50_us"] / r["bound_us"])
assert r["delay_p50_us"] <= r["delay_p99_us"] <= r["delay_max_us"]
assert 0 <= r["beyond_bound"] <= 20
E
	ok "$spec"
done
"$dseek" bench preempt -d embed:threads=1 -n 10 >"$out" 2>&1 && grep -q "^cpu0 (embed), ops of 2000 us: depth 1 " "$out"; ok "as text"
echo "1..$n"
exit $failed

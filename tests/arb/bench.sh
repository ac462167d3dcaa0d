#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek bench arb: its figures are whole, and a decision among 100000 queues costs no 10000 times that among 10.
build=${DSEEK_BUILD:-build}
out=$("$build/bin/dseek" bench arb --json) || { echo "not ok 1 bench arb: exit status"; exit 1; }
if python3 - "$out" <<'END'
import json, sys
d = json.loads(sys.argv[1])
assert [r["queues"] for r in d["results"]] == [10, 1000, 100000]
assert all(0 < r["least"] <= r["ns_per_decision"] <= r["most"] for r in d["results"])
assert abs(d["ratio_100000_10"] - d["results"][2]["ns_per_decision"] / d["results"][0]["ns_per_decision"]) < 1
# log2(100000) / log2(10) is 5; the rest is for caches
assert d["ratio_100000_10"] < 100
END
then echo "ok 1 bench arb"; else echo "not ok 1 bench arb: $out"; exit 1; fi
"$build/bin/dseek" bench arb extra >/dev/null 2>&1
if [ $? = 2 ]; then echo "ok 2 bench arb: an operand is refused"; else echo "not ok 2 bench arb: an operand is refused"; exit 1; fi
echo "1..2"

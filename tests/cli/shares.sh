#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek bench shares: its figures add up and agree with each other, and the mistakes it names.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../..}" || exit 1
dseek=${DSEEK_BUILD:-build}/bin/dseek
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
ok() { # NAME CONDITION...
	local name=$1; shift; n=$((n + 1))
	if "$@" >"$tmp/why" 2>&1; then echo "ok $n shares: $name"; else
		echo "not ok $n shares: $name"; failed=1; head -n 20 "$tmp/why" "$tmp/err" "$tmp/out" | sed 's/^/# /'
	fi
}
go() { rc=0; "$dseek" bench shares "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || rc=$?; }
is() { [ "$rc" = "$1" ]; }
json() { python3 -c "
import json, sys
d = json.load(open('$tmp/out')); t = d['tenants']
sys.exit(not ($1))"; }
usage() { ok "$1" bash -c '[ "$1" = 2 ] && [ ! -s "$4" ] && grep -qF -- "$2" "$3"' - "$rc" "$2" "$tmp/err" "$tmp/out"; }

go --seconds 1.5 --weights 1,2,4 --json --quiet
ok "exit status" is 0
ok "--quiet: nothing on stderr" test ! -s "$tmp/err"
ok "three tenants with the weights asked for" json "[x['weight'] for x in t] == [1, 2, 4]"
ok "shares add up to 1" json "all(abs(sum(x[k] for x in t) - 1) < 1e-6 for k in ('share', 'weight_share'))"
# Tenants end one after the other, each with its own figures.
ok "so do the entitlements, but for how it ends" json "abs(sum(x['entitled_share'] for x in t) - 1) < 0.05"
ok "a share is the engine time over everybody's" json "all(abs(x['engine_ms'] / d['engine_busy_ms'] - x['share']) < 1e-9 for x in t)"
ok "the deviations are the largest there are" json "abs(max(abs(x['share'] - x['weight_share']) for x in t) - d['deviation_from_weights']) < 1e-9 and
	abs(max(abs(x['share'] - x['entitled_share']) for x in t) - d['deviation_from_entitlement']) < 1e-9"
# By what everybody was charged, so a busy machine doesn't matter, unless it starves whole tenants: twice their entitlement is far off.
ok "more weight, more engine time, and no deviation above 5 %" json "t[0]['share'] < t[1]['share'] < t[2]['share'] and d['deviation_from_entitlement'] < 0.05"
go --seconds 0.3 --weights 5,5 --spin 200
ok "table" grep -qE '^tenant2 +5 +[0-9]+ +[0-9.]+ +[0-9.]+ % +50\.00 % +[0-9.]+ %$' "$tmp/out"
ok "the largest deviation in words" grep -qE '^largest deviation: [0-9.]+ % of the engine from the weights, [0-9.]+ % from the entitlement$' "$tmp/out"
ok "the engine and how busy it was" grep -qE '^engine cpu0 \(embed\), busy [0-9.]+ % of' "$tmp/out"

go --weights 1; usage "one weight" "--weights: '1' is not 2 to 16"
go --weights ''; usage "no weight" "--weights: '' is not"
go --weights 1,,2; usage "an empty weight" "--weights: '1,,2' is not"
go --weights 1,x; usage "no number" "--weights: '1,x' is not"
go --weights 0,1; usage "weight 0" "--weights: '0,1' is not"
go --weights 1,65537; usage "a weight too large" "--weights: '1,65537' is not"
go --weights 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1; usage "17 weights" "is not 2 to 16"
go --seconds 0; usage "--seconds 0" "--seconds must be"
go --spin 0; usage "--spin 0" "--spin must be"
go --spin 1000001; usage "--spin too long" "--spin must be"
go extra; usage "an operand" "'extra'"
go --engine gpu7 --seconds 0.2; ok "no such engine" bash -c '[ "$1" = 1 ] && grep -q "gpu7" "$2"' - "$rc" "$tmp/err"
go --device usb: --seconds 0.2; ok "no such device" bash -c '[ "$1" = 1 ] && grep -q "usb:" "$2"' - "$rc" "$tmp/err"
echo "1..$n"
exit $failed

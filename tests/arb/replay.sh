#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek-replay on a recorded simulation, and on what it must refuse.
build=${DSEEK_BUILD:-build}
replay=$build/bin/dseek-replay
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0 failed=0
verdict() { # NAME RC WANT [PATTERN]: the output in $tmp/out
	n=$((n + 1))
	if [ "$2" = "$3" ] && grep -qE -- "${4:-.}" "$tmp/out"; then echo "ok $n replay: $1"; else
		echo "not ok $n replay: $1 (exit $2, not $3, or no '$4')"; head -5 "$tmp/out" | sed 's/^/# /'; failed=1; fi
}
try() { # NAME WANT PATTERN ARGUMENT...
	local name=$1 want=$2 pattern=$3; shift 3
	"$replay" "$@" >"$tmp/out" 2>&1; verdict "$name" $? "$want" "$pattern"
}
poke() { # FILE OFFSET BYTE
	printf "\\x$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
first() { # OP: number of the first record of this operation whose job isn't none
	od -A n -v -t u8 -w64 -j 16 "$tmp/run" | awk -v op="$1" '$1 % 4294967296 == op && $4 != 0 { print NR - 1; exit }'
}

"$build/tests/arb/record" "$tmp/run" || { echo "not ok 1 replay: nothing recorded"; exit 1; }
try "every decision equal" 0 "[1-9][0-9]{3} decisions compared, 0 differ" "$tmp/run"
try "json" 0 '"differences": 0,' --json "$tmp/run"
python3 -c 'import json, sys; d = json.load(sys.stdin); sys.exit(d["decisions"] < 1000 or len(d["queues"]) != 6)' <"$tmp/out"
verdict "json can be parsed and is whole" $? 0
try "timeline" 0 "job 1 of queue 1 \(tenant 1, deadline\) picked after" --timeline "$tmp/run"
try "help" 0 "^usage" --help
try "no file named" 2 "^usage"
try "unknown option" 2 "^usage" --wrong "$tmp/run"
try "no such file" 2 "No such file" "$tmp/none"
: >"$tmp/empty"; try "empty file" 2 "not a trace" "$tmp/empty"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" 0 00; try "wrong magic" 2 "not a trace" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" 8 41; try "wrong record size" 2 "not a trace" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" 12 01; try "unknown flag" 2 "not a trace" "$tmp/bad"
head -c 5000 "$tmp/run" >"$tmp/bad"; try "cut off" 0 "ends inside a record" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" $((16 + 64 * 20)) ff; try "unknown operation" 2 "unknown operation 255" "$tmp/bad"
at=$((16 + 64 * $(first 11)))
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" $((at + 32)) 01; try "predicted cost differs" 1 "predicted.*recorded" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" $((at + 24)) 03; try "unknown job" 2 "no such job" "$tmp/bad"
# The first pick becomes the end of the job that would have been picked.
job=$(od -A n -v -t u1 -j $((at + 24)) -N 8 "$tmp/run")
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" "$at" 0f
i=16; for byte in $job; do poke "$tmp/bad" $((at + i)) "$(printf %02x "$byte")"; i=$((i + 1)); done
try "given back, but not out" 2 "isn't out" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" $((16 + 4)) 01; try "a result nobody compares" 0 "0 differ" "$tmp/bad"
cp "$tmp/run" "$tmp/bad"; poke "$tmp/bad" $((16 + 36)) 00; poke "$tmp/bad" $((16 + 37)) 00; try "a parameter out of range" 2 "out of range" "$tmp/bad"

# A real run: several threads submit, one executes, and what the embedded engine decided is decided again.
cat >"$tmp/tenants" <<'END'
seconds: 1
tenants:
  - { name: gold, class: deadline, budget_ms: 4, period_ms: 20, streams: 1, spin_us: 2000 }
  - { name: silver, class: interactive, weight: 2, streams: 2, spin_us: 700 }
  - { name: bronze, class: batch, weight: 1, streams: 3, spin_us: 5000 }
END
"$build/bin/dseek" run --quiet --device "embed:replay,engine=cpu,trace=$tmp/real" --tenants "$tmp/tenants" >"$tmp/out" 2>&1
verdict "a real run is recorded" $? 0
try "a real run: every decision equal" 0 "[1-9][0-9]{2,} decisions compared, 0 differ" "$tmp/real"

# Queues over two engines: what was predicted and chosen is decided again, too.
"$build/bin/dseek" bench choice -r 1 -s 1 -d "embed:replay,engine=cpu,threads=1,engine=cpu,name=other,threads=1,trace=$tmp/sets" >"$tmp/out" 2>&1
verdict "a run over a set of engines is recorded" $? 0
try "choices and predictions: every decision equal" 0 "[1-9][0-9]{2,} decisions compared, 0 differ" "$tmp/sets"
record() { # OP: where the first of this operation begins
	od -A n -v -t u4 -w64 -j 16 "$tmp/sets" | awk -v op="$1" '$1 == op {print 16 + 64 * (NR - 1); exit}'
}
best=$(record 18) predict=$(record 16) add=$(record 17)
for spoilt in "choice:another engine was chosen:$((best + 4)):07:1:choice: .*recorded 7" \
	"prediction:another end was predicted:$((predict + 38)):7f:1:predict: finish" \
	"prediction:another cost was predicted:$((predict + 46)):7f:1:predict: cost" \
	"prediction:it was known otherwise:$((predict + 4)):07:1:predict: known, idle" \
	"prediction:of no queue:$((predict + 16)):01:2:no such queue" \
	"choice:of no engine:$((add + 35)):80:2:a choice that can't be" \
	"choice:of no tenant:$((add + 40)):01:2:no such tenant" \
	"choice:of no cost:$((add + 24)):01:2:no such cost"; do
	IFS=: read -r what name at byte status words <<<"$spoilt"
	cp "$tmp/sets" "$tmp/bad"; poke "$tmp/bad" "$at" "$byte"
	try "$what: $name" "$status" "$words" "$tmp/bad"
done
echo "1..$n"
exit $failed

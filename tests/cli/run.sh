#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek run without a model: shares by weight, deadlines beside saturation, the views, the JSON, mistakes in a file.
. "$(dirname "$0")/lib.sh"
run() { go run "$@"; }

# Engine time is measured by the clock, so what other processes take from this machine is in it. Three tries, and
# if all fail on a machine with more to run than it has CPUs, nothing was shown either way.
busy() { awk -v n="$(nproc)" '{exit !($1 > n + 0.5)}' /proc/loadavg; }
measured() { # NAME PYTHON-CONDITION ARGUMENT...
	local name=$1 what=$2 try; shift 2
	for try in 1 2 3; do run "$@" --json; is 0 && json "$what" >/dev/null && break; done
	if ! { is 0 && json "$what" >/dev/null; } && busy; then
		skip "$name" "the machine is busy: load $(cut -d' ' -f1 /proc/loadavg) on $(nproc) CPUs"
	else
		ok "$name" json "$what"
	fi
}

measured "shares: 1:2:4 within 1 %, and so was the entitlement" "all(abs(t[k]['share'] - w / 7) < 0.01 and
	abs(t[k]['entitled_share'] - w / 7) < 0.01 for k, w in dict(one=1, two=2, four=4).items())" --tenants tests/cli/shares.yaml --seconds 3
ok "shares: exit status" is 0
ok "shares: more weight, more engine time" json "t['one']['share'] < t['two']['share'] < t['four']['share']"
ok "shares: the JSON names engine and transport" json "d['engine'] == 'cpu0' and d['transport'] == 'embed'"
ok "shares: nothing failed or is left over" json "all(x['jobs_faulted'] == 0 and 'error' not in x for x in d['tenants'])"
ok "--json prints no progress on stdout" bash -c 'head -c 1 "$1" | grep -q "{"' - "$dir/out"

cat >"$dir/deadline.yaml" <<'END'
tenants:
  - { name: gold, class: deadline, period_ms: 80, spin_us: 2000 }
  - { name: b1, class: batch, streams: 2, spin_us: 5000 }
  - { name: b2, class: batch, streams: 2, spin_us: 5000 }
END
measured "deadline: a step each period beside two that saturate, p99 within half a period" "t['gold']['tokens'] >= 0.9 * 3000 / 80 and
	76 < t['gold']['gap_p50_ms'] < 84 and t['gold']['gap_p99_ms'] < 120" --tenants "$dir/deadline.yaml" --seconds 3
ok "deadline: exit status" is 0
ok "deadline: a step waits less than a fifth of the others'" json "t['gold']['queued_ms'] / t['gold']['jobs'] < 0.2 * t['b1']['queued_ms'] / t['b1']['jobs']"
ok "deadline: the others are preempted" json "t['b1']['preemptions'] + t['b2']['preemptions'] > 0"

cat >"$dir/one.yaml" <<'END'
seconds: 0.3
tenants:
  - { name: solo, class: interactive, spin_us: 1000, tokens: 10 }
END
run --tenants "$dir/one.yaml"
ok "table" grep -qE '^solo +interactive +1 +[0-9]+ +[0-9.]+' "$dir/out"
ok "stderr says which transport" grep -q "engine cpu0 is embedded" "$dir/err"
run --tenants "$dir/one.yaml" --quiet
ok "--quiet: the table" grep -q '^solo' "$dir/out"
ok "--quiet: nothing on stderr" test ! -s "$dir/err"
run --tenants "$dir/one.yaml" --json
ok "a file's seconds hold" json "0.2 < d['seconds'] < 0.5"
ok "a text ends after its tokens" json "d['tenants'][0]['texts_complete'] >= 1"
run --tenants "$dir/one.yaml" --view panes
ok "panes without a terminal fall back to lines" is 0
if command -v script >/dev/null; then
	rc=0; TERM=xterm script -qec "$dseek run --tenants $dir/one.yaml --view panes" /dev/null >"$dir/out" 2>"$dir/err" </dev/null || rc=$?
	ok "panes on a terminal" grep -q "solo" "$dir/out"
else
	skip "panes on a terminal" "script(1) is not installed"
fi
("$dseek" run --tenants tests/cli/shares.yaml --seconds 60 >"$dir/out" 2>"$dir/err" </dev/null & pid=$!
 sleep 1.5; kill -TERM $pid; wait $pid; echo $? >"$dir/rc")
rc=$(cat "$dir/rc")
ok "SIGTERM ends the run" is 0
ok "and the table is printed" grep -q '^four' "$dir/out"

cat >"$dir/sets.yaml" <<'END'
seconds: 1
tenants:
  - { name: both, class: batch, spin_us: 500, streams: 3, engines: [cpu0, cpu1] }
  - { name: slow, class: interactive, spin_us: 500, engine: cpu1 }
  - { name: any,  class: batch, spin_us: 500 }
END
run --tenants "$dir/sets.yaml" --device "embed:sets,engine=cpu,threads=1,engine=cpu,threads=1"
ok "engines: the table tells of predictions" grep -qE '^both over cpu0,cpu1: [0-9]+ moves; turnaround predicted' "$dir/out"
ok "engines: none for a tenant with one" bash -c '! grep -q "^slow over" "$1"' - "$dir/out"
ok "engines: all are named" grep -q '^engines cpu0,cpu1 (embed)' "$dir/out"
run --json --tenants "$dir/sets.yaml" --device "embed:sets,engine=cpu,threads=1,engine=cpu,threads=1"
ok "engines: the JSON too" json "t['both']['predicted_jobs'] > 0 and t['both']['turnaround_error'] > 0 and 'moves' in t['both'] and
	t['slow']['engines'] == 'cpu1' and t['slow']['predicted_jobs'] == 0 and 'engines' not in t['any'] and d['engine'] == 'cpu0,cpu1'"
"$dseek" bench choice --rounds 1 --seconds 0.1 --json >"$dir/out" 2>"$dir/err"; rc=$?
ok "bench choice" is 0
ok "bench choice: explicit engines are honoured, sets kept" python3 -c "
import json, sys; d = json.load(open('$dir/out'))
sys.exit(not (d['explicit_honoured'] == d['explicit_jobs'] > 0 and d['outside_set'] == 0 and d['predicted_jobs'] > 0 and len(d['engines']) == 2))"
"$dseek" bench choice --device embed: >"$dir/out" 2>"$dir/err"; rc=$?
ok "bench choice: one engine is no choice" said 1 "1 engines to choose from" err
"$dseek" bench choice --engines fast,nobody >"$dir/out" 2>"$dir/err"; rc=$?
ok "bench choice: no such engine" said 1 "nobody" err
"$dseek" bench choice --streams 1 >"$dir/out" 2>"$dir/err"; rc=$?
ok "bench choice: one stream" said 2 "--streams" err

# mistakes
refused() { # NAME TEXT-EXPECTED: of $dir/bad.yaml
	run --tenants "$dir/bad.yaml"; ok "$1" said 1 "bad.yaml:$2" err
}
tenant() { printf 'tenants:\n- name: a\n  spin_us: 5\n'; printf '  %s\n' "$@"; }
b=$dir/bad.yaml
: >"$b"; refused "an empty file" "1: the file must be a mapping"
echo '[1, 2]' >"$b"; refused "no mapping" "1: the file must be a mapping"
echo 'a: [b' >"$b"; refused "no YAML" "2: "
echo 'seconds: 1' >"$b"; refused "no tenants" "1: 'tenants' is missing"
echo 'tenants: []' >"$b"; refused "no tenant" "1: 'tenants' must be a list with at least one tenant"
echo 'tenants: x' >"$b"; refused "tenants no list" "1: 'tenants' must be a list"
printf 'seconds: soon\ntenants: []\n' >"$b"; refused "seconds no number" "1: 'seconds' is 'soon'"
printf 'seconds: 1\nseconds: 2\ntenants: []\n' >"$b"; refused "seconds twice" "2: 'seconds' is given twice"
printf 'minutes: 1\ntenants: []\n' >"$b"; refused "unknown key" "1: 'minutes' is not a key here"
printf 'tenants:\n- 7\n' >"$b"; refused "tenant no mapping" "2: a tenant must be a mapping"
tenant >"$b"; refused "no class" "2: the tenant has no 'class'"
printf 'tenants:\n- class: batch\n  spin_us: 1\n' >"$b"; refused "no name" "2: the tenant has no 'name'"
printf 'tenants:\n- class: batch\n  name: x\n' >"$b"; refused "neither prompt nor spin_us" "2: the tenant has neither"
tenant "class: batch" "prompt: x" >"$b"; refused "prompt and spin_us" "3: 'spin_us' and 'prompt' exclude"
tenant "class: fast" >"$b"; refused "unknown class" "4: 'class' is 'fast'"
tenant "class: [batch]" >"$b"; refused "class a list" "4: 'class' must be one value"
tenant "class: batch" "weight: 0" >"$b"; refused "weight 0" "5: 'weight' is '0'"
tenant "class: batch" "weight: 65537" >"$b"; refused "weight too large" "5: 'weight' is '65537'"
tenant "class: batch" "weight: -1" >"$b"; refused "weight negative" "5: 'weight' is '-1'"
tenant "class: batch" "weight: 1" "weight: 1" >"$b"; refused "weight twice" "6: 'weight' is given twice"
tenant "class: batch" "period_ms: 5" >"$b"; refused "period of batch" "5: 'period_ms' is for class deadline only"
tenant "class: batch" "budget_ms: 5" >"$b"; refused "budget of batch" "5: 'budget_ms' is for class deadline only"
tenant "class: deadline" >"$b"; refused "deadline without period" "2: class deadline needs 'period_ms'"
tenant "class: deadline" "period_ms: 5" "weight: 2" >"$b"; refused "weight of deadline" "6: 'weight' has no meaning"
tenant "class: deadline" "period_ms: 5" "budget_ms: 6" >"$b"; refused "budget over period" "6: 'budget_ms' is more than"
tenant "class: deadline" "period_ms: 5x" >"$b"; refused "period no number" "5: 'period_ms' is '5x'"
tenant "class: deadline" "period_ms: 4701" >"$b"; refused "period too long" "5: 'period_ms' is '4701'"
tenant "class: batch" "streams: 17" >"$b"; refused "too many streams" "5: 'streams' is '17'"
tenant "class: batch" "tokens: 0" >"$b"; refused "no tokens" "5: 'tokens' is '0'"
tenant "class: batch" "user: ''" >"$b"; refused "empty user" "5: 'user' is empty"
tenant "class: batch" "engine: ''" >"$b"; refused "empty engine" "5: 'engine' is empty"
tenant "class: batch" "engine: a,b" >"$b"; refused "two as one engine" "5: 'engine' is 'a,b'"
tenant "class: batch" "engines: cpu0" >"$b"; refused "engines no list" "5: 'engines' must be a list"
tenant "class: batch" "engines: []" >"$b"; refused "engines empty" "5: 'engines' must be a list with at least one"
tenant "class: batch" "engines: [a, '']" >"$b"; refused "an engine without a name" "5: 'engines' has ''"
tenant "class: batch" "engines: [a, [b]]" >"$b"; refused "an engine that is a list" "5: 'engines' must be one value"
tenant "class: batch" "engine: a" "engines: [b]" >"$b"; refused "engine and engines" "6: 'engine' and 'engines' exclude"
tenant "class: deadline" "period_ms: 5" "engines: [a, b]" >"$b"; refused "deadline on two engines" "6: class deadline reserves time on one"
tenant "class: batch" "colour: red" >"$b"; refused "unknown key of a tenant" "5: 'colour' is not a key of a tenant"
tenant "class: batch" 'prompt: "a\0b"' >"$b"; refused "NUL" "5: 'prompt' holds a NUL"
printf 'tenants:\n- {name: "a b", class: batch, spin_us: 1}\n' >"$b"; refused "name with a space" "2: 'name' is 'a b'"
printf 'tenants:\n- {name: a, class: batch, spin_us: 1}\n- {name: a, class: batch, spin_us: 1}\n' >"$b"; refused "same name" "3: a tenant named 'a'"
{ echo tenants:; for i in $(seq 17); do echo "- {name: t$i, class: batch, spin_us: 1}"; done; } >"$b"; refused "17 tenants" "18: more than 16"
printf 'tenants:\n- {name: "", class: x, weight: y, spin_us: 1}\n' >"$b"; run --tenants "$b"
ok "every mistake of a file is named" test "$(grep -c 'bad.yaml:2:' "$dir/err")" = 3
run --tenants "$dir/none.yaml"; ok "no such file" said 1 "No such file" err
usage() { ok "$1" said 2 "$2" err; }
run --seconds 0; usage "--seconds 0" "--seconds must be"
run --seconds soon; usage "--seconds soon" "'soon' is not a number"
run --view big; usage "--view big" "'big' is not panes, lines or none"
run --prompt ""; usage "--prompt empty" "--prompt is empty"
run --seconds; usage "--seconds without" "needs an argument"
tenant "class: batch" >"$b"
run --tenants "$b" --device usb:; ok "no such device" said 1 "usb:" err
tenant "class: batch" "engines: [cpu0, gpu7]" >"$b"
run --tenants "$b"; ok "no such engine in a list" said 1 "gpu7" err
tenant "class: batch" "engines: [cpu0, cpu0]" >"$b"
run --tenants "$b"; ok "an engine twice in a list" said 1 "given twice" err
tenant "class: batch" >"$b"
run --tenants "$b" --engine gpu7; ok "no such engine" said 1 "gpu7" err
XDG_CACHE_HOME=$dir run; ok "no model" said 1 "tools/fetch-model" err
run -m "$dir/none.gguf"; ok "no such model" said 1 "none.gguf: No such file" err
echo GGUF >"$dir/short.gguf"
run -m "$dir/short.gguf"; ok "a model that is none" said 1 "short.gguf" err
tenant "class: deadline" "period_ms: 10" "budget_ms: 10" >"$b"
run --tenants "$b"; ok "a budget the engine can't reserve" said 1 "tenant a: " err
end

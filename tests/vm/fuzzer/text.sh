#!/bin/bash
# SPDX-License-Identifier: MIT
# The fuzzer's programs as text, and making them smaller: all that needs no module.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../../..}" || exit 1
fuzz=${DSEEK_BUILD:-build}/tests/vm/fuzzer/fuzz seeds=tests/vm/fuzzer/seeds.txt
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0
check() { # NAME COMMAND...
	local name=$1; shift
	n=$((n + 1))
	if "$@" >"$dir/out" 2>&1; then echo "ok $n $name"; else echo "not ok $n $name"; sed 's/^/# /' "$dir/out" | tail -n 20; failed=1; fi
}
refused() { # NAME MESSAGE TEXT: exit status 2, and the message
	local rc
	printf '%s\n' "$3" >"$dir/bad"
	"$fuzz" --check "$dir/bad" >"$dir/said" 2>&1; rc=$?
	check "refused: $1" sh -c '[ "$1" = 2 ] && grep -qF -- "$2" "$3" || { cat "$3"; exit 1; }' sh $rc "$2" "$dir/said"
}
round() { # FILE: what is printed is read again as the same
	"$fuzz" --check "$1" >"$dir/once" && "$fuzz" --check "$dir/once" >"$dir/twice" && cmp "$dir/once" "$dir/twice"
}

check "the seeds are programs" round "$seeds"
check "all calls but the crash are in reach" sh -c '"$1" --generate --count 6000 --seed 7 "$2" | grep -v "^#" >"$3"; for c in $(sed -n "s/^.*\(MEMORY\|IOCTL\|IOCTL_MAKES\|OTHER\|\.name =\)[( ]\"\([a-z_]*\)\".*/\2/p" tests/vm/fuzzer/grammar.c); do
	[ $c = crash ] || [ $c = from ] || [ $c = fd ] || grep -q "^[0-9/]* $c\( \|\$\)" "$3" || { echo "never: $c"; exit 1; }; done' sh "$fuzz" "$seeds" "$dir/generated"
check "what is generated can be read" sh -c '"$1" --check "$2" | cmp - "$2"' sh "$fuzz" "$dir/generated"
check "a seed gives the same again" sh -c '"$1" --generate --count 50 --seed 3 >"$2/a" && "$1" --generate --count 50 --seed 3 | cmp - "$2/a"' sh "$fuzz" "$dir"
check "no crash without being asked for" sh -c '! grep -q crash "$1"' sh "$dir/generated"
check "a crash when asked for" sh -c '"$1" --with crash --generate --count 3000 --seed 3 | grep -q crash' sh "$fuzz"

refused "an unknown call" "bad:1: no call 'opne'" "0 opne"
refused "an unknown member" "open has no member 'gid'" "0 open gid=1"
refused "a number out of turn" "call 2 where 1 is next" $'0 open\n2 open'
refused "no number" "a line begins with the number of the call" "open"
refused "a later call's result" "call 1 does not come before call 1" $'0 open\n1 close fd=@1'
refused "a result too many" "a call has four results at most" $'0 open\n1 close fd=@0.4'
refused "a word that isn't known" "engine: 'fast' is neither a number nor a word" $'0 open\n1 queue_create fd=@0 engine=fast'
refused "a member without a value" "'fd=' is not MEMBER=VALUE" $'0 open\n1 close fd='
refused "a process that nobody made" "call 0 makes no process" $'0 open\n1/0 close fd=@0'
refused "no time" "'+soon' is no time" $'0 open\n1 wait fd=@0 deadline_ns=+soon'
refused "a number too large" "neither a number nor a word" $'0 open uid=99999999999999999999'
refused "too many calls" "more than 40 calls" "$(for i in $(seq 0 40); do echo "$i open"; done)"
refused "a line further down is named" "bad:5: no call" $'0 open\n\n# one more\n0 open\n1 nothing'
refused "nothing" "no program" "# nothing"
check "no file" sh -c '"$1" --check "$2/none" 2>&1 | grep -q "none: No such file"' sh "$fuzz" "$dir"
check "bytes that are no text" sh -c 'printf "0 open\0" >"$2/bin"; "$1" --check "$2/bin" 2>&1 | grep -q "this is no text"' sh "$fuzz" "$dir"
check "a number that is none" sh -c '"$1" --seconds 1x 2>&1 | grep -q -- "--seconds: is followed by a number"; ' sh "$fuzz"
check "processes beyond what is recorded" sh -c '"$1" --processes 17 2>&1 | grep -q "1 to 16"' sh "$fuzz"
check "a recorder that is none" sh -c '"$1" --last "$2/bad" 2>&1 | grep -q "bad: Invalid argument"' sh "$fuzz" "$dir"
check "--help" sh -c '"$1" --help | grep -q -- --minimise' sh "$fuzz"
check "an unknown option" sh -c '"$1" --fast >/dev/null 2>&1; [ $? = 2 ]' sh "$fuzz"

# two programs of which one has what is looked for, with what it needs
"$fuzz" --check "$seeds" >"$dir/seeds"
check "the least that holds" sh -c '"$1" --minimise --while "grep -q \"prime_export .*flags=0x80002\" \"\$1\"" "$2" >"$3" && [ "$(grep -c . "$3")" = 1 ]' sh "$fuzz" "$dir/seeds" "$dir/least"
check "and nothing besides" grep -qx "0 prime_export flags=0x80002" "$dir/least"
check "what the condition says is no program" sh -c '"$1" --minimise --while "grep \"prime_export .*flags=0x80002\" \"\$1\"" "$2" 2>/dev/null | cmp - "$3"' sh "$fuzz" "$dir/seeds" "$dir/least"
check "what doesn't hold is no beginning" sh -c '"$1" --minimise --while false "$2" 2>&1 | grep -q "does not hold"' sh "$fuzz" "$dir/seeds"
check "--minimise without a condition" sh -c '"$1" --minimise "$2" 2>&1 | grep -q "needs --while"' sh "$fuzz" "$dir/seeds"
echo "1..$n"
exit $failed

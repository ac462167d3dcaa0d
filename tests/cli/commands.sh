#!/bin/bash
# SPDX-License-Identifier: MIT
# Every sub-command has --help and a manual page, and refuses what it doesn't know.
. "$(dirname "$0")/lib.sh"
man=userspace/cli/man
names() { sed -n '/^$/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' "$dir/out"; }

go --help; ok "dseek --help" said 0 "Usage: dseek" out
top=$(names) all=
for c in $top; do
	go "$c" --help
	if grep -q "^Usage: dseek $c COMMAND" "$dir/out"; then
		for s in $(names); do all+="$c/$s "; done
		go "$c"; ok "dseek $c alone is a mistake" said 2 "Usage: dseek $c" err
		go "$c" frobnicate; ok "dseek $c frobnicate" said 2 "unknown command 'frobnicate'" err
	else
		all+="$c "
	fi
done
ok "there are commands" test -n "$all"
for c in $all; do
	words=${c//\// }
	go $words --help; ok "dseek $words --help" said 0 "Usage: dseek $words" out
	go $words --no-such-option; ok "dseek $words --no-such-option" said 2 "unknown option '--no-such-option'" err
	ok "dseek $words --no-such-option leaves stdout empty" test ! -s "$dir/out"
	go $words -%; ok "dseek $words -%" said 2 "unknown option '-%'" err
	page=$man/dseek.1; [ ! -e "$man/dseek-${c%%/*}.1" ] || page=$man/dseek-${c%%/*}.1
	go $words --help
	missing=
	for o in $(sed -n 's/^  \(-.,\|   \) --\([a-z0-9-]*\).*/\2/p' "$dir/out"); do
		[ "$o" = help ] || grep -qE -- "(--|\\\\-\\\\-|Fl -|, -)${o//-/\\\\?-}" "$page" || missing+=" --$o"
	done
	echo "$page lacks:$missing" >"$dir/err"
	ok "dseek $words is in its manual page" grep -qF "dseek ${words}" "$page"
	ok "dseek $words: the page has every option" test -z "$missing"
done
go; ok "dseek alone is a mistake" said 2 "Usage: dseek" err
go frobnicate; ok "unknown command" said 2 "unknown command 'frobnicate'" err
go --frobnicate; ok "unknown option" said 2 "unknown option '--frobnicate'" err
go version extra; ok "operand too many" said 2 "'extra' is one operand too many" err
go --version; ok "--version" said 0 "dseek " out
DSEEK_LOG_LEVEL=loud go version; ok "DSEEK_LOG_LEVEL of no level" said 0 "DSEEK_LOG_LEVEL is 'loud'" err
go_full() { rc=0; "$dseek" version >/dev/full 2>"$dir/err" || rc=$?; }
go_full; ok "full disk" said 1 "can't be written" err
for p in userspace/*/man/*.[138]; do
	[ -e "$p" ] || continue
	if command -v mandoc >/dev/null; then
		mandoc -Tlint -W warning "$p" >"$dir/out" 2>"$dir/err"; ok "mandoc -Tlint $p" test ! -s "$dir/out" -a ! -s "$dir/err"
	else
		skip "mandoc -Tlint $p" "mandoc is not installed"
	fi
done
end

#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/up: what ends it ends its build; files are named as seen from where it was started.
. "$(dirname "$0")/lib.sh"
slow_tree
for s in INT TERM HUP; do
	ended_by $s up --no-install --model x
	ok "SIG$s: it fails" test $rc = 1
	ok "SIG$s: the build is over" gone "$worker"
done
end

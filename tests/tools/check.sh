#!/bin/bash
# SPDX-License-Identifier: MIT
# tools/check: what ends it ends what it has begun.
. "$(dirname "$0")/lib.sh"
slow_tree
printf '#!/bin/bash\nexec make all\n' >"$dir/tree/tools/sparse"; chmod +x "$dir/tree/tools/sparse"
for s in INT TERM HUP; do
	ended_by $s check --no-install sparse
	ok "SIG$s: it fails" test $rc = 1
	ok "SIG$s: the build is over" gone "$worker"
	ok "SIG$s: the last line is the sum" test "$(tail -n 1 "$dir/out")" = "0 passed, 1 failed, 0 skipped"
done
end

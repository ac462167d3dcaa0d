#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# files: $O/bin/dseekctl $O/bin/dseek-exec $O/bin/dseek $O/tests/vm/hold tests/vm/guest/policy.yaml
# dseekctl on the real module: what it sets holds, what it shows is so; and a file, applied twice.
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; sed 's/^/# /' /tmp/out /tmp/err; fi; }
go() { dseekctl "$@" >/tmp/out 2>/tmp/err; rc=$?; }
has() { grep -qE -e "$1" /tmp/out; }
tell() { grep -qF -e "$1" /tmp/err; }
. /t/guest/lib/executor.sh
executor_start --name=ctl0 --backend=null --depth=4 || exit 1

go engines; check "an engine" 'has "^ctl0 +null +attached +$executor +4/4 "'
go depth ctl0 2; check "depth" 'dseekctl engines | grep -qE "^ctl0 .* 2/4 "'
go depth ctl0 5; check "more than it attached with" '[ $rc = 1 ] && tell "ctl0: depth: '\''5'\'' can'\''t be set: out of the module"'
go drain --wait=10 ctl0; check "drain" '[ $rc = 0 ] && dseekctl engines | grep -q "draining"'
go undrain ctl0; check "undrain" 'dseekctl engines | grep -q "attached"'
go timeouts ctl0 grace_ms=77; check "timeouts" 'dseekctl engines | grep -qE "\(30000\) +77 +\(5000\)"'

# before gold first opens; what is held, and EDQUOT beyond it
go limits set user:gold pinned_limit=64K queue_limit=2; check "limits set" '[ $rc = 0 ]'
as 1001 1001 hold 65536 & holder=$!
for i in $(seq 100); do dseekctl tenants | grep -qE '^uid:1001 +64K/64K' && break; sleep 0.1; done
go tenants; check "what it holds" 'has "^uid:1001 +64K/64K "'
check "beyond it" 'as 1001 1001 hold 4096; [ $? = 122 ]'
go tenants; check "was refused" 'has "^uid:1001 .* 1$"'
check "a user can look" 'as 1001 1001 dseekctl limits show uid:1001 | grep -qE "^pinned_limit +64K +64K$"'
as 1001 1001 dseekctl limits set uid:1001 pinned_limit=max >/tmp/out 2>/tmp/err; rc=$?
check "but not set" '[ $rc = 1 ] && tell "not permitted: only root sets it"'
go classes user:gold batch; check "classes" 'dseekctl classes | grep -qE "^uid:1001 +batch +\(65536\)$"'
kill -9 $holder; wait $holder 2>/dev/null
for i in $(seq 100); do dseekctl tenants | grep -qE '^uid:1001 +0/64K' && break; sleep 0.1; done
go tenants; check "nothing is left of who was killed" 'has "^uid:1001 +0/64K "'
go limits clear user:gold; check "limits clear" '[ $rc = 0 ] && ! dseekctl tenants | grep -q uid:1001'
go limits clear user:gold; check "twice" '[ $rc = 1 ] && tell "uid:1001 has no policy"'

go apply /t/data/policy.yaml; check "apply" '[ $rc = 0 ] && has "^12 changed, "'
go apply /t/data/policy.yaml; check "apply again" '[ $rc = 0 ] && has "^0 changed, "'
check "a tree" '[ "$(dseekctl tenants | awk "{printf \"%s \", \$1}")" = "tenant all cgroup:/work cgroup:/work/inner uid:1001 " ]'
mkdir -p /sys/fs/cgroup/work/inner
(echo 0 >/sys/fs/cgroup/work/inner/cgroup.procs; exec hold 8192) & holder=$!
for i in $(seq 100); do dseekctl tenants | grep -qE '^cgroup:/work/inner +8K' && break; sleep 0.1; done
check "a cgroup's member, and its parents" '[ "$(dseekctl tenants | grep -cE "^(cgroup:/work/inner|cgroup:/work|all) +8K/")" = 3 ]'
(echo 0 >/sys/fs/cgroup/work/inner/cgroup.procs; exec hold 8192); rc=$?
check "the parent's limit of 12K" '[ $rc = 122 ]'
kill -9 $holder; wait $holder 2>/dev/null
rmdir /sys/fs/cgroup/work/inner /sys/fs/cgroup/work
echo "tenants: []" >/tmp/empty.yaml
go apply --prune /tmp/empty.yaml; check "apply --prune" '[ $rc = 0 ] && has "cgroup:/work: no policy any more" && [ "$(dseekctl tenants | wc -l)" = 2 ]'
go limits set all pinned_limit=max; check "all again" '[ $rc = 0 ]'
executor_stop || echo "not ok executor"
echo "1..$n"

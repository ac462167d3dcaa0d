#!/bin/bash
# SPDX-License-Identifier: MIT
# dseekctl on plain files that look like the module's (DSEEK_SYSFS): what it shows, what it writes, what it refuses.
. "$(dirname "$0")/lib.sh"
page=userspace/ctl/man/dseekctl.8

# --- every command: help, an unknown option, the manual
go --help; ok "dseekctl --help" said 0 "Usage: dseekctl COMMAND" out
commands=$(sed -n '/^$/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' "$dir/out" | grep -v '^limits$')
go limits --help; ok "dseekctl limits --help" said 0 "Usage: dseekctl limits COMMAND" out
commands+=$(sed -n '/^$/,/^$/s/^  \([a-z][a-z]*\) .*/ limits_\1/p' "$dir/out")
ok "there are commands" test "$(wc -w <<<"$commands")" -ge 12
for c in $commands; do
	words=${c/_/ }
	go $words --help; ok "dseekctl $words --help" said 0 "Usage: dseekctl $words" out
	go $words --no-such-option; ok "dseekctl $words --no-such-option" said 2 "unknown option '--no-such-option'" err
	ok "dseekctl $words is in the manual" grep -qE "^\.Cm ${words}( |$)" "$page"
	go $words --help
	missing=$(grep -oE '^  (-.,|  ) --[a-z-]+' "$dir/out" | grep -oE '\-\-[a-z-]+' | grep -vx -e --help |
		while read -r o; do grep -qF -e "${o#-}" "$page" || echo "$o"; done)
	ok "the options of dseekctl $words are in the manual" test -z "$missing"
done
refused "no command" 2 "Usage: dseekctl COMMAND"
refused "unknown command" 2 "unknown command 'frobnicate'" frobnicate
refused "limits alone" 2 "Usage: dseekctl limits" limits
refused "unknown command of limits" 2 "unknown command 'raise'" limits raise
refused "unknown option" 2 "unknown option '--color'" --color
go --version; ok "version" said 0 "dseekctl 0." out

# --- no module
for c in engines tenants classes "limits show uid:1001" "limits set uid:1001 queue_limit=1" "limits clear uid:1001" "depth cpu0 1" \
	"drain cpu0" "undrain cpu0" "timeouts cpu0 grace_ms=1" "apply userspace/ctl/examples/policy.yaml"; do
	refused "no module: $c" 1 "$dev/tenants is not there: the module dseek is not loaded" $c
done

# --- what it shows
fresh
go engines
ok "an engine" grep -qE '^cpu0 +cpu +attached +4242 +4/4 +5 +2 +1\.500 +\(30000\) +\(2000\) +\(5000\)$' "$dir/out"
ok "one without executor" grep -qE '^gpu0 +gpu +waiting +0 +0/0' "$dir/out"
echo 2 >"$dev/engines/cpu0/depth"; echo 100 >"$dev/engines/cpu0/grace_ms"
go engines
ok "an engine with settings" grep -qE '^cpu0 .* 2/4 .*\(30000\) +100 +\(5000\)$' "$dir/out"
go engines --json
ok "engines as JSON" json "d[0]['engine']=='cpu0' and d[0]['depth']==2 and d[0]['drain'] is False and d[0]['grace_ms']==100 and d[0]['recovery_ms']=='default' and d[0]['numa_node']==-1 and d[0]['executor_pid']==4242 and d[0]['owner']=='any' and d[0]['standby_count']==1 and d[1]['state']=='waiting'"
go tenants
ok "a tenant" grep -qE '^uid:1001 +512M/4G +0/\(max\) +0/\(64M\) +3/\(64\) +0/\(4096\) +2\.500 +7$' "$dir/out"
ok "all" grep -qE '^all +0/max' "$dir/out"
ok "a cgroup" grep -qE '^cgroup:/a/b +0/\(1G\)' "$dir/out"
ok "no idle ones" test -z "$(grep -E 'uid:1002|cgroup:/a ' "$dir/out")"
go tenants --all
ok "idle ones when asked" test "$(grep -cE 'uid:1002|cgroup:/a ' "$dir/out")" = 2
ok "parents before children" test "$(awk '/^(all|cgroup)/{printf "%s ", $1}' "$dir/out")" = "all cgroup:/a cgroup:/a/b "
go tenants --json
ok "tenants as JSON" json "[t for t in d if t['tenant']=='uid:1001'][0] == dict([t for t in d if t['tenant']=='uid:1001'][0], id=2, policy=True, pinned_bytes=536870912, pinned_limit=4294967296, queue_limit='default', class_limit=['interactive','batch'], engine_ns=2500000000, refused_count=7) and d[0]['pinned_limit']=='max'"
go classes
ok "classes" grep -qE '^uid:1001 +interactive,batch +\(65536\)$' "$dir/out"
ok "classes by default" grep -qE '^cgroup:/a/b +\(interactive,batch\) +\(65536\)$' "$dir/out"
go classes --json
ok "classes as JSON" json "[t for t in d if t['tenant']=='uid:1001'][0]['class_limit']==['interactive','batch']"
go limits show uid:1001
ok "limits" grep -qE '^pinned_limit +512M +4G$' "$dir/out"
ok "limits without something held" grep -qE '^rate_limit +- +\(max\)$' "$dir/out"
go limits show --json cgroup:/a/b
ok "limits as JSON" json "d['tenant']=='cgroup:/a/b' and d['job_limit']=='default'"
refused "limits of an unknown tenant" 1 "uid:77 has no policy and holds nothing" limits show uid:77

# --- what it writes
go limits set uid:1001 pinned_limit=2g imported_limit=max queue_limit=default class_limit=batch,deadline rate_limit=9
ok "limits set" test "$rc" = 0
ok "bytes" holds tenants/uid/1001/pinned_limit 2147483648
ok "max" holds tenants/uid/1001/imported_limit max
ok "default" holds tenants/uid/1001/queue_limit default
ok "classes in order" holds tenants/uid/1001/class_limit "deadline batch"
ok "a policy first" holds tenants/add uid:1001
for size in 1K=1024 1M=1048576 3T=3298534883328 17=17; do
	go limits set all "program_limit=${size%=*}"; ok "size ${size%=*}" holds tenants/program_limit "${size#*=}"
done
go classes cgroup:/a/b none; ok "classes none" holds tenants/cgroup/a/b/class_limit none
go limits clear cgroup:/a/b; ok "limits clear" holds tenants/remove cgroup:/a/b
go limits set user:root queue_limit=3; ok "a user's name" holds tenants/add uid:0
go depth cpu0 3; ok "depth" holds engines/cpu0/depth 3
go depth cpu0 max; ok "depth max" holds engines/cpu0/depth max
go drain cpu0; ok "drain" holds engines/cpu0/drain 1
go undrain cpu0; ok "undrain" holds engines/cpu0/drain 0
go timeouts cpu0 job_limit_ms=70 grace_ms=default
ok "timeouts" holds engines/cpu0/job_limit_ms 70
ok "timeouts default" holds engines/cpu0/grace_ms default
refused "a drain that takes too long" 1 "cpu0: 5 jobs are not over after 1 s" drain --wait=1 cpu0
echo 0 >"$dev/engines/cpu0/job_count"
go drain -w 1 cpu0; ok "a drain that ends" test "$rc" = 0

# --- what it refuses: with nothing written
fresh; cp -r "$dev" "$dir/before"
refused "unknown field" 2 "'pined_limit=1' is not FIELD=VALUE with one of the fields pinned_limit imported_limit" limits set uid:1001 pined_limit=1
refused "no value" 2 "'pinned_limit' is not FIELD=VALUE" limits set uid:1001 pinned_limit
refused "not bytes" 2 "'pinned_limit' is '12Q'; it must be a number of bytes, K, M, G or T after it if you like, max or default" limits set uid:1001 pinned_limit=12Q
refused "nothing" 2 "'pinned_limit' is ''; it must be" limits set uid:1001 pinned_limit=
refused "a letter alone" 2 "'pinned_limit' is 'G'; it must be" limits set uid:1001 pinned_limit=G
refused "negative" 2 "'pinned_limit' is '-1'; it must be" limits set uid:1001 pinned_limit=-1
refused "too many bytes" 2 "'pinned_limit' is '16777216T'; that is out of range" limits set uid:1001 pinned_limit=16777216T
refused "too large" 2 "'pinned_limit' is '18446744073709551615'; that is out of range" limits set uid:1001 pinned_limit=18446744073709551615
refused "a count takes no letter" 2 "'queue_limit' is '1K'; it must be a number, max or default" limits set uid:1001 queue_limit=1K
refused "weight" 2 "'weight_limit' is '65537'; that is out of range (at most 65536)" limits set uid:1001 weight_limit=65537
refused "rate" 2 "'rate_limit' is '1000000001'; that is out of range" limits set uid:1001 rate_limit=1000000001
refused "no class" 2 "'class_limit' is 'gold'; it must be deadline, interactive and batch" limits set uid:1001 class_limit=gold
refused "an empty list of classes" 2 "'class_limit' is ','; it must be" limits set uid:1001 class_limit=,
refused "twice" 2 "'queue_limit' is given twice" limits set uid:1001 queue_limit=1 queue_limit=2
refused "the second is wrong" 2 "'job_limit' is 'x'" limits set uid:1001 queue_limit=1 job_limit=x
refused "no field" 2 "an operand is missing" limits set uid:1001
for name in gold uid: uid:x uid:-1 uid:4294967295 cgroup: cgroup:/ cgroup:a cgroup:/a/ cgroup://a cgroup:/a/../b cgroup:/./a "" ; do
	refused "tenant '$name'" 2 "'$name' is no tenant: it must be all, uid:NUMBER, user:NAME or cgroup:/PATH" limits set "$name" queue_limit=1
done
refused "no such user" 2 "'user:nobody-at-all': there is no such user" limits set user:nobody-at-all queue_limit=1
refused "all has no policy to clear" 2 "'all' has no policy of its own" limits clear all
refused "classes of whom" 2 "which classes may 'uid:1001' use?" classes uid:1001
refused "engine" 1 "'tpu0' is no engine that has ever been attached" depth tpu0 1
refused "engine's path" 1 "'../tenants' is no engine" drain ../tenants
refused "depth 0" 2 "'depth' is '0'; that is out of range" depth cpu0 0
refused "depth 65" 2 "'depth' is '65'; that is out of range (at most 64)" depth cpu0 65
refused "depth by default" 2 "'depth' is 'default'; it must be a number from 1, or max" depth cpu0 default
refused "timeouts of what" 2 "an operand is missing" timeouts cpu0
refused "no time limit" 2 "'depth=1' is no time limit" timeouts cpu0 depth=1
refused "no milliseconds" 2 "'grace_ms' is 'soon'; it must be a number of milliseconds, or default" timeouts cpu0 grace_ms=soon
refused "too many milliseconds" 2 "'grace_ms' is '4294967295'; that is out of range" timeouts cpu0 grace_ms=4294967295
refused "no seconds" 2 "--wait: 'x' is not a whole number" drain --wait=x cpu0
refused "one operand too many" 2 "one operand too many" undrain cpu0 gpu0
ok "nothing was written" diff -r "$dir/before" "$dev"

# --- a policy that can't be made (the plain file "add" makes no folder)
refused "no policy" 1 "uid:5: a policy can't be made: there is no such thing" limits set uid:5 queue_limit=1
if [ "$(id -u)" = 0 ]; then
	cp "$dseek" "$dir/ctl"; chmod -R a+rX "$dir"; chmod a+x "${TMPDIR:-/tmp}"; rc=0
	setpriv --reuid 65534 --regid 65534 --clear-groups env DSEEK_SYSFS="$DSEEK_SYSFS" "$dir/ctl" depth cpu0 1 >"$dir/out" 2>"$dir/err" || rc=$?
	ok "not root" said 1 "cpu0: depth: '1' can't be set: not permitted: only root sets it" err
else
	skip "not root" "is run by no root"
fi
"$dseek" engines >/dev/full 2>"$dir/err"; rc=$?
ok "standard output is full" said 1 "standard output can't be written" err
end

#!/bin/bash
# SPDX-License-Identifier: MIT
# dseekctl apply: idempotent, all or nothing of a file with mistakes, each told with its line.
. "$(dirname "$0")/lib.sh"
apply() { go apply "$@"; }
file() { cat >"$dir/policy.yaml"; }

fresh
file <<'Y'
all: {pinned_limit: 24G}
tenants:
  - tenant: uid:1001
    pinned_limit: 1G
    class_limit: [batch, deadline]
    rate_limit: 100
  - {tenant: "cgroup:/a/b", weight_limit: 10}
engines:
  - engine: cpu0
    depth: 2
    drain: on
    grace_ms: 500
Y
apply --dry-run "$dir/policy.yaml"
ok "what would change" said 0 "uid:1001 pinned_limit: 4G -> 1G" out
ok "and how much" said 0 "8 would be changed, 25 as they were" out
ok "nothing did" holds tenants/uid/1001/pinned_limit 4294967296
apply "$dir/policy.yaml"
ok "changes are said" said 0 "uid:1001 class_limit: interactive,batch -> deadline,batch" out
ok "and counted" said 0 "8 changed, 25 as they were" out
ok "all" holds tenants/pinned_limit 25769803776
ok "a uid" holds tenants/uid/1001/rate_limit 100
ok "classes" holds tenants/uid/1001/class_limit "deadline batch"
ok "a cgroup" holds tenants/cgroup/a/b/weight_limit 10
ok "an engine" holds engines/cpu0/drain 1
ok "what the file does not say of an engine stays" holds engines/cpu0/recovery_ms default
apply "$dir/policy.yaml"
ok "the second time nothing changes" said 0 "0 changed, 33 as they were" out
file <<'Y'
tenants: [{tenant: "uid:1001"}]
Y
apply "$dir/policy.yaml"
ok "what the file does not say of a tenant is default" holds tenants/uid/1001/pinned_limit default
ok "tenants that it does not name stay" holds tenants/cgroup/a/b/weight_limit 10
apply --prune "$dir/policy.yaml"
ok "but with --prune" said 0 "cgroup:/a/b: no policy any more" out
ok "are removed" holds tenants/remove cgroup:/a/b
fresh
apply --prune --dry-run "$dir/policy.yaml"
ok "not by --dry-run" holds tenants/remove ""
in=$dir/policy.yaml apply -q -; ok "from the standard input, quietly" test "$rc" = 0 -a ! -s "$dir/out" -a "$(cat "$dev/tenants/uid/1001/pinned_limit")" = default
file <<'Y'
engines: [{engine: tpu0, depth: 1}, {engine: cpu0, depth: 1}]
Y
apply "$dir/policy.yaml"
ok "an engine that isn't there" said 1 "policy.yaml:1: engine 'tpu0' has never been attached (--skip-missing passes over it)" err
ok "and nothing else is done" holds engines/cpu0/depth max
apply --skip-missing "$dir/policy.yaml"
ok "unless told to" said 0 "1 changed, 0 as they were" out
apply --skip-missing --dry-run userspace/ctl/examples/policy.yaml
ok "the example is right" said 0 "uid:1001 rate_limit: default -> 100" out
sed -n '/^all:/,/^\.Ed/{/^\.Ed/!p}' userspace/ctl/man/dseekctl.8 | sed 's/user:guest/user:root/' >"$dir/policy.yaml"
apply --dry-run "$dir/policy.yaml"
ok "so is the manual's" said 0 "uid:0 rate_limit: default -> 100" out

# --- mistakes, one a file; each with its line, and nothing is changed
fresh; cp -r "$dev" "$dir/before"
mistake() { # NAME LINE WORDS, the file on stdin
	file; apply "$dir/policy.yaml"; ok "$1" said 1 "policy.yaml:$2: $3" err
}
mistake "not YAML" 2 "did not find" <<<$'all: {\n  pinned_limit: 1]'
mistake "empty" 1 "the file must be a mapping with 'all', 'tenants' or 'engines'" <<<""
mistake "a list" 1 "the file must be a mapping" <<<"- a"
mistake "unknown key" 2 "'tenant' is none of 'all', 'tenants' and 'engines'" <<<$'all: {}\ntenant: {}'
mistake "a key twice" 2 "'all' is given twice" <<<$'all: {}\nall: {}'
mistake "a key that is a list" 1 "a key must be one value" <<<"[a]: 1"
mistake "tenants is no list" 1 "'tenants' must be a list" <<<"tenants: {tenant: uid:1}"
mistake "engines is no list" 1 "'engines' must be a list" <<<"engines: cpu0"
mistake "all is no mapping" 1 "'all' must be a mapping" <<<"all: 24G"
mistake "a tenant is no mapping" 2 "tenant must be a mapping (tenant: ..., ...)" <<<$'tenants:\n  - uid:1001'
mistake "a tenant without name" 2 "there is no 'tenant' that says which" <<<$'tenants:\n  - pinned_limit: 1'
mistake "an engine without name" 2 "there is no 'engine' that says which" <<<$'engines:\n  - depth: 1'
mistake "a tenant twice" 3 "uid:1001 is there already, in line 2" <<<$'tenants:\n  - tenant: uid:1001\n  - tenant: uid:1001'
mistake "a tenant twice, by another name" 3 "uid:0 is there already, in line 2" <<<$'tenants:\n  - tenant: uid:0\n  - tenant: user:root'
mistake "a tenant's name twice" 3 "'tenant' is given twice" <<<$'tenants:\n  - tenant: uid:1001\n    tenant: uid:1002'
mistake "no tenant's name" 2 "'gold' is no tenant" <<<$'tenants:\n  - tenant: gold'
mistake "all in the list" 3 "all is there already, in line 1" <<<$'all: {}\ntenants:\n  - tenant: all'
mistake "no engine's name" 2 "'../x' is no name of an engine" <<<$'engines:\n  - engine: ../x'
mistake "an engine twice" 3 "cpu0 is there already, in line 2" <<<$'engines:\n  - engine: cpu0\n  - engine: cpu0'
mistake "no such user" 2 "'user:nobody-at-all': there is no such user" <<<$'tenants:\n  - tenant: user:nobody-at-all'
mistake "unknown field of a tenant" 3 "'depth' is not a field of a tenant" <<<$'tenants:\n  - tenant: uid:1001\n    depth: 1'
mistake "unknown field of an engine" 3 "'pinned_limit' is not a field of an engine" <<<$'engines:\n  - engine: cpu0\n    pinned_limit: 1'
mistake "a field twice" 4 "'queue_limit' is given twice" <<<$'tenants:\n  - tenant: uid:1001\n    queue_limit: 1\n    queue_limit: 1'
mistake "a field that is a list" 3 "queue_limit must be one value" <<<$'tenants:\n  - tenant: uid:1001\n    queue_limit: [1]'
mistake "a value" 3 "'queue_limit' is 'many'; it must be a number, max or default" <<<$'tenants:\n  - tenant: uid:1001\n    queue_limit: many'
mistake "a class" 3 "'class_limit' is 'batch,gold'; it must be" <<<$'tenants:\n  - tenant: uid:1001\n    class_limit: [batch, gold]'
mistake "a switch" 3 "'drain' is 'maybe'; it must be on or off" <<<$'engines:\n  - engine: cpu0\n    drain: maybe'
mistake "a value beyond all length" 3 "'queue_limit' is far too long" <<<$'tenants:\n  - tenant: uid:1001\n    queue_limit: '"$(printf '1%.0s' {1..300})"
mistake "NUL" 1 "'tenant' holds a NUL character" <<<'tenants: [{tenant: "uid:1\0"}]'
file <<<$'all: {queue_limit: x, job_limit: y}'
apply "$dir/policy.yaml"; ok "all mistakes at once" test "$(grep -c policy.yaml:1: "$dir/err")" = 2
ok "nothing was written" diff -r "$dir/before" "$dev"
apply "$dir/no-such-file"; ok "no file" said 1 "no-such-file: No such file or directory" err
end

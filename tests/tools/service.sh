#!/bin/bash
# SPDX-License-Identifier: MIT
# The executor's service with the drop-ins for hardware, as systemd reads them: what each opens, and no more. What dseek-exec(8) says of
# them. Under systemd: tests/deb.
cd "${DSEEK_SOURCE:-$(dirname "$0")/../..}" || exit 1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0
ok() { # NAME OFFENDERS
	if [ -z "$2" ]; then echo "ok $((++n)) $1"; else echo "not ok $((++n)) $1"; printf '%s\n' "$2" | sed 's/^/# /'; failed=1; fi
}
page=userspace/executor/man/dseek-exec.8 examples=/usr/share/doc/dseek-exec/examples
ok "what dseek-exec(8) says is there is in the package" "$(comm -23 <(grep -oE "$examples/[a-z0-9.-]+" $page | sed 's|.*/||' | sort -u) \
	<(sed 's|.*/||' tools/debian/dseek-exec.examples | sort))"
for f in $(ls tools/systemd/*.conf | grep -vE '(modprobe|sysusers)\.conf'); do
	ok "${f##*/}: in the package" "$(grep -qx "$f" tools/debian/dseek-exec.examples || echo "$f")"
	ok "${f##*/}: dseek-exec(8) says where it goes" "$(grep -qF "$examples/${f##*/}" $page || echo "$f")"
done

allowed() { # what the service $1 may open besides what any may
	SYSTEMD_UNIT_PATH=$dir: systemd-analyze security --offline=true --no-pager "dseek-exec@$1.service" 2>/dev/null |
		sed -n 's/.*DeviceAllow=.* special devices: //p' | tr ' ' '\n' | grep : | grep -vx char-rtc:r | sort | xargs
}
if SYSTEMD_UNIT_PATH=/nonexistent: systemd-analyze security --offline=true --help >/dev/null 2>&1; then
	sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' tools/systemd/dseek-exec@.service >"$dir/dseek-exec@.service"
	for b in cpu gpu npu; do
		mkdir "$dir/dseek-exec@$b.service.d"
		[ $b = cpu ] || cp tools/systemd/$b.conf "$dir/dseek-exec@$b.service.d"
		ok "$b: systemd understands it" "$(SYSTEMD_UNIT_PATH=$dir: systemd-analyze verify --man=no "dseek-exec@$b.service" 2>&1 | grep dseek)"
	done
	ok "cpu: the executors' device" "$(diff <(echo /dev/dseek-exec:rw) <(allowed cpu))"
	ok "gpu: and GPUs" "$(diff <(echo /dev/dseek-exec:rw /dev/kfd:rw char-drm:rw) <(allowed gpu))"
	ok "npu: and NPUs" "$(diff <(echo /dev/dseek-exec:rw char-accel:rw) <(allowed npu))"
else
	for t in understands devices; do echo "ok $((++n)) systemd: $t # SKIP no systemd-analyze that looks at units offline"; done
fi
folder=$(sed -n 's|^StateDirectory=|/var/lib/|p' tools/systemd/dseek-exec@.service)
recording=$(sed -n 's/^#OPTIONS=--profile=//p' tools/systemd/default)
ok "a recording, as the settings show it, is where the service may write" "$([ -n "$folder" ] && [ "${recording%/*}" = "$folder" ] || echo "'$recording' is not in '$folder'")"
echo "1..$n"
exit $failed

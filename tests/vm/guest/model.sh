#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 180
# default: yes
# prepare: tests/vm/prepare-model tiny
# files: $O/bin/dseek $O/bin/dseek-exec $O/vm/model/tiny-mixtral-*.gguf $O/vm/model/tiny-*.f32 $O/vm/model/tiny-*.ids $O/vm/model/isa
# A tiny Mixtral for two tenants at once, through the module and dseek-exec under a uid of its own: logits and tokens
# are bit for bit those of embedded mode outside the guest.
. /t/guest/lib/executor.sh
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
isa=$(cat /t/data/isa)
check "dseek-exec serves the cpu engine as its own user" 'executor_start --backend=cpu --backend-options=isa=$isa,threads=2'
tokens=1,44,7,99,12,260,31,5,18,77,203,64

tenant() { # UID TYPE
	mkdir -p /tmp/$1; chown $1 /tmp/$1
	as $1 $1 dseek logits -q -m /t/data/tiny-mixtral-$2.gguf -t $tokens -d drm: -o /tmp/$1/$2.f32 >/tmp/$1/$2.log 2>&1 &&
		as $1 $1 dseek generate -q -m /t/data/tiny-mixtral-$2.gguf -t $tokens -n 24 --ignore-end --ids -d drm: >/tmp/$1/$2.ids 2>>/tmp/$1/$2.log
}
for type in f32 q8_0; do
	tenant 1001 $type & one=$!
	tenant 1002 $type & two=$!
	wait $one; r1=$?
	wait $two; r2=$?
	[ $r1$r2 = 00 ] || cat /tmp/100[12]/$type.log | sed 's/^/# /'
	for u in 1001 1002; do
		check "$type: tenant $u gets embedded mode's logits, bit for bit" 'cmp /tmp/$u/$type.f32 /t/data/tiny-$type.f32'
		check "$type: tenant $u gets embedded mode's tokens" 'cmp /tmp/$u/$type.ids /t/data/tiny-$type.ids && [ -s /t/data/tiny-$type.ids ]'
	done
done
echo "# $(head -n 1 /t/data/tiny-f32.ids | cut -c1-100)"
check "no byte was copied on the job path" 'grep -qx "bytes_copied 0" /sys/kernel/debug/dseek/counters'
check "dseek-exec ends when asked" executor_stop
echo "1..$n"

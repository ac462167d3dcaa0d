#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 300
# default: yes
# prepare: tests/vm/prepare-model hip
# files: $O/bin/dseek $O/bin/dseek-exec $O/tests/hip/near $O/tests/hip/lib/host/libamdhip64.so.6 $O/tests/hip/lib/host/w64/*.so $O/tests/hip/kernels/gfx942/*.co $O/vm/model/hip-*.gguf $O/vm/model/hip-*.f32 $O/vm/model/hip-*.ids
# The hip backend on the stand-in's own processor, through the module and dseek-exec under a uid of its own: two tenants' logits are
# within 1e-3 of the cpu backend's outside the guest, their tokens the same.
. /t/guest/lib/executor.sh
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
mkdir -p kernels/gfx942
cp /t/data/*.co kernels/gfx942 2>/dev/null || cp /t/bin/*.co kernels/gfx942
export HIP_STANDIN_HOST=/t/bin
check "dseek-exec serves the hip engine as its own user" 'executor_start --backend=hip --backend-options=library=/t/bin/libamdhip64.so.6,kernels=/tmp/kernels'
tokens=1,44,7,99,12,260,31,5,18,77,203,64
tenant() { # UID MODEL
	mkdir -p /tmp/$1; chown $1 /tmp/$1
	as $1 $1 dseek logits -q --precise --chunk 4 -m /t/data/hip-$2.gguf -t $tokens -d drm: -o /tmp/$1/$2.f32 >/tmp/$1/$2.log 2>&1 &&
		as $1 $1 dseek generate -q --chunk 4 -m /t/data/hip-$2.gguf -t $tokens -n 6 --ignore-end --ids -d drm: >/tmp/$1/$2.ids 2>>/tmp/$1/$2.log
}
for model in llama mixtral dsv2lite gptoss; do
	tenant 1001 $model & one=$!
	tenant 1002 $model & two=$!
	wait $one; r1=$?
	wait $two; r2=$?
	[ $r1$r2 = 00 ] || cat /tmp/100[12]/$model.log | sed 's/^/# /'
	for u in 1001 1002; do
		check "$model: tenant $u's logits are the cpu backend's within 1e-3" 'near /tmp/$u/$model.f32 /t/data/hip-$model.f32 1e-3'
		check "$model: tenant $u's tokens are the cpu backend's" 'cmp /tmp/$u/$model.ids /t/data/hip-$model.ids && [ -s /t/data/hip-$model.ids ]'
	done
done
check "no byte was copied on the job path" 'grep -qx "bytes_copied 0" /sys/kernel/debug/dseek/counters'
check "dseek-exec ends when asked" executor_stop
check "and tells what keeping tenants apart has cost" 'grep -E "backend hip: [0-9]+ launches, [1-9][0-9]* of them to scrub at [1-9][0-9]* changes of tenant" /tmp/executor.log | sed "s/^/# /" | grep .'
echo "1..$n"

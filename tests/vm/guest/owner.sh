#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# module: fresh
# prepare: tests/vm/prepare-model hip
# files: $O/bin/dseek $O/bin/dseek-exec $O/tests/hip/own $O/tests/hip/lib/host/libamdhip64.so.6 $O/tests/hip/lib/host/w64/*.so $O/tests/hip/kernels/gfx942/*.co $O/vm/model/hip-llama.*
# One executor for each tenant: each finds its own, by itself, gets its tokens there, and is refused on the other's. Gold's programs may carry
# kernels of their own, silver's may not.
. /t/guest/lib/executor.sh
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
cd /tmp
mkdir -p kernels/gfx942
cp /t/data/*.co kernels/gfx942 2>/dev/null || cp /t/bin/*.co kernels/gfx942
export HIP_STANDIN_HOST=/t/bin HIP_STANDIN_OWN=argmax
hip=library=/t/bin/libamdhip64.so.6,kernels=/tmp/kernels
engines=/sys/class/misc/dseek-exec/device/engines
tokens=1,44,7,99,12,260,31,5,18,77,203,64
mkdir -p 1001 1002 1003; chown 1001 1001; chown 1002 1002; chown 1003 1003
check "gold's executor" 'executor_start --name=gpu-gold --owner=gold --own-code --backend=hip --backend-options=$hip'
gold=$executor
check "silver's executor" 'executor_start --name=gpu-silver --owner=1002 --backend=hip --backend-options=$hip'
silver=$executor
check "the administrator sees whose they are" '[ "$(cat $engines/gpu-gold/owner) $(cat $engines/gpu-silver/owner)" = "1001 1002" ]'
tenant() { # UID
	as $1 $1 dseek generate -q -m /t/data/hip-llama.gguf -t $tokens -n 6 --ignore-end --ids -d drm: >/tmp/$1/ids 2>/tmp/$1/log
}
for u in 1001 1002; do
	check "tenant $u finds its own, and its tokens are the cpu backend's" 'tenant $u && cmp /tmp/$u/ids /t/data/hip-llama.ids'
	[ -s /tmp/$u/log ] && sed 's/^/# /' /tmp/$u/log
done
check "each has run on its own alone" '[ $(cat $engines/gpu-gold/busy_ns) -gt 0 ] && [ $(cat $engines/gpu-silver/busy_ns) -gt 0 ]'
refused() { # UID ENGINE
	! as $1 $1 dseek bench shares -d drm: --engine $2 --seconds 1 >/tmp/$1/log 2>&1 && grep -q "serves another user alone" /tmp/$1/log && return
	sed 's/^/# /' /tmp/$1/log
	return 1
}
check "gold is refused on silver's" 'refused 1001 gpu-silver'
check "silver is refused on gold's" 'refused 1002 gpu-gold'
check "bronze, who has none, is told so" '! tenant 1003 && grep -q "no engine that serves this user has an executor attached" /tmp/1003/log'
check "gold's own kernel runs on gold's" 'as 1001 1001 own gpu-gold'
check "silver's doesn't on silver's, which isn't told that it may" '! as 1002 1002 own gpu-silver >/tmp/1002/own && grep -x "own: Permission denied" /tmp/1002/own'
check "and silver's executor says why" 'grep -q "the program carries code of its own: only an engine that serves its tenant alone" /tmp/executor.log'
check "doctor tells gold whose is whose" 'as 1001 1001 dseek doctor | grep -q "2 served, 0 waiting: gpu-gold gpu-silver (another user.s)"'
executor=$gold; check "gold's executor ends when asked" executor_stop
taken_over() { # OPTION...
	as 900 900 dseek-exec --name=gpu-gold --backend=hip --backend-options=$hip "$@" >/tmp/other.log 2>&1
	[ $? = 1 ] && grep -q "attach gpu-gold: the name has another owner, or none" /tmp/other.log && return 1
	sed 's/^/# /' /tmp/other.log
}
check "an executor of silver's doesn't get its name" '! taken_over --owner=silver'
check "nor does one of everybody's" '! taken_over'
executor=$silver; check "silver's executor ends when asked" executor_stop
echo "1..$n"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# memory: 2048
# prepare: tests/vm/prepare-model smollm2
# files: $O/bin/dseek $O/bin/dseek-exec $O/vm/model/smollm2.gguf $O/vm/model/smollm2.ids $O/vm/model/isa
# A real model through the module: the first 8 tokens are those of embedded mode outside the guest.
. /t/guest/lib/executor.sh
cd /tmp
executor_start --backend=cpu --backend-options=isa="$(cat /t/data/isa)",threads=2 || { echo "not ok 1 dseek-exec"; exit 1; }
as 1001 1001 dseek generate -m /t/data/smollm2.gguf --raw -p "The capital of France is" -n 8 --ids -d drm: >ids 2>log
rc=$?
echo "# $(cat ids)"
if [ $rc = 0 ] && cmp ids /t/data/smollm2.ids; then echo "ok 1 the first 8 tokens"; else sed 's/^/# /' log; echo "not ok 1 the first 8 tokens"; fi
executor_stop && echo "ok 2 dseek-exec ends when asked" || echo "not ok 2 dseek-exec ends when asked"
echo "1..2"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 2400
# memory: 3072
# default: no
# module: fresh
# files: $O/bin/dseek $O/bin/dseek-exec ${DSEEK_DEMO_MODEL:-} ${DSEEK_DEMO_TENANTS:-tests/vm/demo.yaml}
# The main job on the module: the executor under a user of its own, each tenant under another. tests/vm/demo runs it.
cd /t/data || exit 1
ulimit -l unlimited	# an administrator's decision: buffers are pinned
echo 300000 >/sys/module/dseek/parameters/job_limit_ms	# emulation takes minutes for what takes milliseconds
echo 60000 >/sys/module/dseek/parameters/grace_ms	# and seconds to unmap the weights of a tenant that has ended
dseek-exec --user=dseek-exec --backend=cpu 2>/tmp/exec.log &
exec_pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do grep -q . /sys/kernel/debug/dseek/engines 2>/dev/null && break; sleep 0.3; done
echo "executor: $(ps -o pid,user,comm | grep '[d]seek-exec' | head -n 1)"
model=$(ls *.gguf 2>/dev/null) tenants=$(ls *.yaml)
set -f
dseek run --device drm: --view lines --tenants "$tenants" ${model:+--model "$model"} $DSEEK_DEMO_ARGS 2>&1 &
run_pid=$!
sleep 3; echo "processes:"; ps -o pid,user,args | grep '[d]seek' | cut -c 1-100
wait $run_pid; rc=$?
kill -TERM $exec_pid; wait $exec_pid
cat /tmp/exec.log
[ $rc = 0 ] && echo "ok 1 the main job on the module"
exit $rc

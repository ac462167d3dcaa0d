#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: yes
# variants: cpu hip
# module: fresh
# files: $O/bin/dseek-exec $O/tests/vm/vram $O/tests/hip/lib/host/libamdhip64.so.6 $O/tests/hip/lib/host/w64/*.so $O/tests/hip/kernels/gfx942/*.co
# Memory of an engine's own, by the daemon under a uid of its own: the cpu backend's, and the hip backend's on the stand-in's own processor.
. /t/guest/lib/executor.sh
cd /tmp
[ -e /dev/udmabuf ] || { echo "no /dev/udmabuf: nothing can be exported"; exit 77; }
chown 900 /dev/udmabuf
mkdir -p kernels/gfx942
cp /t/data/*.co kernels/gfx942 2>/dev/null || cp /t/bin/*.co kernels/gfx942
export HIP_STANDIN_HOST=/t/bin
case $1 in
cpu) options=threads=1;;
hip) options=library=/t/bin/libamdhip64.so.6,kernels=/tmp/kernels;;
esac
executor_start --name=vram0 --backend="$1" --backend-options=$options || exit 1
vram vram0 $executor
rc=$?
kill $executor 2>/dev/null
sed 's/^/# dseek-exec: /' /tmp/executor.log
exit $rc

#!/bin/bash
# SPDX-License-Identifier: MIT
# dseek doctor against made-up machines: every finding, at every level it can have.
. "$(dirname "$0")/lib.sh"
finds() { ok "$*" has_finding "$@"; }	# TOPIC LEVEL TEXT: doctor's JSON has that finding
has_finding() {
	"$dseek" doctor --root "$dir" --json | python3 -c '
import json, sys
topic, level, text = sys.argv[1:]
f = [f for f in json.load(sys.stdin)["findings"] if f["topic"] == topic]
ok = len(f) == 1 and f[0]["level"] == level and text in f[0]["detail"] and bool(f[0]["remedy"]) == (level != "ok")
sys.exit(0 if ok else print(f) or 1)' "$@"
}

finds cpu warn "no vector instructions"
finds memory warn "can't be read"
finds "huge pages" note "none in this kernel"
finds NUMA note "no nodes"
finds RDMA note "no device"
finds NPU note "no /dev/accel/accel*"
mkdir -p "$dir/dev/accel"; touch "$dir/dev/accel/accel0"
if [ -e /dev/accel/accel0 ]; then skip "an NPU that isn't one" "there is an accelerator here"; else finds NPU warn "accel0: the npu engine doesn't start: there is no /dev/accel/accel*"; fi
rm -r "$dir/dev"
finds module note "not loaded"
finds "AMD GPU" note "no /dev/kfd: there is no AMD GPU on the PCI bus"
finds "embedded mode" ok "works"

# What AMD's runtime says: the real one's answer depends on the machine; of a stand-in it is known.
export LD_LIBRARY_PATH=$DSEEK_BUILD/tests/hip/lib/lacks
finds HIP note "libamdhip64.so.6 lacks hipGetDeviceCount hipSetDevice hipModuleLoadData and 16 more"
mkdir "$dir/dev"; touch "$dir/dev/kfd"
finds HIP warn "libamdhip64.so.6 lacks hip"
rm -r "$dir/dev"
if [ -e "$DSEEK_BUILD/tests/hip/lib/host/libamdhip64.so.6" ] && HIP_STANDIN_ARCH=none LD_LIBRARY_PATH=$DSEEK_BUILD/tests/hip/lib/host "$dseek" doctor | grep -q 'calls itself "none"'; then
	export LD_LIBRARY_PATH=$DSEEK_BUILD/tests/hip/lib/host HIP_STANDIN_ARCH=gfx9999:xnack-
	finds HIP note "no kernels for gfx9999"
	HIP_STANDIN_DEVICES=0 finds HIP note "hipErrorNoDevice (100)"
	unset HIP_STANDIN_ARCH
else
	skip "what the runtime says of a device" "the stand-in is for x86-64"
fi
unset LD_LIBRARY_PATH

mkdir -p "$dir"/{proc,dev,sys/module/dseek,sys/class/infiniband/mlx5_0,sys/devices/system/node/node{0,1},sys/kernel/mm/transparent_hugepage}
printf 'model name\t: Made Up 9000\nflags\t\t: fpu avx2 fma f16c avx512f avx512bw avx512dq avx512vl amx_tile avx512_vnni\n' >"$dir/proc/cpuinfo"
echo 'MemTotal:  524288 kB' >"$dir/proc/meminfo"
echo 'always [madvise] never' >"$dir/sys/kernel/mm/transparent_hugepage/enabled"
echo 'always within_size advise [never]' >"$dir/sys/kernel/mm/transparent_hugepage/shmem_enabled"
echo 1.0 >"$dir/sys/module/dseek/version"
finds cpu ok "Made Up 9000: AVX2, AVX-512 with VNNI"
finds memory warn "512 MiB"
finds "huge pages" note "[never]"
finds NUMA ok "2 nodes"
finds RDMA ok "mlx5_0"
finds module ok "version 1.0"
finds "executor node" warn "No such file"

echo 'always within_size [advise] never' >"$dir/sys/kernel/mm/transparent_hugepage/shmem_enabled"
echo 'MemTotal:  8388608 kB' >"$dir/proc/meminfo"
sed -i 's/ avx512_vnni//' "$dir/proc/cpuinfo"
touch "$dir/dev/kfd" "$dir/dev/dseek-exec"
finds "huge pages" ok "[advise]"
finds memory ok "8192 MiB"
finds cpu ok "Made Up 9000: AVX2"
[ "$(id -u)" != 0 ] || chmod 600 "$dir/dev/dseek-exec"
if [ "$(id -u)" = 0 ]; then
	finds "executor node" ok /dev/dseek-exec
else
	finds "executor node" warn "by this user"
fi

# Who can open /dev/kfd.
chmod 666 "$dir/dev/kfd"; finds "AMD GPU" warn "anybody can open /dev/kfd"
chmod 600 "$dir/dev/kfd"; finds "AMD GPU" warn "nobody but root can open /dev/kfd"
if [ "$(id -u)" = 0 ]; then
	chmod 660 "$dir/dev/kfd"; finds "AMD GPU" warn "nobody but root can open /dev/kfd"
	chgrp video "$dir/dev/kfd"; finds "AMD GPU" warn "the group video, to which tenants belong, can open /dev/kfd"
	chgrp daemon "$dir/dev/kfd"; finds "AMD GPU" ok "/dev/kfd is there, for the group daemon alone"
	chgrp 54321 "$dir/dev/kfd"; finds "AMD GPU" ok "/dev/kfd is there, for the group 54321 alone"
else
	chmod 660 "$dir/dev/kfd"; finds "AMD GPU" warn "/dev/kfd can be opened by this user"
fi

# Why there is none, or it has no GPU.
gpu() { # ADDRESS VENDOR CLASS [DRIVER]
	local at=$dir/sys/bus/pci/devices/$1; mkdir -p "$at" "$dir/sys/bus/pci/drivers/${4:-none}"; rm -f "$at/driver"
	echo "$2" >"$at/vendor"; echo "$3" >"$at/class"
	[ -z "${4:-}" ] || ln -s "../../../bus/pci/drivers/$4" "$at/driver"
}
nodes=$dir/sys/class/kfd/kfd/topology/nodes
node() { mkdir -p "$nodes/$1"; printf 'cpu_cores_count %s\nsimd_count %s\nmem_banks_count 1\n' "$2" "$3" >"$nodes/$1/properties"; }
node 0 32 0
gpu 0000:01:00.0 0x10de 0x030000 nvidia
gpu 0000:02:00.0 0x1002 0x040300 snd_hda_intel
finds "AMD GPU" note "/dev/kfd is there, but no AMD GPU on the PCI bus"
gpu 0000:03:00.0 0x1002 0x038000 vfio-pci
finds "AMD GPU" warn "has no GPU: 0000:03:00.0 has the driver vfio-pci"
gpu 0000:03:00.0 0x1002 0x120000
finds "AMD GPU" warn "has no GPU: amdgpu didn't take 0000:03:00.0"
gpu 0000:03:00.0 0x1002 0x120000 amdgpu
finds "AMD GPU" warn "has no GPU, though amdgpu drives one"
node 1 0 1216
chmod 666 "$dir/dev/kfd"; finds "AMD GPU" warn "anybody can open"
rm "$dir/dev/kfd"; mkdir -p "$dir/sys/module/amdgpu"
finds "AMD GPU" warn "no /dev/kfd, though the kernel has it"
rm -r "$dir/sys/class/kfd"
finds "AMD GPU" warn "no /dev/kfd: amdgpu is loaded, but was built without compute"
rm -r "$dir/sys/module/amdgpu"
gpu 0000:03:00.0 0x1002 0x030000
finds "AMD GPU" warn "no /dev/kfd: the module amdgpu isn't loaded, and 0000:03:00.0 has no driver"
rm -r "$dir/sys/bus/pci"; touch "$dir/dev/kfd"
go doctor --root "$dir" --quiet; ok "--quiet leaves out what is well" bash -c '! grep "^ok" "$1"' - "$dir/out"

finds_device() { # DEVICE LEVEL WORDS
	go doctor --device "$1"; ok "device $1: $2" bash -c 'grep -qE "^$2 +device +.*$3" "$1"' - "$dir/out" "$2" "$3"
}
finds_device embed:t,engine=null ok "1 served, 0 waiting: null0"
finds_device drm:/nonexistent/node bad "'drm:/nonexistent/node' does not open: .*No such file"
finds_device nothing: bad "'nothing:' does not open: .*not auto, drm: or embed:"
go doctor; ok "no device asked for, no line" bash -c '! grep -qE "^[a-z]+ +device " "$1"' - "$dir/out"
end

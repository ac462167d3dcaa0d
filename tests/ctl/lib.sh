# SPDX-License-Identifier: MIT
# Sourced by the tests of dseekctl: tests/cli/lib.sh, with plain files that look like the module's (DSEEK_SYSFS).
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
dseek=$(realpath "${DSEEK_BUILD:-build}/bin/dseekctl")
dev=$dir/sys/class/misc/dseek-exec/device
export DSEEK_SYSFS=$dir/sys

fresh() { rm -rf "$dir/sys"; tests/ctl/fake_sysfs "$dir/sys"; }
holds() { [ "$(cat "$dev/$1")" = "$2" ]; }	# FILE TEXT
refused() { local name=$1 status=$2 words=$3; shift 3; go "$@"; ok "$name" said "$status" "$words" err; }

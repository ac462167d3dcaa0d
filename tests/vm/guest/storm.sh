#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/storm
# Kill -9 at random points; DSEEK_STORM rounds (each kills up to seven processes), a new seed each time, or DSEEK_STORM_SEED.
storm "${DSEEK_STORM:-40}" ${DSEEK_STORM_SEED:-} || exit 1
rmmod dseek || { echo "not ok 3 rmmod after the storm"; exit 1; }
echo "ok 3 rmmod after the storm"

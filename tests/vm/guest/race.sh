#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 60
# default: yes
# kernels: kcsan
# files: $O/vm/kcsan/race/race.ko
# Whether this kernel sees races at all: it must report the one that race.ko makes, and not the counter beside it that has a lock.
reports() { dmesg | grep -c "BUG: KCSAN: data-race in .*$1"; }
insmod data/race.ko || exit 1
n=0
while [ "$(reports race_unguarded)" = 0 ] && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.5; done
rmmod race
[ "$(reports race_unguarded)" -gt 0 ] || printf 'not '; echo "ok 1 the race that is there is reported, within $((n / 2)) s"
[ "$(reports race_guarded)" = 0 ] || printf 'not '; echo "ok 2 what has a lock is not"
echo 1..2

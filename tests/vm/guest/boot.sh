#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 20
# default: yes
# The guest is what the tests take for granted: users, device files, a quiet log.
n=0
check() { n=$((n + 1)); if eval "$2"; then echo "ok $n $1"; else echo "not ok $n $1"; fi; }
check "a user without privileges" '[ "$(as 1001 1001 id -u)" = 1001 ]'
check "the second group counts" 'as 1001 1001,105 id -G | grep -qw 105'
check "no swap" '[ "$(wc -l </proc/swaps)" = 1 ]'
check "an oops is the end" '[ "$(cat /proc/sys/kernel/panic_on_oops)" = 1 ]'
# The machine's clock chip runs by the host's clock, the guest's by what it took the time-stamp counter's rate to be.
rtc=/sys/class/rtc/rtc0/since_epoch
if [ -e $rtc ]; then
	from=$(cat $rtc) up=$(cut -d. -f1 /proc/uptime)
	sleep 4
	up=$(($(cut -d. -f1 /proc/uptime) - up)) chip=$(($(cat $rtc) - from))
	check "the clock has the right rate" '[ $((up - chip)) -ge -2 ] && [ $((up - chip)) -le 2 ]'
	echo "# $up s by the guest, $chip s by the clock chip"
else
	n=$((n + 1)); echo "ok $n the clock has the right rate # SKIP the kernel knows no clock chip"
fi
echo "1..$n"

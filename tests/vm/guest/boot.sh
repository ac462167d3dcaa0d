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
echo "1..$n"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# variants: args query bo huge prime memory program queue submit sync exec recover perm tenant ledger admin trace fdinfo state poll device
# files: $O/vm/selftests${DSEEK_COVERAGE:+-dynamic}/$VARIANT
# expect-log: engine recover0: the executor did not (stop|fetch a) job
# The kernel self-tests of tests/selftests/dseek, one program after the other.
exec /t/bin/"$1"

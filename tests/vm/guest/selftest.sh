#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: yes
# variants: query bo prime program queue submit sync exec perm
# files: $O/vm/selftests/$VARIANT
# The kernel self-tests of tests/selftests/dseek, one program after the other.
exec /t/bin/"$1"

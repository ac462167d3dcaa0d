#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: yes
# files: $O/tests/vm/shares
exec shares "${DSEEK_SHARES_SECONDS:-10}"

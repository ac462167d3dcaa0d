#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: no
# files: $O/tests/vm/rtt
# Round trip of a job relative to a pipe's; tests/vm/bench runs it.
exec rtt ${DSEEK_RTT_ROUNDS:-24}

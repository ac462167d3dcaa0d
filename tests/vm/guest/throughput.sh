#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 120
# default: no
# kernels: 6.12 7.3
# files: $O/tests/vm/throughput
# Jobs in batches against ublk's null device; tests/vm/bench runs it. Debian's 6.1 has no ublk driver.
exec throughput ${DSEEK_RTT_ROUNDS:-15}

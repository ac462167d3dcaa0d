#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 240
# default: yes
# module: fresh
# files: $O/tests/vm/reload
# The module goes and comes DSEEK_RELOAD times while others try to use it; a new seed each time, or DSEEK_RELOAD_SEED.
exec reload "${DSEEK_RELOAD:-10}" /t/dseek.ko ${DSEEK_RELOAD_SEED:-}

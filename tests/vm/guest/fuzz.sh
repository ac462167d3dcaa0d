#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 60
# default: yes
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/fuzz
# Random calls of both devices; DSEEK_FUZZ_SECONDS; a new seed each time, or DSEEK_FUZZ_SEED.
exec fuzz "${DSEEK_FUZZ_SECONDS:-10}" ${DSEEK_FUZZ_SEED:-}

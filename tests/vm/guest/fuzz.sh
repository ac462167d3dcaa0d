#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 60
# default: yes
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/fuzz
# Random calls of both devices; DSEEK_FUZZ_SECONDS, DSEEK_FUZZ_SEED.
exec fuzz "${DSEEK_FUZZ_SECONDS:-10}" "${DSEEK_FUZZ_SEED:-0xf022}"

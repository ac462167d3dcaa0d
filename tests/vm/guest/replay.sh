#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 60
# default: no
# recorder: yes
# expect-log: the executor did not (stop|fetch a) job
# module: fresh
# files: $O/tests/vm/fuzzer/fuzz ${DSEEK_REPLAY:?is the file of the programs}
# The programs of DSEEK_REPLAY, DSEEK_REPLAY_TIMES times (default: 10); tests/vm/reproduce uses it.
exec fuzz --replay --times "${DSEEK_REPLAY_TIMES:-10}" ${DSEEK_REPLAY_VERBOSE:+--verbose} "data/${DSEEK_REPLAY##*/}"

#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: $((60 + ${DSEEK_FUZZ_SECONDS:-10}))
# default: yes
# recorder: yes
# module: fresh
# expect-log: the executor did not (stop|fetch a) job
# files: $O/tests/vm/fuzzer/fuzz tests/vm/fuzzer/seeds.txt ${DSEEK_FUZZ_CORPUS:-}
# Random programs of calls to both devices (tests/vm/fuzzer), guided by what they reach where the kernel has KCOV. For DSEEK_FUZZ_SECONDS
# or DSEEK_FUZZ_COUNT programs; a new seed each time, or DSEEK_FUZZ_SEED. DSEEK_FUZZ_CORPUS: a file of programs to begin with besides.
exec fuzz --seconds "${DSEEK_FUZZ_SECONDS:-10}" ${DSEEK_FUZZ_COUNT:+--count "$DSEEK_FUZZ_COUNT"} ${DSEEK_FUZZ_SEED:+--seed "$DSEEK_FUZZ_SEED"} \
	${DSEEK_FUZZ_WITH:+--with "$DSEEK_FUZZ_WITH"} --processes "${DSEEK_FUZZ_PROCESSES:-4}" data/*.txt

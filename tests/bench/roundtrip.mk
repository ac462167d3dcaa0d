# SPDX-License-Identifier: MIT
benches += tests/bench/roundtrip
tests/bench/roundtrip-src := tests/bench/roundtrip.c $(addprefix userspace/cli/,bench_roundtrip.c options.c log.c progress.c)

# SPDX-License-Identifier: MIT
arb-drive-src := $(addprefix tests/arb/,drive.c oracle.c predict_oracle.c invariants.c)

tests += tests/arb/parts tests/arb/choice tests/arb/scenario tests/arb/diff tests/arb/fuzz_arb tests/arb/sim
tests/arb/parts-src := tests/arb/parts.c
tests/arb/choice-src := tests/arb/choice.c
tests/arb/scenario-src := $(addprefix tests/arb/,scenario.c scenario_run.c scenario_table.c)
tests/arb/diff-src := tests/arb/diff.c $(arb-drive-src)
tests/arb/fuzz_arb-src := $(addprefix tests/arb/,fuzz_arb.c fuzz_main.c) $(arb-drive-src)
tests/arb/sim-src := $(addprefix tests/arb/,sim.c sim_machine.c fair_model.c)
check-programs += tests/arb/record
tests/arb/record-src := tests/arb/record.c tests/arb/sim_machine.c
script-tests += tests/arb/symbols.sh tests/arb/replay.sh tests/arb/bench.sh

# Coverage-guided, for FUZZ_SECONDS (default 60); needs clang.
fuzz-arb:
	@mkdir -p $(O)/fuzz-arb
	clang -std=gnu11 -O2 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $(O)/fuzz-arb/fuzz \
		tests/arb/fuzz_arb.c $(arb-drive-src) $(arb-src)
	$(O)/fuzz-arb/fuzz -max_total_time=$${FUZZ_SECONDS:-60} -max_len=4096 -artifact_prefix=$(O)/fuzz-arb/ $(O)/fuzz-arb
.PHONY: fuzz-arb

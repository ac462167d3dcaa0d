# SPDX-License-Identifier: MIT
arb-drive-src := $(addprefix tests/arb/,drive.c oracle.c predict_oracle.c invariants.c)

tests += tests/arb/parts tests/arb/choice tests/arb/scenario tests/arb/diff tests/arb/sim
tests/arb/parts-src := tests/arb/parts.c
tests/arb/choice-src := tests/arb/choice.c
tests/arb/scenario-src := $(addprefix tests/arb/,scenario.c scenario_run.c scenario_table.c)
tests/arb/diff-src := tests/arb/diff.c $(arb-drive-src)
tests/arb/sim-src := $(addprefix tests/arb/,sim.c sim_machine.c fair_model.c)
check-programs += tests/arb/record
tests/arb/record-src := tests/arb/record.c tests/arb/sim_machine.c
script-tests += tests/arb/symbols.sh tests/arb/replay.sh tests/arb/bench.sh


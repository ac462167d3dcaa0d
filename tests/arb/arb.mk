# SPDX-License-Identifier: MIT
tests += tests/arb/scenario
tests/arb/scenario-src := $(addprefix tests/arb/,scenario.c scenario_run.c scenario_table.c)
script-tests += tests/arb/symbols.sh

# SPDX-License-Identifier: MIT
tests += tests/fuzz/fuzz_program
tests/fuzz/fuzz_program-src := tests/fuzz/fuzz_program.c tests/fuzz/fuzz_main.c tests/program/sample_program.c

# SPDX-License-Identifier: MIT
tests += tests/program/validate tests/program/build tests/program/code
tests/program/validate-src := tests/program/validate.c tests/program/sample_program.c
tests/program/build-src := tests/program/build.c tests/program/sample_program.c
tests/program/code-src := tests/program/code.c

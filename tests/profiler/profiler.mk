# SPDX-License-Identifier: MIT
tests += tests/profiler/recording
tests/profiler/recording-src := tests/profiler/recording.c tests/program/sample_program.c userspace/profiler/recording.c
check-programs += tests/profiler/check_trace
tests/profiler/check_trace-src := tests/profiler/check_trace.c
tests/profiler/check_trace-libs := -lcjson
script-tests += tests/profiler/profiler.sh

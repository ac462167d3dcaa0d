# SPDX-License-Identifier: MIT
check-libs ?= $(shell pkg-config --libs check)
tests += tests/executor/loop tests/executor/registry
script-tests += tests/executor/daemon.sh
tests/executor/loop-src := tests/executor/loop.c
tests/executor/loop-libs = $(check-libs)
tests/executor/registry-src := tests/executor/registry.c
tests/executor/registry-libs = $(check-libs)

# A backend as a shared object, one whose engine is lost, and four that must be refused.
sample-backends := $(addprefix $(O)/tests/executor/,sample_backend.so sample_lost.so sample_other_abi.so sample_no_symbol.so sample_no_run.so sample_no_type.so)
$(O)/tests/executor/sample_lost.so: sample-flags := -DSAMPLE_LOST
$(O)/tests/executor/registry: | $(sample-backends)	# loaded, not linked with
$(O)/tests/executor/sample_other_abi.so: sample-flags := -DSAMPLE_ABI=99
$(O)/tests/executor/sample_no_symbol.so: sample-flags := -DSAMPLE_SYMBOL=another_name
$(O)/tests/executor/sample_no_run.so: sample-flags := -DSAMPLE_NO_RUN
$(O)/tests/executor/sample_no_type.so: sample-flags := -DSAMPLE_TYPE=5
$(sample-backends): tests/executor/sample_backend.c $(wildcard userspace/executor/*.h userspace/include/*.h)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(base-cflags) $(CFLAGS) $(sample-flags) -shared $< -o $@
thread-tests += tests/executor/loop
alone-tests += tests/executor/loop

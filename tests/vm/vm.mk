# SPDX-License-Identifier: MIT
# Programs for the guests; tests/vm/run builds them and takes them along.

vm-programs := zerocopy storm shares fuzzer/fuzz rtt failover hold failnth throughput reload vram
check-programs += $(addprefix tests/vm/,$(vm-programs))
script-tests += tests/vm/report.sh tests/vm/fuzzer/text.sh
$(foreach p,$(vm-programs),$(eval tests/vm/$(p)-src := tests/vm/$(p).c))
tests/vm/fuzzer/fuzz-src := $(filter-out %/coverage.c,$(wildcard tests/vm/fuzzer/*.c))
# A process that it makes has fewer pages then that differ from its parent's.
tests/vm/fuzzer/fuzz-libs := $(if $(SAN),,-static)
coverage-src := $(addprefix tests/vm/fuzzer/,coverage.c kcov.c recorder.c program.c grammar.c)
tests/vm/shares-src += tests/vm/stall.c
tests/vm/failnth-src += $(addprefix tests/vm/failnth_,fault.c state.c object.c job.c)
tests/vm/failover-src += tests/vm/stall.c
tests/vm/reload-src += $(addprefix tests/vm/reload_,try.c hold.c)
tests/vm/throughput-src += tests/vm/ublk_null.c
tests/vm/throughput-libs := -luring

$(O)/tests/vm/fuzzer/coverage.so: $(patsubst %.c,$(O)/%.o,$(coverage-src))
	$(call say,LD,$@)
	$(Q)$(CC) -shared -pthread $(LDFLAGS) $^ -o $@ -ldl

# The self-tests need the kernel's harness, which only linux-source has: not part of "make check".
# For coverage.so they are built so that something can be preloaded.
selftests = +$(Q)$(MAKE) -s -C tests/selftests/dseek CC=gcc HARNESS=$$(tests/vm/kernel harness) UAPI=$(CURDIR)/uapi OUTPUT=$(abspath $(O))/vm/$(1) all
guest-programs: all $(addprefix $(O)/tests/vm/,$(vm-programs)) $(O)/tests/conformance/suite $(if $(DSEEK_COVERAGE),$(O)/tests/vm/fuzzer/coverage.so)
	$(call selftests,selftests)
	$(if $(DSEEK_COVERAGE),$(call selftests,selftests-dynamic) STATIC=)
.PHONY: guest-programs

# Not part of tools/check, for it is long: at least 1000 kills, 50 fail-overs of each kind, 100 times out and in.
#   make check-storm [KERNEL=newest]
check-storm:
	DSEEK_STORM=250 DSEEK_FAILOVER=50 DSEEK_RELOAD=100 DSEEK_VM_PATIENCE=$${DSEEK_VM_PATIENCE:-8} \
		tests/vm/run $(or $(KERNEL),newest) storm failover reload
.PHONY: check-storm

# Not part of tools/check: builds two kernels once (tests/vm/debug/build), then takes as many guests' time as the watching costs.
#   make check-debug [KCSAN=1] [TESTS="storm fuzz ..."]
check-debug:
	tools/packages install build test guest debug
	tests/vm/run $(if $(KCSAN),kcsan,debug) $(TESTS)
	$(if $(KCSAN)$(TESTS),,DSEEK_FUZZ_SECONDS=60 DSEEK_VM_SMP=2 tests/vm/run uml checks fuzz)
	$(if $(KCSAN)$(TESTS),,tools/checkpatch)
	$(if $(KCSAN)$(TESTS),,tools/coccicheck)
	$(if $(KCSAN)$(TESTS),,tests/vm/crash)
.PHONY: check-debug

# Which blocks of the module's calls the tests reach (tests/vm/coverage says how).
check-coverage:
	tools/packages install build test guest debug
	tests/vm/coverage
.PHONY: check-coverage

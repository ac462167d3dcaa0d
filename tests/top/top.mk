# SPDX-License-Identifier: MIT
script-tests += tests/top/top.sh

# Preloaded, so that it sees dseek-top's allocations.
$(O)/tests/top/nomem.so: tests/top/nomem.c userspace/top/top.h
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(base-cflags) $(CFLAGS) -shared $< -o $@ -ldl
build-tests: $(O)/tests/top/nomem.so

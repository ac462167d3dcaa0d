# SPDX-License-Identifier: MIT
# tools/up and tools/check on a machine that has nothing: takes a quarter of an hour, with the guests an hour.
check-fresh:
	tests/fresh/run $(FRESH)
.PHONY: check-fresh

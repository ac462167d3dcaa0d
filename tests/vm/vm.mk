# SPDX-License-Identifier: MIT
# Programs for the guests; tests/vm/run builds and takes them along.

guest-programs: all $(addprefix $(O)/,$(check-programs))
.PHONY: guest-programs

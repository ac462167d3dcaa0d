# SPDX-License-Identifier: MIT
script-tests += tests/ctl/commands.sh tests/ctl/policy.sh

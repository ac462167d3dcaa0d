# SPDX-License-Identifier: MIT
script-tests += tests/cli/commands.sh

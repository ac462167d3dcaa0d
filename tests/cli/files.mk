# SPDX-License-Identifier: MIT
script-tests += tests/cli/files.sh

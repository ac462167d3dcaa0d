# SPDX-License-Identifier: MIT
script-tests += tests/cli/models.sh

# SPDX-License-Identifier: MIT
script-tests += tests/top/top.sh

# SPDX-License-Identifier: MIT
script-tests += tests/uapi/layout.sh

# SPDX-License-Identifier: MIT
script-tests += tests/tools/check.sh tests/tools/up.sh tests/tools/service.sh

# SPDX-License-Identifier: MIT
script-benches += tests/bench/quality.sh

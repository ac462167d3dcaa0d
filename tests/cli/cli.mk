# SPDX-License-Identifier: MIT
script-tests += tests/cli/commands.sh
script-tests += tests/cli/run.sh
script-tests += tests/cli/doctor.sh
script-tests += tests/cli/preempt.sh
script-tests += tests/cli/log.sh
script-tests += tests/cli/shares.sh

# SPDX-License-Identifier: MIT
# One binary for every transport: natively on the embedded one here, in a guest with DSEEK_DEVICE=drm:
tests += tests/conformance/suite
tests/conformance/suite-src := $(addprefix tests/conformance/, \
	suite.c device.c bo.c program.c queue.c job.c order.c sync.c exec.c preempt.c recover.c share.c fault.c choice.c memory.c)
thread-tests += tests/conformance/suite
alone-tests += tests/conformance/suite

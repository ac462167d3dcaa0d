#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 300
# default: yes
# kernels: debug uml
# module: fresh
# expect-log: vmalloc error|Call Trace
# files: $O/tests/vm/failnth
# Every call with each of its allocations and user copies failing in turn; DSEEK_FAILNTH names some of its steps.
exec failnth $DSEEK_FAILNTH

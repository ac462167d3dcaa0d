#!/bin/sh
# SPDX-License-Identifier: MIT
# seconds: 60
# default: yes
# files: $O/tests/vm/zerocopy
exec zerocopy

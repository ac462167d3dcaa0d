# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The core's sources, once: included by the Makefile and by Kbuild.
arb-src :=

# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The version of dseek, once: included by the Makefile and by Kbuild; a package's build puts its own here.
# The number in the library's soname is that of its binary interface, and in the Makefile.
DSEEK_VERSION ?= 0.1.0

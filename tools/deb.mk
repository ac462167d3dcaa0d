# SPDX-License-Identifier: MIT
# Packages, and a proof that they install, work, are upgraded and go: a quarter of an hour, more on a busy machine.
deb:
	tools/deb --out $(O)/deb
check-deb: deb
	tests/deb/run $(DEB)
.PHONY: deb check-deb

# SPDX-License-Identifier: MIT
# The manual's examples, and the one-page example, which must work where tests run.
script-tests += tests/lib/man.sh tests/lib/trace.sh
tests += tests/lib/example
tests/lib/example-src := userspace/lib/example/add.c
tests += tests/lib/embed_bo tests/lib/embed_thread tests/lib/drm_find
tests/lib/embed_bo-src := tests/lib/embed_bo.c
tests/lib/embed_thread-src := tests/lib/embed_thread.c
tests/lib/drm_find-src := tests/lib/drm_find.c
tests += tests/lib/storm
tests/lib/storm-src := tests/lib/storm.c
alone-tests += tests/lib/embed_bo tests/lib/embed_thread tests/lib/drm_find
tests/lib/embed_bo-src := tests/lib/embed_bo.c
tests/lib/embed_thread-src := tests/lib/embed_thread.c
tests/lib/drm_find-src := tests/lib/drm_find.c
tests += tests/lib/storm

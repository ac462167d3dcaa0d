# SPDX-License-Identifier: MIT
# User space of dseek. The module: make modules KDIR=/lib/modules/VERSION/build
#
#   make                 libraries and programs, into $(O)
#   make check           every test that needs no guest   (tools/check: guests too)
#   make check-storm     kills, fail-overs and reloads of the module in a guest, by the hundred [KERNEL=debug]
#   make check-debug     the module in a guest whose kernel watches it: KASAN, lockdep, kmemleak, failing allocations
#   make check-coverage  which blocks of the module's calls the tests reach there
#   make check-fresh     tools/up and tools/check in a fresh Debian root (FRESH="--up-only": tests/fresh/run)
#   make bench           benchmarks; figures are ratios within one run
#   make fuzz            fuzzers, for long; make fuzzers, fuzz-llvm: with libFuzzer (tests/fuzz/fuzz.mk)
#   make kernels         code objects for AMD GPUs, optional (kernels/kernels.mk); make check-mutants: do their tests notice?
#   make install DESTDIR= PREFIX=/usr/local LIBDIR=PREFIX/lib
#   make deb             Debian packages, into $(O)/deb [DEBFULLNAME= DEBEMAIL=]; make check-deb: they install, work and go (tests/deb/run)
#   J=N: tests that make check runs at a time (the processors; those that measure time run alone)
#   O=DIR  V=1  CC=clang  SAN=address,undefined | thread

include kmod/version.mk
soversion := 1

O ?= build
J ?= $(shell nproc)
# One name for one folder: what objects depend on is written down under it.
override O := $(patsubst $(CURDIR)/%,%,$(abspath $(O)))
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
ifeq ($(origin CC),default)
CC := gcc
endif

warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	    -Wno-unused-parameter -Wno-missing-field-initializers
CFLAGS ?= -O2 -g
base-cflags := -std=gnu11 -fno-strict-aliasing -fvisibility=hidden -fPIC -pthread $(warnings) \
	       -D_GNU_SOURCE -DDSEEK_VERSION='"$(DSEEK_VERSION)"' -Iuserspace/include -Iuapi $(shell pkg-config --cflags libdrm | sed 's/-I/-isystem /g')
ifdef SAN
base-cflags += -fsanitize=$(SAN) -fno-omit-frame-pointer
base-ldflags += -fsanitize=$(SAN)
endif
ifneq ($(V),1)
Q := @
ifeq ($(findstring s,$(firstword -$(MAKEFLAGS))),)
say = @printf '  %-7s %s\n' $(1) $(2)
endif
endif

all:

# Each fragment adds sources to a library and programs to the lists:
#   libdseek-src      libdseek: both transports, executor loop, backends, arbitration core
#   model-src         libdseek-model
#   programs += NAME  installed; NAME-src, NAME-libs
#   tests += NAME     run by make check; NAME-src, NAME-libs (NAME is a path: tests/arb/scenario)
#   check-programs    built for the tests, not run as one (fuzzers, helpers); -src and -libs alike
#   thread-tests += NAME  those of the tests that tools/check also runs with SAN=thread
#   alone-tests += NAME  those of the tests that measure time, or need all processors
#   benches += NAME   run by make bench; script-benches += FILE: after them
#   CFLAGS-FILE.c     flags of one source (vector instruction sets)
fragments := kmod/arb/arb.mk $(sort $(wildcard userspace/*/*.mk tests/*/*.mk tools/*.mk kernels/*.mk))
include $(fragments)

built := $(addprefix $(O)/bin/,$(programs))
built-tests := $(addprefix $(O)/,$(tests) $(check-programs) $(benches))

all: $(O)/libdseek.a $(O)/libdseek.so $(O)/libdseek-model.a $(built)

obj = $(patsubst %.c,$(O)/%.o,$(1))

# What objects depend on besides their sources: this file changes when the compiler or a flag does.
flags := $(CC) $(base-cflags) $(CPPFLAGS) $(CFLAGS) $(foreach v,$(sort $(filter CFLAGS-%,$(.VARIABLES))),$(v)=$($(v)))
ifneq ($(file <$(O)/flags),$(flags))
$(shell mkdir -p $(O))$(file >$(O)/flags,$(flags))
endif

$(O)/%.o: %.c $(O)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(base-cflags) $(CPPFLAGS) $(CFLAGS) $(CFLAGS-$<) -MMD -MP -c $< -o $@

$(O)/libdseek.a: $(call obj,$(libdseek-src))
$(O)/libdseek-model.a: $(call obj,$(model-src))
%.a:
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

libdseek-libs := -ldrm -lnuma -ldl -lm
$(O)/libdseek.so: $(call obj,$(libdseek-src))
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libdseek.so.$(soversion) -pthread $(base-ldflags) $(LDFLAGS) $^ -o $@ $(libdseek-libs)

# $(1) target path below $(O), $(2) variable prefix
define program-rule
$(O)/$(1): $(call obj,$($(2)-src)) $(O)/libdseek-model.a $(O)/libdseek.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) -pthread -rdynamic $$(base-ldflags) $$(LDFLAGS) $$^ -o $$@ $$($(2)-libs) $$(model-libs) $$(libdseek-libs)
endef
$(foreach p,$(programs),$(eval $(call program-rule,bin/$(p),$(p))))
$(foreach p,$(sort $(tests) $(check-programs) $(benches)),$(eval $(call program-rule,$(p),$(p))))

-include $(shell find $(addprefix $(O)/,kmod userspace tests tools kernels) -name '*.d' -type f 2>/dev/null)

# --- tests

script-tests += tests/layout.sh
build-tests: all $(built-tests)
check: build-tests
	tests/run -o $(O) -j $(J) $(addprefix $(O)/,$(filter-out $(alone-tests),$(tests))) + $(addprefix $(O)/,$(alone-tests)) $(script-tests)
print-programs:
	@echo $(programs)
print-thread-tests:
	@echo $(addprefix $(O)/,$(thread-tests))
bench: all $(addprefix $(O)/,$(benches))
	@for b in $(benches); do echo "== $$b"; $(O)/$$b || exit 1; done
	@for b in $(script-benches); do echo "== $$b"; DSEEK_BUILD=$(O) $$b || exit 1; done

# --- module

KDIR ?= /lib/modules/$(shell uname -r)/build
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules
modules_clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

# --- install

# Manual pages, wherever a part keeps its own; a section each.
man-pages := $(sort $(wildcard userspace/*/man/*.[1-8] kmod/man/*.[1-8]))
man-dirs := $(addprefix man,$(sort $(subst .,,$(suffix $(man-pages)))))
prefix := $(DESTDIR)$(PREFIX)
libdir := $(DESTDIR)$(LIBDIR)

install: all
	install -d $(prefix)/bin $(libdir)/pkgconfig $(prefix)/include/drm $(addprefix $(prefix)/share/man/,$(man-dirs))
	install -m 755 $(built) $(prefix)/bin
	install -m 755 $(O)/libdseek.so $(libdir)/libdseek.so.$(soversion)
	ln -sf libdseek.so.$(soversion) $(libdir)/libdseek.so
	install -m 644 $(O)/libdseek.a $(libdir)
	sed 's|@prefix@|$(PREFIX)|; s|@libdir@|$(LIBDIR)|; s|@version@|$(DSEEK_VERSION)|; s|@libs@|$(libdseek-libs)|' \
		userspace/lib/dseek.pc.in >$(libdir)/pkgconfig/dseek.pc
	chmod 644 $(libdir)/pkgconfig/dseek.pc
	for k in $(O)/kernels/gfx*/manifest.json; do t=$${k%/*}; to=$(libdir)/dseek/kernels/$${t##*/}; \
		[ ! -e $$k ] || { install -d $$to && install -m 644 $$k $$t/*.co $$to; } || exit 1; done
	install -d $(libdir)/dseek/kernels/opencl && install -m 644 $(opencl-kernels) $(libdir)/dseek/kernels/opencl
	install -m 644 userspace/include/*.h $(prefix)/include
	install -m 644 uapi/drm/*.h $(prefix)/include/drm
	for m in $(man-pages); do install -m 644 $$m $(prefix)/share/man/man$${m##*.}/ || exit 1; done

clean:
	rm -rf $(O)

.PHONY: all check build-tests print-programs print-thread-tests bench modules modules_clean install clean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

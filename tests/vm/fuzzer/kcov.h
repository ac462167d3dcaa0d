/* SPDX-License-Identifier: MIT */
/* What of the module this thread runs (Documentation/dev-tools/kcov.rst). */
#ifndef FUZZER_KCOV_H
#define FUZZER_KCOV_H

#include <stdint.h>

struct kcov {
	uint64_t *area;		/* [0]: how many addresses follow */
	uint64_t base;		/* of the module's text */
	uint32_t entries;
};

/* 0, or -errno: the kernel has none, or the module isn't loaded. Each thread needs its own. */
int kcov_start(struct kcov *k, uint32_t entries);

static inline void kcov_reset(struct kcov *k)
{
	__atomic_store_n(&k->area[0], 0, __ATOMIC_RELAXED);
}

/*
 * Marks in @reached[@size] the addresses since the last reset, and in @edges (1 << 16 bytes, or NULL) which came after which.
 * Returns how many marks are new.
 */
uint32_t kcov_collect(const struct kcov *k, uint8_t *reached, uint32_t size, uint8_t *edges);

/* Where the module's text begins; 0: not loaded, or not told. */
uint64_t kcov_module_base(void);

#endif

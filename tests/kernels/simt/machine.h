/* SPDX-License-Identifier: MIT */
/* Between the scheduler (simt.c) and the memory it watches (memory.c). */
#ifndef SIMT_MACHINE_H
#define SIMT_MACHINE_H

#include <stdint.h>

#include "simt.h"

/* Who accesses memory, and when: what decides whether two accesses are ordered. */
struct simt_now {
	uint32_t group;		/* unique over all launches of the process */
	uint32_t epoch;		/* grows with each barrier and each group */
	uint16_t lane, wave_size;
	uint16_t sync;		/* k_wave_sync()s of the wave since the barrier */
};

extern struct simt_now simt_now;

/* Both keep the first fault. A lane that stops never runs again. */
void simt_stop(enum simt_fault fault, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void simt_found(enum simt_fault fault, const char *fmt, ...) __attribute__((format(printf, 2, 3)));	/* by the scheduler */
const char *simt_who(unsigned int lane);	/* "lane 3 of group 0,1,0" */

void memory_begin(const struct simt_launch *launch, struct simt_report *report);
void memory_begin_group(void);
void memory_end(const struct simt_launch *launch);
void memory_stack(uintptr_t low, uintptr_t high);	/* the running lane's own */
void memory_access(const void *p, size_t size, int store, int atomic, const void *pc);

#endif /* SIMT_MACHINE_H */

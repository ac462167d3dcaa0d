/* SPDX-License-Identifier: MIT */
/*
 * When the machine stood still. A guest under emulation on a busy host loses whole CPUs for tens of milliseconds; a
 * test that measures latency takes off what it lost so, by a watcher on each CPU that goes before everything else and wants
 * to wake every millisecond. What it doesn't see: time that a CPU merely ran slowly.
 */
#ifndef TESTS_VM_STALL_H
#define TESTS_VM_STALL_H

#include <stdint.h>

int stall_watch(void);		/* from now on, until the process ends; needs root. 0 or -errno */
/* Time within [@from_ns, @to_ns] (CLOCK_MONOTONIC, past) in which one CPU or another stood still. */
uint64_t stall_within(uint64_t from_ns, uint64_t to_ns);
uint64_t stall_longest(void);

#endif /* TESTS_VM_STALL_H */

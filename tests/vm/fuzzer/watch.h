/* SPDX-License-Identifier: MIT */
/* What says that something is wrong: the kernel's log, and the module's counters. */
#ifndef FUZZER_WATCH_H
#define FUZZER_WATCH_H

#include <stdbool.h>
#include <stddef.h>

void watch_begin(void);		/* from here on in the log */

/* True: a line came that tests/vm/run counts as a failure; @why says so, with that line. */
bool watch_log(char *why, size_t size);

/*
 * True: the module still holds something @seconds later, which it must not when nobody has anything of it open; @why says what
 * ("left behind: jobs=1 fences=1"), and is empty otherwise. Without counters to read it is never.
 */
bool watch_left(double seconds, char *why, size_t size);

#endif

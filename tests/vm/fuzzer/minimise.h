/* SPDX-License-Identifier: MIT */
/* Makes programs smaller as long as a command says that what is left still does what it shall. */
#ifndef FUZZER_MINIMISE_H
#define FUZZER_MINIMISE_H

#include "program.h"

/*
 * Leaves out programs, then calls, then values, of @programs[@count] in place. @command is run by sh with the file of what is to be
 * tried as $1, and holds if it exits with 0; what it says goes to stderr. Returns how many programs are left; -1: it doesn't hold of all of
 * them, to begin with.
 */
int minimise(struct program *programs, int count, const char *command);

#endif

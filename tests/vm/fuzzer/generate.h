/* SPDX-License-Identifier: MIT */
/* Programs out of nothing, and out of others. @rng: random_below()'s state. */
#ifndef FUZZER_GENERATE_H
#define FUZZER_GENERATE_H

#include "grammar.h"

void program_generate(struct program *p, uint64_t *rng);

/* A few changes; @other (may be @p's source) gives what is spliced in. */
void program_mutate(struct program *p, const struct program *other, uint64_t *rng);

/* From now on calls that nobody generates otherwise, too: by name. False: there is no such call. */
bool generate_also(const char *name);

#endif

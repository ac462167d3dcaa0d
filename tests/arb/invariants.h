/* SPDX-License-Identifier: MIT */
/* What must hold between any two calls of the core. @error gets the first sentence of what doesn't. */
#ifndef TESTS_ARB_INVARIANTS_H
#define TESTS_ARB_INVARIANTS_H

#include <stddef.h>
#include "../../kmod/arb/arb.h"

void invariants(struct arb_engine *engine, const struct arb_share *shares, int share_count,
		const struct arb_queue *queues, int queue_count, char *error, size_t size);

/* After arb_pick() said NULL: nobody could have run. */
void invariant_idle(const struct arb_engine *engine, const struct arb_queue *queues, int queue_count,
		    char *error, size_t size);

#endif /* TESTS_ARB_INVARIANTS_H */

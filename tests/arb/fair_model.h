/* SPDX-License-Identifier: MIT */
/*
 * A model of the newest drm_sched policy ("fair", drivers/gpu/drm/scheduler/sched_rq.c of Linux 7): one tree of
 * entities by virtual runtime for each scheduler, the left-most runs, its runtime is added when its job has
 * finished, an entity that comes back starts at the tree's minimum. There are no tenants in it.
 */
#ifndef TESTS_ARB_FAIR_MODEL_H
#define TESTS_ARB_FAIR_MODEL_H

#include "../../kmod/arb/arb_env.h"

/* The part of the engine that a client with @entities gets beside one with @others; all always have a job. */
double fair_model_share(int entities, int others, u64 cost_ns, u64 spread_ns, u64 for_ns, u64 seed);

#endif /* TESTS_ARB_FAIR_MODEL_H */

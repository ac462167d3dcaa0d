/* SPDX-License-Identifier: MIT */
/*
 * Worker threads for parallel loops of a few microseconds. The caller is thread 0 and works too.
 * A loop's items are dealt out in contiguous shares; who is done takes from the others. The caller waits only
 * for threads that have begun, so one that gets no CPU (an oversubscribed machine) delays nothing but
 * the piece it is in. Idle threads look for work for spin_us, then sleep.
 */
#ifndef DSEEK_CPU_POOL_H
#define DSEEK_CPU_POOL_H

#include <stdint.h>

struct cpu_pool;
struct cpu_watch;

/* Items [first, last) for @thread, 0 <= thread < cpu_pool_threads(). */
typedef void (*cpu_loop_fn)(void *arg, uint32_t first, uint32_t last, unsigned int thread);

/* @threads 0: the CPUs the process may use. @node: NUMA node for the threads and their memory, -1 any. */
int cpu_pool_create(unsigned int threads, unsigned int spin_us, int node, struct cpu_pool **ret_pool);
void cpu_pool_destroy(struct cpu_pool *pool);
unsigned int cpu_pool_threads(const struct cpu_pool *pool);

/* From then on loops end early if @watch says so (watch.h); NULL: none do. */
void cpu_pool_watch(struct cpu_pool *pool, struct cpu_watch *watch);
/* For items that take long, within one: 0, or -ETIMEDOUT and the item's results are wanted no more. */
int cpu_pool_look(struct cpu_pool *pool, unsigned int thread);

/*
 * fn() over [0, items) in pieces of at most @grain (0: as it sees fit); returns when all are done: 0. -ETIMEDOUT: the job was aborted, items were left
 * out. What they would have written may be of anybody, and of any op before: nothing may be made of it. From one thread.
 */
int cpu_pool_run(struct cpu_pool *pool, uint32_t items, uint32_t grain, cpu_loop_fn fn, void *arg) __attribute__((warn_unused_result));

#endif /* DSEEK_CPU_POOL_H */

/* SPDX-License-Identifier: MIT */
/*
 * Has the job been aborted? Asked within an op, too: one may take longer than an executor has after an abort. The one who asks is the thread that
 * runs the job, once a millisecond at most; its helpers look at what came of it.
 */
#ifndef DSEEK_CPU_WATCH_H
#define DSEEK_CPU_WATCH_H

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define CPU_WATCH_NS	1000000u

struct cpu_watch {
	int (*poll)(void *arg);		/* struct dseek_run's; NULL: there is nobody to ask */
	void *arg;
	uint64_t asked_ns;
	_Atomic int aborted;
};

static inline int cpu_watch_aborted(struct cpu_watch *watch)
{
	return watch && atomic_load_explicit(&watch->aborted, memory_order_relaxed);
}

/* The cheap clock, of a few ms. */
static inline uint64_t cpu_watch_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* 0, or -ETIMEDOUT: leave the op. Between rows. A wish for preemption waits for the op's end. */
static inline int cpu_watch_look(struct cpu_watch *watch)
{
	uint64_t now;

	if (!watch || !watch->poll)
		return 0;
	if (cpu_watch_aborted(watch))
		return -ETIMEDOUT;
	now = cpu_watch_now();
	if (now - watch->asked_ns < CPU_WATCH_NS)
		return 0;
	watch->asked_ns = now;
	if (watch->poll(watch->arg) != -ETIMEDOUT)
		return 0;
	atomic_store_explicit(&watch->aborted, 1, memory_order_relaxed);
	return -ETIMEDOUT;
}

#endif /* DSEEK_CPU_WATCH_H */

/* SPDX-License-Identifier: MIT */
/* Two sides of a measurement on a CPU each: pinned processes, an executor that completes jobs without looking at them. */
#ifndef TESTS_VM_APART_H
#define TESTS_VM_APART_H

#include "../selftests/dseek/dseek_test.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

/* The caller's thread; it does not outlive its parent. */
static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Of an engine of the greatest depth, until it is killed. Exit status 1: could not attach, 2: NEXT failed. */
static inline void null_executor(const char *engine, int cpu)
{
	struct drm_dseek_completion done[DRM_DSEEK_MAX_DEPTH];
	uint32_t tags[DRM_DSEEK_MAX_DEPTH];
	struct test_exec e;
	int n = 0, i;

	pin(cpu);
	if (exec_attach(&e, engine, DRM_DSEEK_MAX_DEPTH))
		_exit(1);
	memset(done, 0, sizeof(done));
	for (;;) {
		n = exec_next(&e, done, (uint32_t)n, tags, DRM_DSEEK_MAX_DEPTH, 10 * SEC);
		if (n == -EINTR)
			n = 0;
		if (n < 0)
			_exit(2);
		for (i = 0; i < n; i++)
			done[i].tag = tags[i];
	}
}

/* Its id, when it has come up; negative: it has not in ten seconds. */
static inline int attached_engine(int fd, const char *name)
{
	const uint64_t until = now_ns() + 10 * SEC;
	struct drm_dseek_engine_info info;
	uint32_t index = 0;
	int r;

	do {
		r = query(fd, DRM_DSEEK_QUERY_ENGINE, index, &info, sizeof(info));
		if (!r && !strcmp((char *)info.name, name) && (info.flags & DRM_DSEEK_ENGINE_ATTACHED))
			return (int)info.id;
		index = r ? 0 : index + 1;
		if (r)
			sleep_ns(5 * MS);
	} while (now_ns() < until);
	return r ? r : -ENOENT;
}

/* For qsort(). */
static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#endif

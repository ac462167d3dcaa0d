// SPDX-License-Identifier: MIT
#include "stall.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX	8
#define STALLS_MAX	16384	/* later ones are lost, so that a test is rather too strict */
#define EACH_NS		1000000ULL
#define STALL_NS	2000000ULL	/* later than this is one */

struct stall {
	uint64_t from, to;
};

static struct watcher {
	struct stall stalls[STALLS_MAX];
	uint32_t count;		/* written by its thread, after what it counts */
} watchers[CPUS_MAX];
static int cpus;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *watch(void *arg)
{
	struct watcher *w = arg;
	uint64_t due = now(), woke;

	for (;;) {
		struct timespec t = { .tv_sec = (due + EACH_NS) / 1000000000, .tv_nsec = (due + EACH_NS) % 1000000000 };

		due += EACH_NS;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		woke = now();
		if (woke > due + STALL_NS && w->count < STALLS_MAX) {
			w->stalls[w->count] = (struct stall){ due, woke };
			__atomic_store_n(&w->count, w->count + 1, __ATOMIC_RELEASE);
		}
		if (woke > due)
			due = woke;
	}
	return NULL;
}

int stall_watch(void)
{
	struct sched_param first = { .sched_priority = 90 };
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;
	int r = 0, n = sysconf(_SC_NPROCESSORS_ONLN);

	for (cpus = 0; cpus < n && cpus < CPUS_MAX && !r; cpus++) {
		CPU_ZERO(&set);
		CPU_SET(cpus, &set);
		pthread_attr_init(&attr);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
		pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
		pthread_attr_setschedparam(&attr, &first);
		r = pthread_create(&thread, &attr, watch, &watchers[cpus]);
		pthread_attr_destroy(&attr);
	}
	return -r;
}

static int by_start(const void *a, const void *b)
{
	const struct stall *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

uint64_t stall_within(uint64_t from_ns, uint64_t to_ns)
{
	static struct stall found[CPUS_MAX * 64];
	uint64_t sum = 0, upto = from_ns, from;
	uint32_t n = 0, i, k;
	int cpu;

	for (cpu = 0; cpu < cpus; cpu++) {
		k = __atomic_load_n(&watchers[cpu].count, __ATOMIC_ACQUIRE);
		for (i = 0; i < k && n < sizeof(found) / sizeof(found[0]); i++)
			if (watchers[cpu].stalls[i].from < to_ns && watchers[cpu].stalls[i].to > from_ns)
				found[n++] = watchers[cpu].stalls[i];
	}
	qsort(found, n, sizeof(found[0]), by_start);
	for (i = 0; i < n; i++) {
		from = found[i].from > upto ? found[i].from : upto;
		if (found[i].to > to_ns)
			found[i].to = to_ns;
		if (found[i].to <= from)
			continue;
		sum += found[i].to - from;
		upto = found[i].to;
	}
	return sum;
}

uint64_t stall_longest(void)
{
	uint64_t longest = 0;
	uint32_t i;
	int cpu;

	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < __atomic_load_n(&watchers[cpu].count, __ATOMIC_ACQUIRE); i++)
			if (watchers[cpu].stalls[i].to - watchers[cpu].stalls[i].from > longest)
				longest = watchers[cpu].stalls[i].to - watchers[cpu].stalls[i].from;
	return longest;
}

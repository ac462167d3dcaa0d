// SPDX-License-Identifier: MIT
/* The worker threads: every item once, by more threads than CPUs, through sleep and teardown. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cpu/pool.h"
#include "cpu/watch.h"
#include "../tap.h"

#define MOST	5000

static _Atomic unsigned char seen[MOST];
static _Atomic unsigned int bad_thread, pieces;

static void mark(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	uint32_t i;

	if (thread >= *(unsigned int *)arg)
		atomic_store(&bad_thread, 1);
	atomic_fetch_add(&pieces, 1);
	for (i = first; i < last; i++)
		atomic_fetch_add(&seen[i], 1);
}

static int loop(struct cpu_pool *pool, uint32_t items, uint32_t grain)
{
	unsigned int threads = cpu_pool_threads(pool);
	uint32_t i;

	memset((void *)seen, 0, sizeof(seen));
	atomic_store(&pieces, 0);
	if (cpu_pool_run(pool, items, grain, mark, &threads))
		return 0;
	for (i = 0; i < MOST; i++)
		if (seen[i] != (i < items))
			return 0;
	return 1;
}

static void test_items(unsigned int threads, unsigned int spin_us)
{
	static const uint32_t items[] = { 0, 1, 2, 7, 8, 9, 100, 4999 };
	struct cpu_pool *pool;
	int good = 1, round;
	size_t i;

	if (!tap_ok(!cpu_pool_create(threads, spin_us, -1, &pool), "%u threads start", threads))
		return;
	for (round = 0; round < 200; round++)
		for (i = 0; i < sizeof(items) / sizeof(*items); i++)
			good &= loop(pool, items[i], round % 4);
	tap_ok(good && !bad_thread, "%u threads, spin %u us: every item once", threads, spin_us);
	good = 1;
	for (round = 0; round < 5; round++) {
		usleep(20000);	/* all asleep */
		good &= loop(pool, 1000, 1);
	}
	tap_ok(good, "%u threads wake up", threads);
	tap_ok(!cpu_pool_run(pool, 1000, 1000, mark, &threads), "%u threads: as one piece", threads);
	cpu_pool_destroy(pool);
}

static void test_teardown(void)
{
	struct cpu_pool *pool;
	int i, good = 1;

	for (i = 0; i < 100; i++) {
		good &= !cpu_pool_create(4, i % 2 * 100, -1, &pool);
		if (i % 3)
			good &= loop(pool, 50, 1);
		cpu_pool_destroy(pool);
	}
	tap_ok(good, "made and ended a hundred times");
	cpu_pool_destroy(NULL);
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ull + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void test_idle(void)
{
	struct cpu_pool *pool;
	uint64_t before;

	if (!tap_ok(!cpu_pool_create(2, 50, -1, &pool), "two threads start"))
		return;
	loop(pool, 100, 1);
	before = cpu_us();
	usleep(300000);
	tap_ok(cpu_us() - before < 30000, "idle threads sleep: %u us of CPU in 300 ms", (unsigned int)(cpu_us() - before));
	cpu_pool_destroy(pool);
}

static void test_single(void)
{
	struct cpu_pool *pool;

	if (!tap_ok(!cpu_pool_create(1, 50, -1, &pool), "one thread"))
		return;
	tap_ok(loop(pool, 1000, 1) && pieces == 1, "alone: one piece");
	cpu_pool_destroy(pool);
	if (!tap_ok(!cpu_pool_create(0, 50, -1, &pool), "as many as CPUs"))
		return;
	tap_ok(cpu_pool_threads(pool) >= 1 && loop(pool, 1000, 0), "%u threads by default", cpu_pool_threads(pool));
	cpu_pool_destroy(pool);
}

struct slow {
	_Atomic unsigned int done, others;
	unsigned int quick_thread;	/* which needs no time, once another has begun */
};

static void slow_items(void *arg, uint32_t first, uint32_t last, unsigned int thread)
{
	struct slow *slow = arg;

	for (; first < last; first++) {
		if (thread != slow->quick_thread) {
			atomic_store(&slow->others, 1);
			usleep(5000);
		}
		while (!slow->others)
			usleep(100);
		atomic_fetch_add(&slow->done, 1);
	}
}

static int abort_at(void *arg)
{
	int *left = arg;

	return (*left)-- > 0 ? -EAGAIN : -ETIMEDOUT;
}

/* Of a loop that would take a second: in pieces of several items, by threads that all have much to do, or of which the one that asks has not. */
static void test_abort(unsigned int threads, unsigned int quick_thread)
{
	struct slow slow = { .quick_thread = quick_thread };
	int left = 3, r;
	struct cpu_watch watch = { .poll = abort_at, .arg = &left };
	struct cpu_pool *pool;
	uint64_t before;

	if (!tap_ok(!cpu_pool_create(threads, 50, -1, &pool), "%u threads start", threads))
		return;
	cpu_pool_watch(pool, &watch);
	before = cpu_us();
	r = cpu_pool_run(pool, 200 * threads, 100, slow_items, &slow);
	tap_ok(r == -ETIMEDOUT && left < 0 && slow.done < 150 * threads + 50, "%u threads%s: left after %u items of %u", threads,
	       quick_thread ? "" : ", one without work", slow.done, 200 * threads);
	tap_ok(cpu_us() - before < 500000, "nobody is busy meanwhile");
	r = cpu_pool_run(pool, 100, 100, slow_items, &slow);
	tap_ok(r == -ETIMEDOUT && cpu_pool_look(pool, 0) == -ETIMEDOUT && (threads < 2 || cpu_pool_look(pool, 1) == -ETIMEDOUT), "no other loop begins");
	atomic_store(&watch.aborted, 0);
	left = 1000000;
	tap_ok(loop(pool, 4999, 0) && !cpu_pool_look(pool, 0) && !cpu_pool_look(pool, 1), "another job's does: every item once");
	cpu_pool_destroy(pool);
}

int main(void)
{
	setlinebuf(stdout);
	test_items(2, 50);
	test_items(2, 0);
	test_items(7, 50);
	test_teardown();
	test_idle();
	test_single();
	test_abort(1, 9);
	test_abort(3, 9);
	test_abort(2, 0);
	return tap_end();
}

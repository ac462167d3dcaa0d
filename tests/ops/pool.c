// SPDX-License-Identifier: MIT
/* The worker threads: every item once, by more threads than CPUs, through sleep and teardown. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cpu/pool.h"
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
	cpu_pool_run(pool, items, grain, mark, &threads);
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
	cpu_pool_run(pool, 1000, 1000, mark, &threads);
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

int main(void)
{
	setlinebuf(stdout);
	test_items(2, 50);
	test_items(2, 0);
	test_items(7, 50);
	test_teardown();
	test_idle();
	test_single();
	return tap_end();
}

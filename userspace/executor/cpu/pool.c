// SPDX-License-Identifier: MIT
/* The worker threads of the cpu backend (pool.h). */
#include <errno.h>
#include <linux/futex.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"
#include "watch.h"

#define CACHE_LINE	64
#define MAX_THREADS	1024
#define SLICES		1024	/* of a loop, about, between which its end is looked for: the first ones */

/*
 * The state word: bit 0 a loop is open, bit 1 the caller sleeps until all have left, bits 2-11 threads inside,
 * bits 12-31 the loop's number. A thread may enter only while the loop is open; the caller
 * changes the loop only when it is closed and nobody is inside. So what describes the loop needs no lock.
 */
#define OPEN		1u
#define CALLER_SLEEPS	2u
#define INSIDE_ONE	4u
#define INSIDE_MASK	0xffcu
#define LOOP_ONE	0x1000u
#define LOOP_MASK	0xfffff000u

struct share {
	_Alignas(CACHE_LINE) _Atomic uint32_t next;
	uint32_t end;
};

struct cpu_pool {
	_Alignas(CACHE_LINE) _Atomic uint32_t state;
	_Alignas(CACHE_LINE) _Atomic uint32_t sleepers;
	_Atomic bool stop;
	unsigned int threads, spin_us;
	int node;
	cpu_loop_fn fn;
	void *arg;
	uint32_t grain, slice;
	struct cpu_watch *watch;
	struct share *shares;
	struct worker {
		struct cpu_pool *pool;
		unsigned int index;
		pthread_t thread;
	} *workers;
};

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *most)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, most, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

int cpu_pool_look(struct cpu_pool *pool, unsigned int thread)
{
	return thread ? -ETIMEDOUT * cpu_watch_aborted(pool->watch) : cpu_watch_look(pool->watch);
}

/* In slices that grow until one takes as long as a look is worth: most pieces are over before, and each slice costs what fn() begins with. */
static int run_piece(struct cpu_pool *pool, uint32_t first, uint32_t last, unsigned int me)
{
	uint32_t slice = pool->slice, next;
	uint64_t began;

	for (; first < last; first = next) {
		next = last - first < slice ? last : first + slice;
		if (cpu_pool_look(pool, me))
			return -ETIMEDOUT;
		began = next < last ? cpu_watch_now() : 0;
		pool->fn(pool->arg, first, next, me);
		if (next < last && slice < last - next && cpu_watch_now() - began < CPU_WATCH_NS)
			slice *= 2;
	}
	return 0;
}

static void work(struct cpu_pool *pool, unsigned int me)
{
	unsigned int n;

	for (n = 0; n < pool->threads; n++) {
		struct share *share = pool->shares + (me + n) % pool->threads;

		while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
			uint32_t first = atomic_fetch_add_explicit(&share->next, pool->grain, memory_order_relaxed), last;

			if (first >= share->end)
				break;
			last = share->end - first < pool->grain ? share->end : first + pool->grain;
			if (run_piece(pool, first, last, me))
				return;
		}
	}
}

/* Until a loop other than the one in @seen is open, or the end. */
static uint32_t await_loop(struct cpu_pool *pool, uint32_t seen)
{
	uint64_t until = 0;
	uint32_t state;
	int n;

	for (;;) {
		for (n = 0; n < 64; n++) {
			state = atomic_load_explicit(&pool->state, memory_order_acquire);
			if ((state & OPEN && (state & LOOP_MASK) != seen) || atomic_load_explicit(&pool->stop, memory_order_relaxed))
				return state;
			relax();
		}
		if (!until)
			until = now_us() + pool->spin_us;
		if (now_us() < until)
			continue;
		/* Whoever opens a loop changes the word first and looks for sleepers second. */
		atomic_fetch_add(&pool->sleepers, 1);
		state = atomic_load(&pool->state);
		if (!(state & OPEN && (state & LOOP_MASK) != seen) && !atomic_load(&pool->stop))
			futex_wait(&pool->state, state, NULL);
		atomic_fetch_sub(&pool->sleepers, 1);
		until = now_us();
	}
}

static bool enter(struct cpu_pool *pool, uint32_t state)
{
	while (state & OPEN)
		if (atomic_compare_exchange_weak_explicit(&pool->state, &state, state + INSIDE_ONE,
							  memory_order_acq_rel, memory_order_acquire))
			return true;
	return false;
}

static void leave(struct cpu_pool *pool)
{
	uint32_t state = atomic_fetch_sub_explicit(&pool->state, INSIDE_ONE, memory_order_acq_rel) - INSIDE_ONE;

	if (state & CALLER_SLEEPS && !(state & INSIDE_MASK))
		futex_wake_all(&pool->state);
}

static void *worker_main(void *arg)
{
	struct worker *me = arg;
	struct cpu_pool *pool = me->pool;
	uint32_t state = 0;

	if (pool->node >= 0)
		numa_run_on_node(pool->node);
	for (;;) {
		state = await_loop(pool, state & LOOP_MASK);
		if (atomic_load(&pool->stop))
			return NULL;
		if (enter(pool, state)) {
			/* another loop may have opened since; inside, the number stands still */
			state = atomic_load_explicit(&pool->state, memory_order_relaxed);
			work(pool, me->index);
			leave(pool);
		}
	}
}

/* They may have long pieces left: it is this thread that hears of an abort. */
static void await_others(struct cpu_pool *pool)
{
	const struct timespec tick = { .tv_nsec = CPU_WATCH_NS };
	uint32_t state;
	int n;

	state = atomic_fetch_and_explicit(&pool->state, ~OPEN, memory_order_acq_rel) & ~OPEN;
	for (n = 0; state & INSIDE_MASK; n++) {
		if (n < 2000) {
			relax();
			state = atomic_load_explicit(&pool->state, memory_order_acquire);
			continue;
		}
		/* somebody inside has lost its CPU, or has much to do */
		cpu_watch_look(pool->watch);
		state = atomic_fetch_or(&pool->state, CALLER_SLEEPS) | CALLER_SLEEPS;
		if (state & INSIDE_MASK)
			futex_wait(&pool->state, state, pool->watch ? &tick : NULL);
		state = atomic_fetch_and(&pool->state, ~CALLER_SLEEPS) & ~CALLER_SLEEPS;
	}
}

void cpu_pool_watch(struct cpu_pool *pool, struct cpu_watch *watch)
{
	pool->watch = watch;
}

int cpu_pool_run(struct cpu_pool *pool, uint32_t items, uint32_t grain, cpu_loop_fn fn, void *arg)
{
	unsigned int n;

	if (!grain)
		grain = items / (pool->threads * 4);
	if (!grain)
		grain = 1;
	pool->fn = fn;
	pool->arg = arg;
	pool->grain = grain;
	pool->slice = pool->watch ? 1 + items / SLICES : items;
	if (pool->threads == 1 || items <= grain)
		return run_piece(pool, 0, items, 0);
	for (n = 0; n < pool->threads; n++) {
		pool->shares[n].end = (uint64_t)items * (n + 1) / pool->threads;
		atomic_store_explicit(&pool->shares[n].next, (uint64_t)items * n / pool->threads, memory_order_relaxed);
	}
	/* closed and nobody inside: only this thread writes to it */
	atomic_store(&pool->state, ((atomic_load(&pool->state) & LOOP_MASK) + LOOP_ONE) | OPEN);
	if (atomic_load(&pool->sleepers))
		futex_wake_all(&pool->state);
	work(pool, 0);
	await_others(pool);
	return cpu_watch_aborted(pool->watch) ? -ETIMEDOUT : 0;
}

static unsigned int allowed_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return sysconf(_SC_NPROCESSORS_ONLN);
	return CPU_COUNT(&set);
}

int cpu_pool_create(unsigned int threads, unsigned int spin_us, int node, struct cpu_pool **ret_pool)
{
	unsigned int cpus = allowed_cpus(), n;
	sigset_t all, before;
	struct cpu_pool *pool = aligned_alloc(CACHE_LINE, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	*pool = (struct cpu_pool){ .threads = 1, .node = node };
	if (!threads)
		threads = cpus;
	if (threads > MAX_THREADS - 1)
		threads = MAX_THREADS - 1;
	/* looking for work takes the CPU from who has it */
	pool->spin_us = threads > cpus ? 0 : spin_us;
	pool->shares = aligned_alloc(CACHE_LINE, threads * sizeof(*pool->shares));
	pool->workers = calloc(threads, sizeof(*pool->workers));
	if (!pool->shares || !pool->workers) {
		cpu_pool_destroy(pool);
		return -ENOMEM;
	}
	/* threads counts those that run, so that destroying half a pool works */
	for (n = 1; n < threads; n++) {
		struct worker *worker = pool->workers + n;
		int ret;

		worker->pool = pool;
		worker->index = n;
		/* signals are for the threads of the program, not for ours */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		ret = pthread_create(&worker->thread, NULL, worker_main, worker);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (ret) {
			cpu_pool_destroy(pool);
			return -ret;
		}
		pool->threads = n + 1;
	}
	*ret_pool = pool;
	return 0;
}

void cpu_pool_destroy(struct cpu_pool *pool)
{
	unsigned int n;

	if (!pool)
		return;
	atomic_store(&pool->stop, true);
	/* a change of the word, so that nobody goes to sleep on the old one */
	atomic_fetch_add(&pool->state, LOOP_ONE);
	futex_wake_all(&pool->state);
	for (n = 1; n < pool->threads && pool->workers; n++)
		pthread_join(pool->workers[n].thread, NULL);
	free(pool->shares);
	free(pool->workers);
	free(pool);
}

unsigned int cpu_pool_threads(const struct cpu_pool *pool)
{
	return pool->threads;
}

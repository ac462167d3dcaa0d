// SPDX-License-Identifier: MIT
/*
 * The read roof (read_roof.h). Passes are short, a window of each thread's memory, and a window comes again only after
 * all the others: so the caches hold next to nothing of it, and on a busy machine some passes are left alone.
 */
#include "read_roof.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define WINDOW		(16ull << 20)
#define LEAST_BYTES	(64ull << 20)
#define MOST_BYTES	(2ull << 30)	/* of all threads */
#define HUGE_PAGE	(2ull << 20)
#define STREAMS		8
#define AHEAD		8192	/* as the products' kernels prefetch */
#define TURNS		3	/* through all of the memory, by each pattern */

typedef uint64_t vec __attribute__((vector_size(64)));

/* Each stream reads its own part of the window. */
static inline __attribute__((always_inline)) uint64_t read_streams(const uint8_t *from, int streams, bool prefetch)
{
	uint64_t part = WINDOW / streams, i;
	vec sum[STREAMS] = { 0 };
	int s;

	for (i = 0; i < part; i += sizeof(vec)) {
#pragma GCC unroll 8
		for (s = 0; s < streams; s++) {
			if (prefetch)
				__builtin_prefetch(from + s * part + i + AHEAD, 0, 2);
			sum[s] ^= *(const vec *)(from + s * part + i);
		}
	}
	for (s = 1; s < streams; s++)
		sum[0] ^= sum[s];
	return sum[0][0] ^ sum[0][1] ^ sum[0][2] ^ sum[0][3] ^ sum[0][4] ^ sum[0][5] ^ sum[0][6] ^ sum[0][7];
}

enum { PATTERNS = 4 };

#define READ_WINDOW(name, attribute) \
	static attribute __attribute__((noinline)) uint64_t name(const uint8_t *from, int pattern) \
	{ \
		switch (pattern) { \
		case 0: return read_streams(from, 1, false); \
		case 1: return read_streams(from, 1, true); \
		case 2: return read_streams(from, STREAMS, false); \
		default: return read_streams(from, STREAMS, true); \
		} \
	}

READ_WINDOW(read_baseline, )
#if defined(__x86_64__)
READ_WINDOW(read_avx2, __attribute__((target("avx2"))))
READ_WINDOW(read_avx512, __attribute__((target("avx512f"))))
#endif

struct roof {
	uint64_t (*read)(const uint8_t *from, int pattern);
	unsigned int threads;
	uint64_t bytes;			/* of each thread; whole windows */
	uint32_t passes;
	uint8_t *memory;
	clockid_t clock;
	pthread_mutex_t gate;		/* held until all have started, or one couldn't */
	bool cancelled;
	pthread_barrier_t barrier;
};

struct reader {
	pthread_t thread;
	struct roof *roof;
	const uint8_t *from;
	volatile uint64_t sum;		/* so that what is read is needed */
	struct pass {
		uint64_t start, end;
	} *pass;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void *read_all(void *arg)
{
	struct reader *r = arg;
	struct roof *roof = r->roof;
	uint32_t windows = roof->bytes / WINDOW, n;

	pthread_mutex_lock(&roof->gate);
	pthread_mutex_unlock(&roof->gate);
	for (n = 0; n < roof->passes && !roof->cancelled; n++) {
		pthread_barrier_wait(&roof->barrier);
		r->pass[n].start = now_ns(roof->clock);
		r->sum ^= roof->read(r->from + n % windows * WINDOW, n / windows % PATTERNS);
		r->pass[n].end = now_ns(roof->clock);
	}
	return NULL;
}

static double best_rate(const struct roof *roof, const struct reader *readers)
{
	uint64_t best = UINT64_MAX;
	unsigned int n, i;

	for (n = 0; n < roof->passes; n++) {
		struct pass all = readers[0].pass[n];

		for (i = 1; i < roof->threads; i++) {
			const struct pass *p = readers[i].pass + n;

			all.start = p->start < all.start ? p->start : all.start;
			all.end = p->end > all.end ? p->end : all.end;
		}
		if (all.end > all.start && all.end - all.start < best)
			best = all.end - all.start;
	}
	return roof->threads * WINDOW * 1e9 / best;
}

static int run(struct roof *roof, struct reader *readers)
{
	unsigned int started, i;
	int ret = 0;

	pthread_mutex_lock(&roof->gate);
	for (started = 0; started < roof->threads && !ret; started += !ret) {
		readers[started].roof = roof;
		readers[started].from = roof->memory + started * roof->bytes;
		ret = pthread_create(&readers[started].thread, NULL, read_all, readers + started);
	}
	roof->cancelled = ret;
	pthread_mutex_unlock(&roof->gate);
	for (i = 0; i < started; i++)
		pthread_join(readers[i].thread, NULL);
	return -ret;
}

/* Of one last-level cache; what sysconf() says is a package's on some machines. 0: not known. */
static uint64_t cache_bytes(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "r");
	unsigned long kib = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%luK", &kib) != 1)
		kib = 0;
	fclose(f);
	return kib * 1024ull;
}

/*
 * Eight times the cache for each thread, as each may have one of its own: a cache that doesn't throw out the oldest first
 * keeps a part of what is only twice its size, and the best pass would be one that met that part.
 */
static uint64_t bytes_each(unsigned int threads)
{
	uint64_t bytes = 8 * cache_bytes(), most = MOST_BYTES / threads;

	bytes = bytes < most ? bytes : most;
	if (bytes < LEAST_BYTES)
		bytes = LEAST_BYTES;
	return (bytes + WINDOW - 1) / WINDOW * WINDOW;
}

static uint64_t (*widest(const char **ret_name))(const uint8_t *, int)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f")) {
		*ret_name = "avx512";
		return read_avx512;
	}
	if (__builtin_cpu_supports("avx2")) {
		*ret_name = "avx2";
		return read_avx2;
	}
#endif
	*ret_name = "baseline";
	return read_baseline;
}

int read_roof_measure(unsigned int threads, struct read_roof *ret_roof)
{
	struct read_roof out;
	struct roof roof = {
		.read = widest(&out.loads), .threads = threads, .bytes = bytes_each(threads), .gate = PTHREAD_MUTEX_INITIALIZER,
		.clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC,
	};
	struct reader *readers = calloc(threads, sizeof(*readers));
	struct pass *pass;
	unsigned int i;
	int ret = -ENOMEM;

	roof.passes = roof.bytes / WINDOW * PATTERNS * TURNS;
	pass = calloc((size_t)threads * roof.passes, sizeof(*pass));
	roof.memory = aligned_alloc(HUGE_PAGE, threads * roof.bytes);
	if (readers && pass && roof.memory) {
		madvise(roof.memory, threads * roof.bytes, MADV_HUGEPAGE);
		memset(roof.memory, 1, threads * roof.bytes);
		for (i = 0; i < threads; i++)
			readers[i].pass = pass + (size_t)i * roof.passes;
		pthread_barrier_init(&roof.barrier, NULL, threads);
		ret = run(&roof, readers);
		pthread_barrier_destroy(&roof.barrier);
	}
	if (!ret) {
		out.bytes_per_second = best_rate(&roof, readers);
		out.mib = roof.bytes >> 20;
		*ret_roof = out;
	}
	free(roof.memory);
	free(pass);
	free(readers);
	return ret;
}

// SPDX-License-Identifier: MIT
/*
 * dseek bench roundtrip: what the way to an engine and back costs. A job that does nothing, submitted and waited for,
 * against a byte through two pipes to another process and back, in turns in the same run: only the ratio means anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dseek.h>
#include <dseek_program.h>
#include "cli.h"

#define ROUNDS	10
#define BATCH	32

struct series {
	uint64_t *ns;
	uint64_t count;
};

struct roundtrip {
	struct cli_common common;
	uint64_t count;
	int unpinned;
	int cpu_here, cpu_there;	/* -1: not pinned */
	int to[2], from[2];
	pid_t peer;
	uint32_t ball;
	pthread_t thread;
	struct dseek_device *dev;
	struct dseek_program *nop;
	struct dseek_queue *queue;
	struct series pipe, futex, job;
	double batch_jobs_s;
};

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* The first two CPUs allowed: one for who asks, one for who answers. */
static void choose_cpus(struct roundtrip *b)
{
	cpu_set_t set;
	int cpu, found = 0;

	b->cpu_here = b->cpu_there = -1;
	if (b->unpinned || sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2)
		return;
	for (cpu = 0; found < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			*(found++ ? &b->cpu_there : &b->cpu_here) = cpu;
}

/* ---- the other sides */

static int start_pipes(struct roundtrip *b)
{
	char byte;

	if (pipe(b->to) || pipe(b->from))
		return -errno;
	b->peer = fork();
	if (b->peer < 0)
		return -errno;
	if (b->peer == 0) {
		close(b->to[1]);
		close(b->from[0]);
		pin(b->cpu_there);
		while (read(b->to[0], &byte, 1) == 1 && write(b->from[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(b->to[0]);
	close(b->from[1]);
	return 0;
}

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* The ball is even on our side, odd on theirs; ~0: the game is over. */
static void *play(void *arg)
{
	struct roundtrip *b = arg;
	uint32_t ball;

	pin(b->cpu_there);
	for (;;) {
		while (ball = __atomic_load_n(&b->ball, __ATOMIC_ACQUIRE), ball % 2 == 0)
			futex_wait(&b->ball, ball);
		if (ball == UINT32_MAX)
			return NULL;
		__atomic_store_n(&b->ball, ball + 1, __ATOMIC_RELEASE);
		futex_wake(&b->ball);
	}
}

static int start_device(struct roundtrip *b)
{
	struct dseek_program_op op = { .code = DSEEK_OP_NOP };
	struct dseek_builder *builder;
	struct dseek_engine_info engine;
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_INTERACTIVE, .weight = 1 };
	size_t size;
	void *blob;
	int r;

	/* An embedded executor's threads inherit where we are now. */
	pin(b->cpu_there);
	r = dseek_open(b->common.device, NULL, &b->dev);
	pin(b->cpu_here);
	if (r)
		return r;
	r = dseek_engine_find(b->dev, NULL, &engine);
	if (r)
		return r;
	memset(op.t, 0xff, sizeof(op.t));
	builder = dseek_builder_create(0);
	if (!builder)
		return -ENOMEM;
	dseek_builder_op(builder, &op);
	r = dseek_builder_finish(builder, &blob, &size);
	dseek_builder_destroy(builder);
	if (r)
		return r;
	r = dseek_program_create(b->dev, blob, size, &b->nop);
	free(blob);
	if (r)
		return r;
	params.engine = engine.id;
	return dseek_queue_create(b->dev, &params, &b->queue);
}

/* ---- rounds */

static int one_pipe(struct roundtrip *b)
{
	char byte = 1;

	return write(b->to[1], &byte, 1) == 1 && read(b->from[0], &byte, 1) == 1 ? 0 : -EPIPE;
}

static int one_futex(struct roundtrip *b)
{
	uint32_t ball = b->ball + 1;

	__atomic_store_n(&b->ball, ball, __ATOMIC_RELEASE);
	futex_wake(&b->ball);
	while (__atomic_load_n(&b->ball, __ATOMIC_ACQUIRE) == ball)
		futex_wait(&b->ball, ball);
	return 0;
}

static int one_job(struct roundtrip *b)
{
	const struct dseek_job job = { .program = b->nop };
	struct dseek_job_result result;
	uint64_t seqno;
	int r;

	r = dseek_submit(b->queue, &job, 1, &seqno, NULL);
	if (r < 0)
		return r;
	r = dseek_wait(b->queue, seqno, ~0ull, &result);
	return r ? r : result.error;
}

static int measure(struct roundtrip *b, struct series *s, int (*one)(struct roundtrip *))
{
	uint64_t i, start;
	int r;

	for (i = 0; i < b->count / ROUNDS; i++) {
		start = cli_now_ns();
		r = one(b);
		if (r)
			return r;
		s->ns[s->count++] = cli_now_ns() - start;
	}
	return 0;
}

/* Two batches on the way at any time. */
static int measure_batches(struct roundtrip *b)
{
	struct dseek_job jobs[BATCH];
	uint64_t start = cli_now_ns(), seqno = 0, n;
	int r;

	for (n = 0; n < BATCH; n++)
		jobs[n] = (struct dseek_job) { .program = b->nop };
	for (n = 0; n < b->count; n += BATCH) {
		r = dseek_submit(b->queue, jobs, BATCH, &seqno, NULL);
		if (r < 0)
			return r;
		if (n) {
			r = dseek_wait(b->queue, seqno - 1, ~0ull, NULL);
			if (r)
				return r;
		}
	}
	r = dseek_wait(b->queue, seqno + BATCH - 1, ~0ull, NULL);
	b->batch_jobs_s = n * 1e9 / (cli_now_ns() - start);
	return r;
}

static int measure_all(struct roundtrip *b)
{
	int round, r;

	for (round = 0; round <= ROUNDS; round++) {
		if (round == 1)	/* the first warms up */
			b->pipe.count = b->futex.count = b->job.count = 0;
		r = measure(b, &b->pipe, one_pipe);
		if (!r)
			r = measure(b, &b->futex, one_futex);
		if (!r)
			r = measure(b, &b->job, one_job);
		if (r)
			return r;
	}
	return measure_batches(b);
}

/* ---- the report */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double quantile_us(struct series *s, unsigned int percent)
{
	return s->ns[s->count * percent / 100] / 1e3;
}

static void report(struct roundtrip *b)
{
	double pipe, futex, job;

	qsort(b->pipe.ns, b->pipe.count, sizeof(uint64_t), compare);
	qsort(b->futex.ns, b->futex.count, sizeof(uint64_t), compare);
	qsort(b->job.ns, b->job.count, sizeof(uint64_t), compare);
	pipe = quantile_us(&b->pipe, 50);
	futex = quantile_us(&b->futex, 50);
	job = quantile_us(&b->job, 50);
	if (b->common.json) {
		printf("{\"transport\": \"%s\", \"pinned\": %s, \"count\": %" PRIu64 ", \"pipe_p50_us\": %.2f, \"futex_p50_us\": %.2f, "
		       "\"job_p50_us\": %.2f, \"job_p99_us\": %.2f, \"job_to_pipe\": %.3f, \"job_to_futex\": %.3f, "
		       "\"batch\": %d, \"batch_jobs_per_s\": %.0f}\n", dseek_transport(b->dev),
		       b->cpu_here < 0 ? "false" : "true", b->job.count, pipe, futex, job, quantile_us(&b->job, 99),
		       job / pipe, job / futex, BATCH, b->batch_jobs_s);
		return;
	}
	printf("%-28s %8s %8s\n", "round trip", "p50 us", "p99 us");
	printf("%-28s %8.2f %8.2f\n", "two pipes, two processes", pipe, quantile_us(&b->pipe, 99));
	printf("%-28s %8.2f %8.2f\n", "two futexes, two threads", futex, quantile_us(&b->futex, 99));
	printf("%-28s %8.2f %8.2f\n", "job that does nothing", job, quantile_us(&b->job, 99));
	printf("%s: job / pipe %.3f, job / futex %.3f; batches of %d: %.0f jobs/s (%s)\n", dseek_transport(b->dev),
	       job / pipe, job / futex, BATCH, b->batch_jobs_s, b->cpu_here < 0 ? "not pinned" : "pinned to two CPUs");
}

static void finish(struct roundtrip *b)
{
	if (b->thread) {
		__atomic_store_n(&b->ball, UINT32_MAX, __ATOMIC_RELEASE);
		futex_wake(&b->ball);
		pthread_join(b->thread, NULL);
	}
	close(b->to[1]);
	if (b->peer > 0)
		waitpid(b->peer, NULL, 0);
	dseek_queue_destroy(b->queue);
	dseek_program_destroy(b->nop);
	dseek_close(b->dev);
	free(b->pipe.ns);
	free(b->futex.ns);
	free(b->job.ns);
}

int bench_roundtrip_main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek bench roundtrip", .synopsis = "[-d DEVICE] [-n COUNT]",
		.summary = "What the way to an engine and back costs, next to pipes and futexes.",
	};
	struct roundtrip b = { .common = CLI_COMMON_DEFAULTS, .count = 20000, .to = { -1, -1 } };
	const struct cli_option options[] = {
		{ "count", 'n', CLI_UINT, &b.count, "N", "round trips of each kind (default 20000)" },
		{ "unpinned", 0, CLI_FLAG, &b.unpinned, NULL, "leave the CPUs to the scheduler" },
		CLI_OPTION_DEVICE(&b.common), CLI_OPTION_JSON(&b.common), CLI_OPTIONS_END
	};
	int r;

	cli_parse(&usage, options, argc, argv);
	if (b.count < 100 || b.count > 100000000)
		return cli_usage_error(&usage, "--count: 100 to 100000000");
	b.pipe.ns = calloc(b.count + ROUNDS, sizeof(uint64_t));
	b.futex.ns = calloc(b.count + ROUNDS, sizeof(uint64_t));
	b.job.ns = calloc(b.count + ROUNDS, sizeof(uint64_t));
	r = b.pipe.ns && b.futex.ns && b.job.ns ? 0 : -ENOMEM;
	choose_cpus(&b);
	if (!r)
		r = start_pipes(&b);	/* before there are threads */
	if (!r)
		r = start_device(&b);
	if (!r)
		r = -pthread_create(&b.thread, NULL, play, &b);
	if (!r)
		r = measure_all(&b);
	if (r)
		cli_log(CLI_ERROR, "%s: %s%s%s", b.common.device, strerror(-r), *dseek_strerror_detail() ? ": " : "",
			dseek_strerror_detail());
	else
		report(&b);
	finish(&b);
	return r ? CLI_FAILED : CLI_OK;
}

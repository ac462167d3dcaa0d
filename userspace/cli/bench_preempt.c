// SPDX-License-Identifier: MIT
/*
 * dseek bench preempt: how long something better waits for what runs to give way, against the bound that the engine is
 * published with: depth * longest op + one round trip. A batch queue that always has long jobs, and now and
 * then, at a random moment of an op, a job that does nothing in an interactive queue.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <dseek.h>
#include <dseek_program.h>
#include "cli.h"

#define OPS	64	/* of a long job */
#define AHEAD	2	/* long jobs beyond what the executor holds */

struct series {
	uint64_t *ns;
	uint64_t count;
};

struct preempt {
	struct cli_common common;
	uint64_t op_us, count;
	struct dseek_device *dev;
	struct dseek_engine_info engine;
	struct dseek_program *longs, *nop;
	struct dseek_queue *batch, *better;
	uint64_t first, last;		/* long jobs under way */
	uint64_t yields;		/* of those that are complete */
	struct series roundtrip, delay;
};

static int make_program(struct preempt *b, const struct dseek_program_op *op, uint32_t count, struct dseek_program **ret)
{
	struct dseek_builder *builder = dseek_builder_create(0);
	size_t size;
	void *blob;
	int r;

	if (!builder)
		return -ENOMEM;
	while (count--)
		dseek_builder_op(builder, op);
	r = dseek_builder_finish(builder, &blob, &size);
	dseek_builder_destroy(builder);
	if (r)
		return r;
	r = dseek_program_create(b->dev, blob, size, ret);
	free(blob);
	return r;
}

static int start(struct preempt *b)
{
	struct dseek_program_op nop = { .code = DSEEK_OP_NOP }, spin = { .code = DSEEK_OP_SPIN, .i = { b->op_us } };
	struct dseek_queue_params params = { .sched_class = DSEEK_CLASS_INTERACTIVE, .weight = 1 };
	int r;

	memset(nop.t, 0xff, sizeof(nop.t));
	memset(spin.t, 0xff, sizeof(spin.t));
	r = dseek_open(b->common.device, NULL, &b->dev);
	if (!r)
		r = dseek_engine_find(b->dev, NULL, &b->engine);
	if (!r)
		r = make_program(b, &nop, 1, &b->nop);
	if (!r)
		r = make_program(b, &spin, OPS, &b->longs);
	params.engine = b->engine.id;
	if (!r)
		r = dseek_queue_create(b->dev, &params, &b->better);
	params.sched_class = DSEEK_CLASS_BATCH;
	return r ? r : dseek_queue_create(b->dev, &params, &b->batch);
}

/* The time until it reached the executor, and until we knew that it was complete. */
static int one_better(struct preempt *b, uint64_t *ret_delay, uint64_t *ret_whole)
{
	const struct dseek_job job = { .program = b->nop };
	struct dseek_job_result result;
	uint64_t begin = cli_now_ns(), seqno;
	int r;

	r = dseek_submit(b->better, &job, 1, &seqno, NULL);
	if (r < 0)
		return r;
	r = dseek_wait(b->better, seqno, ~0ull, &result);
	*ret_whole = cli_now_ns() - begin;
	*ret_delay = result.start_ns - result.submit_ns;
	return r ? r : result.error;
}

/* Keep the batch queue from running dry; count what its jobs had to give way. */
static int feed(struct preempt *b)
{
	const struct dseek_job job = { .program = b->longs };
	struct dseek_job_result result;
	uint64_t seqno;
	int r;

	while (b->first <= b->last && !(r = dseek_wait(b->batch, b->first, 0, &result))) {
		if (result.error)
			return result.error;
		b->yields += result.preemptions;
		b->first++;
	}
	while (b->last - b->first + 1 < b->engine.depth + AHEAD) {
		r = dseek_submit(b->batch, &job, 1, &seqno, NULL);
		if (r < 0)
			return r;
		b->last = seqno;
	}
	return 0;
}

static void pause_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static int measure(struct preempt *b)
{
	uint64_t delay, whole, i, random = 88172645463325252u;
	int r = 0;

	for (i = 0; !r && i < b->count; i++) {	/* the engine has nothing else to do */
		r = one_better(b, &delay, &whole);
		b->roundtrip.ns[b->roundtrip.count++] = whole;
	}
	b->first = 1;
	for (i = 0; !r && i < b->count; i++) {
		r = feed(b);
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		/* From one to three ops: at any moment of one, and what gave way runs again. */
		pause_ns(b->op_us * 1000 + random % (2 * b->op_us * 1000));
		if (!r)
			r = one_better(b, &delay, &whole);
		b->delay.ns[b->delay.count++] = delay;
	}
	/* What is still under way gave way, too. */
	while (!r && b->first <= b->last) {
		struct dseek_job_result result;

		r = dseek_wait(b->batch, b->first++, ~0ull, &result);
		b->yields += r ? 0 : result.preemptions;
	}
	return r ? r : dseek_engine_find(b->dev, b->engine.name, &b->engine);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double quantile(struct series *s, unsigned int percent)
{
	uint64_t at = s->count * percent / 100;

	return s->ns[at < s->count ? at : s->count - 1];
}

static int report(struct preempt *b)
{
	double round, bound, p50, p99, most;
	uint64_t beyond = 0, i;

	if (!b->yields) {
		cli_log(CLI_ERROR, "%s: nothing had to give way: this engine does not run SPIN (null takes spin=1)", b->engine.name);
		return CLI_FAILED;
	}
	qsort(b->roundtrip.ns, b->roundtrip.count, sizeof(uint64_t), compare);
	qsort(b->delay.ns, b->delay.count, sizeof(uint64_t), compare);
	round = quantile(&b->roundtrip, 50);
	bound = (double)b->engine.depth * b->engine.longest_op_ns + round;
	p50 = quantile(&b->delay, 50);
	p99 = quantile(&b->delay, 99);
	most = quantile(&b->delay, 100);
	for (i = 0; i < b->delay.count; i++)
		beyond += b->delay.ns[i] > bound;
	if (b->common.json) {
		printf("{\"transport\": \"%s\", \"engine\": \"%s\", \"depth\": %u, \"op_us\": %" PRIu64 ", \"longest_op_us\": %.2f, "
		       "\"roundtrip_p50_us\": %.2f, \"bound_us\": %.2f, \"count\": %" PRIu64 ", \"preemptions\": %" PRIu64
		       ", \"delay_p50_us\": %.2f, \"delay_p99_us\": %.2f, \"delay_max_us\": %.2f, \"p50_to_bound\": %.3f, "
		       "\"max_to_bound\": %.3f, \"beyond_bound\": %" PRIu64 "}\n", dseek_transport(b->dev), b->engine.name,
		       b->engine.depth, b->op_us, b->engine.longest_op_ns / 1e3, round / 1e3, bound / 1e3, b->delay.count, b->yields,
		       p50 / 1e3, p99 / 1e3, most / 1e3, p50 / bound, most / bound, beyond);
		return CLI_OK;
	}
	printf("%s (%s), ops of %" PRIu64 " us: depth %u * longest op %.1f us + round trip %.1f us = bound %.1f us\n", b->engine.name,
	       dseek_transport(b->dev), b->op_us, b->engine.depth, b->engine.longest_op_ns / 1e3, round / 1e3, bound / 1e3);
	printf("%-34s %10s %10s %10s\n", "something better waited", "p50", "p99", "most");
	printf("%-34s %10.1f %10.1f %10.1f\n", "us", p50 / 1e3, p99 / 1e3, most / 1e3);
	printf("%-34s %10.3f %10.3f %10.3f\n", "of the bound", p50 / bound, p99 / bound, most / bound);
	printf("%" PRIu64 " waits, %" PRIu64 " times a job gave way, %" PRIu64 " waits beyond the bound\n", b->delay.count, b->yields,
	       beyond);
	return CLI_OK;
}

int bench_preempt_main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek bench preempt", .synopsis = "[-d DEVICE] [-n COUNT] [--op-us N]",
		.summary = "How long something better waits for what runs, against the engine's published bound.",
		.more = "The bound: depth * longest op (as the executor measured it) + one round trip.\n",
	};
	struct preempt b = { .common = CLI_COMMON_DEFAULTS, .op_us = 2000, .count = 200 };
	const struct cli_option options[] = {
		{ "count", 'n', CLI_UINT, &b.count, "N", "better jobs (default 200)" },
		{ "op-us", 'o', CLI_UINT, &b.op_us, "N", "length of an op of what runs, in us (default 2000)" },
		CLI_OPTION_DEVICE(&b.common), CLI_OPTION_JSON(&b.common), CLI_OPTIONS_END
	};
	int rc, r;

	cli_parse(&usage, options, argc, argv);
	if (b.count < 10 || b.count > 1000000)
		return cli_usage_error(&usage, "--count: 10 to 1000000");
	if (b.op_us < 10 || b.op_us > 1000000)
		return cli_usage_error(&usage, "--op-us: 10 to 1000000");
	b.roundtrip.ns = calloc(b.count, sizeof(uint64_t));
	b.delay.ns = calloc(b.count, sizeof(uint64_t));
	r = b.roundtrip.ns && b.delay.ns ? start(&b) : -ENOMEM;
	if (!r)
		r = measure(&b);
	if (r)
		cli_log(CLI_ERROR, "%s: %s%s%s", b.common.device, strerror(-r), *dseek_strerror_detail() ? ": " : "",
			dseek_strerror_detail());
	rc = r ? CLI_FAILED : report(&b);
	dseek_queue_destroy(b.batch);
	dseek_queue_destroy(b.better);
	dseek_program_destroy(b.longs);
	dseek_program_destroy(b.nop);
	dseek_close(b.dev);
	free(b.roundtrip.ns);
	free(b.delay.ns);
	return rc;
}

// SPDX-License-Identifier: MIT
/* dseek bench arb: what one decision of the arbiter costs, by the number of queues. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../kmod/arb/arb.h"
#include "cli.h"

#define SIZES		3
#define ROUNDS		9
#define DECISIONS	30000
#define QUEUES_A_TENANT	10

/* Tenants of ten queues each, every queue with one job that is ready again as soon as it is done. */
struct load {
	int queues;
	u64 now_ns, seed;
	struct arb_engine engine;
	struct arb_share *share;
	struct arb_queue *queue;
	struct arb_job *job;
	double ns[ROUNDS];
};

static u64 next_random(u64 *seed)	/* xorshift64: Marsaglia 2003 */
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static int load_make(struct load *load, int queues)
{
	int i, tenants = (queues + QUEUES_A_TENANT - 1) / QUEUES_A_TENANT;

	load->queues = queues;
	load->seed = 1;
	load->share = calloc(tenants, sizeof(*load->share));
	load->queue = calloc(queues, sizeof(*load->queue));
	load->job = calloc(queues, sizeof(*load->job));
	if (!load->share || !load->queue || !load->job)
		return -ENOMEM;
	arb_engine_init(&load->engine, NULL, 0);
	for (i = 0; i < tenants; i++)
		arb_share_init(&load->share[i], &load->engine);
	for (i = 0; i < queues; i++) {
		load->queue[i].class = ARB_CLASS_BATCH;
		load->queue[i].weight = 1 + next_random(&load->seed) % 8;
		arb_queue_add(&load->queue[i], &load->share[i / QUEUES_A_TENANT], 0);
		load->job[i].queue = &load->queue[i];
		arb_job_ready(&load->job[i], 0);
	}
	return 0;
}

static void load_free(struct load *load)
{
	free(load->share);
	free(load->queue);
	free(load->job);
}

/* A decision with all that comes with it: pick, done, whether to preempt, ready again. */
static double round_ns(struct load *load)
{
	struct timespec from, to;
	struct arb_job *job;
	u64 used;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < DECISIONS; i++) {
		job = arb_pick(&load->engine, load->now_ns);
		used = 1000 + next_random(&load->seed) % 2000000;
		load->now_ns += used;
		arb_wants_preempt(&load->engine, load->now_ns);
		arb_job_done(job, used, load->now_ns);
		arb_job_ready(job, load->now_ns);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	return ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / DECISIONS;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int bench_arb_main(int argc, char **argv)
{
	static const int sizes[SIZES] = { 10, 1000, 100000 };
	struct cli_common common = CLI_COMMON_DEFAULTS;
	const struct cli_option options[] = { CLI_OPTION_NO_DEVICE(&common), CLI_OPTION_JSON(&common), CLI_OPTIONS_END };
	const struct cli_usage usage = {
		.name = "dseek bench arb", .synopsis = "[--json]",
		.summary = "Cost of a decision of the arbiter (pick, preemption check, done, ready) by the number of queues.",
	};
	struct load load[SIZES] = { { 0 } };
	int i, round, status = CLI_FAILED;

	cli_parse(&usage, options, argc, argv);
	for (i = 0; i < SIZES; i++)
		if (load_make(&load[i], sizes[i])) {
			fprintf(stderr, "dseek bench arb: out of memory\n");
			goto out;
		}
	for (i = 0; i < SIZES; i++)	/* into the caches, as far as they go */
		round_ns(&load[i]);
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < SIZES; i++)
			load[i].ns[round] = round_ns(&load[i]);
	for (i = 0; i < SIZES; i++)
		qsort(load[i].ns, ROUNDS, sizeof(load[i].ns[0]), ascending);
	if (common.json) {
		printf("{\"bench\": \"arb\", \"results\": [");
		for (i = 0; i < SIZES; i++)
			printf("%s{\"queues\": %d, \"ns_per_decision\": %.1f, \"least\": %.1f, \"most\": %.1f}", i ? ", " : "",
			       sizes[i], load[i].ns[ROUNDS / 2], load[i].ns[0], load[i].ns[ROUNDS - 1]);
		printf("], \"ratio_100000_10\": %.2f}\n", load[SIZES - 1].ns[ROUNDS / 2] / load[0].ns[ROUNDS / 2]);
	} else {
		printf("%10s %16s %10s %10s %8s\n", "queues", "ns a decision", "least", "most", "ratio");
		for (i = 0; i < SIZES; i++)
			printf("%10d %16.0f %10.0f %10.0f %8.2f\n", sizes[i], load[i].ns[ROUNDS / 2], load[i].ns[0],
			       load[i].ns[ROUNDS - 1], load[i].ns[ROUNDS / 2] / load[0].ns[ROUNDS / 2]);
	}
	status = CLI_OK;
out:
	for (i = 0; i < SIZES; i++)
		load_free(&load[i]);
	return status;
}

// SPDX-License-Identifier: MIT
/*
 * dseek bench choice: queues over a set of engines of different speed. Rounds of three phases, in turns, so that what else the machine does is
 * in all of them: explicit queues on each engine at once (what the engines can do together), queues over the set, and one
 * queue over the set beside explicit ones. Reported: throughput of the set against the sum, who did how much, whether explicit engines
 * were honoured, and how far off predictions were.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dseek.h>
#include <dseek_program.h>
#include "cli.h"

#define OWN_SPEC	"embed:bench-choice,engine=cpu,name=fast,threads=1,engine=cpu,name=slow,threads=1,isa=scalar,engine=null,name=null"
#define MAX_ENGINES	8
#define MAX_STREAMS	16
#define AHEAD		4
#define MAX_SAMPLES	400000
#define WIDTH		256	/* of a product: WIDTH * WIDTH weights, TOKENS rows */
#define TOKENS		4

struct bench {
	struct cli_common common;
	const char *names;
	double seconds;
	uint64_t streams, rounds;
	struct dseek_device *dev;
	struct dseek_program *program;
	struct dseek_engine_info engine[MAX_ENGINES];	/* of the set */
	uint32_t engine_count;
	struct dseek_engine_info null;		/* an engine beside the set, if there is one */
	int has_null;
	uint64_t set;

	double apart_s, together_s, one_s, fastest_s;	/* jobs a second: explicit queues, the set, one queue of it, the fastest alone */
	uint64_t apart[MAX_ENGINES], together[MAX_ENGINES];	/* jobs by engine */
	uint64_t explicit_jobs, explicit_elsewhere, outside;
	double *error;				/* of turnarounds over the set, relative */
	size_t error_count;
	struct dseek_accuracy sum;
	uint64_t moves;
	pthread_mutex_t lock;
};

/* A thread with a queue that keeps AHEAD jobs submitted. */
struct stream {
	struct bench *bench;
	pthread_t thread;
	uint32_t engine;		/* id */
	uint64_t set;			/* 0: explicit */
	uint64_t until_ns;
	struct dseek_bo *x, *out, *weights;
	struct dseek_queue *queue;
	uint64_t jobs, on[64];
	int error;
};

static struct dseek_program_tensor tensor(uint32_t binding, uint64_t ne0, uint64_t ne1)
{
	return (struct dseek_program_tensor) {
		.dtype = DSEEK_F32, .binding = binding, .ne = { ne0, ne1 },
		.ne_param = { DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM, DSEEK_NO_PARAM },
	};
}

static int make_program(struct bench *b)
{
	struct dseek_builder *builder = dseek_builder_create(0);
	struct dseek_program_op op = { .code = DSEEK_OP_LINEAR };
	struct dseek_program_tensor t;
	size_t size;
	void *blob;
	int r;

	if (!builder)
		return -ENOMEM;
	memset(op.t, 0xff, sizeof(op.t));
	t = tensor(dseek_builder_binding(builder, DSEEK_ACCESS_READ, WIDTH * TOKENS * 4), WIDTH, TOKENS);
	op.t[0] = dseek_builder_tensor(builder, &t);
	t = tensor(dseek_builder_binding(builder, DSEEK_ACCESS_READ, WIDTH * WIDTH * 4), WIDTH, WIDTH);
	op.t[1] = dseek_builder_tensor(builder, &t);
	t = tensor(dseek_builder_binding(builder, DSEEK_ACCESS_WRITE, WIDTH * TOKENS * 4), WIDTH, TOKENS);
	op.t[4] = dseek_builder_tensor(builder, &t);
	dseek_builder_op(builder, &op);
	dseek_builder_op(builder, &op);
	r = dseek_builder_finish(builder, &blob, &size);
	if (r)
		cli_log(CLI_ERROR, "program: %s", dseek_builder_error(builder));
	dseek_builder_destroy(builder);
	if (r)
		return r;
	r = dseek_program_create(b->dev, blob, size, &b->program);
	free(blob);
	return r;
}

/* ---- a stream */

static int stream_open(struct stream *s)
{
	const struct dseek_queue_params params = {
		.engine = s->engine, .engines = s->set, .sched_class = DSEEK_CLASS_BATCH, .weight = 1,
	};
	struct dseek_device *dev = s->bench->dev;
	int r;

	r = dseek_bo_create(dev, WIDTH * TOKENS * 4, 0, -1, &s->x);
	if (!r)
		r = dseek_bo_create(dev, WIDTH * TOKENS * 4, 0, -1, &s->out);
	if (!r)
		r = dseek_bo_create(dev, WIDTH * WIDTH * 4, 0, -1, &s->weights);
	return r ? r : dseek_queue_create(dev, &params, &s->queue);
}

static void stream_close(struct stream *s)
{
	dseek_queue_destroy(s->queue);
	dseek_bo_destroy(s->x);
	dseek_bo_destroy(s->out);
	dseek_bo_destroy(s->weights);
}

static void sample(struct bench *b, const struct dseek_job_result *result)
{
	double took = (double)result->end_ns - result->placed_ns, off = (double)result->predicted_ns - result->end_ns;

	if (!result->placed_ns || b->error_count == MAX_SAMPLES || took <= 0)
		return;
	b->error[b->error_count++] = (off < 0 ? -off : off) / took;
}

static int stream_run(struct stream *s)
{
	const struct dseek_binding bindings[] = {
		{ s->x, 0, WIDTH * TOKENS * 4, DSEEK_ACCESS_READ }, { s->weights, 0, WIDTH * WIDTH * 4, DSEEK_ACCESS_READ },
		{ s->out, 0, WIDTH * TOKENS * 4, DSEEK_ACCESS_WRITE },
	};
	const struct dseek_job job = { .program = s->bench->program, .bindings = bindings, .binding_count = 3, .flags = DSEEK_JOB_IDEMPOTENT };
	struct dseek_job_result result;
	uint64_t submitted = 0, waited = 0;
	int r;

	while (cli_now_ns() < s->until_ns || waited < submitted) {
		while (submitted - waited < AHEAD && cli_now_ns() < s->until_ns) {
			r = dseek_submit(s->queue, &job, 1, &submitted, NULL);
			if (r < 0)
				return r;
		}
		if (waited == submitted)
			break;
		r = dseek_wait(s->queue, ++waited, UINT64_MAX, &result);
		if (r || result.error)
			return r ? r : result.error;
		s->on[result.engine % 64]++;
		if (cli_now_ns() < s->until_ns)
			s->jobs++;
		pthread_mutex_lock(&s->bench->lock);
		sample(s->bench, &result);
		pthread_mutex_unlock(&s->bench->lock);
	}
	return 0;
}

static void *stream_main(void *arg)
{
	struct stream *s = arg;

	s->error = stream_run(s);
	return NULL;
}

/* ---- phases */

static int run_streams(struct bench *b, struct stream *streams, uint32_t count, double *ret_jobs_s)
{
	uint64_t until = cli_now_ns() + (uint64_t)(b->seconds * 1e9), jobs = 0, left;
	struct dseek_queue_stats stats;
	uint32_t i, started;
	int r = 0;

	for (i = 0; i < count && !r; i++) {
		streams[i].bench = b;
		streams[i].until_ns = until;
		r = stream_open(&streams[i]);
	}
	for (started = 0; started < count && !r; started++)
		r = -pthread_create(&streams[started].thread, NULL, stream_main, &streams[started]);
	for (i = 0; i < started; i++) {
		pthread_join(streams[i].thread, NULL);
		r = r ? r : streams[i].error;
		jobs += streams[i].jobs;
		for (left = 0; left < 64; left++) {
			if (!streams[i].set && left != streams[i].engine)
				b->explicit_elsewhere += streams[i].on[left];
			if (!streams[i].set)
				b->explicit_jobs += streams[i].on[left];
			if (streams[i].set && !(streams[i].set & 1ull << left))
				b->outside += streams[i].on[left];
		}
		if (!r && streams[i].set && !dseek_queue_stats(streams[i].queue, &stats)) {
			b->moves += stats.moves;
			b->sum.jobs += stats.predicted.jobs;
			b->sum.turnaround_ns += stats.predicted.turnaround_ns;
			b->sum.turnaround_error_ns += stats.predicted.turnaround_error_ns;
			b->sum.cost_ns += stats.predicted.cost_ns;
			b->sum.cost_error_ns += stats.predicted.cost_error_ns;
		}
	}
	for (i = 0; i < count; i++)
		stream_close(&streams[i]);
	*ret_jobs_s += jobs / b->seconds / b->rounds;
	return r;
}

/* All engines at work, each with queues of its own. */
static int apart(struct bench *b)
{
	struct stream streams[MAX_STREAMS] = { { 0 } };
	uint32_t i, e;
	int r;

	for (i = 0; i < b->streams; i++)
		streams[i].engine = b->engine[i % b->engine_count].id;
	r = run_streams(b, streams, b->streams, &b->apart_s);
	for (i = 0; i < b->streams; i++)
		for (e = 0; e < b->engine_count; e++)
			b->apart[e] += streams[i].on[b->engine[e].id];
	return r;
}

static int together(struct bench *b)
{
	struct stream streams[MAX_STREAMS] = { { 0 } };
	uint32_t i, e;
	int r;

	for (i = 0; i < b->streams; i++)
		streams[i] = (struct stream) { .engine = b->engine[0].id, .set = b->set };
	r = run_streams(b, streams, b->streams, &b->together_s);
	for (i = 0; i < b->streams; i++)
		for (e = 0; e < b->engine_count; e++)
			b->together[e] += streams[i].on[b->engine[e].id];
	return r;
}

/* One stream has one engine at a time, whatever the set: its order is the limit. Alone, then on the fastest alone. */
static int one(struct bench *b, uint32_t fastest)
{
	struct stream set = { .engine = b->engine[0].id, .set = b->set }, alone = { .engine = b->engine[fastest].id };
	int r = run_streams(b, &set, 1, &b->one_s);

	return r ? r : run_streams(b, &alone, 1, &b->fastest_s);
}

/* A queue that asks for the null engine, where there is one, gets it; nobody else does. */
static int beside(struct bench *b)
{
	struct stream streams[3] = { { .engine = b->engine[0].id, .set = b->set }, { .engine = b->engine[b->engine_count - 1].id },
				     { .engine = b->null.id } };
	double unused = 0;

	return run_streams(b, streams, b->has_null ? 3 : 2, &unused);
}

static int measure(struct bench *b)
{
	uint32_t round, e, fastest;
	int r = 0;

	for (round = 0; round < b->rounds && !r; round++) {
		r = apart(b);
		for (fastest = 0, e = 1; e < b->engine_count; e++)
			fastest = b->apart[e] > b->apart[fastest] ? e : fastest;
		if (!r)
			r = together(b);
		if (!r)
			r = one(b, fastest);
		if (!r)
			r = beside(b);
	}
	return r;
}

/* ---- setting up */

static int find_engines(struct bench *b)
{
	struct dseek_engine_info info;
	uint64_t named = 0;
	uint32_t i;
	int r;

	if (b->names) {
		r = dseek_engine_set(b->dev, b->names, &named);
		if (r)
			return r;
	}
	for (i = 0; dseek_engine_info(b->dev, i, &info) == 0; i++) {
		if (b->names ? named >> info.id & 1 : info.attached && !info.foreign && info.type != DSEEK_ENGINE_NULL) {
			if (b->engine_count < MAX_ENGINES)
				b->engine[b->engine_count++] = info;
			b->set |= 1ull << info.id;
		} else if (info.attached && !info.foreign && info.type == DSEEK_ENGINE_NULL) {
			b->null = info;
			b->has_null = 1;
		}
	}
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percent(double part, double whole)
{
	return whole ? 100 * part / whole : 0;
}

static void report(struct bench *b)
{
	double median, p90, mean = percent(b->sum.turnaround_error_ns, b->sum.turnaround_ns);
	double cost = percent(b->sum.cost_error_ns, b->sum.cost_ns), apart = 0, together = 0;
	uint64_t honoured = b->explicit_jobs - b->explicit_elsewhere;
	uint32_t e;

	qsort(b->error, b->error_count, sizeof(*b->error), by_value);
	median = b->error_count ? 100 * b->error[b->error_count / 2] : 0;
	p90 = b->error_count ? 100 * b->error[b->error_count * 9 / 10] : 0;
	for (e = 0; e < b->engine_count; e++) {
		apart += b->apart[e];
		together += b->together[e];
	}
	if (b->common.json) {
		printf("{\"transport\": \"%s\", \"explicit_jobs_per_s\": %.1f, \"set_jobs_per_s\": %.1f, \"set_to_explicit\": %.3f, "
		       "\"one_queue_to_fastest\": %.3f, \"engines\": [", dseek_transport(b->dev), b->apart_s, b->together_s,
		       b->together_s / b->apart_s, b->one_s / b->fastest_s);
		for (e = 0; e < b->engine_count; e++)
			printf("%s{\"name\": \"%s\", \"explicit_share\": %.4f, \"set_share\": %.4f}", e ? ", " : "", b->engine[e].name,
			       b->apart[e] / apart, b->together[e] / together);
		printf("], \"explicit_jobs\": %llu, \"explicit_honoured\": %llu, \"outside_set\": %llu, \"moves\": %llu, "
		       "\"predicted_jobs\": %llu, \"turnaround_error_median\": %.4f, \"turnaround_error_p90\": %.4f, "
		       "\"turnaround_error_mean\": %.4f, \"cost_error_mean\": %.4f}\n", (unsigned long long)b->explicit_jobs,
		       (unsigned long long)honoured, (unsigned long long)b->outside, (unsigned long long)b->moves,
		       (unsigned long long)b->sum.jobs, median / 100, p90 / 100, mean / 100, cost / 100);
		return;
	}
	printf("%-12s %18s %18s\n", "engine", "explicit queues", "queues over both");
	for (e = 0; e < b->engine_count; e++)
		printf("%-12s %16.1f %% %16.1f %%\n", b->engine[e].name, percent(b->apart[e], apart), percent(b->together[e], together));
	printf("%-12s %13.0f /s %14.0f /s   %.3f of what the engines do with queues of their own\n", "jobs", b->apart_s, b->together_s,
	       b->together_s / b->apart_s);
	printf("one queue over the set: %.3f of what it does on the fastest engine\n", b->one_s / b->fastest_s);
	printf("explicit engine honoured: %llu of %llu jobs; jobs outside their set: %llu\n", (unsigned long long)honoured,
	       (unsigned long long)b->explicit_jobs, (unsigned long long)b->outside);
	printf("prediction: turnaround off by %.1f %% (median), %.1f %% (p90), %.1f %% (mean error / mean); engine time by %.1f %%; %llu jobs, "
	       "%llu moves\n", median, p90, mean, cost, (unsigned long long)b->sum.jobs, (unsigned long long)b->moves);
}

int bench_choice_main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek bench choice", .synopsis = "[-d DEVICE] [-e ENGINES]",
		.summary = "Queues over several engines: throughput, who does what, and how good predictions are.",
		.more = "Without -d three engines are made: cpu (fast), cpu without vector instructions (slow), and null.\n",
	};
	struct bench *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return CLI_FAILED;
	*b = (struct bench) { .seconds = 1, .streams = 4, .rounds = 3, .lock = PTHREAD_MUTEX_INITIALIZER };
	{
		const struct cli_option options[] = {
			{ "engines", 'e', CLI_STRING, &b->names, "NAMES", "the set, \"cpu0,cpu1\" (all that are attached, but null)" },
			{ "streams", 0, CLI_UINT, &b->streams, "N", "queues at once (4)" },
			{ "rounds", 'r', CLI_UINT, &b->rounds, "N", "of all phases (3)" },
			{ "seconds", 's', CLI_DOUBLE, &b->seconds, "N", "of a phase (1)" },
			CLI_OPTION_DEVICE(&b->common), CLI_OPTION_JSON(&b->common), CLI_OPTIONS_END
		};

		cli_parse(&usage, options, argc, argv);
	}
	if (b->streams < 2 || b->streams > MAX_STREAMS || !b->rounds || b->rounds > 1000 || !(b->seconds >= 0.05 && b->seconds <= 3600)) {
		free(b);
		return cli_usage_error(&usage, "--streams: 2 to %d; --rounds: 1 to 1000; --seconds: 0.05 to 3600", MAX_STREAMS);
	}
	b->error = calloc(MAX_SAMPLES, sizeof(*b->error));
	r = b->error ? dseek_open(b->common.device ? b->common.device : OWN_SPEC, NULL, &b->dev) : -ENOMEM;
	if (!r)
		r = find_engines(b);
	if (!r && b->engine_count < 2) {
		cli_log(CLI_ERROR, "%u engines to choose from, not 2 to %d", b->engine_count, MAX_ENGINES);
		r = -ENODEV;
	} else if (!r) {
		r = make_program(b);
		if (!r)
			r = measure(b);
		if (!r)
			report(b);
	}
	if (r && r != -ENODEV)
		cli_log(CLI_ERROR, "%s%s%s", strerror(-r), *dseek_strerror_detail() ? ": " : "", dseek_strerror_detail());
	if (b->program)
		dseek_program_destroy(b->program);
	dseek_close(b->dev);
	free(b->error);
	free(b);
	return r ? CLI_FAILED : CLI_OK;
}

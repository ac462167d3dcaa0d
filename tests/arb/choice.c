// SPDX-License-Identifier: MIT
/*
 * The choice of an engine: its rules one by one, then several engines of different speed in simulated time, with queues over sets of them
 * moved as a transport moves them (when they have nothing out: on becoming ready, between jobs, and to an engine that runs dry).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "../../kmod/arb/arb.h"
#include "drive.h"

#define MS	1000000ULL
#define US	1000ULL
#define ENGINES	4
#define QUEUES	16

static int tests, failures;

__attribute__((format(printf, 2, 3)))
static void verdict(int good, const char *format, ...)
{
	va_list args;

	printf("%s %d choice: ", good ? "ok" : "not ok", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	failures += !good;
}

/* ---- the rules: up to three engines of which each is idle or has a job out and ready work of somebody else */

struct rule {
	const char *name;
	struct {
		u64 cost_us, busy_us;	/* learned, 0: never; of a job that is out already */
		u32 passed, tries, flags;
		u64 not_before_us;
	} engine[3];
	int count, want;
};

#define AWAY	ARB_CHOICE_AWAY
#define STAYS	ARB_CHOICE_STAYS

static const struct rule rules[] = {
	{ "no engine", { { 0 } }, 0, -1 },
	{ "one engine, whatever it is", { { 0, 0, 9, 9, AWAY, 0 } }, 1, 0 },
	{ "the fastest of idle ones", { { 400 }, { 100 }, { 200 } }, 3, 1 },
	{ "ties: the first", { { 100 }, { 100 } }, 2, 0 },
	{ "the slow one, when the fast is busy for longer", { { 100, 500 }, { 400 } }, 2, 1 },
	{ "the fast one, when it is free soon enough", { { 100, 200 }, { 400 } }, 2, 0 },
	{ "away: not, if another is there", { { 100, 0, 0, 0, AWAY, 0 }, { 4000, 9000 } }, 2, 1 },
	{ "all away: the one that would be first", { { 400, 0, 0, 0, AWAY, 0 }, { 100, 0, 0, 0, AWAY, 0 } }, 2, 1 },
	{ "stays, unless sooner by an eighth", { { 110, 0, 0, 0, STAYS, 0 }, { 100 } }, 2, 0 },
	{ "goes, if sooner by more", { { 120, 0, 0, 0, STAYS, 0 }, { 100 } }, 2, 1 },
	{ "never measured and idle: tried", { { 100 }, { 0 } }, 2, 1 },
	{ "never measured and busy: not yet", { { 100, 50000 }, { 0, 50, 7, 0, 0, 0 } }, 2, 0 },
	{ "never measured and busy: at some time all the same", { { 100 }, { 0, 50, 8, 0, 0, 0 } }, 2, 1 },
	{ "never measured anywhere: the one that is idle", { { 0, 300 }, { 0 } }, 2, 1 },
	{ "never measured anywhere, all busy: the one that is free first", { { 0, 900 }, { 0, 300 } }, 2, 1 },
	{ "tried and failed: a few times only", { { 100 }, { 0, 0, 0, ARB_TRIES, 0, 0 } }, 2, 0 },
	{ "tried and failed everywhere: still somewhere", { { 0, 0, 0, ARB_TRIES, 0, 0 }, { 0, 90, 0, ARB_TRIES, 0, 0 } }, 2, 0 },
	{ "never measured and away: not tried", { { 100 }, { 0, 0, 0, 0, AWAY, 0 } }, 2, 0 },
	{ "known as slow: not tried again too soon", { { 100 }, { 1000, 0, 639, 0, 0, 0 } }, 2, 0 },
	{ "known as slow: tried again when it costs a 64th", { { 100 }, { 1000, 0, 640, 0, 0, 0 } }, 2, 1 },
	{ "known as slow and busy: not tried again yet", { { 100 }, { 1000, 10, 5119, 0, 0, 0 } }, 2, 0 },
	{ "known as slow and busy: tried again much later", { { 100 }, { 1000, 10, 5120, 0, 0, 0 } }, 2, 1 },
	{ "tried again in vain: a few times only", { { 100 }, { 1000, 0, 9999, ARB_TRIES, 0, 0 } }, 2, 0 },
	{ "of two that are slow, the one that is due", { { 100 }, { 1000, 0, 640, 0, 0, 0 }, { 100000, 0, 5000, 0, 0, 0 } }, 3, 1 },
	{ "of two trials, the one never measured", { { 100 }, { 1000, 0, 9999, 0, 0, 0 }, { 0 } }, 3, 2 },
	{ "the job before it is out elsewhere: no sooner", { { 100, 100, 0, 0, STAYS, 0 }, { 90, 0, 0, 0, 0, 190 } }, 2, 0 },
};

static int decide(const struct rule *rule)
{
	static struct arb_engine engine[3];
	static struct arb_share share[3], other_share[3];
	static struct arb_queue other[3];
	static struct arb_job busy[3];
	struct arb_queue queue = { .class = ARB_CLASS_BATCH, .weight = 1 };
	struct arb_cost cost[3], busy_cost[3];
	struct arb_choice choice;
	int i;

	arb_choice_init(&choice);
	for (i = 0; i < rule->count; i++) {
		arb_engine_init(&engine[i], NULL, 0);
		arb_share_init(&share[i], &engine[i]);
		arb_share_init(&other_share[i], &engine[i]);
		cost[i] = (struct arb_cost){ .mean_ns = rule->engine[i].cost_us * US, .samples = rule->engine[i].cost_us > 0,
					     .passed = rule->engine[i].passed, .tries = rule->engine[i].tries };
		busy_cost[i] = (struct arb_cost){ .mean_ns = rule->engine[i].busy_us * US, .samples = 1 };
		other[i] = (struct arb_queue){ .class = ARB_CLASS_BATCH, .weight = 1 };
		arb_queue_add(&other[i], &other_share[i], 0);
		if (rule->engine[i].busy_us) {
			busy[i] = (struct arb_job){ .queue = &other[i], .cost = &busy_cost[i] };
			arb_job_ready(&busy[i], 0);
			arb_pick(&engine[i], 0);
		}
		arb_choice_add(&choice, i, rule->engine[i].flags, &share[i], &queue, &cost[i], rule->engine[i].not_before_us * US, 0);
	}
	return arb_choice_best(&choice);
}

static void check_rules(void)
{
	size_t i;
	int got;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		got = decide(&rules[i]);
		verdict(got == rules[i].want, "%s (%d)", rules[i].name, got);
	}
}

static void bookkeeping(void)
{
	struct arb_accuracy sum = { 0 };
	struct arb_cost cost = { 0 };

	arb_cost_chosen(&cost);
	arb_cost_chosen(&cost);
	verdict(cost.tries == 2, "each trial without a sample counts");
	cost.passed = 7;
	arb_cost_update(&cost, 1000);
	verdict(!cost.tries && !cost.passed, "a sample ends the count");
	arb_accuracy_add(&sum, 100, 150, 80, 70);
	arb_accuracy_add(&sum, 300, 250, 80, 90);
	verdict(sum.jobs == 2 && sum.turnaround_ns == 400 && sum.turnaround_error_ns == 100 && sum.cost_ns == 160 && sum.cost_error_ns == 20,
		"errors are summed up without their signs");
}

/* ---- engines in simulated time */

struct sim_queue {
	/* what it is */
	u32 class, weight, set;		/* bit (1 << engine) */
	int tenant, pipeline;
	u64 think_ns;			/* pipeline 1: from a completion to the next submission */
	/* what came of it */
	u64 jobs, on[ENGINES];
	struct arb_accuracy accuracy;
	/* private */
	struct arb_queue arb;
	struct arb_job job;
	int at, out, ready;		/* its job at the head: out, ready */
	u64 waiting, next_ns, predicted_ns, placed_ns, predicted_cost;
	struct arb_cost cost[ENGINES];
};

struct sim {
	int engines, queues;
	u64 cost_ns[ENGINES];		/* of any job there */
	u64 lie_ns[ENGINES];		/* of the first job there, 0: the same */
	u64 spread_percent, seed;
	struct sim_queue *queue;
	struct arb_engine engine[ENGINES];
	struct arb_share share[ENGINES][QUEUES];
	struct arb_job *runs[ENGINES];
	u64 end_ns[ENGINES], begin_ns[ENGINES], busy_ns[ENGINES], ran[ENGINES], now, moves;
};

static struct sim_queue *owner(struct arb_job *job)
{
	return arb_container_of(job, struct sim_queue, job);
}

static int choose(struct sim *sim, struct sim_queue *q)
{
	struct arb_choice choice;
	int e;

	arb_choice_init(&choice);
	for (e = 0; e < sim->engines; e++)
		if (q->set & 1u << e)
			arb_choice_add(&choice, e, q->at == e ? STAYS : 0, &sim->share[e][q->tenant], &q->arb, &q->cost[e], 0, sim->now);
	return arb_choice_best(&choice);
}

/* One job at a time is in the core: the simulation's depth is one, so nothing is lost by it. */
static void place(struct sim *sim, struct sim_queue *q, int e)
{
	struct arb_prediction predicted;

	if (q->ready)
		arb_job_cancel(&q->job, sim->now);
	if (q->at != e) {
		if (q->at >= 0)
			arb_queue_remove(&q->arb, sim->now);
		q->arb = (struct arb_queue){ .class = q->class, .weight = q->weight };
		arb_queue_add(&q->arb, &sim->share[e][q->tenant], sim->now);
		sim->moves += q->at >= 0;
		q->at = e;
	}
	arb_cost_chosen(&q->cost[e]);
	arb_predict(&sim->share[e][q->tenant], &q->arb, &q->cost[e], sim->now, &predicted);
	q->predicted_ns = predicted.finish_ns;
	q->predicted_cost = predicted.cost_ns;
	q->placed_ns = sim->now;
	q->job = (struct arb_job){ .queue = &q->arb, .cost = &q->cost[e] };
	arb_job_ready(&q->job, sim->now);
	q->ready = 1;
}

static void pull(struct sim *sim, int e)
{
	int i;

	for (i = 0; i < sim->queues; i++) {
		struct sim_queue *q = &sim->queue[i];

		if (!q->ready || q->at == e || !(q->set & 1u << e) || choose(sim, q) != e)
			continue;
		place(sim, q, e);
		return;
	}
}

static void start(struct sim *sim, int e)
{
	u64 cost = sim->lie_ns[e] && !sim->ran[e] ? sim->lie_ns[e] : sim->cost_ns[e];
	struct arb_job *job = arb_pick(&sim->engine[e], sim->now);

	if (!job) {
		pull(sim, e);
		job = arb_pick(&sim->engine[e], sim->now);
	}
	if (!job)
		return;
	cost = cost * (100 - sim->spread_percent) / 100 + splitmix64(&sim->seed) % (cost * sim->spread_percent / 50 + 1);
	owner(job)->out = 1;
	owner(job)->ready = 0;
	sim->runs[e] = job;
	sim->begin_ns[e] = sim->now;
	sim->end_ns[e] = sim->now + cost;
	sim->ran[e]++;
}

static void finish(struct sim *sim, int e)
{
	struct sim_queue *q = owner(sim->runs[e]);
	u64 used = sim->now - sim->begin_ns[e];

	sim->runs[e] = NULL;
	arb_job_done(&q->job, used, sim->now);
	arb_cost_update(&q->cost[e], used);
	arb_accuracy_add(&q->accuracy, q->predicted_ns - q->placed_ns, sim->now - q->placed_ns, q->predicted_cost, used);
	q->out = 0;
	q->jobs++;
	q->on[e]++;
	sim->busy_ns[e] += used;
	q->waiting++;
	q->next_ns = sim->now + q->think_ns;
}

static void sim_run(struct sim *sim, u64 for_ns)
{
	u64 next;
	int e, i;

	for (e = 0; e < sim->engines; e++) {
		arb_engine_init(&sim->engine[e], NULL, 0);
		for (i = 0; i < QUEUES; i++)
			arb_share_init(&sim->share[e][i], &sim->engine[e]);
	}
	for (i = 0; i < sim->queues; i++) {
		sim->queue[i].at = -1;
		sim->queue[i].arb = (struct arb_queue){ .class = sim->queue[i].class, .weight = sim->queue[i].weight };
		sim->queue[i].waiting = sim->queue[i].pipeline;
	}
	while (sim->now < for_ns) {
		for (e = 0; e < sim->engines; e++)
			if (sim->runs[e] && sim->end_ns[e] <= sim->now)
				finish(sim, e);
		for (i = 0; i < sim->queues; i++) {
			struct sim_queue *q = &sim->queue[i];

			if (q->ready || q->out || !q->waiting || q->next_ns > sim->now)
				continue;
			q->waiting--;
			place(sim, q, choose(sim, q));
		}
		for (e = 0; e < sim->engines; e++)
			if (!sim->runs[e])
				start(sim, e);
		next = for_ns;
		for (e = 0; e < sim->engines; e++)
			if (sim->runs[e] && sim->end_ns[e] < next)
				next = sim->end_ns[e];
		for (i = 0; i < sim->queues; i++)
			if (!sim->queue[i].ready && !sim->queue[i].out && sim->queue[i].next_ns > sim->now && sim->queue[i].next_ns < next)
				next = sim->queue[i].next_ns;
		sim->now = next > sim->now ? next : sim->now + 1;
	}
}

static double rate(const struct sim *sim)	/* jobs done, relative to all engines busy all the time */
{
	double most = 0, jobs = 0;
	int e, i;

	for (e = 0; e < sim->engines; e++)
		most += (double)sim->now / sim->cost_ns[e];
	for (i = 0; i < sim->queues; i++)
		jobs += sim->queue[i].jobs;
	return jobs / most;
}

static double error(const struct sim *sim)
{
	double off = 0, all = 0;
	int i;

	for (i = 0; i < sim->queues; i++) {
		off += sim->queue[i].accuracy.turnaround_error_ns;
		all += sim->queue[i].accuracy.turnaround_ns;
	}
	return 100 * off / all;
}

static void two_speeds(void)
{
	struct sim_queue queue[8] = { { 0 } };
	struct sim sim = { .engines = 2, .queues = 8, .cost_ns = { 4 * MS, MS }, .queue = queue, .spread_percent = 20 };
	u64 least = ~0ULL, most = 0;
	int i;

	for (i = 0; i < 8; i++)
		queue[i] = (struct sim_queue){ .class = ARB_CLASS_BATCH, .weight = 1, .set = 3, .tenant = i, .pipeline = 4 };
	sim_run(&sim, 10000 * MS);
	for (i = 0; i < 8; i++) {
		least = queue[i].jobs < least ? queue[i].jobs : least;
		most = queue[i].jobs > most ? queue[i].jobs : most;
	}
	verdict(rate(&sim) > 0.98, "two engines, 4:1, eight saturating queues: %.1f %% of what both can do", 100 * rate(&sim));
	verdict(sim.ran[1] > 3 * sim.ran[0] && sim.ran[1] < 5 * sim.ran[0], "the fast one does %.2f times the jobs of the slow one",
		(double)sim.ran[1] / sim.ran[0]);
	verdict(least * 10 > most * 9, "equal tenants: %llu to %llu jobs each", (unsigned long long)least, (unsigned long long)most);
	printf("# turnaround predicted with an error of %.1f %%, %llu moves of %llu jobs\n", error(&sim), (unsigned long long)sim.moves,
	       (unsigned long long)(sim.ran[0] + sim.ran[1]));
}

/* One stream can use one engine at a time: the fast one, but for what trials take. */
static void one_stream(void)
{
	struct sim_queue queue[1] = { { .class = ARB_CLASS_BATCH, .weight = 1, .set = 3, .pipeline = 4 } };
	struct sim sim = { .engines = 2, .queues = 1, .cost_ns = { 4 * MS, MS }, .queue = queue };
	double got;

	sim_run(&sim, 10000 * MS);
	got = queue[0].jobs * (double)MS / sim.now;
	verdict(got > 0.97, "one stream: %.1f %% of what the fast engine can do (trials may take 1/64)", 100 * got);
	verdict(queue[0].on[0] > 1, "the slow one is tried again (%llu of %llu jobs)", (unsigned long long)queue[0].on[0],
		(unsigned long long)queue[0].jobs);
}

/* The fast engine's first run takes 100 times as long: it is found out all the same. */
static void slow_first_run(void)
{
	struct sim_queue queue[1] = { { .class = ARB_CLASS_INTERACTIVE, .weight = 1, .set = 3, .pipeline = 1, .think_ns = MS / 2 } };
	struct sim sim = { .engines = 2, .queues = 1, .cost_ns = { 4 * MS, MS }, .lie_ns = { 0, 100 * MS }, .queue = queue };

	sim_run(&sim, 60000 * MS);
	verdict(queue[0].on[1] > queue[0].on[0] * 4, "a first run that was slow isn't held against an engine: %llu of %llu jobs there",
		(unsigned long long)queue[0].on[1], (unsigned long long)queue[0].jobs);
}

/* Explicit queues stay, and the others go round them. */
static void explicit_engines(void)
{
	struct sim_queue queue[6] = {
		{ .class = ARB_CLASS_BATCH, .weight = 1, .set = 1, .tenant = 0, .pipeline = 4 },
		{ .class = ARB_CLASS_BATCH, .weight = 1, .set = 2, .tenant = 1, .pipeline = 4 },
		{ .class = ARB_CLASS_INTERACTIVE, .weight = 1, .set = 4, .tenant = 2, .pipeline = 1, .think_ns = 5 * MS },
		{ .class = ARB_CLASS_BATCH, .weight = 1, .set = 7, .tenant = 3, .pipeline = 4 },
		{ .class = ARB_CLASS_BATCH, .weight = 1, .set = 7, .tenant = 4, .pipeline = 4 },
		{ .class = ARB_CLASS_BATCH, .weight = 1, .set = 3, .tenant = 5, .pipeline = 4 },
	};
	struct sim sim = { .engines = 3, .queues = 6, .cost_ns = { 4 * MS, MS, MS / 100 }, .queue = queue, .spread_percent = 10 };

	sim_run(&sim, 5000 * MS);
	verdict(queue[0].on[0] == queue[0].jobs && queue[1].on[1] == queue[1].jobs && queue[2].on[2] == queue[2].jobs && queue[0].jobs &&
		queue[1].jobs && queue[2].jobs, "a set of one is always honoured");
	verdict(!queue[5].on[2], "no job outside its set");
	/* An engine that takes next to no time has all that may go there. */
	verdict(queue[3].on[2] * 100 > queue[3].jobs * 99 && queue[4].on[2] * 100 > queue[4].jobs * 99,
		"an engine that costs nothing gets what may go there (%.2f %%)", 100.0 * queue[3].on[2] / queue[3].jobs);
	printf("# turnaround predicted with an error of %.1f %%\n", error(&sim));
}

int main(void)
{
	check_rules();
	bookkeeping();
	two_speeds();
	one_stream();
	slow_first_run();
	explicit_engines();
	printf("1..%d\n", tests);
	return failures != 0;
}

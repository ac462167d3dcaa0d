// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "drive.h"
#include "invariants.h"
#include "oracle.h"

#define PROGRAMS	6
#define DEPTH_MAX	6

struct drive {
	struct source *source;
	struct drive_result *result;
	u64 now, looks;
	int depth, out, honest, jobs;
	struct arb_engine engine;
	struct arb_share share[ORACLE_SHARES];
	struct arb_queue queue[ORACLE_QUEUES];
	struct arb_job job[ORACLE_JOBS];
	struct arb_cost cost[PROGRAMS], oracle_cost[PROGRAMS];
	u64 done_seq[ORACLE_QUEUES];
	struct oracle oracle;
};

static u64 draw(struct source *s, u64 below)	/* below <= 2^32 */
{
	u64 x = 0;
	int n;

	if (!s->bytes)
		return (splitmix64(&s->seed) >> 32) * below >> 32;
	for (n = below <= 256 ? 1 : 4; n && s->at < s->size; n--)
		x = x << 8 | s->bytes[s->at++];
	return x % below;
}

static int over(const struct source *s)
{
	return s->bytes && s->at >= s->size;
}

__attribute__((format(printf, 2, 3)))
static void fail(struct drive *d, const char *format, ...)
{
	va_list args;

	if (d->result->error[0])
		return;
	va_start(args, format);
	vsnprintf(d->result->error, sizeof(d->result->error), format, args);
	va_end(args);
}

/* A time span: mostly tens of microseconds, sometimes nothing, sometimes ages. */
static u64 span(struct drive *d)
{
	switch (draw(d->source, 16)) {
	case 0:
		return 0;
	case 1:
		return draw(d->source, 100);
	case 2:
		return draw(d->source, 20000000);
	case 3:
		return draw(d->source, 4) ? 0 : draw(d->source, 1ULL << 32);
	default:
		return draw(d->source, 300000);
	}
}

static void remove_queue(struct drive *d, int k)
{
	arb_queue_remove(&d->queue[k], d->now);
	oracle_queue_remove(&d->oracle, k, d->now);
}

static void add_queue(struct drive *d, int k, u32 class)
{
	static const u32 weights[] = { 1, 2, 4, 3, 7, 100, 1000, ARB_WEIGHT_MAX };
	struct arb_queue *queue = &d->queue[k];
	int share, got, want;
	u64 period;

	share = draw(d->source, ORACLE_SHARES);
	*queue = (struct arb_queue){ .class = class };
	if (queue->class == ARB_CLASS_DEADLINE) {
		period = ARB_PERIOD_MIN_NS * (1 + draw(d->source, 2000)) << (draw(d->source, 16) ? 0 : 7);
		queue->period_ns = period;
		queue->budget_ns = ARB_PERIOD_MIN_NS + draw(d->source, period - ARB_PERIOD_MIN_NS + 1) / 4;
	} else {
		queue->weight = weights[draw(d->source, 8)];
	}
	got = arb_queue_add(queue, &d->share[share], d->now);
	want = oracle_queue_add(&d->oracle, k, share, queue->class, queue->weight, queue->budget_ns,
				queue->period_ns, d->now);
	d->done_seq[k] = 0;
	if (got != want)
		fail(d, "queue_add: %d, oracle %d", got, want);
	if (got)
		queue->share = NULL;
	else
		d->result->late_starts += class == ARB_CLASS_DEADLINE && queue->server.left_ns <= 0;
}

static void queue_event(struct drive *d, int k)
{
	if (!d->queue[k].share)
		add_queue(d, k, draw(d->source, ARB_CLASS_COUNT));
	else if (!d->queue[k].jobs && !draw(d->source, 4))
		remove_queue(d, k);
}

/* A deadline queue that has had something of its budget is made anew, at once or soon. */
static void recreate_event(struct drive *d, int k)
{
	while (k < ORACLE_QUEUES && !(d->queue[k].share && d->queue[k].class == ARB_CLASS_DEADLINE && !d->queue[k].jobs))
		k++;
	if (k == ORACLE_QUEUES)
		return;
	remove_queue(d, k);
	d->now += draw(d->source, 4) ? 0 : span(d);
	add_queue(d, k, ARB_CLASS_DEADLINE);
}

static void ready_event(struct drive *d, int k)
{
	int j, got, want, trial, program = draw(d->source, PROGRAMS + 1);
	struct arb_job *job;

	if (!d->queue[k].share)
		return;
	for (j = 0; j < ORACLE_JOBS && d->job[j].state != ARB_JOB_IDLE; j++)
		;
	if (j == ORACLE_JOBS)
		return;
	job = &d->job[j];
	*job = (struct arb_job){ .queue = &d->queue[k], .cost = program < PROGRAMS ? &d->cost[program] : NULL,
				 .deadline_ns = draw(d->source, 2) ? d->now + span(d) : 0 };
	got = arb_job_admit(&d->queue[k], job, d->now);
	want = oracle_admit(&d->oracle, k, program < PROGRAMS ? &d->oracle_cost[program] : NULL,
			    job->deadline_ns, d->now, &trial);
	if (got != want)
		fail(d, "admit: %d, oracle %d", got, want);
	if (got && draw(d->source, 2))
		return;
	arb_job_ready(job, d->now);
	oracle_ready(&d->oracle, j, k, program < PROGRAMS ? &d->oracle_cost[program] : NULL,
		     job->deadline_ns, trial, d->now);
	d->result->trials += trial;
	d->jobs++;
}

/* One program asks again and again, whatever it is told: what was learned of it may be off by now, so trials. */
static void ask_event(struct drive *d, int k)
{
	int program = draw(d->source, PROGRAMS), got, want, trial, n;
	struct arb_job job = { .cost = &d->cost[program] };
	u64 within = span(d) + 20000;

	while (k < ORACLE_QUEUES && !(d->queue[k].share && d->queue[k].class == ARB_CLASS_DEADLINE && !d->queue[k].jobs))
		k++;
	if (k == ORACLE_QUEUES)
		return;
	job.queue = &d->queue[k];
	for (n = draw(d->source, 24); n; n--) {
		d->now += draw(d->source, d->queue[k].period_ns + 1000);
		job.deadline_ns = d->now + within;
		got = arb_job_admit(&d->queue[k], &job, d->now);
		want = oracle_admit(&d->oracle, k, &d->oracle_cost[program], job.deadline_ns, d->now, &trial);
		if (got != want || (int)job.trial != trial)
			fail(d, "admit: %d and trial %d, oracle %d and %d", got, job.trial, want, trial);
		d->result->trials += trial;
	}
}

/* What was picked is what the oracle picks: the number of the job, -1: none. */
static int picked(struct drive *d, const struct arb_job *job)
{
	int want = oracle_pick(&d->oracle, d->now);

	if ((job ? job - d->job : -1) != want) {
		fail(d, "pick: %d, oracle %d", job ? (int)(job - d->job) : -1, want);
		return -1;
	}
	if (!job) {
		invariant_idle(&d->engine, d->queue, ORACLE_QUEUES, d->result->error, sizeof(d->result->error));
		return -1;
	}
	if (job->predicted_ns != d->oracle.job[want].predicted)
		fail(d, "pick: predicted %llu, oracle %llu", (unsigned long long)job->predicted_ns,
		     (unsigned long long)d->oracle.job[want].predicted);
	d->out++;
	d->result->picks++;
	return want;
}

static int pick_event(struct drive *d)
{
	return d->out == d->depth ? -1 : picked(d, arb_pick(&d->engine, d->now));
}

static void pick_many_event(struct drive *d)
{
	u32 most = draw(d->source, d->depth - d->out + 1), count, i;
	struct arb_job *jobs[ORACLE_JOBS];

	if (!most)
		return;
	count = arb_pick_many(&d->engine, jobs, most, d->now);
	for (i = 0; i < count && !d->result->error[0]; i++)
		picked(d, jobs[i]);
	if (count < most && !d->result->error[0])
		picked(d, NULL);
}

static void wants_event(struct drive *d)
{
	int got = arb_wants_preempt(&d->engine, d->now), want = oracle_wants_preempt(&d->oracle, d->now);

	if (got != want)
		fail(d, "wants_preempt: %d, oracle %d", got, want);
}

static u64 next_event(struct drive *d)
{
	u64 got = arb_next_event(&d->engine, d->now), want = oracle_next_event(&d->oracle, d->now);

	if (got != want)
		fail(d, "next_event: %llu, oracle %llu", (unsigned long long)got, (unsigned long long)want);
	return got;
}

/* No sooner than fluid sharing says, and later by the bounds of the sums only. It changes nothing, nor what comes after it. */
static void predict_event(struct drive *d)
{
	const struct arb_queue *queue = &d->queue[splitmix64(&d->looks) % ORACLE_QUEUES];
	int program = splitmix64(&d->looks) % PROGRAMS;
	struct arb_prediction got;
	long double fluid, latest, slack;

	if (!queue->share || queue->class == ARB_CLASS_DEADLINE)
		return;
	arb_predict(queue->share, queue, &d->cost[program], d->now, &got);
	oracle_predict(&d->oracle, queue - d->queue, &d->oracle_cost[program], d->now, &fluid, &latest);
	/* Work is in whole ns, and what the others get is in proportion of the job's. */
	slack = 2000 + (latest - d->engine.now_ns) * (0.002L + 1.0L / got.cost_ns);
	if (got.finish_ns < fluid - slack || got.finish_ns > latest + slack)
		fail(d, "predict: done at %llu, oracle %.0Lf to %.0Lf (now %llu)", (unsigned long long)got.finish_ns, fluid, latest,
		     (unsigned long long)d->now);
	d->result->predictions++;
	d->result->fluid_ns += fluid - d->engine.now_ns;
	d->result->excess_ns += got.finish_ns - fluid;
}

static u64 elapsed_of(const struct drive *d, const struct arb_job *job)
{
	return d->now > job->start_ns ? d->now - job->start_ns : 0;
}

/* Engine time of this run: true to the clock, or whatever. */
static u64 used_by(struct drive *d, const struct arb_job *job)
{
	u64 elapsed = elapsed_of(d, job);

	if (d->honest)
		return elapsed;
	switch (draw(d->source, 8)) {
	case 0:
		return 0;
	case 1:
		return draw(d->source, 1ULL << 32) << draw(d->source, 12);
	case 2:
		return job->predicted_ns;
	default:
		return draw(d->source, 500000);
	}
}

/* @more: of the same queue, done as well, before anything else happens. */
static void give_back(struct drive *d, struct arb_job *job, int done, int more)
{
	u64 used = used_by(d, job);
	int k = job->queue - d->queue, j = job - d->job, best;

	/*
	 * Nobody is asked to stop for nothing: with one job out, what was better is picked after the yield (but for
	 * a server whose next budget has come meanwhile).
	 */
	best = d->depth == 1 && !done && !more && used == elapsed_of(d, job) && d->now >= d->engine.now_ns &&
	       (job->queue->class != ARB_CLASS_DEADLINE || d->now < job->run_deadline) &&
	       arb_wants_preempt(&d->engine, d->now);
	if (best)
		oracle_wants_preempt(&d->oracle, d->now);
	if (done) {
		if (job->seq < d->done_seq[k])
			fail(d, "job %llu of a queue done after %llu", (unsigned long long)job->seq,
			     (unsigned long long)d->done_seq[k]);
		d->done_seq[k] = job->seq;
		if (more)
			arb_job_done_more(job, used, d->now);
		else
			arb_job_done(job, used, d->now);
		if (job->cost) {
			arb_cost_update(job->cost, job->used_ns);
			arb_cost_update(&d->oracle_cost[job->cost - d->cost], d->oracle.job[j].used + used);
		}
		d->jobs--;
	} else {
		arb_job_yield(job, used, d->now);
		d->result->preemptions++;
	}
	oracle_give_back(&d->oracle, j, used, d->now, done);
	d->out--;
	if (best && pick_event(d) == j)
		fail(d, "preempted and picked again: class %u", job->queue->class);
}

/* In the order of picking, as the executor does; or, of several queues, another order. */
static void return_event(struct drive *d)
{
	struct arb_list *at = d->engine.running.next;
	struct arb_job *job;
	struct arb_queue *queue;
	u64 skip, more;
	int k;

	if (!d->out)
		return;
	for (skip = draw(d->source, 4) ? 0 : draw(d->source, d->out); skip; skip--)
		at = at->next;
	queue = arb_container_of(at, struct arb_job, in_engine)->queue;
	job = arb_container_of(queue->running.next, struct arb_job, in_queue);
	k = queue - d->queue;
	switch (draw(d->source, 4)) {
	case 0:
		for (more = 1 + draw(d->source, 6); more && !arb_list_empty(&queue->running); more--)
			give_back(d, arb_container_of(queue->running.next, struct arb_job, in_queue), 1, 1);
		arb_queue_settle(queue);
		return;
	case 1 ... 2:
		give_back(d, job, 1, 0);
		if (!draw(d->source, 8))
			recreate_event(d, k);
		return;
	}
	/* Those behind it come back with it. */
	do {
		job = arb_container_of(queue->running.next, struct arb_job, in_queue);
		give_back(d, job, 0, 0);
	} while (!arb_list_empty(&queue->running) && d->depth > 1);
}

static void cancel_event(struct drive *d)
{
	struct arb_job *job = &d->job[draw(d->source, ORACLE_JOBS)];

	if (job->state != ARB_JOB_READY)
		return;
	arb_job_cancel(job, d->now);
	oracle_cancel(&d->oracle, job - d->job);
	d->jobs--;
}

static void check(struct drive *d)
{
	invariants(&d->engine, d->share, ORACLE_SHARES, d->queue, ORACLE_QUEUES, d->result->error,
		   sizeof(d->result->error));
}

static void event(struct drive *d)
{
	d->now += span(d);
	switch (draw(d->source, 32)) {
	case 0:
		queue_event(d, draw(d->source, ORACLE_QUEUES));
		break;
	case 1:
		cancel_event(d);
		break;
	case 2:
		wants_event(d);
		break;
	case 3:
		next_event(d);
		break;
	case 4:
		d->now -= d->now > 1000 ? draw(d->source, 1000) : 0;
		break;
	case 5:
		ask_event(d, draw(d->source, ORACLE_QUEUES));
		break;
	case 6:
		recreate_event(d, draw(d->source, ORACLE_QUEUES));
		break;
	case 7 ... 14:
		ready_event(d, draw(d->source, ORACLE_QUEUES));
		break;
	case 15 ... 19:
		pick_event(d);
		break;
	case 20 ... 23:
		pick_many_event(d);
		break;
	default:
		return_event(d);
	}
	if (d->jobs > ORACLE_JOBS - 8)
		return_event(d);
	if (!(splitmix64(&d->looks) % 16))
		predict_event(d);
}

/* Nobody is forgotten: whatever is ready is picked and done in a bounded number of steps. */
static void drain(struct drive *d)
{
	u64 steps, when;
	int k;

	d->now = d->engine.now_ns;
	for (steps = 0; d->jobs && !d->result->error[0] && steps < 4 * ORACLE_JOBS; steps++) {
		while (d->out) {
			d->now += 1000;
			give_back(d, arb_container_of(d->engine.running.next, struct arb_job, in_engine), 1, 0);
		}
		if (d->jobs && pick_event(d) < 0) {
			when = next_event(d);
			if (when == ~0ULL || when <= d->now)
				fail(d, "%d jobs left and nothing to wait for", d->jobs);
			d->now = when;
		}
	}
	if (d->jobs)
		fail(d, "%d jobs left at the end", d->jobs);
	if (memcmp(d->cost, d->oracle_cost, sizeof(d->cost)))
		fail(d, "what was learned of the programs differs from the oracle's");
	for (k = 0; k < ORACLE_QUEUES; k++)
		if (d->queue[k].share && !d->queue[k].jobs) {
			if (d->queue[k].used_ns != d->oracle.queue[k].used ||
			    d->queue[k].queued_ns != d->oracle.queue[k].queued ||
			    d->queue[k].preemptions != d->oracle.queue[k].preemptions ||
			    d->queue[k].deadline_misses != d->oracle.queue[k].misses)
				fail(d, "counters of queue %d differ from the oracle's", k);
			arb_queue_remove(&d->queue[k], d->now);
		}
}

/*
 * Rounding: below a ns a fold, and folds are as many as events; and 2^-20 of what is handed out where a
 * member leaves. Handed out is what was used and what the clock took ahead of the measurement.
 */
static void entitlements(struct drive *d)
{
	long double want, slack, given = (long double)d->engine.used_ns + d->engine.fluid_ahead_ns + d->engine.fluid_debt_ns;
	int s;

	for (s = 0; s < ORACLE_SHARES; s++) {
		arb_share_settle(&d->share[s]);
		want = oracle_entitled(&d->oracle, s);
		slack = d->share[s].entitled_ns - want;
		if (slack < 0)
			slack = -slack;
		if (slack > 100 + 1e-6L * given)
			fail(d, "share %d: entitled to %llu, oracle %.0Lf", s,
			     (unsigned long long)d->share[s].entitled_ns, want);
	}
}

void drive(struct source *source, uint64_t events, struct drive_result *ret)
{
	struct arb_engine_params params = ARB_ENGINE_DEFAULTS;
	struct drive *d = calloc(1, sizeof(*d));
	int s;

	if (!d) {
		snprintf(ret->error, sizeof(ret->error), "no memory");
		return;
	}
	d->source = source;
	d->result = ret;
	d->now = 1000000;
	d->depth = 1 + draw(source, 2) * draw(source, DEPTH_MAX);
	d->honest = draw(source, 2);
	params.deadline_permille = draw(source, 4) ? 750 : draw(source, 951);
	params.interactive_permille = 1 + draw(source, 999);
	params.slice_ns = draw(source, 4000000);
	params.burst_ns = draw(source, 4) * 30000000;
	params.default_cost_ns = 1 + draw(source, 1000000);
	arb_engine_init(&d->engine, &params, d->now);
	oracle_init(&d->oracle, &params, d->now);
	for (s = 0; s < ORACLE_SHARES; s++)
		arb_share_init(&d->share[s], &d->engine);
	while (events-- && !over(source) && !ret->error[0]) {
		event(d);
		ret->events++;
		check(d);
	}
	drain(d);
	if (!ret->error[0])
		entitlements(d);
	check(d);
	for (s = 0; s < ORACLE_SHARES; s++)
		arb_share_fini(&d->share[s]);
	if (!ret->error[0] && (d->engine.fluid[0].leaving.root || d->engine.fluid[1].leaving.root ||
			       d->engine.fluid[2].leaving.root || d->engine.reserved || d->engine.servers.root ||
			       d->engine.spent.root))
		fail(d, "something is left in the engine");
	free(d);
}

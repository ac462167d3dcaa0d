// SPDX-License-Identifier: MIT
/*
 * When a job would be done if nothing else came, by arb.h's "Prediction", the slow way: sums made anew from the jobs, fluid
 * sharing followed from one completion to the next, the balance between the classes from turn to turn, the deadline class by iteration.
 */
#include <math.h>
#include "oracle.h"

#define D ARB_CLASS_DEADLINE
#define I ARB_CLASS_INTERACTIVE
#define B ARB_CLASS_BATCH

struct sharer {
	long double work, weight;
};

static long double waiting(const struct oracle *o, int share, int class, int queue)	/* -1: any */
{
	long double sum = 0;
	int j;

	for (j = 0; j < ORACLE_JOBS; j++) {
		const struct oracle_job *job = &o->job[j];
		const struct oracle_queue *q = &o->queue[job->queue];

		if (job->state == ARB_JOB_READY && (int)q->class == class && (share < 0 || q->share == share) &&
		    (queue < 0 || job->queue == queue))
			sum += job->waits;
	}
	return sum;
}

static long double out(const struct oracle *o, int class, u64 now)
{
	int j, runs = oracle_running(o);
	long double sum = 0;

	for (j = 0; j < ORACLE_JOBS; j++) {
		const struct oracle_job *job = &o->job[j];
		u64 ran = now > job->start ? now - job->start : 0, most = job->predicted - job->predicted / 8;

		if (job->state != ARB_JOB_RUNNING || (int)o->queue[job->queue].class != class)
			continue;
		sum += job->predicted - (j == runs ? ran < most ? ran : most : 0);
	}
	return sum;
}

/* Everybody is served in proportion of the weights, until the first of @s is done: what all got by then. */
static long double served(struct sharer *s, int n)
{
	long double total = 0, weights, step;
	int i;

	while (s[0].work > 0) {
		weights = 0;
		step = s[0].work / s[0].weight;
		for (i = 0; i < n; i++) {
			if (s[i].work <= 0)
				continue;
			weights += s[i].weight;
			if (s[i].work / s[i].weight < step)
				step = s[i].work / s[i].weight;
		}
		for (i = 0; i < n; i++) {
			if (s[i].work <= 0)
				continue;
			s[i].work -= step * s[i].weight;
			if (s[i].work < 1e-9L)
				s[i].work = 0;
		}
		total += step * weights;
	}
	return total;
}

/* The tenant's own part: until the queue's job is done, the tenant's other queues included. */
static void own_work(const struct oracle *o, int queue, long double cost, long double *ret_fluid, long double *ret_latest)
{
	const struct oracle_queue *q = &o->queue[queue];
	long double work = waiting(o, q->share, q->class, queue) + cost, other = 0, weights = 0;
	struct sharer s[ORACLE_QUEUES] = { { work, q->weight } };
	int k, n = 1;

	for (k = 0; k < ORACLE_QUEUES; k++) {
		if (k == queue || !o->queue[k].live || o->queue[k].share != q->share || o->queue[k].class != q->class)
			continue;
		s[n] = (struct sharer){ waiting(o, q->share, q->class, k), o->queue[k].weight };
		other += s[n].work;
		weights += s[n].work > 0 ? s[n].weight : 0;
		n++;
	}
	weights *= work / q->weight;
	*ret_fluid = served(s, n);
	*ret_latest = work + (other < weights ? other : weights);
}

static long double class_work(const struct oracle *o, int queue, long double own)
{
	const struct oracle_queue *q = &o->queue[queue];
	struct sharer s[ORACLE_SHARES + 1] = { { own, o->member[q->share][q->class].weight } };
	int i, n = 1;

	for (i = 0; i < ORACLE_SHARES; i++)
		if (i != q->share)
			s[n++] = (struct sharer){ waiting(o, i, q->class, -1), o->member[i][q->class].weight };
	return served(s, n);
}

/* The one whose turn it is by the balance gets all until the balance is even; from then on both get their parts. */
static long double both_classes(const struct oracle *o, int class, long double work, long double other, s64 balance)
{
	long double p = o->params.interactive_permille, g = balance, had = 0, gone = 0, mine, theirs, step;

	while (had < work - 1e-6L) {
		mine = g < 0 ? class == I : g > 0 ? class == B : (class == I ? p : 1000 - p) / 1000;
		if (gone >= other - 1e-6L)
			mine = 1;
		theirs = 1 - mine;
		step = mine > 0 ? (work - had) / mine : HUGE_VALL;
		if (theirs > 0 && (other - gone) / theirs < step)
			step = (other - gone) / theirs;
		if (g && gone < other - 1e-6L && fabsl(g) / (g < 0 ? 1000 - p : p) < step) {
			step = fabsl(g) / (g < 0 ? 1000 - p : p);
			g = 0;
		} else if (g) {
			g += step * (g < 0 ? 1000 - p : -p);
		}
		had += step * mine;
		gone += step * theirs;
	}
	return work + gone;
}

static long double with_deadline(const struct oracle *o, long double work)
{
	long double all = waiting(o, -1, D, -1), rate = 0, t = work, last;
	int s, k;

	for (s = 0; s < ORACLE_SHARES; s++)
		for (k = 0; waiting(o, s, D, -1) > 0 && k < ORACLE_QUEUES; k++)
			if (o->queue[k].live && o->queue[k].share == s && o->queue[k].class == D)
				rate += (o->queue[k].budget << 24) / o->queue[k].period;
	rate /= 1 << 24;
	do {
		last = t;
		t = work + (all < rate * last ? all : rate * last);
	} while (t - last > 0.5L);
	return t;
}

void oracle_predict(const struct oracle *o, int queue, const struct arb_cost *cost, u64 now, long double *ret_fluid,
		    long double *ret_latest)
{
	int class = o->queue[queue].class, other_class = class == B ? I : B, j;
	long double mean = arb_cost_mean(cost, o->params.default_cost_ns), other = waiting(o, -1, other_class, -1), before;
	long double fluid, latest;
	s64 balance = o->balance, p = o->params.interactive_permille;

	now = now > o->now ? now : o->now;
	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_RUNNING && o->job[j].split)
			balance += o->queue[o->job[j].queue].class == B ? -(s64)o->job[j].predicted * p :
									    (s64)o->job[j].predicted * (1000 - p);
	before = out(o, D, now) + out(o, I, now);
	if (class == I && o->balance <= 0)
		other += out(o, B, now);
	else
		before += out(o, B, now);
	own_work(o, queue, mean, &fluid, &latest);
	fluid = class_work(o, queue, fluid);
	/* The slots know the others' work by its binary logarithm. */
	latest = latest + 2 * (class_work(o, queue, latest) - latest);
	fluid = with_deadline(o, both_classes(o, class, fluid, other, balance));
	latest = with_deadline(o, both_classes(o, class, latest, other, balance));
	*ret_fluid = now + before + fluid;
	*ret_latest = now + before + latest;
}

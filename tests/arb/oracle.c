// SPDX-License-Identifier: MIT
#include "oracle.h"

#define D ARB_CLASS_DEADLINE
#define I ARB_CLASS_INTERACTIVE
#define B ARB_CLASS_BATCH
#define NEVER (~0ULL)

static u128 vt_of(u64 ns, u64 weight)
{
	return ((u128)ns << 32) / weight;
}

static u64 clock_to(struct oracle *o, u64 now)
{
	if (now > o->now)
		o->now = now;
	return o->now;
}

static struct oracle_member *member_of(struct oracle *o, const struct oracle_queue *q)
{
	return &o->member[q->share][q->class];
}

/* ---- scans over jobs */

static int jobs_of(const struct oracle *o, int queue, int state)	/* state 0: any */
{
	int j, n = 0;

	for (j = 0; j < ORACLE_JOBS; j++)
		n += o->job[j].state != ARB_JOB_IDLE && o->job[j].queue == queue &&
		     (!state || o->job[j].state == state);
	return n;
}

static int first_ready(const struct oracle *o, int queue)
{
	int j, first = -1;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_READY && o->job[j].queue == queue &&
		    (first < 0 || o->job[j].seq < o->job[first].seq))
			first = j;
	return first;
}

static int pickable(const struct oracle *o, int queue)
{
	int first = first_ready(o, queue), j;

	for (j = 0; first >= 0 && j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_RUNNING && o->job[j].queue == queue &&
		    o->job[j].seq > o->job[first].seq)
			return 0;
	return first >= 0;
}

static int class_works(const struct oracle *o, u32 class)
{
	int j;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state != ARB_JOB_IDLE && o->queue[o->job[j].queue].class == class)
			return 1;
	return 0;
}

static int member_works(const struct oracle *o, int share, u32 class)
{
	int j;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state != ARB_JOB_IDLE && o->queue[o->job[j].queue].class == class &&
		    o->queue[o->job[j].queue].share == share)
			return 1;
	return 0;
}

int oracle_running(const struct oracle *o)
{
	int j, first = -1;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_RUNNING && (first < 0 || o->job[j].order < o->job[first].order))
			first = j;
	return first;
}

static u64 ahead_ns(const struct oracle *o, int queue)
{
	u64 sum = 0;
	int j;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_RUNNING && o->job[j].queue == queue)
			sum += o->job[j].predicted;
	return sum;
}

static s64 priced(const struct oracle *o, u32 class, u64 ns)
{
	s64 p = o->params.interactive_permille;

	return class == B ? -(s64)ns * p : (s64)ns * (1000 - p);
}

static s64 balance_ahead(const struct oracle *o)
{
	s64 sum = 0;
	int j;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state == ARB_JOB_RUNNING && o->job[j].split)
			sum += priced(o, o->queue[o->job[j].queue].class, o->job[j].predicted);
	return sum;
}

/* ---- turns */

static void turn(struct oracle *o, struct oracle_turn *t, int in, u128 key)
{
	if (in && !(t->in && t->key == key))
		t->tie = o->ties++;
	t->in = in;
	t->key = key;
}

static u64 renewal(const struct oracle_queue *q)
{
	s64 left = q->left;
	u64 t = q->deadline;

	for (; left + (s64)q->budget <= 0; left += q->budget)
		t += q->period;
	return t;
}

static void place(struct oracle *o, int queue)
{
	struct oracle_queue *q = &o->queue[queue];
	struct oracle_member *m = member_of(o, q);
	int k, any = 0, spent = q->left <= 0;

	if (q->class == D) {
		if (spent != q->spent)
			q->turn.in = 0;
		q->spent = spent;
		turn(o, &q->turn, pickable(o, queue), spent ? renewal(q) : q->deadline);
		return;
	}
	turn(o, &q->turn, pickable(o, queue), q->vt);
	for (k = 0; k < ORACLE_QUEUES; k++)
		any |= o->queue[k].live && o->queue[k].class == q->class && o->queue[k].share == q->share &&
		       o->queue[k].turn.in;
	turn(o, &m->turn, any, m->vt);
}

static int sooner(const struct oracle_turn *a, const struct oracle_turn *b)
{
	return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static int best_server(const struct oracle *o, int spent)
{
	int k, best = -1;

	for (k = 0; k < ORACLE_QUEUES; k++)
		if (o->queue[k].live && o->queue[k].class == D && o->queue[k].turn.in &&
		    o->queue[k].spent == spent && (best < 0 || sooner(&o->queue[k].turn, &o->queue[best].turn)))
			best = k;
	return best;
}

static int best_fair(const struct oracle *o, u32 class)
{
	int s, k, share = -1, best = -1;

	for (s = 0; s < ORACLE_SHARES; s++)
		if (o->member[s][class].turn.in &&
		    (share < 0 || sooner(&o->member[s][class].turn, &o->member[share][class].turn)))
			share = s;
	for (k = 0; share >= 0 && k < ORACLE_QUEUES; k++)
		if (o->queue[k].live && o->queue[k].class == class && o->queue[k].share == share &&
		    o->queue[k].turn.in && (best < 0 || sooner(&o->queue[k].turn, &o->queue[best].turn)))
			best = k;
	return best;
}

/* ---- servers */

static void fresh(struct oracle *o, int queue, u64 now)
{
	o->queue[queue].left = (s64)o->queue[queue].budget - (s64)ahead_ns(o, queue);
	o->queue[queue].deadline = now + o->queue[queue].period;
}

static void renew(struct oracle *o, int queue, u64 now)
{
	struct oracle_queue *q = &o->queue[queue];

	while (q->left <= 0) {
		q->left += q->budget;
		q->deadline += q->period;
	}
	if (q->deadline <= now)
		fresh(o, queue, now);
}

static void renew_all(struct oracle *o, u64 now)
{
	int k;

	while ((k = best_server(o, 1)) >= 0 && o->queue[k].turn.key <= now) {
		renew(o, k, now);
		place(o, k);
	}
}

static void server_wake(struct oracle *o, int queue, u64 now)
{
	struct oracle_queue *q = &o->queue[queue];

	if (q->left <= 0) {
		if (now < renewal(q))
			return;
		renew(o, queue, now);
	}
	if (now >= q->deadline || (u128)q->left * q->period > (u128)(q->deadline - now) * q->budget)
		fresh(o, queue, now);
}

/* ---- fluid: every ns goes to those that have work or have had more than the fluid gave */

static u64 class_rate(const struct oracle *o, u32 class)
{
	u64 rate = 0;
	int s;

	for (s = 0; s < ORACLE_SHARES; s++)
		rate += o->member[s][class].active ? o->member[s][class].rate : 0;
	return rate;
}

static void supply(struct oracle *o, long double ns)
{
	long double debt = ns < o->fluid_debt ? ns : o->fluid_debt;

	o->fluid_debt -= debt;
	ns -= debt;
	while (ns > 1e-6L) {
		long double d = class_rate(o, D), i = class_rate(o, I), b = class_rate(o, B), give[3], step = ns;
		long double p = o->params.interactive_permille / 1000.0L;
		int s, c, next_s = -1, next_c = -1;

		if (!d && !i && !b)
			return;
		give[D] = (i || b) && d < 1 << 24 ? d / (1 << 24) : 1;
		give[I] = i ? (1 - give[D]) * (b ? p : 1) : 0;
		give[B] = b ? (1 - give[D]) * (i ? 1 - p : 1) : 0;
		for (c = 0; c < ARB_CLASS_COUNT; c++) {
			long double sum = class_rate(o, c);

			for (s = 0; s < ORACLE_SHARES; s++) {
				struct oracle_member *m = &o->member[s][c];
				long double need;

				if (!m->active || member_works(o, s, c) || !(give[c] > 0))
					continue;
				need = (m->used - m->entitled) * sum / (give[c] * m->rate);
				if (need <= step) {
					step = need > 0 ? need : 0;
					next_s = s;
					next_c = c;
				}
			}
		}
		for (c = 0; c < ARB_CLASS_COUNT; c++) {
			long double sum = class_rate(o, c);

			for (s = 0; s < ORACLE_SHARES; s++)
				if (o->member[s][c].active)
					o->member[s][c].entitled += step * give[c] * o->member[s][c].rate / sum;
		}
		if (next_s >= 0)
			o->member[next_s][next_c].active = 0;
		ns -= step;
	}
}

long double oracle_entitled(const struct oracle *o, int share)
{
	return o->member[share][D].entitled + o->member[share][I].entitled + o->member[share][B].entitled;
}

/* ---- the calls */

void oracle_init(struct oracle *o, const struct arb_engine_params *params, u64 now)
{
	memset(o, 0, sizeof(*o));
	o->params = *params;
	o->now = now;
}

static u64 rest_of(const struct oracle *o, const struct oracle_job *job)
{
	u64 mean = arb_cost_mean(job->cost, o->params.default_cost_ns), rest = mean > job->used ? mean - job->used : 0;

	return rest < mean / 8 + 1 ? mean / 8 + 1 : rest;
}

static u32 rate_of(const struct oracle_queue *q)
{
	return (q->budget << 24) / q->period;
}

static u128 settled(const struct oracle *o, int share, u32 class, int queue)
{
	u128 vt = queue >= 0 ? o->queue[queue].vt : o->member[share][class].vt;
	int j;

	for (j = 0; j < ORACLE_JOBS; j++) {
		const struct oracle_job *job = &o->job[j];
		const struct oracle_queue *q = &o->queue[job->queue];

		if (job->state != ARB_JOB_RUNNING || q->share != share || q->class != class)
			continue;
		if (queue < 0)
			vt -= job->charged_member;
		else if (queue == job->queue)
			vt -= job->charged_queue;
	}
	return vt;
}

static void reweigh(struct oracle *o, struct oracle_member *m, int share, u32 class)
{
	u32 most = 0, sum = 0;
	int k;

	for (k = 0; k < ORACLE_QUEUES; k++) {
		struct oracle_queue *q = &o->queue[k];

		if (!q->live || q->share != share || q->class != class)
			continue;
		if (class == D)
			sum += rate_of(q);
		most = q->weight > most ? q->weight : most;
	}
	if (class == D ? sum : most) {
		/* engine time owed is the same before and after; at a lesser weight there is no more of it */
		if (class != D && most > m->weight && settled(o, share, class, -1) < o->floor[class]) {
			u128 behind = o->floor[class] - settled(o, share, class, -1), owed = behind * m->weight >> 32;

			if (owed > NEVER >> 1)
				owed = NEVER >> 1;
			m->vt += behind - (owed << 32) / most;
			turn(o, &m->turn, m->turn.in, m->vt);
		}
		m->weight = most;
		m->rate = class == D ? sum : most;
	}
}

static u64 free_rate(const struct oracle *o)
{
	u64 sum = 0;
	int k;

	for (k = 0; k < ORACLE_QUEUES; k++)
		sum += o->queue[k].live && o->queue[k].class == D ? rate_of(&o->queue[k]) : 0;
	return ((u64)o->params.deadline_permille << 24) / 1000 - sum;
}

/* Bandwidth of two kinds, free now and free at left_until: the budget comes at the weighted mean of those. */
static void start(struct oracle *o, struct oracle_queue *q, u64 now)
{
	u64 rate = rate_of(q), at_once = free_rate(o), later;

	if (now >= o->left_until)
		o->left_rate = 0;
	at_once -= o->left_rate;
	q->left = q->budget;
	q->deadline = now;
	if (rate <= at_once)
		return;
	later = rate - at_once;
	o->left_rate -= later;
	q->left = 0;
	q->deadline = ((u128)at_once * now + (u128)later * o->left_until + rate - 1) / rate;
}

int oracle_queue_add(struct oracle *o, int queue, int share, u32 class, u32 weight, u64 budget, u64 period, u64 now)
{
	struct oracle_queue *q = &o->queue[queue], set = { .share = share, .class = class, .weight = weight, .budget = budget,
							   .period = period };

	if (class == D) {
		if (rate_of(&set) > free_rate(o))
			return -EBUSY;
		start(o, &set, clock_to(o, now));
	}
	*q = set;
	q->live = 1;
	reweigh(o, member_of(o, q), share, class);
	return 0;
}

/* At @t the server, which has something left, has no more than its rate gives it until its deadline. */
static int level(const struct oracle_queue *q, u64 t)
{
	return t >= q->deadline || (u128)q->left * q->period >= (u128)(q->deadline - t) * q->budget;
}

/* What it takes to be level, as bandwidth times time, is found in a period of its own if so much is free, but in ARB_PERIOD_MAX_NS. */
static void end(struct oracle *o, struct oracle_queue *q, u64 now)
{
	u64 rate = rate_of(q), free = free_rate(o), from = now, to, middle;
	u128 owed, sum;

	for (; q->left <= 0; q->left += q->budget)
		q->deadline += q->period;
	to = q->deadline > now ? q->deadline : now;
	while (from < to) {
		middle = from + (to - from) / 2;
		if (level(q, middle))
			to = middle;
		else
			from = middle + 1;
	}
	if (to == now)
		return;
	owed = (u128)(to - now) * rate;
	if (owed > (u128)free * ARB_PERIOD_MAX_NS)
		owed = (u128)free * ARB_PERIOD_MAX_NS;
	if (owed > (u128)rate * q->period)
		rate = (owed + q->period - 1) / q->period;
	sum = owed;
	if (now < o->left_until) {
		sum += (u128)o->left_rate * (o->left_until - now);
		rate += o->left_rate;
	}
	o->left_rate = rate < free ? rate : free;
	o->left_until = now + (u64)((sum + o->left_rate - 1) / o->left_rate);
	if (o->left_until > now + ARB_PERIOD_MAX_NS)
		o->left_until = now + ARB_PERIOD_MAX_NS;
}

void oracle_queue_remove(struct oracle *o, int queue, u64 now)
{
	struct oracle_queue *q = &o->queue[queue];

	q->live = 0;
	if (q->class == D)
		end(o, q, clock_to(o, now));
	reweigh(o, member_of(o, q), q->share, q->class);
}

static int in_time(struct oracle *o, int queue, u64 bound, u64 deadline, u64 now)
{
	struct oracle_queue *q = &o->queue[queue], saved = *q;
	__int128 work = bound, short_of, end;
	int j;

	for (j = 0; j < ORACLE_JOBS; j++)
		if (o->job[j].state != ARB_JOB_IDLE && o->job[j].queue == queue)
			work += o->job[j].bound;
	if (!jobs_of(o, queue, 0))
		server_wake(o, queue, now);
	short_of = work - q->left - ahead_ns(o, queue);
	end = q->deadline;
	if (short_of > 0)
		end += (short_of + q->budget - 1) / q->budget * q->period;
	*q = saved;
	return end <= deadline && now + work <= deadline;
}

int oracle_admit(struct oracle *o, int queue, struct arb_cost *cost, u64 deadline, u64 now, int *ret_trial)
{
	struct oracle_queue *q = &o->queue[queue];
	u64 wait = q->period, guess;
	u32 i;

	*ret_trial = 0;
	if (q->class != D || !deadline)
		return 0;
	if (in_time(o, queue, arb_cost_bound(cost, o->params.default_cost_ns), deadline, now)) {
		if (cost)
			cost->failed = cost->trial_ns = 0;
		return 0;
	}
	if (cost && !cost->trial_ns) {
		cost->trial_ns = now + wait;
		return -ETIME;
	}
	if (!cost || now < cost->trial_ns || jobs_of(o, queue, 0))
		return -ETIME;
	guess = cost->samples < ARB_COST_FEW ? 0 : cost->least_ns;
	if (!in_time(o, queue, guess, deadline, now))
		return -ETIME;
	for (i = 0; i < cost->failed && i < 31; i++)
		wait *= 2;
	cost->trial_ns = now + wait;
	cost->failed++;
	*ret_trial = 1;
	return 0;
}

static void lift(u128 *vt, int *known, u128 floor, u64 slice, u32 weight)
{
	u128 credit = *known ? vt_of(2 * slice, weight) : 0;
	u128 least = floor > credit ? floor - credit : 0;

	*known = 1;
	if (*vt < least)
		*vt = least;
}

void oracle_ready(struct oracle *o, int job, int queue, struct arb_cost *cost, u64 deadline, int trial, u64 now)
{
	struct oracle_queue *q = &o->queue[queue];
	struct oracle_member *m = member_of(o, q);
	int was_class = class_works(o, q->class), was_member = member_works(o, q->share, q->class);
	int was_queue = jobs_of(o, queue, 0);

	now = clock_to(o, now);
	if (!was_class) {
		o->since[q->class] = now;
		/* it may be owed what takes @burst_ns of its own to use up, or what it once waited */
		if (q->class == I && o->balance < -priced(o, I, o->params.burst_ns) && o->balance < priced(o, B, o->waited))
			o->balance = -priced(o, I, o->params.burst_ns) < priced(o, B, o->waited) ?
				     -priced(o, I, o->params.burst_ns) : priced(o, B, o->waited);
		if (q->class == I)
			o->waited = 0;
		if (q->class == B && o->balance > -priced(o, B, o->params.burst_ns))
			o->balance = -priced(o, B, o->params.burst_ns);
	}
	if (!was_member && oracle_running(o) >= 0) {
		long double ran = now - o->job[oracle_running(o)].start;

		ran = ran < ARB_USED_MAX_NS ? ran : ARB_USED_MAX_NS;
		if (ran > o->fluid_ahead) {
			supply(o, ran - o->fluid_ahead);
			o->fluid_ahead = ran;
		}
	}
	if (!was_member)
		m->active = 1;
	if (!was_queue && q->class == D)
		server_wake(o, queue, now);
	if (!was_member && q->class != D)
		lift(&m->vt, &m->known, o->floor[q->class], o->params.slice_ns, m->weight);
	if (!was_queue && q->class != D)
		lift(&q->vt, &q->known, m->floor, o->params.slice_ns, q->weight);
	o->job[job] = (struct oracle_job){ .queue = queue, .state = ARB_JOB_READY, .cost = cost, .deadline = deadline, .trial = trial,
		.ready = now, .seq = q->next_seq++, .bound = arb_cost_bound(cost, o->params.default_cost_ns) };
	o->job[job].waits = rest_of(o, &o->job[job]);
	place(o, queue);
}

static void leave(struct oracle *o, int queue)
{
	struct oracle_queue *q = &o->queue[queue];
	struct oracle_member *m = member_of(o, q);

	if (!member_works(o, q->share, q->class) && m->entitled >= m->used - 0.5L)
		m->active = 0;
}

void oracle_cancel(struct oracle *o, int job)
{
	o->job[job].state = ARB_JOB_IDLE;
	leave(o, o->job[job].queue);
	place(o, o->job[job].queue);
}

int oracle_pick(struct oracle *o, u64 now)
{
	int queue, j, interactive, batch;
	struct oracle_queue *q;
	struct oracle_member *m;
	struct oracle_job *job;

	now = clock_to(o, now);
	renew_all(o, now);
	interactive = best_fair(o, I);
	batch = best_fair(o, B);
	queue = best_server(o, 0);
	if (queue < 0)
		queue = interactive >= 0 && (batch < 0 || o->balance + balance_ahead(o) <= 0) ? interactive : batch;
	if (queue < 0)
		return -1;
	q = &o->queue[queue];
	m = member_of(o, q);
	j = first_ready(o, queue);
	job = &o->job[j];
	job->predicted = rest_of(o, job);
	job->start = now;
	job->order = o->orders++;
	q->queued += now - job->ready;
	if (q->class == D) {
		job->run_deadline = q->deadline;
		job->run_budget = q->left;
		job->split = 0;
		q->left -= job->predicted;
	} else {
		job->turn = q->class == B && interactive >= 0;
		job->split = q->class == B || class_works(o, B);
		m->floor = q->vt > m->floor ? q->vt : m->floor;
		o->floor[q->class] = m->vt > o->floor[q->class] ? m->vt : o->floor[q->class];
		q->vt += job->charged_queue = vt_of(job->predicted, q->weight);
		m->vt += job->charged_member = vt_of(job->predicted, m->weight);
	}
	job->state = ARB_JOB_RUNNING;
	place(o, queue);
	return j;
}

static u64 after_slice(u128 runs, u32 runs_weight, u128 waits, u32 waits_weight, u64 slice)
{
	u128 to = waits + vt_of(slice, waits_weight), ns;

	if (to <= runs)
		return 0;
	ns = (to - runs) * runs_weight >> 32;
	return ns > NEVER >> 1 ? NEVER >> 1 : ns;
}

/* The time at which what runs should stop for @waits: rule by rule of the table in arb.h. */
static u64 stop_for(const struct oracle *o, int r, int waits, u64 deadline)
{
	const struct oracle_job *job = &o->job[r];
	const struct oracle_queue *q = &o->queue[job->queue], *w = &o->queue[waits];
	u64 slice = o->params.slice_ns, p = o->params.interactive_permille, at, t;
	s64 room = (s64)(slice * (1000 - p)) - o->balance;

	if (waits == job->queue)
		return NEVER;
	if (q->class == D) {
		if (w->class == D && deadline < job->run_deadline)
			return job->start;
		return job->start + job->run_budget +
		       (job->start + job->run_budget < job->run_deadline ? 0 : q->budget);
	}
	if (w->class == D)
		return job->start;
	if (w->class != q->class && q->class == B) {
		at = job->start + (o->balance > 0 ? (o->balance + p - 1) / p : 0);
		return job->turn && at < job->start + slice ? job->start + slice : at;
	}
	if (w->class != q->class) {
		at = job->start > o->since[B] ? job->start : o->since[B];
		return at + (room >= 0 ? room / (1000 - p) + 1 : 0);
	}
	if (w->share == q->share)
		t = after_slice(settled(o, q->share, q->class, job->queue), q->weight,
				settled(o, w->share, w->class, waits), w->weight, slice);
	else
		t = after_slice(settled(o, q->share, q->class, -1), o->member[q->share][q->class].weight,
				settled(o, w->share, w->class, -1), o->member[w->share][w->class].weight, slice);
	return t < NEVER - job->start ? job->start + t : NEVER;
}

static u64 preempt_at(const struct oracle *o)
{
	int r = oracle_running(o), best[3] = { best_server(o, 0), best_fair(o, I), best_fair(o, B) }, k;
	u64 at = NEVER, t;

	if (r < 0)
		return NEVER;
	for (k = 0; k < 3; k++) {
		t = best[k] < 0 ? NEVER : stop_for(o, r, best[k], o->queue[best[k]].deadline);
		at = t < at ? t : at;
	}
	for (k = 0; k < ORACLE_JOBS; k++) {
		if (o->job[k].state != ARB_JOB_RUNNING)
			continue;
		t = stop_for(o, r, o->job[k].queue, o->job[k].run_deadline);
		at = t < at ? t : at;
	}
	return at;
}

int oracle_wants_preempt(struct oracle *o, u64 now)
{
	now = clock_to(o, now);
	renew_all(o, now);
	return preempt_at(o) <= now;
}

u64 oracle_next_event(struct oracle *o, u64 now)
{
	u64 at, spent = NEVER;

	now = clock_to(o, now);
	renew_all(o, now);
	if (best_server(o, 1) >= 0)
		spent = o->queue[best_server(o, 1)].turn.key;
	at = preempt_at(o);
	at = at < spent ? at : spent;
	return at > now ? at : now;
}

/* How much of this run was beside work of the other class. */
static u64 contested(const struct oracle *o, const struct oracle_job *job, u32 other, u64 used, u64 now)
{
	u64 since = job->start > o->since[other] ? job->start : o->since[other];

	if (!class_works(o, other) || now <= since)
		return 0;
	return used < now - since ? used : now - since;
}

static void balance_correct(struct oracle *o, struct oracle_job *job, u64 used, u64 now)
{
	u32 class = o->queue[job->queue].class;
	s64 floor = -priced(o, I, o->params.burst_ns), to;
	u64 beside = contested(o, job, class == I ? B : I, used, now);

	if (class == I) {
		if (!class_works(o, B) && job->split)
			beside = used;
		o->balance += priced(o, I, beside);
	} else {
		o->waited = beside > o->waited ? beside : o->waited;
		to = o->balance + priced(o, B, used - beside);
		if (to < floor)
			to = o->balance < floor ? o->balance : floor;
		o->balance = to + priced(o, B, beside);
	}
	if (o->balance > 1LL << 60)
		o->balance = 1LL << 60;
	if (o->balance < -(1LL << 60))
		o->balance = -(1LL << 60);
}

void oracle_give_back(struct oracle *o, int j, u64 used, u64 now, int done)
{
	struct oracle_job *job = &o->job[j];
	struct oracle_queue *q = &o->queue[job->queue];
	struct oracle_member *m = member_of(o, q);
	int was_running = oracle_running(o), next;

	now = clock_to(o, now);
	used = used < ARB_USED_MAX_NS ? used : ARB_USED_MAX_NS;
	job->used += used;
	q->used += used;
	m->used += used;
	if (was_running != j) {
		supply(o, used);
	} else if (used >= o->fluid_ahead) {
		supply(o, used - o->fluid_ahead);
		o->fluid_ahead = 0;
	} else {
		o->fluid_debt += o->fluid_ahead - used;
		o->fluid_ahead = 0;
	}
	if (q->class == D) {
		q->left += job->predicted - used;
		q->left = q->left > (s64)q->budget ? (s64)q->budget : q->left;
	} else {
		q->vt += vt_of(used, q->weight) - job->charged_queue;
		m->vt += vt_of(used, m->weight) - job->charged_member;
		balance_correct(o, job, used, now);
	}
	if (done) {
		job->state = ARB_JOB_IDLE;
		q->misses += job->deadline && now > job->deadline;
		if (job->trial && now <= job->deadline && job->cost->failed)
			job->cost->failed--;
	} else {
		job->state = ARB_JOB_READY;
		job->ready = now;
		q->preemptions += used > 0;
		if (job->bound)
			job->bound = job->bound > used ? job->bound - used : 1;
		job->waits = rest_of(o, job);
	}
	next = oracle_running(o);
	if (was_running == j && next >= 0)
		o->job[next].start = now;
	if (done)
		leave(o, job->queue);
	place(o, job->queue);
}

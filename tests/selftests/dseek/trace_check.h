/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Reads the module's trace events and holds each against the state machine of kmod/README.md: what a job may do
 * next, the order of a queue's jobs, and that jobs run only where an executor is.
 */
#ifndef TRACE_CHECK_H
#define TRACE_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum event {
	EV_SUBMIT, EV_WAIT_DONE, EV_READY, EV_WITHDRAW, EV_RUN, EV_YIELD, EV_ABORT, EV_END, EV_OVER, EV_FENCE,
	EV_JOB_COUNT,
	EV_ATTACH = EV_JOB_COUNT, EV_LOSE, EV_GONE, EV_PREEMPT,
	EV_QUEUE_CREATE, EV_QUEUE_DESTROY, EV_BO_CREATE, EV_BO_PURGE, EV_BO_FREE,
	EV_COUNT,
};

static const char *const event_names[EV_COUNT] = {
	[EV_SUBMIT] = "dseek_job_submit", [EV_WAIT_DONE] = "dseek_job_wait_done", [EV_READY] = "dseek_job_ready",
	[EV_WITHDRAW] = "dseek_job_withdraw",
	[EV_RUN] = "dseek_job_run", [EV_YIELD] = "dseek_job_yield", [EV_ABORT] = "dseek_job_abort",
	[EV_END] = "dseek_job_end", [EV_OVER] = "dseek_job_over", [EV_FENCE] = "dseek_fence_signal",
	[EV_ATTACH] = "dseek_engine_attach", [EV_LOSE] = "dseek_engine_lose", [EV_GONE] = "dseek_engine_gone",
	[EV_PREEMPT] = "dseek_engine_preempt", [EV_QUEUE_CREATE] = "dseek_queue_create",
	[EV_QUEUE_DESTROY] = "dseek_queue_destroy", [EV_BO_CREATE] = "dseek_bo_create",
	[EV_BO_PURGE] = "dseek_bo_purge", [EV_BO_FREE] = "dseek_bo_free",
};

struct trace_event {
	enum event what;
	char text[240];		/* "job=1 queue=2 ..." */
};

struct trace {
	struct trace_event *events;
	unsigned int count;
};

/* -1: the event has no such field. */
static inline long long field(const struct trace_event *ev, const char *name)
{
	size_t len = strlen(name);
	const char *p = ev->text;

	while (p) {
		if (!strncmp(p, name, len) && p[len] == '=')
			return strtoll(p + len + 1, NULL, 0);
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return -1;
}

static inline int field_is(const struct trace_event *ev, const char *name, const char *value)
{
	char want[64];
	size_t len = (size_t)snprintf(want, sizeof(want), "%s=%s", name, value);
	const char *p = strstr(ev->text, want);

	return p && (p == ev->text || p[-1] == ' ') && (!p[len] || p[len] == ' ');
}

/* From the text of a tracefs "trace" file. Lines that are not ours are left out. */
static inline int trace_parse(char *text, struct trace *ret)
{
	unsigned int room = 0;
	char *line, *next, *p;
	int i;

	memset(ret, 0, sizeof(*ret));
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		p = *line == '#' ? NULL : strstr(line, ": dseek_");
		if (!p)
			continue;
		p += 2;
		for (i = 0; i < EV_COUNT; i++)
			if (!strncmp(p, event_names[i], strlen(event_names[i])) && p[strlen(event_names[i])] == ':')
				break;
		if (i == EV_COUNT)
			return -1;
		if (ret->count == room) {
			room = room ? room * 2 : 1024;
			ret->events = realloc(ret->events, room * sizeof(*ret->events));
			if (!ret->events)
				return -1;
		}
		ret->events[ret->count].what = i;
		snprintf(ret->events[ret->count].text, sizeof(ret->events[0].text), "%s", p + strlen(event_names[i]) + 2);
		ret->count++;
	}
	return 0;
}

/* ---- the state machine */

enum trace_state { TS_NONE, TS_WAITING, TS_READY, TS_RUNNING, TS_ENDED, TS_OVER, TS_SIGNALLED, TS_COUNT };

/* [state][event of a job]: the next state; 0: not legal */
static const unsigned char legal[TS_COUNT][EV_JOB_COUNT] = {
	[TS_NONE] = { [EV_SUBMIT] = TS_WAITING },
	[TS_WAITING] = { [EV_WAIT_DONE] = TS_WAITING, [EV_READY] = TS_READY, [EV_END] = TS_ENDED },
	[TS_READY] = { [EV_RUN] = TS_RUNNING, [EV_END] = TS_ENDED, [EV_WITHDRAW] = TS_WAITING },
	[TS_RUNNING] = { [EV_YIELD] = TS_READY, [EV_END] = TS_ENDED, [EV_ABORT] = TS_RUNNING },
	[TS_ENDED] = { [EV_OVER] = TS_OVER },
	[TS_OVER] = { [EV_FENCE] = TS_SIGNALLED },
};
static const char *const end_from[TS_COUNT] = {
	[TS_WAITING] = "waiting", [TS_READY] = "ready", [TS_RUNNING] = "running",
};

#define TRACE_JOBS	8192	/* more than one test makes; ids are dense enough */
#define TRACE_ENGINES	64
#define TRACE_QUEUES	256

struct trace_job {
	long long id, queue, seqno, left, fence;
	enum trace_state state;
};

struct trace_checker {
	struct trace_job jobs[TRACE_JOBS];
	unsigned int job_count;
	int attached[TRACE_ENGINES];	/* 0: not known, 1: yes, -1: no */
	long long destroyed[TRACE_QUEUES];
	unsigned int destroyed_count;
	char why[400];
};

static inline struct trace_job *trace_job(struct trace_checker *c, long long id)
{
	unsigned int i = c->job_count;

	while (i-- > 0)
		if (c->jobs[i].id == id)
			return &c->jobs[i];
	return NULL;
}

static inline int trace_destroyed(const struct trace_checker *c, long long queue)
{
	unsigned int i;

	for (i = 0; i < c->destroyed_count; i++)
		if (c->destroyed[i] == queue)
			return 1;
	return 0;
}

static inline int trace_wrong(struct trace_checker *c, const struct trace_event *ev, const char *why)
{
	snprintf(c->why, sizeof(c->why), "%s: %s %s", why, event_names[ev->what], ev->text);
	return -1;
}

static inline int check_job_event(struct trace_checker *c, const struct trace_event *ev)
{
	struct trace_job *job = trace_job(c, field(ev, "job"));
	long long engine = field(ev, "engine"), error = field(ev, "error");
	enum trace_state from;
	unsigned int i;

	if (!job && ev->what != EV_SUBMIT)
		return trace_wrong(c, ev, "a job that was never submitted");
	if (!job) {
		if (c->job_count == TRACE_JOBS)
			return trace_wrong(c, ev, "more jobs than the checker has room for");
		job = &c->jobs[c->job_count++];
		*job = (struct trace_job){ .id = field(ev, "job"), .queue = field(ev, "queue"),
					   .seqno = field(ev, "seqno"), .left = field(ev, "waits"), .fence = field(ev, "fence") };
	}
	if (job->queue != field(ev, "queue"))
		return trace_wrong(c, ev, "another queue than it was submitted to");
	from = job->state;
	job->state = legal[from][ev->what];
	if (!job->state)
		return trace_wrong(c, ev, "not legal in the job's state");
	switch (ev->what) {
	case EV_WAIT_DONE:
		/* the submitter's own is among those counted until all callbacks are in place */
		if (field(ev, "left") > job->left)
			return trace_wrong(c, ev, "more waits left than before");
		job->left = field(ev, "left");
		break;
	case EV_READY:
		if (job->left)
			return trace_wrong(c, ev, "ready with waits left");
		break;
	case EV_RUN:
		if (engine < 0 || engine >= TRACE_ENGINES || c->attached[engine] < 0)
			return trace_wrong(c, ev, "run where no executor is");
		break;
	case EV_END:
		if (!field_is(ev, "from", end_from[from]))
			return trace_wrong(c, ev, "it ends from another state");
		if (from == TS_WAITING && job->left && !trace_destroyed(c, job->queue))
			return trace_wrong(c, ev, "it ends with waits left");
		if (from != TS_RUNNING && !error)
			return trace_wrong(c, ev, "done without having run");
		break;
	case EV_OVER:
		for (i = 0; i < c->job_count; i++)
			if (c->jobs[i].queue == job->queue && c->jobs[i].seqno < job->seqno && c->jobs[i].state < TS_OVER)
				return trace_wrong(c, ev, "over before an earlier job of its queue");
		break;
	default:
		break;
	}
	return 0;
}

/* 0, or -1 and a sentence in c->why. At the end every job must be over, its fence signalled. */
static inline int trace_check(struct trace_checker *c, const struct trace *trace)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < trace->count; i++) {
		const struct trace_event *ev = &trace->events[i];
		long long engine = field(ev, "engine");

		if (ev->what < EV_JOB_COUNT) {
			if (check_job_event(c, ev))
				return -1;
		} else if (ev->what == EV_ATTACH || ev->what == EV_LOSE || ev->what == EV_GONE) {
			int now = ev->what == EV_ATTACH ? 1 : -1;

			if (engine < 0 || engine >= TRACE_ENGINES || (ev->what != EV_GONE && c->attached[engine] == now))
				return trace_wrong(c, ev, "attached, or lost, twice");
			if (ev->what == EV_GONE && c->attached[engine] > 0)
				return trace_wrong(c, ev, "gone with an executor");
			c->attached[engine] = now;
		} else if (ev->what == EV_QUEUE_DESTROY && c->destroyed_count < TRACE_QUEUES) {
			c->destroyed[c->destroyed_count++] = field(ev, "queue");
		}
	}
	for (i = 0; i < c->job_count; i++)
		if (c->jobs[i].state < TS_OVER || (c->jobs[i].fence && c->jobs[i].state != TS_SIGNALLED)) {
			snprintf(c->why, sizeof(c->why), "job %lld never came to be over, or its fence was not signalled",
				 c->jobs[i].id);
			return -1;
		}
	return 0;
}

#endif /* TRACE_CHECK_H */

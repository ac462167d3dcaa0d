// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include "replay.h"

#define REPORT_MAX	10

enum kind { KIND_ENGINE, KIND_SHARE, KIND_QUEUE, KIND_JOB, KIND_COST };
static const char *const kind_names[] = { "engine", "tenant", "queue", "job", "cost" };
static const char *const class_names[] = { "deadline", "interactive", "batch" };

/* A name and what it stands for now. */
struct replay_object {
	struct replay_object *next;
	enum kind kind;
	u64 name;
	void *is;
};

/* Everything allocated, for the end. */
struct owned {
	struct owned *next;
};

__attribute__((format(printf, 2, 3)))
static int invalid(struct replay *replay, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(replay->error, sizeof(replay->error), format, args);
	va_end(args);
	return -EINVAL;
}

static void *make(struct replay *replay, size_t size)
{
	struct owned *owned = calloc(1, sizeof(*owned) + 8 + size);

	if (!owned)
		return NULL;
	owned->next = replay->owned;
	replay->owned = owned;
	return (char *)owned + sizeof(*owned) + 8;
}

static struct replay_object **slot(struct replay *replay, enum kind kind, u64 name)
{
	u64 hash = (name ^ (u64)kind << 60) * 0x9e3779b97f4a7c15ULL;
	struct replay_object **at = &replay->objects[hash >> 52];

	while (*at && ((*at)->kind != kind || (*at)->name != name))
		at = &(*at)->next;
	return at;
}

static void *find(struct replay *replay, enum kind kind, u64 name)
{
	struct replay_object *object = *slot(replay, kind, name);

	if (!object || !object->is) {
		invalid(replay, "no such %s: %#" PRIx64, kind_names[kind], name);
		return NULL;
	}
	return object->is;
}

static int name(struct replay *replay, enum kind kind, u64 as, void *is)
{
	struct replay_object **at = slot(replay, kind, as);

	if (!*at) {
		*at = make(replay, sizeof(**at));
		if (!*at)
			return -ENOMEM;
		(*at)->kind = kind;
		(*at)->name = as;
	}
	(*at)->is = is;
	return 0;
}

__attribute__((format(printf, 3, 4)))
static void say(struct replay *replay, u64 now_ns, const char *format, ...)
{
	va_list args;

	if (!replay->timeline)
		return;
	fprintf(replay->timeline, "%14.6f ms  ", (now_ns - replay->first_ns) / 1e6);
	va_start(args, format);
	vfprintf(replay->timeline, format, args);
	va_end(args);
	putc('\n', replay->timeline);
}

static void compare(struct replay *replay, const char *what, u64 got, u64 recorded)
{
	replay->decisions++;
	if (got == recorded)
		return;
	if (replay->differences++ < REPORT_MAX)
		fprintf(stderr, "record %" PRIu64 ": %s: %" PRId64 ", recorded %" PRId64 "\n", replay->records, what,
			(s64)got, (s64)recorded);
}

static int engine_init(struct replay *replay, const struct arb_trace_record *r)
{
	struct arb_engine_params params = {
		.deadline_permille = (u32)r->a, .interactive_permille = (u32)(r->a >> 32), .slice_ns = r->b,
		.default_cost_ns = r->c, .burst_ns = r->d,
	};
	struct replay_engine *engine = make(replay, sizeof(*engine));

	if (!engine)
		return -ENOMEM;
	if (arb_engine_init(&engine->arb, &params, r->now_ns))
		return invalid(replay, "an engine with a parameter out of range");
	engine->id = ++replay->engine_count;
	engine->next = replay->engines;
	replay->engines = engine;
	say(replay, r->now_ns, "engine %d", engine->id);
	return name(replay, KIND_ENGINE, r->object, engine);
}

static int share_init(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_engine *engine = find(replay, KIND_ENGINE, r->other);
	struct replay_share *share;

	if (!engine)
		return -EINVAL;
	share = make(replay, sizeof(*share));
	if (!share)
		return -ENOMEM;
	arb_share_init(&share->arb, &engine->arb);
	share->engine = engine;
	share->id = ++replay->share_count;
	share->next = replay->shares;
	replay->shares = share;
	return name(replay, KIND_SHARE, r->object, share);
}

static int share_fini(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_share *share = find(replay, KIND_SHARE, r->object);

	if (!share)
		return -EINVAL;
	if (share->queues)
		return invalid(replay, "the end of tenant %d, which has queues", share->id);
	arb_share_fini(&share->arb);
	share->gone = 1;
	return name(replay, KIND_SHARE, r->object, NULL);
}

static int queue_add(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_share *share = find(replay, KIND_SHARE, r->other);
	struct replay_queue *queue;
	int result;

	if (!share)
		return -EINVAL;
	queue = make(replay, sizeof(*queue));
	if (!queue)
		return -ENOMEM;
	queue->arb.class = (u32)r->a;
	queue->arb.weight = (u32)(r->a >> 32);
	queue->arb.budget_ns = r->b;
	queue->arb.period_ns = r->c;
	result = arb_queue_add(&queue->arb, &share->arb, r->now_ns);
	compare(replay, "queue_add", result, r->result);
	if (result)
		return 0;
	queue->share = share;
	queue->id = ++replay->queue_count;
	queue->next = replay->queues;
	replay->queues = queue;
	share->queues++;
	say(replay, r->now_ns, "engine %d: queue %d of tenant %d, %s", share->engine->id, queue->id, share->id,
	    class_names[queue->arb.class]);
	return name(replay, KIND_QUEUE, r->object, queue);
}

static int queue_remove(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->object);

	if (!queue)
		return -EINVAL;
	if (queue->arb.jobs)
		return invalid(replay, "the end of queue %d, which has jobs", queue->id);
	arb_queue_remove(&queue->arb, r->now_ns);
	queue->gone = 1;
	queue->share->queues--;
	return name(replay, KIND_QUEUE, r->object, NULL);
}

static int cost_state(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_object *object = *slot(replay, KIND_COST, r->object);
	struct arb_cost *cost = object && object->is ? object->is : make(replay, sizeof(*cost));

	if (!cost)
		return -ENOMEM;
	if (r->a > ARB_USED_MAX_NS || r->b > ARB_USED_MAX_NS || r->d > ARB_USED_MAX_NS)
		return invalid(replay, "a cost out of range");
	*cost = (struct arb_cost){ .mean_ns = r->a, .dev_ns = r->b, .least_ns = r->d, .trial_ns = r->other,
				   .samples = (u32)r->c, .failed = (u32)(r->c >> 32) };
	return name(replay, KIND_COST, r->object, cost);
}

static int cost_update(struct replay *replay, const struct arb_trace_record *r)
{
	struct arb_cost *cost = find(replay, KIND_COST, r->object);

	if (!cost)
		return -EINVAL;
	arb_cost_update(cost, r->a);
	return 0;
}

static int admit(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->object);
	struct arb_job job = { .deadline_ns = r->a };
	int result;

	if (!queue)
		return -EINVAL;
	if (r->other) {
		job.cost = find(replay, KIND_COST, r->other);
		if (!job.cost)
			return -EINVAL;
	}
	job.queue = &queue->arb;
	result = arb_job_admit(&queue->arb, &job, r->now_ns);
	compare(replay, "admit", result, r->result);
	queue->refused += result != 0;
	if (result)
		say(replay, r->now_ns, "engine %d: queue %d: a job refused", queue->share->engine->id, queue->id);
	return 0;
}

static int ready(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->other);
	struct replay_object *object = *slot(replay, KIND_JOB, r->object);
	struct replay_job *job = object ? object->is : NULL;
	struct arb_cost *cost = NULL;

	if (!queue)
		return -EINVAL;
	if (r->b) {
		cost = find(replay, KIND_COST, r->b);
		if (!cost)
			return -EINVAL;
	}
	if (!job)
		job = make(replay, sizeof(*job));
	if (!job)
		return -ENOMEM;
	if (job->arb.state != ARB_JOB_IDLE)
		return invalid(replay, "job %" PRIu64 " is ready, but it is ready or running already", job->id);
	job->id = ++replay->job_count;
	job->queue = queue;
	job->arb = (struct arb_job){ .queue = &queue->arb, .cost = cost, .deadline_ns = r->a };
	arb_job_ready(&job->arb, r->now_ns);
	say(replay, r->now_ns, "engine %d: job %" PRIu64 " of queue %d ready", queue->share->engine->id, job->id, queue->id);
	return name(replay, KIND_JOB, r->object, job);
}

static int pick(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_engine *engine = find(replay, KIND_ENGINE, r->object);
	struct replay_job *want = r->other ? find(replay, KIND_JOB, r->other) : NULL, *job;
	struct arb_job *picked;

	if (!engine || (r->other && !want))
		return -EINVAL;
	picked = arb_pick(&engine->arb, r->now_ns);
	job = picked ? arb_container_of(picked, struct replay_job, arb) : NULL;
	compare(replay, "pick: job", job ? job->id : 0, want ? want->id : 0);
	if (job && job == want)
		compare(replay, "pick: predicted", picked->predicted_ns, r->a);
	if (job)
		say(replay, r->now_ns, "engine %d: job %" PRIu64 " of queue %d (tenant %d, %s) picked after %.3f ms", engine->id,
		    job->id, job->queue->id, job->queue->share->id, class_names[job->queue->arb.class],
		    (r->now_ns - picked->ready_ns) / 1e6);
	/* What follows depends on it. */
	return job == want ? 0 : invalid(replay, "another job is picked than was: no use going on");
}

static int wants_preempt(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_engine *engine = find(replay, KIND_ENGINE, r->object);
	int result;

	if (!engine)
		return -EINVAL;
	result = arb_wants_preempt(&engine->arb, r->now_ns);
	compare(replay, "wants_preempt", result, r->result);
	if (result)
		say(replay, r->now_ns, "engine %d: preemption wanted", engine->id);
	return 0;
}

static int next_event(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_engine *engine = find(replay, KIND_ENGINE, r->object);

	if (!engine)
		return -EINVAL;
	compare(replay, "next_event", arb_next_event(&engine->arb, r->now_ns), r->a);
	return 0;
}

static int give_back(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_job *job = find(replay, KIND_JOB, r->object);
	int state = r->op == ARB_TRACE_CANCEL ? ARB_JOB_READY : ARB_JOB_RUNNING;

	if (!job)
		return -EINVAL;
	if ((int)job->arb.state != state)
		return invalid(replay, "job %" PRIu64 " is given back, but isn't out", job->id);
	say(replay, r->now_ns, "engine %d: job %" PRIu64 " of queue %d %s, %.3f ms used", job->queue->share->engine->id,
	    job->id, job->queue->id, r->op == ARB_TRACE_DONE ? "done" : r->op == ARB_TRACE_YIELD ? "yields" :
	    "cancelled", r->a / 1e6);
	if (r->op == ARB_TRACE_DONE)
		arb_job_done(&job->arb, r->a, r->now_ns);
	else if (r->op == ARB_TRACE_YIELD)
		arb_job_yield(&job->arb, r->a, r->now_ns);
	else
		arb_job_cancel(&job->arb, r->now_ns);
	return 0;
}

static int predict(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->object);
	struct arb_cost *cost = r->other ? find(replay, KIND_COST, r->other) : NULL;
	struct arb_prediction got;

	if (!queue || (r->other && !cost))
		return -EINVAL;
	arb_predict(&queue->share->arb, &queue->arb, cost, r->now_ns, &got);
	compare(replay, "predict: finish", got.finish_ns, r->a);
	compare(replay, "predict: cost", got.cost_ns, r->b);
	compare(replay, "predict: known, idle", got.known | got.idle << 1, r->result);
	return 0;
}

static int choice_add(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->object);
	struct replay_share *share = find(replay, KIND_SHARE, r->b);
	struct arb_cost *cost = find(replay, KIND_COST, r->other);

	if (!queue || !share || !cost)
		return -EINVAL;
	if ((int)r->a < 0 || queue->arb.class == ARB_CLASS_DEADLINE)
		return invalid(replay, "a choice that can't be: engine %d, class %u", (int)r->a, queue->arb.class);
	if (replay->chooser != queue)
		arb_choice_init(&replay->choice);
	replay->chooser = queue;
	cost->passed = (u32)r->d;
	cost->tries = (u32)(r->d >> 32);
	arb_choice_add(&replay->choice, (int)r->a, (u32)(r->a >> 32), &share->arb, &queue->arb, cost, r->c, r->now_ns);
	return 0;
}

static int choice_best(struct replay *replay, const struct arb_trace_record *r)
{
	struct replay_queue *queue = find(replay, KIND_QUEUE, r->object);

	if (!queue)
		return -EINVAL;
	if (replay->chooser != queue)
		arb_choice_init(&replay->choice);	/* none was added */
	replay->chooser = NULL;
	compare(replay, "choice", (u64)(s64)arb_choice_best(&replay->choice), (u64)(s64)r->result);
	say(replay, r->now_ns, "queue %d: engine with id %d chosen", queue->id, r->result);
	return 0;
}

int replay_record(struct replay *replay, const struct arb_trace_record *record)
{
	static int (*const apply[ARB_TRACE_COUNT])(struct replay *, const struct arb_trace_record *) = {
		[ARB_TRACE_INIT] = engine_init,
		[ARB_TRACE_SHARE_INIT] = share_init,
		[ARB_TRACE_SHARE_FINI] = share_fini,
		[ARB_TRACE_QUEUE_ADD] = queue_add,
		[ARB_TRACE_QUEUE_REMOVE] = queue_remove,
		[ARB_TRACE_COST_STATE] = cost_state,
		[ARB_TRACE_COST_UPDATE] = cost_update,
		[ARB_TRACE_ADMIT] = admit,
		[ARB_TRACE_READY] = ready,
		[ARB_TRACE_CANCEL] = give_back,
		[ARB_TRACE_PICK] = pick,
		[ARB_TRACE_WANTS_PREEMPT] = wants_preempt,
		[ARB_TRACE_NEXT_EVENT] = next_event,
		[ARB_TRACE_YIELD] = give_back,
		[ARB_TRACE_DONE] = give_back,
		[ARB_TRACE_PREDICT] = predict,
		[ARB_TRACE_CHOICE_ADD] = choice_add,
		[ARB_TRACE_CHOICE_BEST] = choice_best,
	};

	replay->records++;
	if (record->now_ns) {
		if (!replay->first_ns)
			replay->first_ns = record->now_ns;
		if (record->now_ns > replay->last_ns)
			replay->last_ns = record->now_ns;
	}
	if (record->op >= ARB_TRACE_COUNT || !apply[record->op])
		return invalid(replay, "unknown operation %u", record->op);
	return apply[record->op](replay, record);
}

void replay_free(struct replay *replay)
{
	struct owned *owned, *next;

	for (owned = replay->owned; owned; owned = next) {
		next = owned->next;
		free(owned);
	}
	replay->owned = NULL;
}

// SPDX-License-Identifier: MIT
/* The figures of `dseek run`: gathered from events, printed as a table or as JSON. */
#include "run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int gap_add(struct run_result *result, uint64_t gap)
{
	if (result->n_gaps == result->cap_gaps) {
		size_t cap = result->cap_gaps ? 2 * result->cap_gaps : 256;
		uint64_t *gaps = realloc(result->gaps, cap * sizeof(*gaps));

		if (!gaps)
			return -ENOMEM;
		result->gaps = gaps;
		result->cap_gaps = cap;
	}
	result->gaps[result->n_gaps++] = gap;
	return 0;
}

static void stats_add(struct run_result *result, const struct run_event *event)
{
	struct run_stats stats, *sum = &result->stats;

	memcpy(&stats, event->text, sizeof(stats));
	sum->queue.submitted += stats.queue.submitted;
	sum->queue.completed += stats.queue.completed;
	sum->queue.faulted += stats.queue.faulted;
	sum->queue.engine_ns += stats.queue.engine_ns;
	sum->queue.queued_ns += stats.queue.queued_ns;
	sum->queue.preemptions += stats.queue.preemptions;
	sum->queue.deadline_misses += stats.queue.deadline_misses;
	/* each queue tells its tenant's: streams that began and ended together tell the same */
	if (sum->queue.entitled_ns < stats.queue.entitled_ns)
		sum->queue.entitled_ns = stats.queue.entitled_ns;
	sum->queue.moves += stats.queue.moves;
	sum->queue.predicted.jobs += stats.queue.predicted.jobs;
	sum->queue.predicted.turnaround_ns += stats.queue.predicted.turnaround_ns;
	sum->queue.predicted.turnaround_error_ns += stats.queue.predicted.turnaround_error_ns;
	sum->queue.predicted.cost_ns += stats.queue.predicted.cost_ns;
	sum->queue.predicted.cost_error_ns += stats.queue.predicted.cost_error_ns;
	sum->refused += stats.refused;
	sum->late += stats.late;
	sum->budget_ns = stats.budget_ns;
	sum->period_ns = stats.period_ns;
	sum->step_ns = stats.step_ns;
	result->streams_done++;
}

int run_result_add(struct run_result *result, const struct run_event *event, const struct run_start *start)
{
	uint64_t *last = &result->last_ns[event->stream % RUN_MAX_STREAMS];
	int r = 0;

	switch (event->type) {
	case RUN_EVENT_TOKEN:
		result->tokens++;
		if (!result->first_ns)
			result->first_ns = event->time_ns - start->start_ns;
		if (*last)
			r = gap_add(result, event->time_ns - *last);
		*last = event->time_ns;
		break;
	case RUN_EVENT_END:
		result->texts++;
		*last = 0;	/* reading the next prompt is no time between tokens */
		break;
	case RUN_EVENT_STATS:
		stats_add(result, event);
		break;
	case RUN_EVENT_ERROR:
		result->failed = 1;
		if (!result->error[0])
			memcpy(result->error, event->text, event->size < RUN_EVENT_TEXT ? event->size : RUN_EVENT_TEXT - 1);
		break;
	default:
		break;
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Nearest rank, ms; -1: no gaps. */
static double percentile(const struct run_result *result, unsigned int percent)
{
	size_t rank = (result->n_gaps * percent + 99) / 100;

	if (!result->n_gaps)
		return -1;
	return result->gaps[rank ? rank - 1 : 0] / 1e6;
}

static double percent_of(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void print_ms(FILE *to, int width, double ms)
{
	if (ms < 0)
		fprintf(to, " %*s", width, "-");
	else
		fprintf(to, " %*.1f", width, ms);
}

void run_report_table(const struct run_report *report, FILE *to)
{
	uint32_t i;

	fprintf(to, "%-10s %-11s %6s %7s %8s %8s %8s %7s %7s %8s %9s %9s\n", "tenant", "class", "weight", "tokens", "tokens/s",
		"p50 ms", "p99 ms", "missed", "share", "entitled", "preempted", "queued s");
	for (i = 0; i < report->n; i++) {
		const struct run_result *t = &report->tenants[i];
		const struct dseek_queue_stats *q = &t->stats.queue;
		int deadline = t->spec->sched_class == DSEEK_CLASS_DEADLINE;

		qsort(t->gaps, t->n_gaps, sizeof(*t->gaps), compare);
		fprintf(to, "%-10s %-11s", t->spec->name, run_class_name(t->spec->sched_class));
		if (deadline)
			fprintf(to, " %6s", "-");
		else
			fprintf(to, " %6u", t->spec->weight);
		fprintf(to, " %7llu %8.1f", (unsigned long long)t->tokens, t->tokens / report->seconds);
		print_ms(to, 8, percentile(t, 50));
		print_ms(to, 8, percentile(t, 99));
		if (deadline)
			fprintf(to, " %7llu", (unsigned long long)t->stats.late);
		else
			fprintf(to, " %7s", "-");
		fprintf(to, " %5.1f %% %6.1f %% %9llu %9.2f\n", percent_of(q->engine_ns, report->busy_ns),
			percent_of(q->entitled_ns, report->busy_ns), (unsigned long long)q->preemptions, q->queued_ns / 1e9);
	}
	for (i = 0; i < report->n; i++) {
		const struct dseek_queue_stats *q = &report->tenants[i].stats.queue;

		if (q->predicted.jobs)
			fprintf(to, "%s over %s: %llu moves; turnaround predicted with an error of %.1f %%, engine time of %.1f %%\n",
				report->tenants[i].spec->name, report->tenants[i].spec->engines, (unsigned long long)q->moves,
				percent_of(q->predicted.turnaround_error_ns, q->predicted.turnaround_ns),
				percent_of(q->predicted.cost_error_ns, q->predicted.cost_ns));
	}
	fprintf(to, "engine%s %s (%s), busy %.1f %% of %.1f s; share and entitlement are of the engine time used\n",
		strchr(report->engine, ',') ? "s" : "", report->engine, report->transport,
		100.0 * report->busy_ns / 1e9 / report->seconds, report->seconds);
}

static void add_ms(cJSON *object, const char *name, double ms)
{
	if (ms < 0)
		cJSON_AddNullToObject(object, name);
	else
		cJSON_AddNumberToObject(object, name, ms);
}

static void tenant_json(const struct run_report *report, const struct run_result *t, cJSON *object)
{
	const struct dseek_queue_stats *q = &t->stats.queue;

	qsort(t->gaps, t->n_gaps, sizeof(*t->gaps), compare);
	cJSON_AddStringToObject(object, "tenant", t->spec->name);
	cJSON_AddStringToObject(object, "class", run_class_name(t->spec->sched_class));
	cJSON_AddNumberToObject(object, "weight", t->spec->weight);
	cJSON_AddNumberToObject(object, "streams", t->spec->streams);
	cJSON_AddNumberToObject(object, "tokens", t->tokens);
	cJSON_AddNumberToObject(object, "texts_complete", t->texts);
	cJSON_AddNumberToObject(object, "tokens_per_second", t->tokens / report->seconds);
	add_ms(object, "first_token_ms", t->first_ns ? t->first_ns / 1e6 : -1);
	add_ms(object, "gap_p50_ms", percentile(t, 50));
	add_ms(object, "gap_p99_ms", percentile(t, 99));
	add_ms(object, "gap_max_ms", percentile(t, 100));
	cJSON_AddNumberToObject(object, "deadline_misses", q->deadline_misses);
	cJSON_AddNumberToObject(object, "steps_late", t->stats.late);
	cJSON_AddNumberToObject(object, "steps_refused", t->stats.refused);
	cJSON_AddNumberToObject(object, "budget_ms", t->stats.budget_ns / 1e6);
	cJSON_AddNumberToObject(object, "period_ms", t->stats.period_ns / 1e6);
	add_ms(object, "step_alone_ms", t->stats.step_ns ? t->stats.step_ns / 1e6 : -1);
	cJSON_AddNumberToObject(object, "jobs", q->completed);
	cJSON_AddNumberToObject(object, "jobs_faulted", q->faulted);
	cJSON_AddNumberToObject(object, "engine_ms", q->engine_ns / 1e6);
	cJSON_AddNumberToObject(object, "entitled_ms", q->entitled_ns / 1e6);
	cJSON_AddNumberToObject(object, "share", percent_of(q->engine_ns, report->busy_ns) / 100);
	cJSON_AddNumberToObject(object, "entitled_share", percent_of(q->entitled_ns, report->busy_ns) / 100);
	cJSON_AddNumberToObject(object, "preemptions", q->preemptions);
	cJSON_AddNumberToObject(object, "queued_ms", q->queued_ns / 1e6);
	if (t->spec->engines) {
		cJSON_AddStringToObject(object, "engines", t->spec->engines);
		cJSON_AddNumberToObject(object, "moves", q->moves);
		cJSON_AddNumberToObject(object, "predicted_jobs", q->predicted.jobs);
		cJSON_AddNumberToObject(object, "turnaround_error",
					percent_of(q->predicted.turnaround_error_ns, q->predicted.turnaround_ns) / 100);
		cJSON_AddNumberToObject(object, "cost_error", percent_of(q->predicted.cost_error_ns, q->predicted.cost_ns) / 100);
	}
	if (t->failed)
		cJSON_AddStringToObject(object, "error", t->error);
}

int run_report_json(const struct run_report *report, FILE *to)
{
	cJSON *root = cJSON_CreateObject(), *tenants, *object;
	char *text;
	uint32_t i;
	int r = -ENOMEM;

	if (!root)
		return -ENOMEM;
	cJSON_AddStringToObject(root, "transport", report->transport);
	cJSON_AddStringToObject(root, "engine", report->engine);
	if (report->model)
		cJSON_AddStringToObject(root, "model", report->model);
	cJSON_AddNumberToObject(root, "seconds", report->seconds);
	cJSON_AddNumberToObject(root, "start_seconds", report->start_seconds);
	cJSON_AddNumberToObject(root, "first_token_seconds", report->first_token_seconds);
	cJSON_AddNumberToObject(root, "engine_busy_ms", report->busy_ns / 1e6);
	tenants = cJSON_AddArrayToObject(root, "tenants");
	for (i = 0; tenants && i < report->n; i++) {
		object = cJSON_CreateObject();
		if (!object || !cJSON_AddItemToArray(tenants, object))
			goto out;
		tenant_json(report, &report->tenants[i], object);
	}
	text = cJSON_Print(root);
	if (text) {
		fprintf(to, "%s\n", text);
		free(text);
		r = 0;
	}
out:
	cJSON_Delete(root);
	return r;
}

// SPDX-License-Identifier: MIT
/*
 * check_trace FILE: is it a trace that the viewers of the Trace Event Format ("JSON object format") open as meant? The fields
 * each event must have, with pid and tid whole numbers; threads, and processes, that are named; on each thread, in the
 * order of the file, times that never fall and spans that lie whole within the one that encloses them. Prints what it
 * saw; status 1 and a line if not. perfetto.js asks Perfetto itself.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS	64
#define DEEP	8

struct thread {
	double pid, tid, last;
	double ends[DEEP];
	int depth, named;	/* 1: the thread, 2: its process */
};

static struct thread threads[THREADS];
static int thread_count, spans[4];
static const char *const categories[] = { "run", "layer", "op" };

static void wrong(int event, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

static void wrong(int event, const char *format, ...)
{
	va_list args;

	printf("event %d: ", event);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

static double number(int event, const cJSON *e, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(e, name);

	if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble) || v->valuedouble < 0)
		wrong(event, "no number \"%s\"", name);
	return v->valuedouble;
}

static const char *string(int event, const cJSON *e, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(e, name);

	if (!cJSON_IsString(v) || !*v->valuestring)
		wrong(event, "no text \"%s\"", name);
	return v->valuestring;
}

static struct thread *thread_of(int event, const cJSON *e)
{
	double pid = number(event, e, "pid"), tid = number(event, e, "tid");
	int i;

	if (pid != floor(pid) || tid != floor(tid) || pid > INT32_MAX || tid > INT32_MAX)
		wrong(event, "pid %g, tid %g", pid, tid);
	for (i = 0; i < thread_count; i++)
		if (threads[i].pid == pid && threads[i].tid == tid)
			return &threads[i];
	if (thread_count == THREADS)
		wrong(event, "more than %d threads", THREADS);
	threads[thread_count] = (struct thread){ .pid = pid, .tid = tid };
	return &threads[thread_count++];
}

/* The value is the name of the thread, or process, in args.name. */
static void metadata(int event, const cJSON *e)
{
	const char *what = string(event, e, "name");

	string(event, cJSON_GetObjectItemCaseSensitive(e, "args"), "name");
	if (!strcmp(what, "thread_name"))
		thread_of(event, e)->named |= 1;
	else if (!strcmp(what, "process_name"))
		thread_of(event, e)->named |= 2;
	else
		wrong(event, "metadata %s", what);
}

static void span(int event, const cJSON *e)
{
	struct thread *t = thread_of(event, e);
	double ts = number(event, e, "ts"), end = ts + number(event, e, "dur");
	const char *category = string(event, e, "cat");
	int i;

	for (i = 0; i < 3 && strcmp(category, categories[i]); i++)
		;
	spans[i]++;
	if (t->named != 3)
		wrong(event, "its %s has no name", t->named & 1 ? "process" : "thread");
	if (ts < t->last)
		wrong(event, "%.3f after %.3f", ts, t->last);
	t->last = ts;
	/* a nanosecond's tenth: sums of decimals */
	while (t->depth && t->ends[t->depth - 1] <= ts + 1e-4 && end > t->ends[t->depth - 1] + 1e-4)
		t->depth--;
	if (t->depth && end > t->ends[t->depth - 1] + 1e-4)
		wrong(event, "%s ends at %.3f, what encloses it at %.3f", category, end, t->ends[t->depth - 1]);
	if (!strcmp(category, "run"))
		t->depth = 0;
	else if (!t->depth)
		wrong(event, "%s in no run", category);
	if (t->depth == DEEP || !strcmp(category, "op"))
		return;
	t->ends[t->depth++] = end;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	long size;

	if (f && !fseek(f, 0, SEEK_END) && (size = ftell(f)) >= 0) {
		rewind(f);
		text = malloc(size + 1);
		if (text)
			text[fread(text, 1, size, f)] = 0;
	}
	if (f)
		fclose(f);
	return text;
}

int main(int argc, char **argv)
{
	char *text = argc == 2 ? read_file(argv[1]) : NULL;
	cJSON *root = text ? cJSON_ParseWithOpts(text, NULL, 1) : NULL, *events, *e;
	int n = 0;

	events = cJSON_GetObjectItemCaseSensitive(root, "traceEvents");
	if (!cJSON_IsArray(events)) {
		printf("not JSON with traceEvents\n");
		return 1;
	}
	if (strcmp(string(-1, root, "displayTimeUnit"), "ns")) {
		printf("displayTimeUnit isn't ns\n");
		return 1;
	}
	cJSON_ArrayForEach(e, events) {
		const char *phase = string(n, e, "ph");

		string(n, e, "name");
		if (!strcmp(phase, "X"))
			span(n, e);
		else if (!strcmp(phase, "M"))
			metadata(n, e);
		else
			wrong(n, "phase %s", phase);
		n++;
	}
	printf("%d events: %d runs, %d layers, %d ops, %d of other categories\n", n, spans[0], spans[1], spans[2], spans[3]);
	cJSON_Delete(root);
	free(text);
	return spans[3] != 0;
}

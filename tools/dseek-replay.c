// SPDX-License-Identifier: MIT
/* dseek-replay: decide a recorded run of the arbiter again and compare. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include "replay.h"

static const char usage[] =
	"usage: dseek-replay [--timeline] [--json] FILE\n"
	"Decide a recorded run of the arbiter again, compare every decision, sum up.\n"
	"  -t, --timeline  a line for each event\n"
	"  -j, --json      the summary as JSON\n"
	"  -h, --help\n"
	"Exit status: 0 all decisions are equal, 1 some differ, 2 the file can't be replayed.\n";

static const char *const class_names[] = { "deadline", "interactive", "batch" };

static int read_trace(struct replay *replay, const char *path)
{
	struct arb_trace_header header;
	struct arb_trace_record record;
	FILE *file = fopen(path, "rb");
	size_t got;
	int error = 0;

	if (!file) {
		perror(path);
		return 2;
	}
	if (fread(&header, sizeof(header), 1, file) != 1 || header.magic != ARB_TRACE_MAGIC ||
	    header.record_size != sizeof(record) || header.flags) {
		fprintf(stderr, "%s: not a trace of the arbiter that this version can read\n", path);
		fclose(file);
		return 2;
	}
	while (!error && (got = fread(&record, 1, sizeof(record), file)) == sizeof(record))
		error = replay_record(replay, &record);
	if (error)
		fprintf(stderr, "%s: record %" PRIu64 ": %s\n", path, replay->records,
			error == -ENOMEM ? "out of memory" : replay->error);
	else if (got)
		fprintf(stderr, "%s: ends inside a record, which is left out\n", path);
	fclose(file);
	if (replay->differences)
		return 1;
	return error ? 2 : 0;
}

static double part(u64 of, u64 all)
{
	return all ? 100.0 * of / all : 0;
}

static void print_text(const struct replay *replay)
{
	const struct replay_queue *queue;
	const struct replay_share *share;

	printf("%" PRIu64 " records over %.3f s, %" PRIu64 " decisions compared, %" PRIu64 " differ\n", replay->records,
	       (replay->last_ns - replay->first_ns) / 1e9, replay->decisions, replay->differences);
	printf("%6s %6s %-11s %6s %9s %12s %12s %9s %6s %7s\n", "queue", "tenant", "class", "weight", "jobs",
	       "engine ms", "waited ms", "preempted", "late", "refused");
	for (queue = replay->queues; queue; queue = queue->next)
		printf("%6d %6d %-11s %6u %9" PRIu64 " %12.3f %12.3f %9" PRIu64 " %6" PRIu64 " %7" PRIu64 "\n", queue->id,
		       queue->share->id, class_names[queue->arb.class], queue->arb.weight, queue->arb.jobs_done,
		       queue->arb.used_ns / 1e6, queue->arb.queued_ns / 1e6, queue->arb.preemptions,
		       queue->arb.deadline_misses, queue->refused);
	printf("%6s %6s %12s %8s %12s %8s\n", "engine", "tenant", "engine ms", "share %", "entitled ms", "share %");
	for (share = replay->shares; share; share = share->next)
		if (share->arb.used_ns || share->queues)
			printf("%6d %6d %12.3f %8.2f %12.3f %8.2f\n", share->engine->id, share->id,
			       share->arb.used_ns / 1e6, part(share->arb.used_ns, share->engine->arb.used_ns),
			       share->arb.entitled_ns / 1e6,
			       part(share->arb.entitled_ns, share->engine->arb.used_ns));
}

static void print_json(const struct replay *replay)
{
	const struct replay_queue *queue;
	const struct replay_share *share;

	printf("{\"records\": %" PRIu64 ", \"seconds\": %.9f, \"decisions\": %" PRIu64 ", \"differences\": %" PRIu64
	       ",\n \"queues\": [", replay->records, (replay->last_ns - replay->first_ns) / 1e9, replay->decisions,
	       replay->differences);
	for (queue = replay->queues; queue; queue = queue->next)
		printf("%s\n  {\"queue\": %d, \"tenant\": %d, \"class\": \"%s\", \"weight\": %u, \"jobs\": %" PRIu64
		       ", \"engine_ns\": %" PRIu64 ", \"queued_ns\": %" PRIu64 ", \"preemptions\": %" PRIu64
		       ", \"deadline_misses\": %" PRIu64 ", \"refused\": %" PRIu64 "}",
		       queue == replay->queues ? "" : ",", queue->id, queue->share->id, class_names[queue->arb.class],
		       queue->arb.weight, queue->arb.jobs_done, queue->arb.used_ns, queue->arb.queued_ns,
		       queue->arb.preemptions, queue->arb.deadline_misses, queue->refused);
	printf("],\n \"tenants\": [");
	for (share = replay->shares; share; share = share->next)
		printf("%s\n  {\"engine\": %d, \"tenant\": %d, \"engine_ns\": %" PRIu64 ", \"entitled_ns\": %" PRIu64 "}",
		       share == replay->shares ? "" : ",", share->engine->id, share->id, share->arb.used_ns,
		       share->arb.entitled_ns);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeline", no_argument, NULL, 't' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { },
	};
	struct replay *replay;
	struct replay_share *share;
	int c, json = 0, timeline = 0, status;

	while ((c = getopt_long(argc, argv, "tjh", options, NULL)) >= 0) {
		switch (c) {
		case 't':
			timeline = 1;
			break;
		case 'j':
			json = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	replay = calloc(1, sizeof(*replay));
	if (!replay) {
		perror("dseek-replay");
		return 2;
	}
	replay->timeline = timeline ? (json ? stderr : stdout) : NULL;
	status = read_trace(replay, argv[optind]);
	for (share = replay->shares; share; share = share->next)
		if (!share->gone)
			arb_share_settle(&share->arb);
	if (status != 2 || replay->records) {
		if (json)
			print_json(replay);
		else
			print_text(replay);
	}
	replay_free(replay);
	free(replay);
	return status;
}

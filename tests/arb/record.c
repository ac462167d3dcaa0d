// SPDX-License-Identifier: MIT
/* record FILE: a second of a simulated engine with all classes, recorded. */
#include <stdio.h>
#include "sim_machine.h"

struct file_trace {
	struct arb_trace trace;
	FILE *file;
};

static void emit(struct arb_trace *trace, const struct arb_trace_record *record)
{
	fwrite(record, sizeof(*record), 1, arb_container_of(trace, struct file_trace, trace)->file);
}

int main(int argc, char **argv)
{
	struct client clients[] = {
		{ .mode = CLIENT_PERIODIC, .share = 0, .gap_ns = 10 * MS, .cost_ns = 2 * MS, .spread_ns = MS / 2,
		  .model = { .class = ARB_CLASS_DEADLINE, .budget_ns = 3 * MS, .period_ns = 10 * MS } },
		{ .mode = CLIENT_LOOP, .share = 1, .gap_ns = 3 * MS, .cost_ns = 2 * MS, .spread_ns = MS,
		  .model = { .class = ARB_CLASS_INTERACTIVE, .weight = 2 } },
		{ .share = 2, .queues = 3, .pipeline = 3, .cost_ns = 4 * MS, .spread_ns = 3 * MS,
		  .model = { .class = ARB_CLASS_BATCH, .weight = 1 } },
		{ .share = 3, .pipeline = 2, .cost_ns = 4 * MS, .from_ns = 100 * MS, .until_ns = 600 * MS,
		  .model = { .class = ARB_CLASS_BATCH, .weight = 5 } },
	};
	struct arb_trace_header header = ARB_TRACE_HEADER;
	struct file_trace trace = { .trace.emit = emit };
	struct sim sim = { .depth = 2, .clients = clients, .client_count = 4, .seed = 5, .trace = &trace.trace };

	trace.file = argc == 2 ? fopen(argv[1], "wb") : NULL;
	if (!trace.file) {
		fprintf(stderr, "usage: record FILE\n");
		return 2;
	}
	fwrite(&header, sizeof(header), 1, trace.file);
	sim_run(&sim, SECOND);
	sim_free(&sim);
	return fclose(trace.file) != 0;
}

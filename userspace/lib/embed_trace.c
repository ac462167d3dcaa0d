// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "embed.h"

struct embed_trace {
	struct arb_trace trace;
	FILE *file;
};

/* Under the instance's lock. A full disk ends the recording, not the run: what is there replays. */
static void emit(struct arb_trace *base, const struct arb_trace_record *record)
{
	struct embed_trace *trace = container_of(base, struct embed_trace, trace);

	if (!ferror(trace->file))
		fwrite(record, sizeof(*record), 1, trace->file);
}

int embed_trace_open(const char *path, struct arb_trace **ret_trace)
{
	const struct arb_trace_header header = ARB_TRACE_HEADER;
	struct embed_trace *trace = calloc(1, sizeof(*trace));
	int r;

	if (!trace)
		return dseek_fail(-ENOMEM, "embed: no memory");
	trace->trace.emit = emit;
	trace->file = fopen(path, "we");
	if (!trace->file || fwrite(&header, sizeof(header), 1, trace->file) != 1) {
		r = dseek_fail(-errno, "embed: trace=%s: %s", path, strerror(errno));
		if (trace->file)
			fclose(trace->file);
		free(trace);
		return r;
	}
	*ret_trace = &trace->trace;
	return 0;
}

void embed_trace_close(struct arb_trace *base)
{
	struct embed_trace *trace = container_of(base, struct embed_trace, trace);

	if (!base)
		return;
	fclose(trace->file);
	free(trace);
}

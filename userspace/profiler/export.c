// SPDX-License-Identifier: MIT
/*
 * dseek-profiler export: a timeline in the Trace Event Format ("JSON object format"), which Perfetto and
 * chrome://tracing open. An engine is a thread of its executor's process; on it a run, in the run its layers, in
 * a layer its ops: complete events ("X"), parents before children, times in us from the first run on.
 */
#include "profiler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct out {
	FILE *to;
	const struct recording *rec;
	uint64_t origin_ns;
	bool more;
};

static void begin(struct out *o, const char *phase, uint32_t engine)
{
	fprintf(o->to, "%s\n{\"ph\": \"%s\", \"pid\": %u, \"tid\": %u", o->more ? "," : "", phase, o->rec->engines[engine].pid,
		engine + 1);
	o->more = true;
}

static void span(struct out *o, uint32_t engine, const char *category, const char *name, uint64_t start, uint64_t end)
{
	begin(o, "X", engine);
	fprintf(o->to, ", \"cat\": \"%s\", \"ts\": %.3f, \"dur\": %.3f, \"name\": ", category, (start - o->origin_ns) / 1e3,
		(end - start) / 1e3);
	json_string(o->to, name);
}

static void metadata(struct out *o)
{
	uint32_t i;

	for (i = 0; i < o->rec->engine_count; i++) {
		const struct rec_engine *engine = &o->rec->engines[i];

		begin(o, "M", i);
		fprintf(o->to, ", \"name\": \"process_name\", \"args\": {\"name\": \"dseek executor\"}}");
		begin(o, "M", i);
		fprintf(o->to, ", \"name\": \"thread_name\", \"args\": {\"name\": ");
		json_string(o->to, engine->name);
		fprintf(o->to, "}}");
	}
}

static const char *outcome(int32_t error)
{
	return !error ? "done" : error == -EAGAIN ? "yielded" : strerror(-(int64_t)error);
}

static void op(struct out *o, const struct rec_run *run, uint32_t n)
{
	const struct rec_program *program = &o->rec->programs[run->program];
	const struct profile_op *ops = &run->ops[n];
	char line[1024];

	dseek_program_print_op(&program->view, ops->first, line, sizeof(line));
	span(o, run->engine, "op", dseek_op_name(program->view.ops[ops->first].code), rec_op_start(run, n), ops->end_ns);
	fprintf(o->to, ", \"args\": {\"op\": %u, \"ops\": %u, \"what\": ", ops->first, ops->count);
	json_string(o->to, line);
	fprintf(o->to, "}}");
}

static void one_run(struct out *o, const struct rec_run *run)
{
	const struct rec_program *program = &o->rec->programs[run->program];
	uint32_t n, end, count = run->run->op_count;
	char name[40];

	snprintf(name, sizeof(name), "program %" PRIu64, program->id);
	span(o, run->engine, "run", name, run->run->start_ns, run->run->end_ns);
	fprintf(o->to, ", \"args\": {\"job\": %" PRIu64 ", \"queue\": %" PRIu64 ", \"tenant\": %" PRIu64 ", \"outcome\": ",
		run->run->job, run->run->queue, run->run->tenant);
	json_string(o->to, outcome(run->run->outcome));
	fprintf(o->to, "}}");
	for (n = 0; n < count; n = end) {
		const char *label = dseek_program_label(&program->view, run->ops[n].first);

		for (end = n + 1; end < count && !strcmp(dseek_program_label(&program->view, run->ops[end].first), label); end++)
			;
		if (*label) {
			span(o, run->engine, "layer", label, rec_op_start(run, n), run->ops[end - 1].end_ns);
			fprintf(o->to, "}");
		}
		for (; n < end; n++)
			op(o, run, n);
	}
}

static int write_trace(FILE *to, const struct recording *rec)
{
	struct out o = { .to = to, .rec = rec, .origin_ns = rec->run_count ? rec->runs[0].run->start_ns : 0 };
	size_t i;

	fprintf(to, "{\"displayTimeUnit\": \"ns\", \"otherData\": {\"clock\": \"CLOCK_MONOTONIC\", \"origin_ns\": \"%" PRIu64
		"\"}, \"traceEvents\": [", o.origin_ns);
	metadata(&o);
	for (i = 0; i < rec->run_count; i++)
		one_run(&o, &rec->runs[i]);
	fprintf(to, "\n]}\n");
	return ferror(to) ? -EIO : 0;
}

int cmd_export(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek-profiler export", .synopsis = "[-o OUTPUT] [FILE]",
		.summary = "A timeline as Chrome trace JSON, for ui.perfetto.dev or chrome://tracing.",
		.more = "FILE: dseek.profile. Without -o to the standard output.\n",
		.max_operands = 1,
	};
	const char *output = NULL;
	const struct cli_option options[] = {
		{ "output", 'o', CLI_STRING, &output, "OUTPUT", "write there" }, CLI_OPTIONS_END
	};
	struct profile_file file;
	int first = cli_parse(&usage, options, argc, argv), rc, r;
	FILE *to = stdout;

	rc = profile_file_open(first < argc ? argv[first] : "dseek.profile", &file);
	if (rc)
		return rc;
	if (output)
		to = fopen(output, "we");
	r = to ? write_trace(to, &file.rec) : -errno;
	if (output && to && fclose(to) && !r)
		r = -errno;
	if (r)
		cli_log(CLI_ERROR, "%s: %s", output ? output : "standard output", strerror(-r));
	profile_file_close(&file);
	return r ? CLI_FAILED : CLI_OK;
}

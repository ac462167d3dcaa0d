// SPDX-License-Identifier: MIT
/* dseek-profiler report: where the time went, by program, kind of op, layer, or op of a program. */
#include "profiler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum by { BY_PROGRAM, BY_KIND, BY_LAYER, BY_OP, BY_COUNT };

static const char *const by_names[BY_COUNT] = { "program", "kind", "layer", "op" };
static const char *const by_titles[BY_COUNT] = { "programs", "kinds", "layers", "ops" };

struct row {
	char name[160];
	uint64_t count;		/* runs of a program, else of an op */
	uint64_t total_ns, max_ns;
	uint64_t order;		/* of appearance */
};

struct table {
	struct row *rows;
	uint32_t *slots;	/* of a hash: index + 1 */
	size_t count, room;	/* room: a power of two, at least twice the count */
	uint64_t total_ns;
};

struct report {
	const struct recording *rec;
	struct table tables[BY_COUNT];
};

static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	while (*text)
		h = (h ^ (unsigned char)*text++) * 0x100000001b3u;
	return h ^ h >> 32;
}

static int make_room(struct table *t)
{
	size_t room = t->room ? t->room * 2 : 64, i, at;
	struct row *rows;
	uint32_t *slots;

	if (t->count * 2 < t->room)
		return 0;
	rows = realloc(t->rows, room * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	slots = calloc(room, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (i = 0; i < t->count; i++) {
		for (at = hash(rows[i].name) & (room - 1); slots[at]; at = (at + 1) & (room - 1))
			;
		slots[at] = i + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->room = room;
	return 0;
}

static int add(struct table *t, const char *name, uint64_t ns)
{
	struct row *row;
	size_t at;

	if (make_room(t))
		return -ENOMEM;
	for (at = hash(name) & (t->room - 1); t->slots[at]; at = (at + 1) & (t->room - 1))
		if (!strcmp(t->rows[t->slots[at] - 1].name, name))
			break;
	if (!t->slots[at]) {
		row = &t->rows[t->count];
		*row = (struct row){ .order = t->count };
		snprintf(row->name, sizeof(row->name), "%s", name);
		t->slots[at] = ++t->count;
	}
	row = &t->rows[t->slots[at] - 1];
	row->count++;
	row->total_ns += ns;
	if (ns > row->max_ns)
		row->max_ns = ns;
	t->total_ns += ns;
	return 0;
}

/* Where a backend asked less often than once an op, its ops share the time evenly. */
static int add_run(struct report *r, const struct rec_run *run)
{
	const struct rec_program *program = &r->rec->programs[run->program];
	const struct rec_engine *engine = &r->rec->engines[run->engine];
	const char *layer = NULL;
	uint64_t ns, layer_ns = 0;
	char name[160];
	uint32_t n, i, op;
	int rc;

	snprintf(name, sizeof(name), "%s:%u program %" PRIu64 " (%u ops)", engine->name, engine->pid, program->id,
		 program->view.header->n_ops);
	rc = add(&r->tables[BY_PROGRAM], name, run->run->end_ns - run->run->start_ns);
	for (n = 0; !rc && n < run->run->op_count; n++) {
		ns = (run->ops[n].end_ns - rec_op_start(run, n)) / run->ops[n].count;
		for (i = 0; !rc && i < run->ops[n].count; i++) {
			const char *label, *kind;

			op = run->ops[n].first + i;
			label = dseek_program_label(&program->view, op);
			kind = dseek_op_name(program->view.ops[op].code);
			rc = add(&r->tables[BY_KIND], kind, ns);
			/* A layer is counted once a run, not once an op. */
			if (!rc && layer && strcmp(layer, label)) {
				rc = add(&r->tables[BY_LAYER], *layer ? layer : "-", layer_ns);
				layer_ns = 0;
			}
			layer = label;
			layer_ns += ns;
			snprintf(name, sizeof(name), "%" PRIu64 ":%u %s %s", program->id, op, *label ? label : "-", kind);
			if (!rc)
				rc = add(&r->tables[BY_OP], name, ns);
		}
	}
	if (!rc && layer)
		rc = add(&r->tables[BY_LAYER], *layer ? layer : "-", layer_ns);
	return rc;
}

static int by_time(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->total_ns != y->total_ns)
		return x->total_ns < y->total_ns ? 1 : -1;
	return x->order < y->order ? -1 : 1;
}

static int by_order(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->order < y->order ? -1 : 1;
}

static double share(const struct table *t, const struct row *row)
{
	return t->total_ns ? 100.0 * row->total_ns / t->total_ns : 0;
}

static void print_text(const struct table *t, enum by by, size_t top)
{
	size_t i, shown = top && top < t->count ? top : t->count;

	printf("%-44s %9s %12s %10s %10s %7s\n", by_titles[by], by == BY_PROGRAM ? "runs" : "times", "total ms", "mean us",
	       "max us", "share");
	for (i = 0; i < shown; i++) {
		const struct row *row = &t->rows[i];

		printf("%-44s %9" PRIu64 " %12.3f %10.2f %10.2f %5.1f %%\n", row->name, row->count, row->total_ns / 1e6,
		       row->total_ns / 1e3 / row->count, row->max_ns / 1e3, share(t, row));
	}
	if (shown < t->count)
		printf("and %zu more\n", t->count - shown);
}

static void print_csv(const struct table *t, enum by by, size_t top)
{
	size_t i, shown = top && top < t->count ? top : t->count;

	printf("%s,count,total_us,mean_us,max_us,share_percent\n", by_names[by]);
	for (i = 0; i < shown; i++) {
		const struct row *row = &t->rows[i];
		const char *c;

		putchar('"');
		for (c = row->name; *c; c++)
			printf(*c == '"' ? "\"\"" : "%c", *c);
		printf("\",%" PRIu64 ",%.3f,%.3f,%.3f,%.3f\n", row->count, row->total_ns / 1e3,
		       row->total_ns / 1e3 / row->count, row->max_ns / 1e3, share(t, row));
	}
}

static void print_json(const struct table *t, enum by by, size_t top)
{
	size_t i, shown = top && top < t->count ? top : t->count;

	printf("  \"%s\": [", by_titles[by]);
	for (i = 0; i < shown; i++) {
		const struct row *row = &t->rows[i];

		printf("%s\n    {\"name\": ", i ? "," : "");
		json_string(stdout, row->name);
		printf(", \"count\": %" PRIu64 ", \"total_us\": %.3f, \"mean_us\": %.3f, \"max_us\": %.3f, \"share_percent\": %.3f}",
		       row->count, row->total_ns / 1e3, row->total_ns / 1e3 / row->count, row->max_ns / 1e3, share(t, row));
	}
	printf("\n  ]");
}

static void print_all(struct report *r, int only, size_t top, int json, int csv)
{
	const struct recording *rec = r->rec;
	bool more = false;
	size_t i;
	int by;

	if (json) {
		printf("{\n  \"runs\": %zu,\n  \"engines\": [", rec->run_count);
		for (i = 0; i < rec->engine_count; i++) {
			printf("%s{\"name\": ", i ? ", " : "");
			json_string(stdout, rec->engines[i].name);
			printf(", \"pid\": %u, \"complete\": %s}", rec->engines[i].pid, rec->engines[i].ended ? "true" : "false");
		}
		printf("],\n");
	}
	for (by = 0; by < BY_COUNT; by++) {
		/* "op" is as long as the program: only when asked for. */
		if (only >= 0 ? by != only : by == BY_OP)
			continue;
		if (json)
			printf("%s", more ? ",\n" : "");
		else if (more)
			putchar('\n');
		more = true;
		(json ? print_json : csv ? print_csv : print_text)(&r->tables[by], by, top);
	}
	if (json)
		printf("\n}\n");
}

int cmd_report(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek-profiler report", .synopsis = "[--by WHAT] [--csv | --json] [FILE]",
		.summary = "Where the engines' time went.",
		.more = "WHAT: program, kind (of op), layer (as the program labels its ops), op (of each program).\n"
			"Without --by: all but op. FILE: dseek.profile.\n",
		.max_operands = 1,
	};
	const char *by_name = NULL;
	struct cli_common common = CLI_COMMON_DEFAULTS;
	uint64_t top = 0;
	int csv = 0, in_order = 0, only = -1, first, rc, by;
	const struct cli_option options[] = {
		{ "by", 'b', CLI_STRING, &by_name, "WHAT", "only this table" },
		{ "top", 'n', CLI_UINT, &top, "N", "only the first N rows of a table (default: all)" },
		{ "in-order", 0, CLI_FLAG, &in_order, NULL, "as they first ran, not by time" },
		{ "csv", 'c', CLI_FLAG, &csv, NULL, "comma-separated values, with --by" },
		CLI_OPTION_JSON(&common), CLI_OPTIONS_END
	};
	struct profile_file file;
	struct report r = { .rec = &file.rec };
	size_t i;

	first = cli_parse(&usage, options, argc, argv);
	for (by = 0; by_name && by < BY_COUNT; by++)
		if (!strcmp(by_name, by_names[by]))
			only = by;
	if (by_name && only < 0)
		return cli_usage_error(&usage, "--by %s: program, kind, layer or op", by_name);
	if (csv && (common.json || !by_name))
		return cli_usage_error(&usage, common.json ? "--csv and --json: one of them" : "--csv: one table, --by says which");
	rc = profile_file_open(first < argc ? argv[first] : "dseek.profile", &file);
	if (rc)
		return rc;
	for (i = 0; !rc && i < file.rec.run_count; i++)
		rc = add_run(&r, &file.rec.runs[i]);
	if (rc)
		cli_log(CLI_ERROR, "no memory");
	for (by = 0; by < BY_COUNT; by++)
		if (r.tables[by].count)
			qsort(r.tables[by].rows, r.tables[by].count, sizeof(struct row), in_order ? by_order : by_time);
	if (!rc)
		print_all(&r, only, top, common.json, csv);
	for (by = 0; by < BY_COUNT; by++) {
		free(r.tables[by].rows);
		free(r.tables[by].slots);
	}
	profile_file_close(&file);
	return rc ? CLI_FAILED : CLI_OK;
}

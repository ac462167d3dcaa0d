// SPDX-License-Identifier: MIT
/* dseek-top: engines, tenants and clients of the module, as they are now. */
#include "top.h"

#include <dseek.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../cli/cli.h"

struct settings {
	const char *root, *sort_name;
	double delay;
	uint64_t count;
	int once, reverse;
	enum top_sort sort;
	struct cli_common common;
};

static void put(void *arg, const char *text, bool heading)
{
	fprintf(arg, "%s\n", text);
}

static void pause_for(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (time_t)seconds) * 1e9) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* For scripts: @count samples, each told over the delay before it. */
static int batch(struct top_source *source, const struct settings *set)
{
	const struct top_lines to = { put, stdout };
	struct top_sample before = { 0 }, now;
	struct top_rates rates;
	uint64_t i;
	int r;

	r = top_sample(source, &before);
	for (i = 0; !r && (!set->count || i < set->count); i++) {
		pause_for(set->delay);
		r = top_sample(source, &now);
		if (r)
			break;
		r = top_rates(&before, &now, &rates);
		if (!r) {
			top_rates_sort(&rates, set->sort, set->reverse);
			if (set->common.json) {
				top_print_json(&rates, stdout);
			} else {
				if (i)
					putchar('\n');
				top_print(&rates, &to);
			}
			top_rates_free(&rates);
			if (fflush(stdout))
				r = -errno;
		}
		top_sample_free(&before);
		before = now;
	}
	top_sample_free(&before);
	if (r)
		cli_log(CLI_ERROR, "%s", strerror(-r));
	return r ? CLI_FAILED : CLI_OK;
}

int main(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek-top", .synopsis = "[OPTION...]",
		.summary = "Engines, tenants and clients of the dseek module, refreshed. Keys: q < > r, up, down.",
		.more = "KEY: share, name, memory, queues, jobs, pid. Where the output is no terminal: one sample.\n"
			"Engines of embedded mode live inside a process and can't be seen from outside: \"dseek run\" and\n"
			"dseek-profiler tell of them.\n",
	};
	struct settings set = { .root = "", .delay = 1, .common = CLI_COMMON_DEFAULTS };
	const struct cli_option options[] = {
		{ "delay", 'd', CLI_DOUBLE, &set.delay, "SECONDS", "between samples, 0.1 to 3600 (default 1)" },
		{ "count", 'n', CLI_UINT, &set.count, "N", "samples, then end (no screen)" },
		{ "once", '1', CLI_FLAG, &set.once, NULL, "one sample: -n 1" },
		{ "sort", 's', CLI_STRING, &set.sort_name, "KEY", "rows by that (default share)" },
		{ "reverse", 'r', CLI_FLAG, &set.reverse, NULL, "the other way round" },
		{ "root", 0, CLI_STRING, &set.root, "DIR", "read DIR/proc and DIR/sys" },
		CLI_OPTION_JSON(&set.common), CLI_OPTIONS_END
	};
	struct top_source source;
	int rc, r;

	cli_log_init("dseek-top");
	cli_parse(&usage, options, argc, argv);
	if (set.delay < 0.1 || set.delay > 3600)
		return cli_usage_error(&usage, "--delay: 0.1 to 3600 seconds");
	for (; set.sort_name && set.sort < TOP_SORT_COUNT && strcmp(set.sort_name, top_sort_names[set.sort]); set.sort++)
		;
	if (set.sort == TOP_SORT_COUNT)
		return cli_usage_error(&usage, "--sort %s: share, name, memory, queues, jobs or pid", set.sort_name);
	if (set.once)
		set.count = 1;
	r = top_source_open(&source, set.root);
	if (r) {
		cli_log(CLI_ERROR, "no engines to look at (%s); embedded ones can't be seen from outside their process",
			*set.root ? "none below --root" : dseek_strerror_detail());
		return CLI_SKIP;
	}
	if (!set.count && !set.common.json && isatty(STDOUT_FILENO)) {
		rc = top_screen(&source, (uint64_t)(set.delay * 1000), set.sort, set.reverse);
	} else {
		if (!set.count && !isatty(STDOUT_FILENO))
			set.count = 1;
		rc = batch(&source, &set);
	}
	top_source_close(&source);
	return rc;
}

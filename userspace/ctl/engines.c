// SPDX-License-Identifier: MIT
/* dseekctl engines, depth, drain, undrain, timeouts. */
#include "ctl.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- engines */

static const char *const numbers[] = {
	"id", "executor_pid", "generation", "standby_count", "attached_depth", "job_count", "queued", "running", "busy_ns",
};

static int engine_json(const char *dir, const char *name, void *arg)
{
	cJSON *engine = cJSON_CreateObject();
	const struct ctl_field *field;
	char text[CTL_VALUE];
	size_t i;

	cJSON_AddStringToObject(engine, "engine", name);
	cJSON_AddStringToObject(engine, "type", ctl_read(dir, "type", text, sizeof(text)) ? "?" : text);
	cJSON_AddStringToObject(engine, "state", ctl_read(dir, "state", text, sizeof(text)) ? "?" : text);
	if (!ctl_read(dir, "owner", text, sizeof(text)))	/* since 1.2 */
		cJSON_AddStringToObject(engine, "owner", text);
	if (!ctl_read(dir, "numa_node", text, sizeof(text)))	/* -1: none */
		cJSON_AddNumberToObject(engine, "numa_node", strtol(text, NULL, 10));
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		cJSON_AddNumberToObject(engine, numbers[i], (double)ctl_read_number(dir, numbers[i]));
	for (field = ctl_settings; field->name; field++)
		if (!ctl_read(dir, field->name, text, sizeof(text)))
			ctl_json_value(engine, field, text);
	cJSON_AddItemToArray(arg, engine);
	return 0;
}

static void setting(const char *dir, const char *name, char *ret_text, size_t size)
{
	ctl_field_text(dir, ctl_field_find(ctl_settings, name, strlen(name)), ret_text, size);
}

static int engine_line(const char *dir, const char *name, void *arg)
{
	uint64_t attached = ctl_read_number(dir, "attached_depth"), most = ctl_read_number(dir, "depth");
	char type[16], state[16], limit[24], grace[24], recovery[24], depth[48];

	if (ctl_read(dir, "type", type, sizeof(type)) || ctl_read(dir, "state", state, sizeof(state)))
		return 0;
	setting(dir, "job_limit_ms", limit, sizeof(limit));
	setting(dir, "grace_ms", grace, sizeof(grace));
	setting(dir, "recovery_ms", recovery, sizeof(recovery));
	/* "max" reads as 0 */
	snprintf(depth, sizeof(depth), "%llu/%llu", (unsigned long long)(most && most < attached ? most : attached),
		 (unsigned long long)attached);
	printf("%-16s %-5s %-9s %8llu %6s %6llu %7llu %11.3f %11s %9s %12s\n", name, type, state,
	       (unsigned long long)ctl_read_number(dir, "executor_pid"), depth,
	       (unsigned long long)ctl_read_number(dir, "job_count"), (unsigned long long)ctl_read_number(dir, "running"),
	       (double)ctl_read_number(dir, "busy_ns") / 1e9, limit, grace, recovery);
	return 0;
}

int cmd_engines(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl engines", "[--json]", "What the machine's engines are and do.",
		"depth: jobs the executor may hold, of those it attached with. Times in brackets are the module's defaults.\n",
	};
	struct cli_common common = { 0 };
	const struct cli_option options[] = { CLI_OPTION_JSON(&common), CLI_OPTIONS_END };
	cJSON *list;
	int rc;

	cli_parse(&usage, options, argc, argv);
	rc = ctl_open();
	if (rc)
		return rc;
	if (common.json) {
		list = cJSON_CreateArray();
		ctl_each_engine(engine_json, list);
		return ctl_print_json(list);
	}
	printf("%-16s %-5s %-9s %8s %6s %6s %7s %11s %11s %9s %12s\n", "engine", "type", "state", "executor", "depth", "jobs",
	       "running", "busy s", "limit ms", "grace ms", "recovery ms");
	ctl_each_engine(engine_line, NULL);
	return CLI_OK;
}

/* ---- settings by a command of their own */

static int set_one(const char *engine, const char *field, const char *value)
{
	char text[128], *assignment = text;
	int rc = ctl_open();

	if (rc)
		return rc;
	snprintf(text, sizeof(text), "%s=%s", field, value);
	return ctl_set_engine(engine, &assignment, 1);
}

int cmd_depth(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl depth", "ENGINE NUMBER|max", "How many jobs the executor may hold at once, at most what it attached with.",
		NULL, 2, 2,
	};
	static const struct cli_option options[] = { CLI_OPTIONS_END };
	int at = cli_parse(&usage, options, argc, argv);

	return set_one(argv[at], "depth", argv[at + 1]);
}

static uint64_t seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec;
}

static int wait_drained(const char *engine, uint64_t seconds)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	uint64_t until = seconds_now() + seconds, left;
	char dir[PATH_MAX];

	if (ctl_engine_dir(engine, dir, sizeof(dir)))
		return CLI_FAILED;
	while ((left = ctl_read_number(dir, "job_count"))) {
		if (seconds_now() >= until) {
			cli_log(CLI_ERROR, "%s: %llu jobs are not over after %llu s; it takes no new ones", engine,
				(unsigned long long)left, (unsigned long long)seconds);
			return CLI_FAILED;
		}
		nanosleep(&pause, NULL);
	}
	return CLI_OK;
}

int cmd_drain(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl drain", "[--wait=SECONDS] ENGINE", "Let an engine take no new jobs; what it has runs to its end.",
		"Submissions fail with ESHUTDOWN until 'dseekctl undrain'. Exit status 1: there were jobs left after the wait.\n", 1, 1,
	};
	uint64_t seconds = 0;
	const struct cli_option options[] = {
		{ "wait", 'w', CLI_UINT, &seconds, "SECONDS", "at most so long, until no job is left (0: don't wait)" },
		CLI_OPTIONS_END
	};
	int at = cli_parse(&usage, options, argc, argv);
	int rc = set_one(argv[at], "drain", "on");

	return rc || !seconds ? rc : wait_drained(argv[at], seconds);
}

int cmd_undrain(int argc, char **argv)
{
	static const struct cli_usage usage = { "dseekctl undrain", "ENGINE", "Let an engine take jobs again.", NULL, 1, 1 };
	static const struct cli_option options[] = { CLI_OPTIONS_END };
	int at = cli_parse(&usage, options, argc, argv);

	return set_one(argv[at], "drain", "off");
}

int cmd_timeouts(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl timeouts", "ENGINE FIELD=VALUE...", "An engine's own time limits, instead of the module's.",
		"job_limit_ms   engine time after which a job that states no limit is aborted\n"
		"grace_ms       time the executor has to stop it before it is declared lost\n"
		"recovery_ms    time jobs wait for another executor\n"
		"Each is a number of milliseconds, or default: what the module's parameter of that name says.\n", 2, 4,
	};
	static const struct cli_option options[] = { CLI_OPTIONS_END };
	int at = cli_parse(&usage, options, argc, argv), i, rc;

	for (i = at + 1; i < argc; i++)
		if (!strncmp(argv[i], "depth=", 6) || !strncmp(argv[i], "drain=", 6))
			return cli_usage_error(&usage, "'%s' is no time limit", argv[i]);
	rc = ctl_open();
	return rc ? rc : ctl_set_engine(argv[at], argv + at + 1, (unsigned int)(argc - at - 1));
}

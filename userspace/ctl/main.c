// SPDX-License-Identifier: MIT
/* dseekctl: the administrator's side of the module. The table of sub-commands. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

#define DSEEKCTL_VERSION "0.1"

struct command {
	const char *group;	/* "" or "limits" */
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{ "", "engines", cmd_engines, "what the engines are and do" },
	{ "", "depth", cmd_depth, "how many jobs an executor may hold" },
	{ "", "drain", cmd_drain, "let an engine take no new jobs" },
	{ "", "undrain", cmd_undrain, "let it take jobs again" },
	{ "", "timeouts", cmd_timeouts, "an engine's own time limits" },
	{ "", "tenants", cmd_tenants, "what tenants hold of what they may" },
	{ "", "classes", cmd_classes, "which classes tenants may use" },
	{ "limits", "show", cmd_limits_show, "all limits of a tenant" },
	{ "limits", "set", cmd_limits_set, "set some of them" },
	{ "limits", "clear", cmd_limits_clear, "take its policy away" },
	{ "", "apply", cmd_apply, "make the policy what a file says" },
	{ "", "version", cmd_ctl_version, "version of this program" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void list(FILE *to, const char *group)
{
	const char *gap = *group ? " " : "";
	unsigned int i;

	fprintf(to, "Usage: dseekctl %s%sCOMMAND [OPTION...]\n\n", group, gap);
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].group, group))
			fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	if (!*group)
		fprintf(to, "  %-10s %s\n", "limits", "show, set and clear the limits of tenants");
	fprintf(to, "\n'dseekctl %s%sCOMMAND --help' tells more; dseekctl(8) all of it. DSEEK_SYSFS stands in for /sys.\n", group, gap);
}

static int dispatch(const char *group, int argc, char **argv)
{
	const char *gap = *group ? " " : "";
	unsigned int i;

	if (argc < 2) {
		list(stderr, group);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		list(stdout, group);
		return CLI_OK;
	}
	if (!*group && !strcmp(argv[1], "--version"))
		return cmd_ctl_version(1, argv);
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].group, group) && !strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	if (!*group && !strcmp(argv[1], "limits"))
		return dispatch("limits", argc - 1, argv + 1);
	fprintf(stderr, "dseekctl%s%s: unknown %s '%s'\nTry 'dseekctl%s%s --help'.\n", gap, group,
		argv[1][0] == '-' ? "option" : "command", argv[1], gap, group);
	return CLI_USAGE;
}

int cmd_ctl_version(int argc, char **argv)
{
	static const struct cli_usage usage = { "dseekctl version", "", "Print the version of this program." };
	static const struct cli_option options[] = { CLI_OPTIONS_END };

	cli_parse(&usage, options, argc, argv);
	printf("dseekctl %s\n", DSEEKCTL_VERSION);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	int rc;

	cli_log_init("dseekctl");
	rc = dispatch("", argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		cli_log(CLI_ERROR, "standard output can't be written");
		return rc ? rc : CLI_FAILED;
	}
	return rc;
}

// SPDX-License-Identifier: MIT
/* Programs of several sub-commands: finds the one that is meant, lists them. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help");
}

static int widest_name(const struct cli_program *program)
{
	const struct cli_command *command;
	const struct cli_group *group;
	size_t widest = strlen("version");

	for (command = program->commands; command->name; command++)
		widest = strlen(command->name) > widest ? strlen(command->name) : widest;
	for (group = program->groups; group && group->name; group++)
		widest = strlen(group->name) > widest ? strlen(group->name) : widest;
	return (int)widest;
}

/* @group: "" or a group's name; likewise below. */
static void list(FILE *to, const struct cli_program *program, const char *group)
{
	const char *gap = *group ? " " : "";
	const struct cli_command *command;
	const struct cli_group *g;
	int width = widest_name(program);

	fprintf(to, "Usage: %s %s%sCOMMAND [OPTION...]\n\n", program->name, group, gap);
	for (command = program->commands; command->name; command++)
		if (!strcmp(command->group, group))
			fprintf(to, "  %-*s  %s\n", width, command->name, command->summary);
	if (!*group) {
		for (g = program->groups; g && g->name; g++)
			fprintf(to, "  %-*s  %s\n", width, g->name, g->summary);
		fprintf(to, "  %-*s  version of this program\n", width, "version");
	}
	fprintf(to, "\n'%s %s%sCOMMAND --help' tells more%s\n", program->name, group, gap, program->more);
}

static int print_version(const struct cli_program *program, int argc, char **argv)
{
	char name[64];
	const struct cli_usage usage = { name, "", "Print the version of this program." };
	static const struct cli_option options[] = { CLI_OPTIONS_END };

	snprintf(name, sizeof(name), "%s version", program->name);
	cli_parse(&usage, options, argc, argv);
	printf("%s %s\n", program->name, DSEEK_VERSION);
	return CLI_OK;
}

static int dispatch(const struct cli_program *program, const char *group, int argc, char **argv)
{
	const char *gap = *group ? " " : "";
	const struct cli_command *command;
	const struct cli_group *g;

	if (argc < 2) {
		list(stderr, program, group);
		return CLI_USAGE;
	}
	if (is_help(argv[1])) {
		list(stdout, program, group);
		return CLI_OK;
	}
	for (command = program->commands; command->name; command++)
		if (!strcmp(command->group, group) && !strcmp(command->name, argv[1]))
			return command->run(argc - 1, argv + 1);
	if (!*group) {
		for (g = program->groups; g && g->name; g++)
			if (!strcmp(g->name, argv[1]))
				return dispatch(program, g->name, argc - 1, argv + 1);
		if (!strcmp(argv[1], "--version"))
			return print_version(program, 1, argv);
		if (!strcmp(argv[1], "version"))
			return print_version(program, argc - 1, argv + 1);
	}
	fprintf(stderr, "%s%s%s: unknown %s '%s'\nTry '%s%s%s --help'.\n", program->name, gap, group,
		argv[1][0] == '-' ? "option" : "command", argv[1], program->name, gap, group);
	return CLI_USAGE;
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
	int rc;

	cli_log_init(program->name);
	rc = dispatch(program, "", argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		cli_log(CLI_ERROR, "standard output can't be written");
		return rc ? rc : CLI_FAILED;
	}
	return rc;
}

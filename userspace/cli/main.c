// SPDX-License-Identifier: MIT
/* dseek: the table of sub-commands. */
#include "bench_ops.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *group;	/* "", "model" or "bench" */
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

static const struct command commands[] = {
	{ "", "run", cmd_run, "tenants at work on one engine, and what each of them got" },
	{ "", "doctor", cmd_doctor, "what this machine has, and what to do about what is missing" },
	{ "", "generate", cmd_generate, "continue a prompt" },
	{ "", "logits", cmd_logits, "logits of every token of a sequence, as float32" },
	{ "", "tokenize", cmd_tokenize, "token ids of a text, and back" },
	{ "model", "inspect", cmd_model_inspect, "what a GGUF file says" },
	{ "model", "moefy", cmd_model_moefy, "a dense model as a mixture of experts" },
	{ "model", "synth", cmd_model_synth, "a small model with random weights" },
	{ "bench", "arb", bench_arb_main, "what a decision of the arbiter costs, by the number of queues" },
	{ "bench", "choice", bench_choice_main, "queues over several engines, and how good predictions are" },
	{ "bench", "ops", bench_ops_main, "the cpu engine's ops, against what memory gives" },
	{ "bench", "preempt", bench_preempt_main, "how long something better waits, against the published bound" },
	{ "bench", "shares", bench_shares_main, "what tenants get of an engine, beside their weights" },
	{ "bench", "roundtrip", bench_roundtrip_main, "what the way to an engine and back costs" },
	{ "", "version", cmd_version, "version of this program" },
	{ "bench", "model", bench_model_main, "tokens per second of prefill and decode" },
	{ "bench", "quality", bench_quality_main, "perplexity on the shipped text, by experts selected" },
};

static const struct {
	const char *name, *summary;
} groups[] = {
	{ "model", "look into and make model files" },
	{ "bench", "measurements; ratios within one run" },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int group_size(const char *group)
{
	unsigned int i, n = 0;

	for (i = 0; i < COUNT(commands); i++)
		n += !strcmp(commands[i].group, group);
	return n;
}

static void list(FILE *to, const char *group)
{
	unsigned int i;

	fprintf(to, "Usage: dseek %s%sCOMMAND [OPTION...]\n\n", group, *group ? " " : "");
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].group, group))
			fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
	for (i = 0; !*group && i < COUNT(groups); i++)
		if (group_size(groups[i].name))
			fprintf(to, "  %-14s %s\n", groups[i].name, groups[i].summary);
	fprintf(to, "\n'dseek %s%sCOMMAND --help' tells more. DSEEK_LOG_LEVEL: error, warn, info, debug.\n", group,
		*group ? " " : "");
}

static int dispatch(const char *group, int argc, char **argv)
{
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
		return cmd_version(1, argv);
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i].group, group) && !strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	for (i = 0; !*group && i < COUNT(groups); i++)
		if (!strcmp(groups[i].name, argv[1]) && group_size(argv[1]))
			return dispatch(groups[i].name, argc - 1, argv + 1);
	fprintf(stderr, "dseek%s%s: unknown %s '%s'\nTry 'dseek%s%s --help'.\n", *group ? " " : "", group,
		argv[1][0] == '-' ? "option" : "command", argv[1], *group ? " " : "", group);
	return CLI_USAGE;
}

int cmd_version(int argc, char **argv)
{
	static const struct cli_usage usage = { "dseek version", "", "Print the version of this program." };
	static const struct cli_option options[] = { CLI_OPTIONS_END };

	cli_parse(&usage, options, argc, argv);
	printf("dseek %s\n", DSEEK_VERSION);
	return CLI_OK;
}

int main(int argc, char **argv)
{
	int rc;

	cli_log_init("dseek");
	rc = dispatch("", argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		cli_log(CLI_ERROR, "standard output can't be written");
		return rc ? rc : CLI_FAILED;
	}
	return rc;
}

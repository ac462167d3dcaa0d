/* SPDX-License-Identifier: MIT */
/*
 * What programs of several sub-commands share, and the sub-commands of `dseek`. A sub-command is a function
 * int cmd_NAME(int argc, char **argv), argv[0] being its own name, that returns an exit status (enum cli_exit), and a
 * line in the table of its program's main.c.
 */
#ifndef DSEEK_CLI_H
#define DSEEK_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "log.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* said why on stderr */
	CLI_USAGE = 2,		/* the command line is wrong */
	CLI_SKIP = 77,		/* this machine can't do it, said why */
};

/* ---- sub-commands (commands.c) */

struct cli_command {
	const char *group;	/* "" or a group's name: "dseek GROUP NAME" */
	const char *name;	/* NULL ends a table */
	int (*run)(int argc, char **argv);
	const char *summary;
};

struct cli_group {
	const char *name;	/* NULL ends a table */
	const char *summary;
};

struct cli_program {
	const char *name;
	const struct cli_command *commands;
	const struct cli_group *groups;	/* may be NULL */
	const char *more;	/* how the list of commands goes on after "'dseek COMMAND --help' tells more", ". ..." */
};

/*
 * The whole of main(): runs the command that is meant, or says what there are (--help, -h, help; each group likewise).
 * "version" and --version are added. What could not be written to standard output is a failure.
 */
int cli_main(const struct cli_program *program, int argc, char **argv);

/* ---- options (options.c) */

enum cli_kind { CLI_FLAG, CLI_STRING, CLI_UINT, CLI_DOUBLE, CLI_KIND_COUNT };

struct cli_option {
	const char *name;	/* long name without dashes */
	char letter;		/* 0: none */
	enum cli_kind kind;
	void *value;		/* int (set to 1) | const char * | uint64_t | double; untouched if not given */
	const char *arg;	/* what --help calls the argument, "FILE" */
	const char *help;	/* one line */
};

struct cli_usage {
	const char *name;	/* "dseek tokenize" */
	const char *synopsis;	/* "-m MODEL [TEXT]" */
	const char *summary;	/* one sentence */
	const char *more;	/* printed after the options, may be NULL; lines end with \n */
	unsigned int min_operands, max_operands;	/* of what follows the options */
};

struct cli_common {
	const char *device;	/* for dseek_open(); "auto" by default */
	int json;
	int quiet;
};

#define CLI_COMMON_DEFAULTS { .device = "auto" }

/* Lines for the end of an option table. */
#define CLI_OPTION_DEVICE(c) { "device", 'd', CLI_STRING, &(c)->device, "DEVICE", \
	"auto (default), embed:[NAME,KEY=VALUE...], drm:[NODE]" }
#define CLI_OPTION_NO_DEVICE(c) { "device", 'd', CLI_STRING, &(c)->device, "DEVICE", \
	"taken for uniformity: this command needs no engine" }
#define CLI_OPTION_JSON(c) { "json", 'j', CLI_FLAG, &(c)->json, NULL, "figures as JSON on standard output" }
#define CLI_OPTION_QUIET(c) { "quiet", 'q', CLI_FLAG, &(c)->quiet, NULL, "no progress and no messages but errors" }
#define CLI_OPTIONS_END { NULL }

/*
 * Read the options of @argv by @options (ended by CLI_OPTIONS_END; -h and --help are added) and return the
 * index of the first operand. Exits with CLI_OK after --help, with CLI_USAGE after a mistake (named on stderr).
 */
int cli_parse(const struct cli_usage *usage, const struct cli_option *options, int argc, char **argv);

/* "NAME: sentence" and where to find help, on stderr; returns CLI_USAGE. */
int cli_usage_error(const struct cli_usage *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole decimal number, or -EINVAL (not one) or -ERANGE. */
int cli_parse_uint(const char *text, uint64_t *ret_value);

/* ---- progress (progress.c): a bar where stderr is a terminal, else a line now and then */

struct cli_progress {
	const char *label;
	uint64_t total;		/* 0: unknown */
	uint64_t start_ns, shown_ns;
	int tty, quiet, shown_percent;
};

void cli_progress_start(struct cli_progress *p, const char *label, uint64_t total, int quiet);
void cli_progress_update(struct cli_progress *p, uint64_t done);
void cli_progress_end(struct cli_progress *p, uint64_t done);

uint64_t cli_now_ns(void);	/* CLOCK_MONOTONIC */

/* ---- sub-commands of dseek */

int cmd_run(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_logits(int argc, char **argv);
int cmd_model_inspect(int argc, char **argv);
int cmd_model_synth(int argc, char **argv);
int cmd_model_moefy(int argc, char **argv);
int bench_arb_main(int argc, char **argv);
int bench_choice_main(int argc, char **argv);
int bench_roundtrip_main(int argc, char **argv);
int bench_preempt_main(int argc, char **argv);
int bench_shares_main(int argc, char **argv);
int bench_ops_main(int argc, char **argv);
int bench_latent_main(int argc, char **argv);
int bench_model_main(int argc, char **argv);
int bench_quality_main(int argc, char **argv);
int bench_routing_main(int argc, char **argv);
int bench_sparse_main(int argc, char **argv);

#endif /* DSEEK_CLI_H */

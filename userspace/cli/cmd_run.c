// SPDX-License-Identifier: MIT
/* dseek run: tenants at work on one engine, and the table of what each got. */
#include "cli.h"
#include "run.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SECONDS	15

static const struct cli_usage usage = {
	.name = "dseek run",
	.synopsis = "[-m MODEL] [--seconds N] [--tenants FILE]",
	.summary = "Let several tenants generate text on one engine at once, and show what each of them got.",
	.more =
	"Without --tenants three share the engine: gold (class deadline, a token every 50 ms), silver (interactive,\n"
	"weight 2) and bronze (batch, weight 1). Without -m the model is the one that tools/fetch-model puts into\n"
	"${XDG_CACHE_HOME:-~/.cache}/dseek. dseek-run(1) describes FILE and the figures.\n",
};

static int read_options(struct run_params *run, struct run_spec *spec, int argc, char **argv)
{
	const char *tenants_file = NULL, *prompt = NULL;
	const struct cli_option options[] = {
		{ "model", 'm', CLI_STRING, &run->model_path, "FILE", "GGUF file" },
		{ "tenants", 't', CLI_STRING, &tenants_file, "FILE", "who shares the engine (YAML)" },
		{ "seconds", 's', CLI_DOUBLE, &run->seconds, "N", "how long (15)" },
		{ "prompt", 'p', CLI_STRING, &prompt, "TEXT", "in place of every tenant's own" },
		{ "engine", 'e', CLI_STRING, &run->engine, "NAME", "which engine; default: the first attached" },
		{ "view", 0, CLI_STRING, &run->view, "HOW", "panes, lines or none; default: panes on a terminal" },
		CLI_OPTION_DEVICE(&run->common),
		CLI_OPTION_JSON(&run->common),
		CLI_OPTION_QUIET(&run->common),
		CLI_OPTIONS_END,
	};
	uint32_t i;

	run->seconds = -1;
	cli_parse(&usage, options, argc, argv);
	if (run->view && strcmp(run->view, "panes") && strcmp(run->view, "lines") && strcmp(run->view, "none"))
		return cli_usage_error(&usage, "--view: '%s' is not panes, lines or none", run->view);
	if (run->seconds != -1 && !(run->seconds >= 0.1 && run->seconds <= 86400))
		return cli_usage_error(&usage, "--seconds must be from 0.1 to 86400");
	if (prompt && !*prompt)
		return cli_usage_error(&usage, "--prompt is empty");
	if (tenants_file ? run_spec_read(tenants_file, spec, stderr) : run_spec_default(spec))
		return CLI_FAILED;
	if (run->seconds == -1)
		run->seconds = spec->seconds ?: DEFAULT_SECONDS;
	for (i = 0; prompt && i < spec->n; i++) {
		struct run_tenant_spec *t = &spec->tenants[i];

		free(t->prompt);
		t->prompt = strdup(prompt);
		t->spin_us = 0;
	}
	return 0;
}

static int tell(const struct run_report *report, const struct run_params *params)
{
	if (params->common.json)
		return run_report_json(report, stdout);
	run_report_table(report, stdout);
	return 0;
}

int cmd_run(int argc, char **argv)
{
	struct run_spec spec = { 0 };
	struct run_params params = { .common = CLI_COMMON_DEFAULTS, .spec = &spec };
	int rc = read_options(&params, &spec, argc, argv);

	if (!rc)
		rc = run_tenants(&params, tell);
	run_spec_clear(&spec);
	return rc;
}

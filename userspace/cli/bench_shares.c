// SPDX-License-Identifier: MIT
/*
 * dseek bench shares: tenants that always want the engine, and what each got of it beside what its weight entitles it
 * to. A run (run.h) of jobs that only keep the engine busy; examples/shares.yaml is the same for `dseek run`.
 */
#include "cli.h"
#include "run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SECONDS	10
#define STREAMS		2	/* each with jobs ahead, so that none runs dry */
#define WEIGHT_MAX	65536

static const struct cli_usage usage = {
	.name = "dseek bench shares",
	.synopsis = "[--weights W,W...] [--seconds N]",
	.summary = "Let tenants of the same class saturate an engine, and compare their shares with their weights.",
	.more =
	"Deviations are in per cent of the engine: from what the tenant's weight alone says, and from the entitlement,\n"
	"which counts the time in which a tenant had no work (dseek-run(1)).\n",
};

static int read_weights(const char *text, struct run_spec *spec, uint64_t spin_us)
{
	char *copy = strdup(text), *rest = copy, *word;
	uint64_t weight;
	int r = copy ? 0 : -ENOMEM;

	while (!r && (word = strsep(&rest, ","))) {
		struct run_tenant_spec *t = &spec->tenants[spec->n];

		if (spec->n == RUN_MAX_TENANTS || cli_parse_uint(word, &weight) || !weight || weight > WEIGHT_MAX) {
			r = -EINVAL;
			break;
		}
		*t = (struct run_tenant_spec){ .sched_class = DSEEK_CLASS_BATCH, .weight = weight, .streams = STREAMS,
					       .spin_us = spin_us };
		snprintf(t->name, sizeof(t->name), "tenant%u", ++spec->n);
	}
	free(copy);
	return r;
}

static int read_options(struct run_params *run, struct run_spec *spec, int argc, char **argv)
{
	const char *weights = "1,2,4";
	uint64_t spin_us = 1000;
	const struct cli_option options[] = {
		{ "weights", 'w', CLI_STRING, &weights, "W,W...", "of the tenants, at least two (1,2,4)" },
		{ "seconds", 's', CLI_DOUBLE, &run->seconds, "N", "how long (10)" },
		{ "spin", 0, CLI_UINT, &spin_us, "US", "engine time of a job, microseconds (1000)" },
		{ "engine", 'e', CLI_STRING, &run->engine, "NAME", "which engine; default: the first attached" },
		CLI_OPTION_DEVICE(&run->common),
		CLI_OPTION_JSON(&run->common),
		CLI_OPTION_QUIET(&run->common),
		CLI_OPTIONS_END,
	};

	cli_parse(&usage, options, argc, argv);
	if (!(run->seconds >= 0.1 && run->seconds <= 86400))
		return cli_usage_error(&usage, "--seconds must be from 0.1 to 86400");
	if (!spin_us || spin_us > 1000000)
		return cli_usage_error(&usage, "--spin must be from 1 to 1000000");
	if (read_weights(weights, spec, spin_us) || spec->n < 2)
		return cli_usage_error(&usage, "--weights: '%s' is not 2 to %d whole numbers from 1 to %d with commas between", weights,
				       RUN_MAX_TENANTS, WEIGHT_MAX);
	return 0;
}

struct share {
	double got, by_weight, entitled;	/* of the engine time that all used */
};

struct figures {
	struct share shares[RUN_MAX_TENANTS];
	double worst_weight, worst_entitled;	/* largest deviations */
};

static double off(double got, double want)
{
	return got > want ? got - want : want - got;
}

static void figures(const struct run_report *report, struct figures *f)
{
	double weights = 0;
	uint32_t i;

	*f = (struct figures){ 0 };
	for (i = 0; i < report->n; i++)
		weights += report->tenants[i].spec->weight;
	for (i = 0; i < report->n && report->busy_ns; i++) {
		const struct run_result *t = &report->tenants[i];
		struct share *s = &f->shares[i];

		s->got = (double)t->stats.queue.engine_ns / report->busy_ns;
		s->entitled = (double)t->stats.queue.entitled_ns / report->busy_ns;
		s->by_weight = t->spec->weight / weights;
		if (off(s->got, s->by_weight) > f->worst_weight)
			f->worst_weight = off(s->got, s->by_weight);
		if (off(s->got, s->entitled) > f->worst_entitled)
			f->worst_entitled = off(s->got, s->entitled);
	}
}

static void print_table(const struct run_report *report, const struct figures *f)
{
	uint32_t i;

	printf("%-10s %6s %8s %12s %9s %10s %10s\n", "tenant", "weight", "jobs", "engine ms", "share", "by weight", "entitled");
	for (i = 0; i < report->n; i++) {
		const struct run_result *t = &report->tenants[i];

		printf("%-10s %6u %8llu %12.1f %7.2f %% %8.2f %% %8.2f %%\n", t->spec->name, t->spec->weight,
		       (unsigned long long)t->stats.queue.completed, t->stats.queue.engine_ns / 1e6, 100 * f->shares[i].got,
		       100 * f->shares[i].by_weight, 100 * f->shares[i].entitled);
	}
	printf("largest deviation: %.2f %% of the engine from the weights, %.2f %% from the entitlement\n", 100 * f->worst_weight,
	       100 * f->worst_entitled);
	printf("engine %s (%s), busy %.1f %% of %.1f s\n", report->engine, report->transport, report->busy_ns / 1e7 / report->seconds,
	       report->seconds);
}

static int print_json(const struct run_report *report, const struct figures *f)
{
	cJSON *root = cJSON_CreateObject(), *tenants = cJSON_AddArrayToObject(root, "tenants"), *object;
	char *text;
	uint32_t i;

	for (i = 0; tenants && i < report->n; i++) {
		const struct run_result *t = &report->tenants[i];

		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "tenant", t->spec->name);
		cJSON_AddNumberToObject(object, "weight", t->spec->weight);
		cJSON_AddNumberToObject(object, "jobs", t->stats.queue.completed);
		cJSON_AddNumberToObject(object, "engine_ms", t->stats.queue.engine_ns / 1e6);
		cJSON_AddNumberToObject(object, "share", f->shares[i].got);
		cJSON_AddNumberToObject(object, "weight_share", f->shares[i].by_weight);
		cJSON_AddNumberToObject(object, "entitled_share", f->shares[i].entitled);
		cJSON_AddItemToArray(tenants, object);
	}
	cJSON_AddStringToObject(root, "transport", report->transport);
	cJSON_AddStringToObject(root, "engine", report->engine);
	cJSON_AddNumberToObject(root, "seconds", report->seconds);
	cJSON_AddNumberToObject(root, "engine_busy_ms", report->busy_ns / 1e6);
	cJSON_AddNumberToObject(root, "deviation_from_weights", f->worst_weight);
	cJSON_AddNumberToObject(root, "deviation_from_entitlement", f->worst_entitled);
	text = cJSON_Print(root);
	cJSON_Delete(root);
	if (!text)
		return -ENOMEM;
	puts(text);
	free(text);
	return 0;
}

static int tell(const struct run_report *report, const struct run_params *params)
{
	struct figures f;

	figures(report, &f);
	if (params->common.json)
		return print_json(report, &f);
	print_table(report, &f);
	return 0;
}

int bench_shares_main(int argc, char **argv)
{
	struct run_spec spec = { 0 };
	struct run_params params = { .common = CLI_COMMON_DEFAULTS, .spec = &spec, .view = "none", .seconds = DEFAULT_SECONDS };
	int rc = read_options(&params, &spec, argc, argv);

	if (!rc)
		rc = run_tenants(&params, tell);
	run_spec_clear(&spec);
	return rc;
}

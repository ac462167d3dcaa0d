// SPDX-License-Identifier: MIT
/* dseekctl tenants, classes, limits. */
#include "ctl.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct list {
	bool all;		/* idle ones without a policy too */
	cJSON *json;
};

/* Has it a policy, or holds it anything? */
static bool interesting(const char *dir)
{
	const struct ctl_field *field;

	if (ctl_read_number(dir, "has_policy"))
		return true;
	for (field = ctl_limits; field->name; field++)
		if (field->held && ctl_read_number(dir, field->held))
			return true;
	return false;
}

static void held_text(const char *dir, const struct ctl_field *field, char *ret_text, size_t size)
{
	ctl_format_number(field->kind, ctl_read_number(dir, field->held), ret_text, size);
}

static cJSON *tenant_json(const char *dir, const char *name)
{
	cJSON *tenant = cJSON_CreateObject();
	const struct ctl_field *field;
	char value[CTL_VALUE];

	cJSON_AddStringToObject(tenant, "tenant", name);
	cJSON_AddNumberToObject(tenant, "id", (double)ctl_read_number(dir, "tenant_id"));
	cJSON_AddBoolToObject(tenant, "policy", ctl_read_number(dir, "has_policy") == 1);
	cJSON_AddNumberToObject(tenant, "engine_ns", (double)ctl_read_number(dir, "engine_ns"));
	cJSON_AddNumberToObject(tenant, "refused_count", (double)ctl_read_number(dir, "refused_count"));
	for (field = ctl_limits; field->name; field++) {
		if (field->held)
			cJSON_AddNumberToObject(tenant, field->held, (double)ctl_read_number(dir, field->held));
		if (!ctl_read(dir, field->name, value, sizeof(value)))
			ctl_json_value(tenant, field, value);
	}
	return tenant;
}

static int tenant_line(const char *dir, const char *name, void *arg)
{
	static const char *const columns[] = { "pinned_limit", "imported_limit", "program_limit", "queue_limit", "job_limit" };
	struct list *list = arg;
	size_t i;

	if (!list->all && !interesting(dir))
		return 0;
	if (list->json) {
		cJSON_AddItemToArray(list->json, tenant_json(dir, name));
		return 0;
	}
	printf("%-28s", name);
	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		const struct ctl_field *field = ctl_field_find(ctl_limits, columns[i], strlen(columns[i]));
		char held[CTL_VALUE], limit[CTL_VALUE], both[2 * CTL_VALUE];

		held_text(dir, field, held, sizeof(held));
		ctl_field_text(dir, field, limit, sizeof(limit));
		snprintf(both, sizeof(both), "%s/%s", held, limit);
		printf(" %14s", both);
	}
	printf(" %10.3f %8llu\n", (double)ctl_read_number(dir, "engine_ns") / 1e9,
	       (unsigned long long)ctl_read_number(dir, "refused_count"));
	return 0;
}

int cmd_tenants(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl tenants", "[--all] [--json]", "What each tenant holds of what it may, its children's included.",
		"Limits in brackets are the module's defaults. refused: charges that this tenant's limits refused.\n",
	};
	struct cli_common common = { 0 };
	int all = 0;
	const struct cli_option options[] = {
		{ "all", 'a', CLI_FLAG, &all, NULL, "also those that have no policy and hold nothing" },
		CLI_OPTION_JSON(&common), CLI_OPTIONS_END
	};
	struct list list = { 0 };
	int rc;

	cli_parse(&usage, options, argc, argv);
	rc = ctl_open();
	if (rc)
		return rc;
	list.all = all;
	if (common.json)
		list.json = cJSON_CreateArray();
	else
		printf("%-28s %14s %14s %14s %14s %14s %10s %8s\n", "tenant", "pinned", "imported", "programs", "queues", "jobs",
		       "engine s", "refused");
	ctl_each_tenant(tenant_line, &list);
	return list.json ? ctl_print_json(list.json) : CLI_OK;
}

/* ---- classes */

static int class_line(const char *dir, const char *name, void *arg)
{
	struct list *list = arg;
	char classes[CTL_VALUE], weight[CTL_VALUE];

	if (!interesting(dir))
		return 0;
	if (list->json) {
		cJSON *tenant = cJSON_CreateObject();

		cJSON_AddStringToObject(tenant, "tenant", name);
		if (!ctl_read(dir, "class_limit", classes, sizeof(classes)))
			ctl_json_value(tenant, ctl_field_find(ctl_limits, "class_limit", 11), classes);
		if (!ctl_read(dir, "weight_limit", weight, sizeof(weight)))
			ctl_json_value(tenant, ctl_field_find(ctl_limits, "weight_limit", 12), weight);
		cJSON_AddItemToArray(list->json, tenant);
		return 0;
	}
	ctl_field_text(dir, ctl_field_find(ctl_limits, "class_limit", 11), classes, sizeof(classes));
	ctl_field_text(dir, ctl_field_find(ctl_limits, "weight_limit", 12), weight, sizeof(weight));
	printf("%-28s %-28s %10s\n", name, classes, weight);
	return 0;
}

/* A name of the command line, or an exit status. */
static int tenant_operand(const struct cli_usage *usage, const char *text, char ret_name[CTL_NAME])
{
	char why[300];

	return ctl_tenant_name(text, ret_name, why, sizeof(why)) ? cli_usage_error(usage, "%s", why) : CLI_OK;
}

int cmd_classes(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl classes", "[--json] [TENANT CLASS,...]", "The classes tenants may use and the largest weight; or set the classes of one.",
		"CLASS: deadline, interactive, batch; none, max or default instead of the list. Queues that are there stay as they are.\n",
		0, 2,
	};
	struct cli_common common = { 0 };
	const struct cli_option options[] = { CLI_OPTION_JSON(&common), CLI_OPTIONS_END };
	char name[CTL_NAME], text[256], *assignment = text;
	struct list list = { 0 };
	int at = cli_parse(&usage, options, argc, argv), rc;

	if (argc - at == 1)
		return cli_usage_error(&usage, "which classes may '%s' use?", argv[at]);
	if (argc - at == 2) {
		rc = tenant_operand(&usage, argv[at], name);
		rc = rc ? rc : ctl_open();
		snprintf(text, sizeof(text), "class_limit=%s", argv[at + 1]);
		return rc ? rc : ctl_set_tenant(name, &assignment, 1);
	}
	rc = ctl_open();
	if (rc)
		return rc;
	if (common.json)
		list.json = cJSON_CreateArray();
	else
		printf("%-28s %-28s %10s\n", "tenant", "classes", "weight");
	ctl_each_tenant(class_line, &list);
	return list.json ? ctl_print_json(list.json) : CLI_OK;
}

/* ---- limits */

int cmd_limits_show(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl limits show", "[--json] TENANT", "What a tenant holds and may hold.",
		"TENANT: all, uid:NUMBER, user:NAME or cgroup:/PATH. Limits in brackets are the module's defaults.\n", 1, 1,
	};
	struct cli_common common = { 0 };
	const struct cli_option options[] = { CLI_OPTION_JSON(&common), CLI_OPTIONS_END };
	char name[CTL_NAME], dir[PATH_MAX], limit[CTL_VALUE], held[CTL_VALUE];
	int at = cli_parse(&usage, options, argc, argv), rc;
	const struct ctl_field *field;

	rc = tenant_operand(&usage, argv[at], name);
	rc = rc ? rc : ctl_open();
	if (rc)
		return rc;
	if (ctl_tenant_dir(name, dir, sizeof(dir))) {
		cli_log(CLI_ERROR, "%s has no policy and holds nothing: the module's defaults are its limits", name);
		return CLI_FAILED;
	}
	if (common.json)
		return ctl_print_json(tenant_json(dir, name));
	printf("%-18s %14s %28s\n", name, "held", "limit");
	for (field = ctl_limits; field->name; field++) {
		snprintf(held, sizeof(held), "-");
		if (field->held)
			held_text(dir, field, held, sizeof(held));
		ctl_field_text(dir, field, limit, sizeof(limit));
		printf("%-18s %14s %28s\n", field->name, held, limit);
	}
	return CLI_OK;
}

int cmd_limits_set(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl limits set", "TENANT FIELD=VALUE...", "Limit what a tenant, with its children, may hold.",
		"TENANT: all, uid:NUMBER, user:NAME or cgroup:/PATH, there or not yet.\n"
		"FIELD: pinned_limit, imported_limit, device_limit, program_limit, registered_limit (bytes; K, M, G, T), queue_limit, job_limit,\n"
		"rate_limit (jobs a second), weight_limit, class_limit (deadline,interactive,batch or none).\n"
		"VALUE: also max (no limit) and default (the module parameter's for the tenant's own, none for its children).\n"
		"A limit below what is held refuses what is new and keeps what is there.\n",
		2, CTL_MAX_FIELDS + 1,
	};
	static const struct cli_option options[] = { CLI_OPTIONS_END };
	char name[CTL_NAME];
	int at = cli_parse(&usage, options, argc, argv), rc;

	rc = tenant_operand(&usage, argv[at], name);
	rc = rc ? rc : ctl_open();
	return rc ? rc : ctl_set_tenant(name, argv + at + 1, (unsigned int)(argc - at - 1));
}

int cmd_limits_clear(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl limits clear", "TENANT", "Take a tenant's policy away: what it holds stays, the module's defaults are its limits.",
		NULL, 1, 1,
	};
	static const struct cli_option options[] = { CLI_OPTIONS_END };
	char name[CTL_NAME];
	int at = cli_parse(&usage, options, argc, argv), rc, r;

	rc = tenant_operand(&usage, argv[at], name);
	if (!rc && !strcmp(name, "all"))
		return cli_usage_error(&usage, "'all' has no policy of its own; set its limits to max");
	rc = rc ? rc : ctl_open();
	if (rc)
		return rc;
	r = ctl_tenant_remove(name);
	if (!r)
		return CLI_OK;
	if (r == -ENOENT)
		cli_log(CLI_ERROR, "%s has no policy", name);
	else
		cli_log(CLI_ERROR, "%s: its policy can't be taken away: %s", name, ctl_error(r));
	return CLI_FAILED;
}

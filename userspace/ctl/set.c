// SPDX-License-Identifier: MIT
/* FIELD=VALUE of the command line, all of them checked before the first is written. */
#include "ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct assignment {
	const struct ctl_field *field;
	char value[CTL_VALUE];
};

int ctl_write_field(const char *name, const char *dir, const struct ctl_field *field, const char *value)
{
	int r = ctl_write(dir, field->name, value);

	if (r)
		cli_log(CLI_ERROR, "%s: %s: '%s' can't be set: %s", name, field->name, value, ctl_error(r));
	return r ? CLI_FAILED : CLI_OK;
}

static int parse(const struct ctl_field *fields, char *const *texts, unsigned int count, struct assignment *ret_set)
{
	char why[512];
	unsigned int i, j;

	if (count > CTL_MAX_FIELDS) {
		cli_log(CLI_ERROR, "more than %d settings", CTL_MAX_FIELDS);
		return CLI_USAGE;
	}
	for (i = 0; i < count; i++) {
		size_t len = strcspn(texts[i], "=");
		const struct ctl_field *field = ctl_field_find(fields, texts[i], len);

		if (!field || !texts[i][len]) {
			char known[512] = "";
			size_t at = 0;

			for (; fields->name; fields++)
				at += (size_t)snprintf(known + at, sizeof(known) - at, " %s", fields->name);
			cli_log(CLI_ERROR, "'%s' is not FIELD=VALUE with one of the fields%s", texts[i], known);
			return CLI_USAGE;
		}
		if (ctl_field_parse(field, texts[i] + len + 1, ret_set[i].value, why, sizeof(why))) {
			cli_log(CLI_ERROR, "%s", why);
			return CLI_USAGE;
		}
		ret_set[i].field = field;
		for (j = 0; j < i; j++)
			if (ret_set[j].field == field) {
				cli_log(CLI_ERROR, "'%s' is given twice", field->name);
				return CLI_USAGE;
			}
	}
	return CLI_OK;
}

int ctl_set_tenant(const char *name, char *const *assignments, unsigned int count)
{
	struct assignment set[CTL_MAX_FIELDS];
	char dir[PATH_MAX];
	unsigned int i;
	int rc = parse(ctl_limits, assignments, count, set), r = 0;

	if (rc)
		return rc;
	if (strcmp(name, "all"))
		r = ctl_tenant_add(name);
	if (!r)
		r = ctl_tenant_dir(name, dir, sizeof(dir));
	if (r) {
		cli_log(CLI_ERROR, "%s: a policy can't be made: %s", name, ctl_error(r));
		return CLI_FAILED;
	}
	for (i = 0; i < count && !rc; i++)
		rc = ctl_write_field(name, dir, set[i].field, set[i].value);
	return rc;
}

int ctl_set_engine(const char *name, char *const *assignments, unsigned int count)
{
	struct assignment set[CTL_MAX_FIELDS];
	char dir[PATH_MAX];
	unsigned int i;
	int rc = parse(ctl_settings, assignments, count, set), r;

	if (rc)
		return rc;
	r = ctl_engine_dir(name, dir, sizeof(dir));
	if (r) {
		cli_log(CLI_ERROR, "'%s' is no engine that has ever been attached; 'dseekctl engines' lists them", name);
		return CLI_FAILED;
	}
	for (i = 0; i < count && !rc; i++)
		rc = ctl_write_field(name, dir, set[i].field, set[i].value);
	return rc;
}

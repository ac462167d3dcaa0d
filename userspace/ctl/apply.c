// SPDX-License-Identifier: MIT
/*
 * dseekctl apply: makes the module's policy what a file says. Only what differs is written, so a second time changes
 * nothing; nothing is written before the whole file has been read and every engine in it was found.
 */
#include "policy.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

struct apply {
	const struct policy *policy;
	bool dry_run, skip_missing, quiet;
	unsigned int changed, same;
};

static int apply_field(struct apply *a, const char *name, const char *dir, bool there,
		       const struct ctl_field *field, const char *value)
{
	char now[CTL_VALUE], from[CTL_VALUE], to[CTL_VALUE];
	int rc = CLI_OK;

	if (!there || ctl_read(dir, field->name, now, sizeof(now)))
		snprintf(now, sizeof(now), "default");
	if (!strcmp(now, value)) {
		a->same++;
		return CLI_OK;
	}
	if (!a->dry_run)
		rc = ctl_write_field(name, dir, field, value);
	if (rc)
		return rc;
	a->changed++;
	ctl_field_format(field, now, from, sizeof(from));
	ctl_field_format(field, value, to, sizeof(to));
	if (!a->quiet)
		printf("%s %s: %s -> %s\n", name, field->name, from, to);
	return CLI_OK;
}

static int apply_tenant(struct apply *a, const struct policy_entry *entry)
{
	bool all = !strcmp(entry->name, "all"), there;
	char dir[PATH_MAX];
	int rc = CLI_OK, r, i;

	there = !ctl_tenant_dir(entry->name, dir, sizeof(dir));
	if (!all && !a->dry_run && (!there || !ctl_read_number(dir, "has_policy"))) {
		r = ctl_tenant_add(entry->name);
		r = r ? r : ctl_tenant_dir(entry->name, dir, sizeof(dir));
		if (r) {
			cli_log(CLI_ERROR, "%s: a policy can't be made: %s", entry->name, ctl_error(r));
			return CLI_FAILED;
		}
		there = true;
	}
	for (i = 0; ctl_limits[i].name && !rc; i++) {
		const char *value = *entry->value[i] ? entry->value[i] : "default";

		rc = apply_field(a, entry->name, dir, there, &ctl_limits[i],
				 all && !strcmp(value, "default") ? "max" : value);
	}
	return rc;
}

static int apply_engine(struct apply *a, const struct policy_entry *entry)
{
	char dir[PATH_MAX];
	int rc = CLI_OK, i;

	if (ctl_engine_dir(entry->name, dir, sizeof(dir)))
		return CLI_OK;	/* find_engines() let it pass */
	for (i = 0; ctl_settings[i].name && !rc; i++)
		if (*entry->value[i])
			rc = apply_field(a, entry->name, dir, true, &ctl_settings[i], entry->value[i]);
	return rc;
}

static int find_engines(const struct apply *a, const char *path)
{
	char dir[PATH_MAX];
	int rc = CLI_OK;
	size_t i;

	for (i = 0; i < a->policy->count; i++) {
		const struct policy_entry *entry = &a->policy->entries[i];

		if (!entry->engine || !ctl_engine_dir(entry->name, dir, sizeof(dir)))
			continue;
		cli_log(a->skip_missing ? CLI_WARN : CLI_ERROR, "%s:%zu: engine '%s' has never been attached%s",
			path, entry->line, entry->name, a->skip_missing ? "; skipped" : " (--skip-missing passes over it)");
		if (!a->skip_missing)
			rc = CLI_FAILED;
	}
	return rc;
}

/* One that has a policy and is not in the file. */
static int prune(const char *dir, const char *name, void *arg)
{
	struct apply *a = arg;
	size_t i;
	int r;

	if (!strcmp(name, "all") || !ctl_read_number(dir, "has_policy"))
		return 0;
	for (i = 0; i < a->policy->count; i++)
		if (!a->policy->entries[i].engine && !strcmp(a->policy->entries[i].name, name))
			return 0;
	r = a->dry_run ? 0 : ctl_tenant_remove(name);
	if (r) {
		cli_log(CLI_ERROR, "%s: its policy can't be taken away: %s", name, ctl_error(r));
		return r;
	}
	a->changed++;
	if (!a->quiet)
		printf("%s: no policy any more\n", name);
	return 0;
}

static int apply(struct apply *a, const char *path, bool pruned)
{
	int rc = find_engines(a, path);
	size_t i;

	for (i = 0; i < a->policy->count && !rc; i++) {
		const struct policy_entry *entry = &a->policy->entries[i];

		rc = entry->engine ? apply_engine(a, entry) : apply_tenant(a, entry);
	}
	if (!rc && pruned && ctl_each_tenant(prune, a))
		rc = CLI_FAILED;
	if (!rc && !a->quiet)
		printf("%u %s, %u as they were\n", a->changed, a->dry_run ? "would be changed" : "changed", a->same);
	return rc;
}

int cmd_apply(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseekctl apply", "[OPTION...] FILE.yaml", "Make the module's policy what a file says; - is the standard input.",
		"Of a tenant that it names the file says all limits: one that isn't there is set to default (of all: to max). Of an\n"
		"engine it says what is there. Done twice, the second time changes nothing. dseekctl(8) shows a file.\n",
		1, 1,
	};
	int dry_run = 0, skip_missing = 0, pruned = 0;
	struct cli_common common = { 0 };
	const struct cli_option options[] = {
		{ "dry-run", 'n', CLI_FLAG, &dry_run, NULL, "say what would change, and change nothing" },
		{ "prune", 'p', CLI_FLAG, &pruned, NULL, "take away the policies of tenants that the file does not name" },
		{ "skip-missing", 's', CLI_FLAG, &skip_missing, NULL, "pass over engines that have never been attached" },
		CLI_OPTION_QUIET(&common), CLI_OPTIONS_END
	};
	int at = cli_parse(&usage, options, argc, argv), rc, r;
	struct policy policy;
	struct apply a = { .policy = &policy };

	r = policy_read(argv[at], stderr, &policy);
	if (r) {
		if (r != -EINVAL)
			cli_log(CLI_ERROR, "%s: %s", argv[at], strerror(-r));
		return CLI_FAILED;
	}
	a.dry_run = dry_run;
	a.skip_missing = skip_missing;
	a.quiet = common.quiet;
	rc = ctl_open();
	rc = rc ? rc : apply(&a, argv[at], pruned);
	policy_clear(&policy);
	return rc;
}

// SPDX-License-Identifier: MIT
/* dseek doctor: what this machine has, and what to do about what is missing. */
#include "cli.h"
#include "doctor.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[FINDING_LEVEL_COUNT] = { "ok", "note", "warn", "bad" };

struct finding *doctor_add(struct doctor *d, const char *topic, enum finding_level level, const char *remedy,
			   const char *format, ...)
{
	struct finding *f = &d->findings[d->count];
	va_list args;

	if (d->count == sizeof(d->findings) / sizeof(d->findings[0]))
		abort();	/* a check without a place is a mistake of ours */
	d->count++;
	f->topic = topic;
	f->level = level;
	va_start(args, format);
	vsnprintf(f->detail, sizeof(f->detail), format, args);
	va_end(args);
	snprintf(f->remedy, sizeof(f->remedy), "%s", remedy ? remedy : "");
	return f;
}

int doctor_read(const struct doctor *d, char *buf, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	FILE *file;
	int n;

	n = snprintf(path, sizeof(path), "%s", d->root);
	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - n, format, args);
	va_end(args);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	if (!fgets(buf, size, file))
		buf[0] = 0;
	fclose(file);
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

int doctor_list(const struct doctor *d, const char *path, const char *prefix, char *buf, size_t size)
{
	char full[PATH_MAX];
	struct dirent **names;
	size_t used = 0;
	int i, n, found = 0;

	buf[0] = 0;
	snprintf(full, sizeof(full), "%s%s", d->root, path);
	n = scandir(full, &names, NULL, versionsort);
	if (n < 0)
		return 0;
	for (i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (name[0] != '.' && !strncmp(name, prefix, strlen(prefix))) {
			if (used < size)
				used += snprintf(buf + used, size - used, "%s%s", found ? " " : "", name);
			found++;
		}
		free(names[i]);
	}
	free(names);
	return found;
}

static int print_json(const struct doctor *d)
{
	cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "findings");
	char *text;
	unsigned int i;

	for (i = 0; i < d->count; i++) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "topic", d->findings[i].topic);
		cJSON_AddStringToObject(item, "level", level_names[d->findings[i].level]);
		cJSON_AddStringToObject(item, "detail", d->findings[i].detail);
		cJSON_AddStringToObject(item, "remedy", d->findings[i].remedy);
		cJSON_AddItemToArray(list, item);
	}
	text = cJSON_Print(root);
	cJSON_Delete(root);
	if (!text) {
		cli_log(CLI_ERROR, "out of memory");
		return CLI_FAILED;
	}
	puts(text);
	cJSON_free(text);
	return CLI_OK;
}

static void print_plain(const struct doctor *d, int quiet)
{
	unsigned int i;

	for (i = 0; i < d->count; i++) {
		const struct finding *f = &d->findings[i];

		if (quiet && f->level < FINDING_WARN)
			continue;
		printf("%-5s %-13s %s\n", level_names[f->level], f->topic, f->detail);
		if (f->remedy[0])
			printf("%-5s %-13s -> %s\n", "", "", f->remedy);
	}
}

int cmd_doctor(int argc, char **argv)
{
	static const struct cli_usage usage = {
		"dseek doctor", "[--device DEVICE] [--json] [--quiet]",
		"Say what this machine has for dseek, and what to do about what is missing.",
		"Exit status: 0 if dseek can run here, 1 if something must be mended first.\n",
	};
	struct cli_common common = CLI_COMMON_DEFAULTS;
	struct doctor d = { .root = "" };
	const struct cli_option options[] = {
		{ "root", 0, CLI_STRING, &d.root, "FOLDER", "read /sys, /proc and /dev below FOLDER (an image, a test)" },
		{ "device", 'd', CLI_STRING, &common.device, "DEVICE", "try this one, too: embed:[NAME,KEY=VALUE...], drm:[NODE]" },
		CLI_OPTION_JSON(&common),
		{ "quiet", 'q', CLI_FLAG, &common.quiet, NULL, "only what is weak or must be mended" },
		CLI_OPTIONS_END,
	};
	unsigned int i;
	int rc = CLI_OK;

	cli_parse(&usage, options, argc, argv);
	d.device = common.device;
	doctor_arbitration(&d);
	doctor_gpu(&d);
	doctor_machine(&d);
	if (!common.json)
		print_plain(&d, common.quiet);
	else if (print_json(&d))
		return CLI_FAILED;
	for (i = 0; i < d.count; i++)
		if (d.findings[i].level == FINDING_BAD)
			rc = CLI_FAILED;
	return rc;
}

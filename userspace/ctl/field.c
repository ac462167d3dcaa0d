// SPDX-License-Identifier: MIT
/* Fields of tenants and engines: between what people write and what sysfs takes. */
#include "ctl.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST (UINT64_MAX - 2)	/* the two above it are the module's max and default */

const struct ctl_field ctl_limits[] = {
	{ "pinned_limit", CTL_BYTES, LARGEST, "pinned_bytes", "pinned_limit_mb" },
	{ "imported_limit", CTL_BYTES, LARGEST, "imported_bytes", "imported_limit_mb" },
	{ "device_limit", CTL_BYTES, LARGEST, "device_bytes", "device_limit_mb" },
	{ "program_limit", CTL_BYTES, LARGEST, "program_bytes", "program_limit_mb" },
	{ "registered_limit", CTL_BYTES, LARGEST, "registered_bytes", "registered_limit_mb" },
	{ "queue_limit", CTL_COUNT, LARGEST, "queue_count", "queue_limit" },
	{ "job_limit", CTL_COUNT, LARGEST, "job_count", "job_limit" },
	{ "rate_limit", CTL_COUNT, 1000000000, NULL, NULL },
	{ "weight_limit", CTL_COUNT, 65536, NULL, "weight_limit" },
	{ "class_limit", CTL_CLASSES, 0, NULL, "class_mask" },
	{ NULL }
};

const struct ctl_field ctl_settings[] = {
	{ "depth", CTL_DEPTH, 64, NULL, NULL },
	{ "drain", CTL_SWITCH, 1, NULL, NULL },
	{ "job_limit_ms", CTL_MS, UINT32_MAX - 1, NULL, "job_limit_ms" },
	{ "grace_ms", CTL_MS, UINT32_MAX - 1, NULL, "grace_ms" },
	{ "recovery_ms", CTL_MS, UINT32_MAX - 1, NULL, "recovery_ms" },
	{ NULL }
};

static const char *const class_names[] = { "deadline", "interactive", "batch" };
#define CLASSES 3

const struct ctl_field *ctl_field_find(const struct ctl_field *fields, const char *name, size_t len)
{
	for (; fields->name; fields++)
		if (strlen(fields->name) == len && !strncmp(fields->name, name, len))
			return fields;
	return NULL;
}

static const char *may_be(enum ctl_kind kind)
{
	switch (kind) {
	case CTL_BYTES:
		return "a number of bytes, K, M, G or T after it if you like, max or default";
	case CTL_COUNT:
		return "a number, max or default";
	case CTL_CLASSES:
		return "deadline, interactive and batch with commas between, none, max or default";
	case CTL_MS:
		return "a number of milliseconds, or default";
	case CTL_DEPTH:
		return "a number from 1, or max";
	case CTL_SWITCH:
		return "on or off";
	}
	return "";
}

/* Whole, with one of the letters where bytes are meant. */
static int parse_number(enum ctl_kind kind, const char *text, uint64_t *ret_number)
{
	static const char units[] = "KMGT";
	size_t len = strlen(text);
	const char *unit = NULL;
	char digits[32];
	uint64_t number;
	unsigned int shift = 0;
	int r;

	if (kind == CTL_BYTES && len)
		unit = strchr(units, toupper((unsigned char)text[len - 1]));
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		len--;
	}
	if (!len || len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len);
	digits[len] = '\0';
	r = cli_parse_uint(digits, &number);
	if (r)
		return r;
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*ret_number = number << shift;
	return 0;
}

/* Words with commas or blanks between; in the order of the module. */
static int parse_classes(const char *text, char ret_value[CTL_VALUE])
{
	bool given[CLASSES] = { false };
	size_t at = 0, len;
	unsigned int i, n = 0;

	for (text += strspn(text, ", "); *text; text += len + strspn(text + len, ", "), n++) {
		len = strcspn(text, ", ");
		for (i = 0; i < CLASSES; i++)
			if (strlen(class_names[i]) == len && !strncmp(text, class_names[i], len))
				break;
		if (i == CLASSES)
			return -EINVAL;
		given[i] = true;
	}
	if (!n)
		return -EINVAL;
	for (i = 0; i < CLASSES; i++)
		if (given[i])
			at += (size_t)snprintf(ret_value + at, CTL_VALUE - at, "%s%s", at ? " " : "", class_names[i]);
	return 0;
}

static bool word_of(enum ctl_kind kind, const char *text)
{
	if (!strcmp(text, "max"))
		return kind != CTL_MS && kind != CTL_SWITCH;
	if (!strcmp(text, "default"))
		return kind != CTL_DEPTH && kind != CTL_SWITCH;
	return !strcmp(text, "none") && kind == CTL_CLASSES;
}

static bool is_one_of(const char *text, const char *a, const char *b, const char *c)
{
	return !strcmp(text, a) || !strcmp(text, b) || !strcmp(text, c);
}

int ctl_field_parse(const struct ctl_field *field, const char *text, char ret_value[CTL_VALUE], char *ret_why,
		    size_t size)
{
	uint64_t number = 0;
	int r = 0;

	if (word_of(field->kind, text)) {
		snprintf(ret_value, CTL_VALUE, "%s", text);
		return 0;
	}
	if (field->kind == CTL_CLASSES) {
		r = parse_classes(text, ret_value);
	} else if (field->kind == CTL_SWITCH) {
		if (is_one_of(text, "on", "true", "1"))
			number = 1;
		else if (!is_one_of(text, "off", "false", "0"))
			r = -EINVAL;
	} else {
		r = parse_number(field->kind, text, &number);
		if (!r && (number > field->max || (field->kind == CTL_DEPTH && !number)))
			r = -ERANGE;
	}
	if (!r && field->kind != CTL_CLASSES)
		snprintf(ret_value, CTL_VALUE, "%" PRIu64, number);
	if (r == -ERANGE)
		snprintf(ret_why, size, "'%s' is '%s'; that is out of range (at most %" PRIu64 ")", field->name, text,
			 field->max);
	else if (r)
		snprintf(ret_why, size, "'%s' is '%s'; it must be %s", field->name, text, may_be(field->kind));
	return r ? -EINVAL : 0;
}

void ctl_format_number(enum ctl_kind kind, uint64_t number, char *ret_text, size_t size)
{
	static const char units[] = " KMGT";
	double scaled = (double)number;
	unsigned int unit = 0;

	if (kind == CTL_CLASSES) {	/* a mask, as the module parameter is */
		size_t at = 0;
		unsigned int i;

		snprintf(ret_text, size, "none");
		for (i = 0; i < CLASSES && at < size; i++)
			if (number & 1u << i)
				at += (size_t)snprintf(ret_text + at, size - at, "%s%s", at ? "," : "", class_names[i]);
		return;
	}
	if (number == UINT64_MAX) {
		snprintf(ret_text, size, "max");
		return;
	}
	while (kind == CTL_BYTES && scaled >= 1024 && units[unit + 1]) {
		scaled /= 1024;
		unit++;
	}
	if (!unit)
		snprintf(ret_text, size, "%" PRIu64, number);
	else
		snprintf(ret_text, size, "%.*f%c", scaled == (double)(uint64_t)scaled || scaled >= 100 ? 0 : 1, scaled,
			 units[unit]);
}

void ctl_field_format(const struct ctl_field *field, const char *value, char *ret_text, size_t size)
{
	uint64_t number;
	size_t i;

	if (field->kind == CTL_SWITCH)
		snprintf(ret_text, size, "%s", !strcmp(value, "1") ? "on" : "off");
	else if (field->kind != CTL_CLASSES && !cli_parse_uint(value, &number))
		ctl_format_number(field->kind, number, ret_text, size);
	else
		snprintf(ret_text, size, "%s", value);
	for (i = 0; field->kind == CTL_CLASSES && i < size && ret_text[i]; i++)
		if (ret_text[i] == ' ')
			ret_text[i] = ',';
}

void ctl_json_value(struct cJSON *object, const struct ctl_field *field, const char *value)
{
	uint64_t number;

	if (field->kind == CTL_SWITCH) {
		cJSON_AddBoolToObject(object, field->name, !strcmp(value, "1"));
	} else if (field->kind == CTL_CLASSES && strcmp(value, "max") && strcmp(value, "default")) {
		struct cJSON *list = cJSON_AddArrayToObject(object, field->name);
		unsigned int i;

		for (i = 0; i < CLASSES; i++)
			if (strstr(value, class_names[i]))
				cJSON_AddItemToArray(list, cJSON_CreateString(class_names[i]));
	} else if (!cli_parse_uint(value, &number)) {
		cJSON_AddNumberToObject(object, field->name, (double)number);
	} else {
		cJSON_AddStringToObject(object, field->name, value);
	}
}

int ctl_print_json(struct cJSON *root)
{
	char *text = cJSON_Print(root);

	cJSON_Delete(root);
	if (!text) {
		cli_log(CLI_ERROR, "out of memory");
		return CLI_FAILED;
	}
	puts(text);
	cJSON_free(text);
	return CLI_OK;
}

// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "option.h"

static int set(char *item, const char *backend, const struct executor_option *table, char *err, size_t err_size)
{
	char *value = strchr(item, '='), *end;
	unsigned long long n;

	if (value)
		*value++ = '\0';
	for (; table->name && strcmp(table->name, item); table++)
		;
	if (!table->name) {
		snprintf(err, err_size, "%s: unknown option '%s'", backend, item);
		return -EINVAL;
	}
	errno = 0;
	n = value ? strtoull(value, &end, 10) : 0;
	if (!value || end == value || *end || *value == '-' || errno || n > table->max) {
		snprintf(err, err_size, "%s: %s=%s: not a number up to %llu", backend, item, value ? value : "",
			 (unsigned long long)table->max);
		return -EINVAL;
	}
	*table->value = n;
	return 0;
}

int executor_options_parse(const char *options, const char *backend, const struct executor_option *table,
			   char *err, size_t err_size)
{
	char *copy, *rest, *item;
	int r = 0;

	if (!options)
		return 0;
	copy = rest = strdup(options);
	if (!copy) {
		snprintf(err, err_size, "%s: no memory", backend);
		return -ENOMEM;
	}
	while (!r && (item = strsep(&rest, ",")))
		if (*item)
			r = set(item, backend, table, err, err_size);
	free(copy);
	return r;
}

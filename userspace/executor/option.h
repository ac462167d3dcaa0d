/* SPDX-License-Identifier: MIT */
/* "KEY=VALUE,..." of numbers, for backends with few options. */
#ifndef DSEEK_EXECUTOR_OPTION_H
#define DSEEK_EXECUTOR_OPTION_H

#include <stddef.h>
#include <stdint.h>

struct executor_option {
	const char *name;
	uint64_t *value, max;
};

/* 0, or -EINVAL and one sentence for a key that isn't in @table (ends with a NULL name) or a bad value. */
int executor_options_parse(const char *options, const char *backend, const struct executor_option *table,
			   char *err, size_t err_size);

#endif /* DSEEK_EXECUTOR_OPTION_H */

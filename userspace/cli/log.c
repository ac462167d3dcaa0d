// SPDX-License-Identifier: MIT
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[CLI_LEVEL_COUNT] = { "error", "warn", "info", "debug" };
static enum cli_level level = CLI_INFO;
static const char *program = "dseek";

void cli_log_init(const char *name)
{
	const char *text = getenv("DSEEK_LOG_LEVEL");
	int i;

	program = name;
	if (!text || !*text)
		return;
	for (i = 0; i < CLI_LEVEL_COUNT; i++)
		if (!strcmp(text, level_names[i])) {
			level = i;
			return;
		}
	cli_log(CLI_WARN, "DSEEK_LOG_LEVEL is '%s'; it knows error, warn, info and debug", text);
}

void cli_log_limit(enum cli_level most)
{
	if (level > most)
		level = most;
}

void cli_log(enum cli_level at, const char *format, ...)
{
	char line[2048];
	va_list args;

	if (at > level)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* one write a line: messages of threads and children stay whole */
	fprintf(stderr, "%s: %s%s%s\n", program, at == CLI_INFO ? "" : level_names[at], at == CLI_INFO ? "" : ": ", line);
}

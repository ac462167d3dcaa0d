/* SPDX-License-Identifier: MIT */
/*
 * Messages of every program to stderr, one write a line, by DSEEK_LOG_LEVEL = error|warn|info|debug (default info; a
 * word that is none of these is warned of). Libraries have none: they return errors.
 */
#ifndef DSEEK_LOG_H
#define DSEEK_LOG_H

enum cli_level { CLI_ERROR, CLI_WARN, CLI_INFO, CLI_DEBUG, CLI_LEVEL_COUNT };

void cli_log_init(const char *program);		/* reads DSEEK_LOG_LEVEL */
void cli_log_limit(enum cli_level most);	/* --quiet: cli_log_limit(CLI_ERROR) */
void cli_log(enum cli_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* DSEEK_LOG_H */

/* SPDX-License-Identifier: MIT */
/* What the sub-commands of dseek-profiler share. Each returns an exit status, enum cli_exit. */
#ifndef DSEEK_PROFILER_H
#define DSEEK_PROFILER_H

#include <stdio.h>
#include "../cli/cli.h"
#include "recording.h"

struct profile_file {
	void *bytes;
	size_t size;
	struct recording rec;
};

/* Says why on stderr and returns CLI_FAILED; warns of what is missing. */
int profile_file_open(const char *path, struct profile_file *ret_file);
void profile_file_close(struct profile_file *file);

void json_string(FILE *to, const char *text);	/* quoted and escaped */

int cmd_record(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_export(int argc, char **argv);

#endif /* DSEEK_PROFILER_H */

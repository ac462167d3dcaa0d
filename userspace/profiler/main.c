// SPDX-License-Identifier: MIT
/* dseek-profiler: what the ops of programs cost, out of recordings that executors make. */
#include "profiler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void json_string(FILE *to, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	fputc('"', to);
	for (; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(to, "\\%c", *c);
		else if (*c < ' ' || *c > '~')
			fprintf(to, "\\u%04x", *c);
		else
			fputc(*c, to);
	}
	fputc('"', to);
}

static int read_file(const char *path, struct profile_file *file)
{
	struct stat st;
	ssize_t n = 0;
	size_t got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || fstat(fd, &st))
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EISDIR;
	if (!r) {
		file->size = st.st_size;
		file->bytes = malloc(file->size + 1);
		r = file->bytes ? 0 : -ENOMEM;
	}
	while (!r && got < file->size && (n = read(fd, (char *)file->bytes + got, file->size - got)) != 0) {
		if (n < 0)
			r = -errno;
		else
			got += n;
	}
	file->size = got;
	if (fd >= 0)
		close(fd);
	if (r)
		cli_log(CLI_ERROR, "%s: %s", path, r == -EISDIR ? "not a file" : strerror(-r));
	return r;
}

int profile_file_open(const char *path, struct profile_file *ret_file)
{
	struct profile_file file = { 0 };
	char why[400] = "";
	size_t i;
	int r = read_file(path, &file);

	if (!r) {
		r = recording_parse(file.bytes, file.size, &file.rec, why, sizeof(why));
		if (r)
			cli_log(CLI_ERROR, "%s: %s", path, why);
	}
	if (r) {
		free(file.bytes);
		return CLI_FAILED;
	}
	if (file.rec.truncated)
		cli_log(CLI_WARN, "%s: the last part is not whole, and left out", path);
	for (i = 0; i < file.rec.engine_count; i++)
		if (!file.rec.engines[i].ended)
			cli_log(CLI_WARN, "%s: the executor of %s (pid %u) did not come to its end: its last runs may be missing",
				path, file.rec.engines[i].name, file.rec.engines[i].pid);
	*ret_file = file;
	return CLI_OK;
}

void profile_file_close(struct profile_file *file)
{
	recording_free(&file->rec);
	free(file->bytes);
}

int main(int argc, char **argv)
{
	static const struct cli_command commands[] = {
		{ "", "record", cmd_record, "run a command and record what its embedded engines do" },
		{ "", "report", cmd_report, "programs, ops and layers by the time they took" },
		{ "", "export", cmd_export, "a timeline for Perfetto or chrome://tracing" },
		{ NULL }
	};
	static const struct cli_program program = {
		"dseek-profiler", commands, NULL, ". With the module: dseek-exec --profile=FILE records.",
	};

	return cli_main(&program, argc, argv);
}

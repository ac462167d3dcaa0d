// SPDX-License-Identifier: MIT
#include "minimise.h"
#include "grammar.h"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool holds(const struct program *p, int count, const char *command)
{
	static char text[PROGRAM_TEXT];
	const char *dir = getenv("TMPDIR");
	int fd, i, status = -1;
	char path[256];
	pid_t pid;
	FILE *f;

	snprintf(path, sizeof(path), "%s/fuzz-minimise.XXXXXX", dir && *dir ? dir : "/tmp");
	fd = mkstemp(path);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return false;
	for (i = 0; i < count; i++) {
		program_print(&p[i], text, sizeof(text));
		fprintf(f, "%s\n", text);
	}
	fclose(f);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);	/* where the programs go */
		execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	unlink(path);
	return !status;
}

/* Chunks of programs, halving. */
static int fewer_programs(struct program *p, int count, const char *command, struct program *spare)
{
	int chunk, at, n;

	for (chunk = count / 2; chunk; chunk /= 2)
		for (at = 0; at + chunk <= count && count > chunk;) {
			memcpy(spare, p, (size_t)at * sizeof(*p));
			memcpy(spare + at, p + at + chunk, (size_t)(count - at - chunk) * sizeof(*p));
			n = count - chunk;
			if (holds(spare, n, command)) {
				memcpy(p, spare, (size_t)n * sizeof(*p));
				count = n;
			} else {
				at += chunk;
			}
		}
	return count;
}

static void fewer_lines(struct program *p, int count, struct program *one, const char *command)
{
	struct program was;
	uint32_t chunk, at;

	for (chunk = one->count / 2; chunk; chunk /= 2)
		for (at = 0; at + chunk <= one->count && one->count > chunk;) {
			was = *one;
			program_remove(one, at, chunk);
			if (!holds(p, count, command)) {
				*one = was;
				at += chunk;
			}
		}
}

static void fewer_values(struct program *p, int count, struct program *one, const char *command)
{
	uint32_t i, k;

	for (i = 0; i < one->count; i++)
		for (k = 0; k < calls[one->line[i].call].field_count; k++) {
			struct value *v = &one->line[i].value[k], was = *v;

			if (v->kind == VALUE_RESULT || (v->kind == VALUE_NUMBER && !v->number))
				continue;
			memset(v, 0, sizeof(*v));
			if (!holds(p, count, command))
				*v = was;
		}
}

int minimise(struct program *p, int count, const char *command)
{
	struct program *spare = malloc((size_t)count * sizeof(*p));
	int i;

	if (!spare || !holds(p, count, command)) {
		free(spare);
		return -1;
	}
	count = fewer_programs(p, count, command, spare);
	for (i = 0; i < count; i++)
		fewer_lines(p, count, &p[i], command);
	for (i = 0; i < count; i++)
		fewer_values(p, count, &p[i], command);
	free(spare);
	return count;
}

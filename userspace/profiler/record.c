// SPDX-License-Identifier: MIT
/* dseek-profiler record: a command in whose environment DSEEK_PROFILE names a file that was emptied. */
#include "profiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its exit status as a shell would say it; signals from the terminal are the command's. */
static int run_command(char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
	int status = 0, error;
	pid_t pid;

	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	pid = fork();
	if (pid == 0) {
		sigaction(SIGINT, &interrupt, NULL);
		sigaction(SIGQUIT, &quit, NULL);
		execvp(argv[0], argv);
		error = errno;	/* the message's own may be another */
		cli_log(CLI_ERROR, "%s: %s", argv[0], strerror(error));
		_exit(error == ENOENT ? 127 : 126);
	}
	if (pid < 0) {
		cli_log(CLI_ERROR, "fork: %s", strerror(errno));
		return CLI_FAILED;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int cmd_record(int argc, char **argv)
{
	static const struct cli_usage usage = {
		.name = "dseek-profiler record", .synopsis = "[-o FILE] [--] COMMAND [ARGUMENT...]",
		.summary = "Run a command and record, op by op, what its embedded engines do.",
		.more = "The exit status is the command's; 1 if it was 0 and nothing was recorded.\n"
			"Jobs for the module run in dseek-exec, which records with --profile=FILE.\n",
		.min_operands = 1, .max_operands = 4096,
	};
	const char *output = "dseek.profile";
	const struct cli_option options[] = {
		{ "output", 'o', CLI_STRING, &output, "FILE", "the recording; emptied first (default dseek.profile)" },
		CLI_OPTIONS_END
	};
	const char *posix = getenv("POSIXLY_CORRECT");
	struct profile_file file;
	char *path;
	int first, fd, rc, opened;

	/* Options end where the command begins: "record ls -l" is no -l of ours. */
	setenv("POSIXLY_CORRECT", "1", 0);
	first = cli_parse(&usage, options, argc, argv);
	if (!posix)
		unsetenv("POSIXLY_CORRECT");
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	path = fd < 0 ? NULL : realpath(output, NULL);
	if (!path) {
		cli_log(CLI_ERROR, "%s: %s", output, strerror(errno));
		return CLI_FAILED;
	}
	close(fd);
	setenv("DSEEK_PROFILE", path, 1);
	free(path);
	rc = run_command(argv + first);
	opened = profile_file_open(output, &file);
	if (opened)
		return rc ? rc : opened;
	if (file.rec.run_count)
		cli_log(CLI_INFO, "%s: %zu runs of %zu programs on %zu engines", output, file.rec.run_count,
			file.rec.program_count, file.rec.engine_count);
	else
		cli_log(CLI_WARN, "nothing was recorded: the command ran no job on an embedded engine");
	if (!rc && !file.rec.run_count)
		rc = CLI_FAILED;
	profile_file_close(&file);
	return rc;
}

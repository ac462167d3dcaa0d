// SPDX-License-Identifier: MIT
/* as UID GID[,GID...] COMMAND...: run a command as a user of a guest, which has no su. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	gid_t groups[16];
	size_t n = 0;
	char *word, *save = NULL;

	if (argc < 4) {
		fprintf(stderr, "usage: as UID GID[,GID...] COMMAND...\n");
		return 2;
	}
	for (word = strtok_r(argv[2], ",", &save); word && n < 16; word = strtok_r(NULL, ",", &save))
		groups[n++] = (gid_t)strtoul(word, NULL, 10);
	if (!n || setgroups(n, groups) || setresgid(groups[0], groups[0], groups[0]) ||
	    setresuid((uid_t)strtoul(argv[1], NULL, 10), (uid_t)strtoul(argv[1], NULL, 10),
		      (uid_t)strtoul(argv[1], NULL, 10))) {
		perror("as");
		return 1;
	}
	execvp(argv[3], argv + 3);
	fprintf(stderr, "as: %s: %s\n", argv[3], strerror(errno));
	return 127;
}

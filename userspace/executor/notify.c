// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "notify.h"

int executor_notify(const char *format, ...)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char text[512];
	va_list args;
	size_t length;
	int fd, n, r;

	if (!name)
		return 0;
	length = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, name, length);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n >= (int)sizeof(text))
		return -EINVAL;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = sendto(fd, text, n, MSG_NOSIGNAL, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + length);
	r = r < 0 ? -errno : 0;
	close(fd);
	return r;
}

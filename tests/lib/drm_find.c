// SPDX-License-Identifier: MIT
/* Which render node "drm:" opens, and what it says if none: the nodes are ours, by open(), access() and libdrm's calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xf86drm.h>
#include <dseek.h>
#include "../tap.h"

#define DIR	"/dev/dri/renderD"

/* Of node 128 + n: 'x' isn't there, 'g' a GPU's, 'c' one that is closed to us, 'b' that is broken; the end: no more. */
static const char *nodes;

static char node(const char *path)
{
	size_t n;

	if (strncmp(path, DIR, strlen(DIR)))
		return 0;
	n = strtoul(path + strlen(DIR), NULL, 10) - 128;
	return n < strlen(nodes) ? nodes[n] : 'x';
}

int access(const char *path, int mode)
{
	if (!node(path))
		return (int)syscall(SYS_access, path, mode);
	errno = ENOENT;
	return node(path) == 'x' ? -1 : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	switch (node(path)) {
	case 0:
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	case 'g':
		return (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", flags, 0);
	case 'c':
		errno = EACCES;
		return -1;
	case 'b':
		errno = EIO;
		return -1;
	}
	errno = ENOENT;
	return -1;
}

int drmGetDevices2(uint32_t flags, drmDevicePtr devices[], int max)
{
	return 0;
}

static void finds(const char *which, int error, const char *words)
{
	struct dseek_device *dev = NULL;
	int r;

	nodes = which;
	r = dseek_open("drm:", NULL, &dev);
	tap_ok(r == -error && !dev && strstr(dseek_strerror_detail(), words), "nodes \"%s\": %d, %s", which, r, dseek_strerror_detail());
}

int main(void)
{
	finds("", ENODEV, "is the module loaded?");
	finds("xg", ENODEV, "is the module loaded?");
	finds("b", ENODEV, "is the module loaded?");
	finds("c", EACCES, DIR "128: Permission denied");
	finds("gc", EACCES, DIR "129: Permission denied");
	finds("cg", EACCES, DIR "128: Permission denied");
	finds("cxb", EACCES, DIR "128: Permission denied");
	finds("gcc", EACCES, DIR "129: Permission denied");
	return tap_end();
}

// SPDX-License-Identifier: MIT
#include "npu_ioctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOLDER	"/dev/accel"

static int is_node(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "accel", 5);
}

int npu_sys_node(unsigned int index, char *path, size_t size)
{
	struct dirent **entries;
	int n = scandir(FOLDER, &entries, is_node, versionsort), i, r = -ENOENT;

	for (i = 0; i < n; i++) {
		if (i == (int)index)
			r = snprintf(path, size, FOLDER "/%s", entries[i]->d_name) < (int)size ? 0 : -ENAMETOOLONG;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return r;
}

int npu_sys_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void npu_sys_close(int fd)
{
	close(fd);
}

int npu_sys_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int npu_sys_map(int fd, uint64_t offset, size_t size, size_t align, void **ret_base)
{
	char *room = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
	void *base;
	int r = 0;

	if (room == MAP_FAILED)
		return -errno;
	at = room + (-(uintptr_t)room & (align - 1));
	base = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
	if (base == MAP_FAILED) {
		r = -errno;
		munmap(room, size + align);
		return r;
	}
	if (at > room)
		munmap(room, (size_t)(at - room));
	munmap(at + size, (size_t)(room + align - at));
	*ret_base = base;
	return 0;
}

void npu_sys_unmap(void *base, size_t size)
{
	munmap(base, size);
}

#if defined(__x86_64__)
#include <emmintrin.h>

int npu_sys_can_flush(void)
{
	return 1;
}

void npu_sys_flush(const void *base, size_t size)
{
	const char *line = (const char *)((uintptr_t)base & ~(uintptr_t)63), *end = (const char *)base + size;

	_mm_mfence();	/* not ordered with loads and stores around it */
	for (; line < end; line += 64)
		_mm_clflush(line);
	_mm_mfence();
}
#else
int npu_sys_can_flush(void)
{
	return 0;
}

void npu_sys_flush(const void *base, size_t size)
{
}
#endif

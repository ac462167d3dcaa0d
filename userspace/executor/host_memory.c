// SPDX-License-Identifier: MIT
#include "host_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct host_memory {
	struct host_memory *next;
	void *base;
	uint64_t size;
};

int host_memory_dmabuf(int fd, uint64_t size)
{
	struct udmabuf_create create = { .memfd = (uint32_t)fd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), r;

	if (dev < 0)
		return -1;
	r = ioctl(dev, UDMABUF_CREATE, &create);
	close(dev);
	return r;
}

static int open_file(uint64_t size)
{
	int fd = memfd_create("dseek-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size) && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -ENOMEM;
}

/* Now, so that what the machine can't give is known here. */
static void *map_file(int fd, uint64_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return NULL;
	if (!madvise(base, size, MADV_POPULATE_WRITE) || errno == EINVAL)
		return base;
	munmap(base, size);
	return NULL;
}

int host_memory_alloc(struct host_memory **list, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	struct host_memory *piece = malloc(sizeof(*piece));
	int fd = piece ? open_file(size) : -ENOMEM, dmabuf;

	if (fd >= 0) {
		piece->base = map_file(fd, size);
		if (piece->base) {
			piece->size = size;
			piece->next = *list;
			*list = piece;
			*ret_base = piece->base;
			dmabuf = host_memory_dmabuf(fd, size);
			if (dmabuf >= 0)
				close(fd);
			*ret_fd = dmabuf >= 0 ? dmabuf : fd;
			return 0;
		}
		close(fd);
	}
	free(piece);
	snprintf(err, err_size, "no memory for %llu bytes", (unsigned long long)size);
	return -ENOMEM;
}

static void drop(struct host_memory **pos)
{
	struct host_memory *piece = *pos;

	*pos = piece->next;
	explicit_bzero(piece->base, piece->size);
	munmap(piece->base, piece->size);
	free(piece);
}

void host_memory_free(struct host_memory **list, void *base)
{
	while (*list && (*list)->base != base)
		list = &(*list)->next;
	if (*list)
		drop(list);
}

void host_memory_free_all(struct host_memory **list)
{
	while (*list)
		drop(list);
}

// SPDX-License-Identifier: MIT
/* The device's address space: ranges of this process's that nothing may touch, each standing for memory of the host. */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "standin.h"

struct range {
	struct range *next;
	char *device, *host;
	size_t size;
	int owned, file;		/* of those of the device's own */
};

static struct range *ranges;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int map(void *host, size_t size, int owned, int file, void **ret_device)
{
	struct range *r = malloc(sizeof(*r)), *other;
	int error = 0;

	if (!host || !size)
		error = 1;
	pthread_mutex_lock(&lock);
	for (other = ranges; other; other = other->next)
		if ((char *)host < other->host + other->size && other->host < (char *)host + size)
			error = 712;	/* hipErrorHostMemoryAlreadyRegistered */
	if (!error) {
		*r = (struct range){ ranges, mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), host, size, owned, file };
		ranges = r;
		standin_live++;
		*ret_device = r->device;
	}
	pthread_mutex_unlock(&lock);
	if (error)
		free(r);
	return error;
}

int standin_map(void *host, size_t size, void **ret_device)
{
	return map(host, size, 0, -1, ret_device);
}

#define WHOLE(size)	(((size) + 4095) & ~(size_t)4095)

int standin_alloc(size_t size, void **ret_device)
{
	int file = memfd_create("standin", MFD_CLOEXEC | MFD_ALLOW_SEALING), error;
	void *host = MAP_FAILED;

	if (file >= 0 && !ftruncate(file, (off_t)WHOLE(size)) && !fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK))
		host = mmap(NULL, WHOLE(size), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (host == MAP_FAILED) {
		if (file >= 0)
			close(file);
		return 2;	/* hipErrorOutOfMemory */
	}
	memset(host, 0xa5, size);	/* what the device's memory has in it is nobody's to rely upon */
	error = map(host, size, 1, file, ret_device);
	if (error) {
		munmap(host, WHOLE(size));
		close(file);
	}
	return error;
}

static int dmabuf_of(int file, size_t size)
{
	struct udmabuf_create create = { .memfd = (__u32)file, .flags = UDMABUF_FLAGS_CLOEXEC, .size = WHOLE(size) };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	fd = dev < 0 ? -1 : ioctl(dev, UDMABUF_CREATE, &create);
	if (dev >= 0)
		close(dev);
	return fd;
}

int standin_export(const void *device, size_t size, int *ret_fd)
{
	const char *what = getenv("HIP_STANDIN_EXPORT");
	struct range *r;
	int fd = -1;

	pthread_mutex_lock(&lock);
	for (r = ranges; r && (r->device != device || !r->owned || r->size < size); r = r->next)
		;
	if (r && !what)
		fd = dmabuf_of(r->file, size);
	else if (r && (!strcmp(what, "file") || !strcmp(what, "part")))
		fd = fcntl(r->file, F_DUPFD_CLOEXEC, 0);
	else if (r) {
		fd = memfd_create("chunk", MFD_CLOEXEC);
		if (ftruncate(fd, 2 << 20))
			abort();
	}
	pthread_mutex_unlock(&lock);
	if (!r)
		return 1;
	if (fd < 0)
		return 801;	/* hipErrorNotSupported */
	*ret_fd = fd;
	return 0;
}

static int unmap(const void *host, const void *device)
{
	struct range **pos, *r;

	pthread_mutex_lock(&lock);
	for (pos = &ranges; (r = *pos); pos = &r->next)
		if ((host && r->host == host && !r->owned) || (device && r->device == device && r->owned))
			break;
	if (r) {
		*pos = r->next;
		standin_live--;
		munmap(r->device, r->size);
		if (r->owned) {
			munmap(r->host, WHOLE(r->size));
			close(r->file);
		}
		free(r);
	}
	pthread_mutex_unlock(&lock);
	return r ? 0 : host ? 713 : 1;	/* hipErrorHostMemoryNotRegistered, hipErrorInvalidValue */
}

int standin_unmap_host(void *host)
{
	return unmap(host, NULL);
}

int standin_unmap_device(void *device)
{
	return device ? unmap(NULL, device) : 0;
}

/* @from the device's if @back, else the host's */
static void *translate(const char *from, int back)
{
	struct range *r;
	char *to = NULL;

	pthread_mutex_lock(&lock);
	for (r = ranges; r && !to; r = r->next) {
		const char *base = back ? r->device : r->host;

		if (from >= base && from < base + r->size)
			to = (back ? r->host : r->device) + (from - base);
	}
	pthread_mutex_unlock(&lock);
	return to;
}

void *standin_host(const void *device)
{
	return translate(device, 1);
}

void *standin_device(const void *host)
{
	return translate(host, 0);
}

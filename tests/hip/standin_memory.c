// SPDX-License-Identifier: MIT
/* The device's address space: ranges of this process's that nothing may touch, each standing for memory of the host. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "standin.h"

struct range {
	struct range *next;
	char *device, *host;
	size_t size;
	int owned;
};

static struct range *ranges;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int standin_map(void *host, size_t size, int owned, void **ret_device)
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
		*r = (struct range){ ranges, mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), host, size, owned };
		ranges = r;
		standin_live++;
		*ret_device = r->device;
	}
	pthread_mutex_unlock(&lock);
	if (error)
		free(r);
	return error;
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
		if (r->owned)
			free(r->host);
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

/* SPDX-License-Identifier: MIT */
/*
 * Buffers that the device may reach: mappings of this process, registered with the runtime, each at an address of the device that may
 * be another one than here. Tenants' pages themselves: nothing is copied. And memory of the device's own, which has no address here: what
 * stands for one is the device's, and the runtime gives no mapping of the host such an address.
 */
#ifndef DSEEK_HIP_MEMORY_H
#define DSEEK_HIP_MEMORY_H

#include "hip_api.h"

struct hip_region {
	char *base, *device;
	uint64_t size;
	int own;			/* of the device's memory: @base is @device */
};

struct hip_memory {
	const struct hip_api *api;
	struct hip_region *regions;	/* in the order of their addresses; they don't overlap */
	size_t count, room;
};

/* A mapping, page-aligned, not registered yet; registered until hip_memory_unmap() of its @base. @writable: it isn't for reading alone. */
int hip_memory_map(struct hip_memory *m, void *base, uint64_t size, int writable, char *err, size_t err_size);
int hip_memory_unmap(struct hip_memory *m, void *base, char *err, size_t err_size);	/* -ENOENT: it isn't registered */
void hip_memory_unmap_all(struct hip_memory *m);

/*
 * Memory of the device, zeroed, at *ret_base until hip_memory_free(), which clears it. *ret_fd: a dma-buf of all of it and nothing else, the
 * caller's to close; -1: the runtime has none to give. -EOPNOTSUPP: the runtime can't clear memory.
 */
int hip_memory_alloc(struct hip_memory *m, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size);
/* Not given back to the runtime, but kept for good, if it can't be cleared: then an error. -ENOENT: it is none. */
int hip_memory_free(struct hip_memory *m, void *base, char *err, size_t err_size);

/* The device's address of @host; NULL if it isn't in a registered mapping. */
void *hip_memory_device(const struct hip_memory *m, const void *host);

#endif /* DSEEK_HIP_MEMORY_H */

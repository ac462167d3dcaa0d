// SPDX-License-Identifier: MIT
#include "hip_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Regions before the first that ends after @address. */
static size_t find(const struct hip_memory *m, const char *address)
{
	size_t low = 0, high = m->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if ((uintptr_t)address >= (uintptr_t)m->regions[mid].base + m->regions[mid].size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct hip_memory *m)
{
	size_t room = m->room ? 2 * m->room : 64;
	struct hip_region *regions;

	if (m->count < m->room)
		return 0;
	regions = realloc(m->regions, room * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	m->regions = regions;
	m->room = room;
	return 0;
}

int hip_memory_map(struct hip_memory *m, void *base, uint64_t size, char *err, size_t err_size)
{
	size_t at = find(m, base);
	void *device = NULL;
	int r;

	if (at < m->count && (uintptr_t)m->regions[at].base < (uintptr_t)base + size) {
		snprintf(err, err_size, "a buffer of %llu bytes overlaps one that is registered", (unsigned long long)size);
		return -EEXIST;
	}
	r = make_room(m);
	if (r) {
		snprintf(err, err_size, "no memory");
		return r;
	}
	r = HIP(m->api, HostRegister, (base, size, HIP_HOST_REGISTER_MAPPED), err, err_size);
	if (r)
		return r;
	r = HIP(m->api, HostGetDevicePointer, (&device, base, 0), err, err_size);
	if (!r && !device) {
		snprintf(err, err_size, "hipHostGetDevicePointer gave none");
		r = -EIO;
	}
	if (r) {
		m->api->HostUnregister(base);
		return r;
	}
	memmove(m->regions + at + 1, m->regions + at, (m->count - at) * sizeof(*m->regions));
	m->regions[at] = (struct hip_region){ base, device, size };
	m->count++;
	return 0;
}

int hip_memory_unmap(struct hip_memory *m, void *base, char *err, size_t err_size)
{
	size_t at = find(m, base);

	if (at == m->count || m->regions[at].base != base) {
		snprintf(err, err_size, "a buffer that isn't registered");
		return -ENOENT;
	}
	m->count--;
	memmove(m->regions + at, m->regions + at + 1, (m->count - at) * sizeof(*m->regions));
	return HIP(m->api, HostUnregister, (base), err, err_size);
}

void hip_memory_unmap_all(struct hip_memory *m)
{
	while (m->count)
		m->api->HostUnregister(m->regions[--m->count].base);
	free(m->regions);
	m->regions = NULL;
	m->room = 0;
}

void *hip_memory_device(const struct hip_memory *m, const void *host)
{
	size_t at = find(m, host);

	if (at == m->count || (uintptr_t)host < (uintptr_t)m->regions[at].base)
		return NULL;
	return m->regions[at].device + ((const char *)host - m->regions[at].base);
}

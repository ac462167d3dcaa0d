// SPDX-License-Identifier: MIT
#include "hip_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* There is room. */
static void insert(struct hip_memory *m, struct hip_region region)
{
	size_t at = find(m, region.base);

	memmove(m->regions + at + 1, m->regions + at, (m->count - at) * sizeof(*m->regions));
	m->regions[at] = region;
	m->count++;
}

static void take_out(struct hip_memory *m, size_t at)
{
	m->count--;
	memmove(m->regions + at, m->regions + at + 1, (m->count - at) * sizeof(*m->regions));
}

int hip_memory_map(struct hip_memory *m, void *base, uint64_t size, int writable, char *err, size_t err_size)
{
	size_t at = find(m, base);
	void *device = NULL;
	char why[160];
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
	r = HIP(m->api, HostRegister, (base, size, HIP_HOST_REGISTER_MAPPED), why, sizeof(why));
	if (r) {
		/* Without SVM the driver pins for writing, which a mapping for reading doesn't allow, and the runtime doesn't say so. */
		snprintf(err, err_size, "%s%s", why, writable || m->api->own_words ? "" : ": read-only buffers need the kernel's HSA_AMD_SVM");
		return r;
	}
	r = HIP(m->api, HostGetDevicePointer, (&device, base, 0), err, err_size);
	if (!r && !device) {
		snprintf(err, err_size, "hipHostGetDevicePointer gave none");
		r = -EIO;
	}
	if (r) {
		m->api->HostUnregister(base);
		return r;
	}
	insert(m, (struct hip_region){ base, device, size, 0 });
	return 0;
}

int hip_memory_unmap(struct hip_memory *m, void *base, char *err, size_t err_size)
{
	size_t at = find(m, base);

	if (at == m->count || m->regions[at].base != base || m->regions[at].own) {
		snprintf(err, err_size, "a buffer that isn't registered");
		return -ENOENT;
	}
	take_out(m, at);
	return HIP(m->api, HostUnregister, (base), err, err_size);
}

static int clear(const struct hip_memory *m, void *device, uint64_t size, char *err, size_t err_size)
{
	int r = HIP(m->api, Memset, (device, 0, size), err, err_size);

	return r ? r : HIP(m->api, DeviceSynchronize, (), err, err_size);
}

/*
 * The runtime hands out small blocks of a chunk that others have parts of, and a dma-buf is of the chunk. One of another size than the
 * memory is not the memory's alone.
 */
static int export_fd(const struct hip_memory *m, void *device, uint64_t size)
{
	uint64_t offset = 0;
	int fd = -1, r = -1;

	if (m->api->MemGetHandleForAddressRange)
		r = m->api->MemGetHandleForAddressRange(&fd, device, size, HIP_RANGE_DMA_BUF_FD, 0);
	else if (m->api->export_dma_buf)
		r = m->api->export_dma_buf(device, size, &fd, &offset);
	if (r || fd < 0)
		return -1;
	if (!offset && lseek(fd, 0, SEEK_END) == (off_t)size)
		return fd;
	close(fd);
	return -1;
}

int hip_memory_alloc(struct hip_memory *m, uint64_t size, void **ret_base, int *ret_fd, char *err, size_t err_size)
{
	void *device = NULL;
	int r;

	if (!m->api->Memset || !m->api->DeviceSynchronize) {
		snprintf(err, err_size, "memory of the device: %s lacks hipMemset or hipDeviceSynchronize", m->api->path);
		return -EOPNOTSUPP;
	}
	r = make_room(m);
	if (r) {
		snprintf(err, err_size, "no memory");
		return r;
	}
	r = HIP(m->api, Malloc, (&device, size), err, err_size);
	if (r)
		return r;
	r = clear(m, device, size, err, err_size);
	if (r) {
		m->api->Free(device);
		return r;
	}
	insert(m, (struct hip_region){ device, device, size, 1 });
	*ret_base = device;
	*ret_fd = export_fd(m, device, size);
	return 0;
}

int hip_memory_free(struct hip_memory *m, void *base, char *err, size_t err_size)
{
	size_t at = find(m, base);
	struct hip_region region;
	int r;

	if (at == m->count || m->regions[at].base != base || !m->regions[at].own) {
		snprintf(err, err_size, "no memory of the device");
		return -ENOENT;
	}
	region = m->regions[at];
	take_out(m, at);
	r = clear(m, region.device, region.size, err, err_size);
	return r ? r : HIP(m->api, Free, (region.device), err, err_size);
}

void hip_memory_unmap_all(struct hip_memory *m)
{
	char why[200];

	while (m->count) {
		const struct hip_region *last = &m->regions[m->count - 1];

		if (last->own)
			hip_memory_free(m, last->base, why, sizeof(why));
		else
			m->api->HostUnregister(m->regions[--m->count].base);
	}
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

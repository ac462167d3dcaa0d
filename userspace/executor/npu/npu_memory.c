// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu_state.h"

/* Regions before the first that ends after @address. */
static size_t find(const struct npu_state *state, const char *address)
{
	size_t low = 0, high = state->region_count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if ((uintptr_t)address >= (uintptr_t)state->regions[mid].base + state->regions[mid].size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct npu_state *state)
{
	size_t room = state->region_room ? 2 * state->region_room : 64;
	struct npu_region *regions;

	if (state->region_count < state->region_room)
		return 0;
	regions = realloc(state->regions, room * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	state->regions = regions;
	state->region_room = room;
	return 0;
}

int npu_buffer_map(void *arg, void *base, uint64_t size, int writable, char *err, size_t err_size)
{
	struct npu_state *state = arg;
	struct npu_region region = { .base = base, .size = size };
	size_t at = find(state, base);
	char why[200];
	int r;

	if (at < state->region_count && (uintptr_t)state->regions[at].base < (uintptr_t)base + size) {
		snprintf(err, err_size, "a buffer of %llu bytes overlaps one that is there", (unsigned long long)size);
		return -EEXIST;
	}
	r = make_room(state);
	if (r) {
		snprintf(err, err_size, "no memory");
		return r;
	}
	/*
	 * The driver pins for writing whatever is done with the pages: those that we may only read it refuses, by EFAULT or, in Linux 6.18, by ENOMEM as
	 * everything else. They are copied then.
	 */
	if (state->device.imports && state->binaries.count) {
		r = npu_bo_import(&state->device, base, size, &region.bo, why, sizeof(why));
		if (r && writable && r != -EFAULT) {
			snprintf(err, err_size, "%s", why);
			return r;
		}
	}
	memmove(state->regions + at + 1, state->regions + at, (state->region_count - at) * sizeof(*state->regions));
	state->regions[at] = region;
	state->region_count++;
	return 0;
}

void npu_buffer_unmap(void *arg, void *base)
{
	struct npu_state *state = arg;
	size_t at = find(state, base);

	if (at == state->region_count || state->regions[at].base != base)
		return;
	npu_bo_destroy(&state->device, &state->regions[at].bo);
	state->region_count--;
	memmove(state->regions + at, state->regions + at + 1, (state->region_count - at) * sizeof(*state->regions));
}

void npu_memory_unmap_all(struct npu_state *state)
{
	while (state->region_count)
		npu_bo_destroy(&state->device, &state->regions[--state->region_count].bo);
	free(state->regions);
	state->regions = NULL;
	state->region_room = 0;
}

const struct npu_region *npu_memory_find(const struct npu_state *state, const void *host, uint64_t size)
{
	size_t at = find(state, host);
	const struct npu_region *region = state->regions + at;

	if (at == state->region_count || (uintptr_t)host < (uintptr_t)region->base)
		return NULL;
	return size <= region->size - (uint64_t)((const char *)host - region->base) ? region : NULL;
}

int npu_memory_grow(struct npu_state *state, struct npu_bo *bo, uint64_t size, char *err, size_t err_size)
{
	uint64_t room = bo->size ? bo->size : 65536;

	if (bo->size >= size)
		return 0;
	while (room < size)
		room *= 2;
	npu_bo_destroy(&state->device, bo);
	return npu_bo_create(&state->device, NPU_BO_SHARE, room, bo, err, err_size);
}

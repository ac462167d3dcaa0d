// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "str_map.h"

/* FNV-1a, 64 bits folded (Fowler, Noll, Vo). */
static uint32_t hash(const char *data, uint32_t size)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (uint32_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)data[i]) * 0x100000001b3ull;
	return (uint32_t)(h ^ h >> 32);
}

int str_map_init(struct str_map *m, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	m->slots = calloc(size, sizeof(*m->slots));
	m->mask = (uint32_t)(size - 1);
	return m->slots ? 0 : -ENOMEM;
}

void str_map_fini(struct str_map *m)
{
	free(m->slots);
}

static struct str_map_slot *slot_of(const struct str_map *m, const char *data, uint32_t size)
{
	uint32_t i = hash(data, size) & m->mask;

	while (m->slots[i].data &&
	       (m->slots[i].size != size || memcmp(m->slots[i].data, data, size)))
		i = (i + 1) & m->mask;
	return &m->slots[i];
}

void str_map_add(struct str_map *m, const char *data, uint32_t size, int32_t value)
{
	struct str_map_slot *slot = slot_of(m, data, size);

	if (!slot->data)
		*slot = (struct str_map_slot){ data, size, value };
}

int32_t str_map_find(const struct str_map *m, const char *data, uint32_t size)
{
	const struct str_map_slot *slot = slot_of(m, data, size);

	return slot->data ? slot->value : -1;
}

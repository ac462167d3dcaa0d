/* SPDX-License-Identifier: MIT */
/* Strings to numbers, for vocabularies: filled once, then only read (by any number of threads). */
#ifndef DSEEK_STR_MAP_H
#define DSEEK_STR_MAP_H

#include <stddef.h>
#include <stdint.h>

struct str_map {
	struct str_map_slot {
		const char *data;	/* the caller's; NULL: free */
		uint32_t size;
		int32_t value;
	} *slots;
	uint32_t mask;
};

int str_map_init(struct str_map *m, size_t n);	/* room for @n strings; 0 or -ENOMEM */
void str_map_fini(struct str_map *m);
void str_map_add(struct str_map *m, const char *data, uint32_t size,
		 int32_t value);	/* the first of equals stays */
int32_t str_map_find(const struct str_map *m, const char *data,
		     uint32_t size);		/* -1: not there */

#endif /* DSEEK_STR_MAP_H */

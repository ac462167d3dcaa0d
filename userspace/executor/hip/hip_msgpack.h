/* SPDX-License-Identifier: MIT */
/* Reading MessagePack that may be anything: what is asked for, or -1. */
#ifndef DSEEK_HIP_MSGPACK_H
#define DSEEK_HIP_MSGPACK_H

#include <stdint.h>

struct msgpack {
	const uint8_t *at, *end;	/* the next value; advanced over what was read, not on failure */
};

int msgpack_skip(struct msgpack *p);				/* a value with all that is in it */
int msgpack_map(struct msgpack *p, uint32_t *ret_pairs);	/* keys and values follow */
int msgpack_array(struct msgpack *p, uint32_t *ret_items);	/* they follow */
int msgpack_uint(struct msgpack *p, uint64_t *ret);		/* an integer that isn't negative */
int msgpack_str(struct msgpack *p, const char **ret, uint32_t *ret_len);	/* without a zero at its end */

/*
 * 0, or -1: a map in this value has a key twice, one that is no string or has a zero in it, or more than 64 keys, or the value doesn't end. Of two
 * readers of such a map one may take the first and one the last.
 */
int msgpack_check_keys(struct msgpack value);

/* The value of @key in the map at @map; 1: it isn't there, -1: @map is none. */
int msgpack_find(struct msgpack map, const char *key, struct msgpack *ret_value);

#endif /* DSEEK_HIP_MSGPACK_H */

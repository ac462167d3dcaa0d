// SPDX-License-Identifier: MIT
#include "hip_msgpack.h"

#include <string.h>

#define MAX_DEPTH	16
#define MAX_KEYS	64	/* of a map in msgpack_check_keys() */

enum kind { SCALAR, UINT, STR, ARRAY, MAP };

struct head {
	enum kind kind;
	uint64_t n;		/* UINT: the number; STR: bytes; ARRAY, MAP: items, pairs */
	uint32_t skip;		/* SCALAR: bytes behind the head */
};

static int big_endian(struct msgpack *p, uint32_t bytes, uint64_t *ret)
{
	uint64_t n = 0;

	if ((uint64_t)(p->end - p->at) < bytes)
		return -1;
	while (bytes--)
		n = n << 8 | *p->at++;
	*ret = n;
	return 0;
}

/* The tag and the number behind it. */
static int read_head(struct msgpack *p, struct head *ret)
{
	static const struct {
		uint8_t kind, bytes, fixed;	/* of the number behind the tag; what is skipped besides */
	} tags[32] = {	/* 0xc0 ... 0xdf */
		{ SCALAR }, { SCALAR }, { SCALAR }, { SCALAR },		/* nil, never, false, true */
		{ SCALAR, 1 }, { SCALAR, 2 }, { SCALAR, 4 },		/* bin */
		{ SCALAR, 1, 1 }, { SCALAR, 2, 1 }, { SCALAR, 4, 1 },	/* ext: with a type */
		{ SCALAR, 0, 4 }, { SCALAR, 0, 8 },			/* floats */
		{ UINT, 1 }, { UINT, 2 }, { UINT, 4 }, { UINT, 8 },
		{ SCALAR, 0, 1 }, { SCALAR, 0, 2 }, { SCALAR, 0, 4 }, { SCALAR, 0, 8 },	/* signed integers */
		{ SCALAR, 0, 2 }, { SCALAR, 0, 3 }, { SCALAR, 0, 5 }, { SCALAR, 0, 9 }, { SCALAR, 0, 17 },	/* ext of fixed sizes */
		{ STR, 1 }, { STR, 2 }, { STR, 4 },
		{ ARRAY, 2 }, { ARRAY, 4 }, { MAP, 2 }, { MAP, 4 },
	};
	struct head h = { SCALAR, 0, 0 };
	uint64_t tag;

	if (big_endian(p, 1, &tag))
		return -1;
	if (tag < 0x80) {
		h = (struct head){ UINT, tag, 0 };
	} else if (tag < 0x90) {
		h = (struct head){ MAP, tag & 0xf, 0 };
	} else if (tag < 0xa0) {
		h = (struct head){ ARRAY, tag & 0xf, 0 };
	} else if (tag < 0xc0) {
		h = (struct head){ STR, tag & 0x1f, 0 };
	} else if (tag < 0xe0) {
		h.kind = (enum kind)tags[tag - 0xc0].kind;
		if (tag == 0xc1 || big_endian(p, tags[tag - 0xc0].bytes, &h.n))
			return -1;
		if (h.kind == SCALAR) {
			if (h.n > UINT32_MAX - 17)
				return -1;
			h.skip = (uint32_t)h.n + tags[tag - 0xc0].fixed;
		}
	}
	*ret = h;
	return 0;
}

static int skip_bytes(struct msgpack *p, uint64_t n)
{
	if ((uint64_t)(p->end - p->at) < n)
		return -1;
	p->at += n;
	return 0;
}

static int skip(struct msgpack *p, int depth)
{
	uint64_t values;
	struct head h;

	if (depth == MAX_DEPTH || read_head(p, &h))
		return -1;
	if (h.kind == SCALAR)
		return skip_bytes(p, h.skip);
	if (h.kind == STR)
		return skip_bytes(p, h.n);
	/* Each takes a byte at least, so that numbers that lie end with the input. */
	for (values = h.kind == MAP ? 2 * h.n : h.kind == ARRAY ? h.n : 0; values; values--)
		if (skip(p, depth + 1))
			return -1;
	return 0;
}

int msgpack_skip(struct msgpack *p)
{
	struct msgpack at = *p;

	if (skip(&at, 0))
		return -1;
	*p = at;
	return 0;
}

static int read_kind(struct msgpack *p, enum kind kind, uint64_t *ret)
{
	struct msgpack at = *p;
	struct head h;

	if (read_head(&at, &h) || h.kind != kind)
		return -1;
	*p = at;
	*ret = h.n;
	return 0;
}

int msgpack_map(struct msgpack *p, uint32_t *ret_pairs)
{
	uint64_t n;

	if (read_kind(p, MAP, &n))
		return -1;
	*ret_pairs = (uint32_t)n;
	return 0;
}

int msgpack_array(struct msgpack *p, uint32_t *ret_items)
{
	uint64_t n;

	if (read_kind(p, ARRAY, &n))
		return -1;
	*ret_items = (uint32_t)n;
	return 0;
}

int msgpack_uint(struct msgpack *p, uint64_t *ret)
{
	return read_kind(p, UINT, ret);
}

int msgpack_str(struct msgpack *p, const char **ret, uint32_t *ret_len)
{
	struct msgpack at = *p;
	uint64_t n;

	if (read_kind(&at, STR, &n) || skip_bytes(&at, n))
		return -1;
	*ret = (const char *)at.at - n;
	*ret_len = (uint32_t)n;
	*p = at;
	return 0;
}

int msgpack_find(struct msgpack map, const char *key, struct msgpack *ret_value)
{
	uint32_t pairs, len;
	const char *name;

	if (msgpack_map(&map, &pairs))
		return -1;
	for (; pairs; pairs--) {
		if (msgpack_str(&map, &name, &len))
			return -1;
		if (len == strlen(key) && !memcmp(name, key, len)) {
			*ret_value = map;
			return 0;
		}
		if (msgpack_skip(&map))
			return -1;
	}
	return 1;
}

static int check_keys(struct msgpack *p, int depth);

static int check_map(struct msgpack *p, uint64_t pairs, int depth)
{
	struct { const char *name; uint32_t len; } keys[MAX_KEYS];
	uint64_t n, i;

	if (pairs > MAX_KEYS)
		return -1;
	for (n = 0; n < pairs; n++) {
		if (msgpack_str(p, &keys[n].name, &keys[n].len) || memchr(keys[n].name, 0, keys[n].len))
			return -1;
		for (i = 0; i < n; i++)
			if (keys[i].len == keys[n].len && !memcmp(keys[i].name, keys[n].name, keys[n].len))
				return -1;
		if (check_keys(p, depth + 1))
			return -1;
	}
	return 0;
}

static int check_keys(struct msgpack *p, int depth)
{
	struct msgpack at = *p;
	struct head h;

	if (depth == MAX_DEPTH || read_head(&at, &h))
		return -1;
	if (h.kind != MAP && h.kind != ARRAY)
		return msgpack_skip(p);
	*p = at;
	if (h.kind == MAP)
		return check_map(p, h.n, depth);
	for (; h.n; h.n--)
		if (check_keys(p, depth + 1))
			return -1;
	return 0;
}

int msgpack_check_keys(struct msgpack value)
{
	return check_keys(&value, 0);
}

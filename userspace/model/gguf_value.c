// SPDX-License-Identifier: MIT
/* Looking up keys and tensors of an open GGUF file; values by type. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_priv.h"

const char *gguf_path(const struct gguf *g)
{
	return g->path;
}

uint32_t gguf_version(const struct gguf *g)
{
	return g->version;
}

uint32_t gguf_alignment(const struct gguf *g)
{
	return g->alignment;
}

const char *gguf_arch(const struct gguf *g)
{
	return g->arch;
}

const void *gguf_map(const struct gguf *g, size_t *ret_size)
{
	*ret_size = g->size;
	return g->map;
}

size_t gguf_n_keys(const struct gguf *g)
{
	return g->n_keys;
}

const struct gguf_key *gguf_key(const struct gguf *g, size_t i)
{
	return &g->keys[i];
}

size_t gguf_n_tensors(const struct gguf *g)
{
	return g->n_tensors;
}

const struct gguf_tensor *gguf_tensor(const struct gguf *g, size_t i)
{
	return &g->tensors[i];
}

static int key_name_cmp(const void *name, const void *key)
{
	return strcmp(name, (*(const struct gguf_key *const *)key)->name);
}

static int tensor_name_cmp(const void *name, const void *tensor)
{
	return strcmp(name, (*(const struct gguf_tensor *const *)tensor)->name);
}

const struct gguf_key *gguf_find_key(const struct gguf *g, const char *name)
{
	const struct gguf_key **found;
	char *full = NULL;

	if (*name == '.') {
		if (!g->arch || asprintf(&full, "%s%s", g->arch, name) < 0)
			return NULL;
		name = full;
	}
	found = bsearch(name, g->keys_by_name, g->n_keys, sizeof(*g->keys_by_name), key_name_cmp);
	free(full);
	return found ? *found : NULL;
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name)
{
	const struct gguf_tensor **found;

	found = bsearch(name, g->tensors_by_name, g->n_tensors, sizeof(*g->tensors_by_name),
			tensor_name_cmp);
	return found ? *found : NULL;
}

static int find(const struct gguf *g, const char *name, const struct gguf_key **ret, char *err,
		size_t err_size)
{
	*ret = gguf_find_key(g, name);
	if (!*ret)
		return gguf_fail(g, -ENOENT, err, err_size, "key '%s%s' is missing",
				 *name == '.' ? g->arch : "", name);
	return 0;
}

static int wrong_type(const struct gguf *g, const struct gguf_key *key, const char *wanted,
		      char *err, size_t err_size)
{
	bool array = key->type == GGUF_ARRAY;

	return gguf_fail(g, -EINVAL, err, err_size, "key '%s' is %s%s, %s is wanted", key->name,
			 array ? "an array of " : "of type ", gguf_type_name(key->elem_type), wanted);
}

/* An integer of any width; *ret_negative: the value is below zero and *ret its two's complement. */
static bool load_int(uint32_t type, const uint8_t *p, uint64_t *ret, bool *ret_negative)
{
	uint32_t bytes = gguf_type_bytes(type);
	bool is_signed = type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64;

	if (!is_signed && type != GGUF_U8 && type != GGUF_U16 && type != GGUF_U32 &&
	    type != GGUF_U64)
		return false;
	*ret = gguf_load(p, bytes);
	*ret_negative = is_signed && *ret >> (8 * bytes - 1);
	if (*ret_negative && bytes < 8)
		*ret |= ~0ull << (8 * bytes);
	return true;
}

static bool load_f32(uint32_t type, const uint8_t *p, float *ret)
{
	if (type == GGUF_F32) {
		uint32_t bits = gguf_load(p, 4);

		memcpy(ret, &bits, 4);
	} else if (type == GGUF_F64) {
		uint64_t bits = gguf_load(p, 8);
		double d;

		memcpy(&d, &bits, 8);
		*ret = (float)d;
	} else {
		return false;
	}
	return true;
}

int gguf_get_u64(const struct gguf *g, const char *name, uint64_t *ret, char *err, size_t err_size)
{
	const struct gguf_key *key;
	bool negative = false;
	uint64_t v = 0;
	int r = find(g, name, &key, err, err_size);

	if (r)
		return r;
	if (!load_int(key->type, key->data, &v, &negative))
		return wrong_type(g, key, "an integer", err, err_size);
	if (negative)
		return gguf_fail(g, -ERANGE, err, err_size, "key '%s' is %" PRId64 ", below 0",
				 key->name, (int64_t)v);
	*ret = v;
	return 0;
}

int gguf_get_u32(const struct gguf *g, const char *name, uint32_t *ret, char *err, size_t err_size)
{
	uint64_t v = 0;
	int r = gguf_get_u64(g, name, &v, err, err_size);

	if (r)
		return r;
	if (v > UINT32_MAX)
		return gguf_fail(g, -ERANGE, err, err_size, "key '%s%s' is %" PRIu64 ", too large",
				 *name == '.' ? g->arch : "", name, v);
	*ret = v;
	return 0;
}

int gguf_get_f32(const struct gguf *g, const char *name, float *ret, char *err, size_t err_size)
{
	const struct gguf_key *key;
	int r = find(g, name, &key, err, err_size);

	if (r)
		return r;
	return load_f32(key->type, key->data, ret) ? 0 : wrong_type(g, key, "a floating-point number", err, err_size);
}

int gguf_get_bool(const struct gguf *g, const char *name, bool *ret, char *err, size_t err_size)
{
	const struct gguf_key *key;
	int r = find(g, name, &key, err, err_size);

	if (r)
		return r;
	if (key->type != GGUF_BOOL)
		return wrong_type(g, key, "a bool", err, err_size);
	*ret = *(const uint8_t *)key->data;
	return 0;
}

static struct gguf_str load_str(const uint8_t *p)
{
	return (struct gguf_str){ (const char *)p + 8, gguf_load(p, 8) };
}

int gguf_get_str(const struct gguf *g, const char *name, struct gguf_str *ret, char *err,
		 size_t err_size)
{
	const struct gguf_key *key;
	int r = find(g, name, &key, err, err_size);

	if (r)
		return r;
	if (key->type != GGUF_STRING)
		return wrong_type(g, key, "a string", err, err_size);
	*ret = load_str(key->data);
	return 0;
}

size_t gguf_key_size(const struct gguf_key *key)
{
	const uint8_t *p = key->data;

	if (key->elem_type != GGUF_STRING)
		return key->count * gguf_type_bytes(key->elem_type);
	for (uint64_t i = 0; i < key->count; i++)
		p += 8 + gguf_load(p, 8);
	return p - (const uint8_t *)key->data;
}

/* The key if it is an array, and memory for its elements. */
static int find_array(const struct gguf *g, const char *name, const char *wanted, size_t elem_size,
		      const struct gguf_key **ret_key, void **ret_copy, char *err, size_t err_size)
{
	int r = find(g, name, ret_key, err, err_size);

	if (r)
		return r;
	if ((*ret_key)->type != GGUF_ARRAY)
		return wrong_type(g, *ret_key, wanted, err, err_size);
	*ret_copy = calloc((*ret_key)->count + 1, elem_size);
	return *ret_copy ? 0 : gguf_fail(g, -ENOMEM, err, err_size, "key '%s': no memory",
					 (*ret_key)->name);
}

int gguf_get_strs(const struct gguf *g, const char *name, struct gguf_str **ret, size_t *ret_n,
		  char *err, size_t err_size)
{
	static const char wanted[] = "an array of strings";
	const struct gguf_key *key;
	struct gguf_str *strs;
	const uint8_t *p;
	void *copy;
	int r = find_array(g, name, wanted, sizeof(*strs), &key, &copy, err, err_size);

	if (r)
		return r;
	if (key->elem_type != GGUF_STRING) {
		free(copy);
		return wrong_type(g, key, wanted, err, err_size);
	}
	strs = copy;
	p = key->data;
	for (uint64_t i = 0; i < key->count; i++) {
		strs[i] = load_str(p);
		p += 8 + strs[i].size;
	}
	*ret = strs;
	*ret_n = key->count;
	return 0;
}

int gguf_get_f32s(const struct gguf *g, const char *name, float **ret, size_t *ret_n, char *err,
		  size_t err_size)
{
	static const char wanted[] = "an array of floating-point numbers";
	const struct gguf_key *key;
	uint32_t bytes;
	void *copy;
	int r = find_array(g, name, wanted, sizeof(float), &key, &copy, err, err_size);

	if (r)
		return r;
	bytes = gguf_type_bytes(key->elem_type);
	for (uint64_t i = 0; i < key->count; i++)
		if (!load_f32(key->elem_type, (const uint8_t *)key->data + i * bytes,
			      (float *)copy + i)) {
			free(copy);
			return wrong_type(g, key, wanted, err, err_size);
		}
	*ret = copy;
	*ret_n = key->count;
	return 0;
}

int gguf_get_i32s(const struct gguf *g, const char *name, int32_t **ret, size_t *ret_n, char *err,
		  size_t err_size)
{
	static const char wanted[] = "an array of integers";
	const struct gguf_key *key;
	uint32_t bytes;
	void *copy;
	int r = find_array(g, name, wanted, sizeof(int32_t), &key, &copy, err, err_size);

	if (r)
		return r;
	bytes = gguf_type_bytes(key->elem_type);
	for (uint64_t i = 0; i < key->count; i++) {
		bool negative = false;
		uint64_t v = 0;

		if (!load_int(key->elem_type, (const uint8_t *)key->data + i * bytes, &v,
			      &negative)) {
			r = wrong_type(g, key, wanted, err, err_size);
		} else if (negative ? (int64_t)v < INT32_MIN : v > INT32_MAX) {
			r = gguf_fail(g, -ERANGE, err, err_size,
				      "key '%s': element %" PRIu64 " doesn't fit 32 bits", key->name, i);
		}
		if (r) {
			free(copy);
			return r;
		}
		((int32_t *)copy)[i] = (int32_t)v;
	}
	*ret = copy;
	*ret_n = key->count;
	return 0;
}

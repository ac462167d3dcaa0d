// SPDX-License-Identifier: MIT
/* The structure of a GGUF file: parsed and checked once, at open. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gguf_priv.h"

#define MIN_KEY_BYTES		(8 + 1 + 4 + 1)		/* length, name, type, the smallest value */
#define MIN_TENSOR_BYTES	(8 + 1 + 4 + 8 + 4 + 8)	/* length, name, dims, one extent, type, offset */
#define MAX_ALIGNMENT		(1u << 20)

struct cursor {
	struct gguf *g;
	size_t at;
	char *err;
	size_t err_size;
};

int gguf_fail(const struct gguf *g, int error, char *err, size_t err_size, const char *format, ...)
{
	va_list args;
	int n;

	if (!err_size)
		return error;
	n = snprintf(err, err_size, "%s: ", g->path);
	if (n >= 0 && (size_t)n < err_size) {
		va_start(args, format);
		vsnprintf(err + n, err_size - n, format, args);
		va_end(args);
	}
	for (char *p = err; *p; p++)	/* names come from the file and may end up on a terminal */
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return error;
}

#define fail(c, error, ...) gguf_fail((c)->g, error, (c)->err, (c)->err_size, __VA_ARGS__)

uint64_t gguf_load(const void *p, unsigned int bytes)
{
	const uint8_t *b = p;
	uint64_t v = 0;

	for (unsigned int i = 0; i < bytes; i++)
		v |= (uint64_t)b[i] << (8 * i);
	return v;
}

static size_t left(const struct cursor *c)
{
	return c->g->size - c->at;
}

static int truncated(struct cursor *c, const char *what, uint64_t wanted)
{
	return fail(c, -EINVAL, "truncated: %s needs %" PRIu64 " bytes at offset %zu, %zu are left",
		    what, wanted, c->at, left(c));
}

static int take(struct cursor *c, unsigned int bytes, const char *what, uint64_t *ret)
{
	if (left(c) < bytes)
		return truncated(c, what, bytes);
	*ret = gguf_load(c->g->map + c->at, bytes);
	c->at += bytes;
	return 0;
}

static int take_name(struct cursor *c, const char *what, char **ret)
{
	const char *data;
	uint64_t size = 0;
	int r = take(c, 8, what, &size);

	if (r)
		return r;
	if (!size || size > GGUF_MAX_NAME)
		return fail(c, -EINVAL,
			    "%s of %" PRIu64 " bytes at offset %zu, 1 to %d are allowed", what, size, c->at - 8, GGUF_MAX_NAME);
	if (left(c) < size)
		return truncated(c, what, size);
	data = (const char *)c->g->map + c->at;
	if (memchr(data, 0, size))
		return fail(c, -EINVAL, "%s at offset %zu contains a NUL byte", what, c->at);
	*ret = strndup(data, size);
	if (!*ret)
		return fail(c, -ENOMEM, "no memory");
	c->at += size;
	return 0;
}

static int skip_string(struct cursor *c, const struct gguf_key *key)
{
	uint64_t size = 0;

	if (left(c) < 8)
		return fail(c, -EINVAL, "key '%s': truncated: no room for a string at offset %zu",
			    key->name, c->at);
	size = gguf_load(c->g->map + c->at, 8);
	c->at += 8;
	if (size > left(c))
		return fail(c, -EINVAL,
			    "key '%s': a string of %" PRIu64 " bytes at offset %zu, %zu are left", key->name, size, c->at, left(c));
	c->at += size;
	return 0;
}

/* Skip key->count values of key->elem_type at the cursor. */
static int skip_values(struct cursor *c, struct gguf_key *key)
{
	uint32_t bytes = gguf_type_bytes(key->elem_type);
	uint64_t least = bytes ? bytes : 8;
	int r;

	key->data = c->g->map + c->at;
	if (key->count > left(c) / least)
		return fail(c, -EINVAL,
			    "key '%s': %" PRIu64 " %s values need at least %" PRIu64 " bytes each at offset %zu, %zu are left",
			    key->name, key->count, gguf_type_name(key->elem_type), least, c->at, left(c));
	if (!bytes) {
		for (uint64_t i = 0; i < key->count; i++) {
			r = skip_string(c, key);
			if (r)
				return r;
		}
		return 0;
	}
	if (key->elem_type == GGUF_BOOL)
		for (uint64_t i = 0; i < key->count; i++)
			if (c->g->map[c->at + i] > 1)
				return fail(c, -EINVAL, "key '%s': bool value %u, neither 0 nor 1",
					    key->name, c->g->map[c->at + i]);
	c->at += key->count * bytes;
	return 0;
}

static int parse_key(struct cursor *c)
{
	struct gguf_key *key = &c->g->keys[c->g->n_keys];
	uint64_t v = 0;
	char *name;
	int r;

	r = take_name(c, "a key's name", &name);
	if (r)
		return r;
	key->name = name;
	c->g->n_keys++;		/* from here on gguf_close() frees the name */
	r = take(c, 4, "a key's type", &v);
	if (r)
		return r;
	if (!gguf_type_name(v))
		return fail(c, -EINVAL, "key '%s': unknown type %" PRIu64, name, v);
	key->type = v;
	key->elem_type = v;
	key->count = 1;
	if (v == GGUF_ARRAY) {
		r = take(c, 4, "an array's type", &v);
		if (r)
			return r;
		if (!gguf_type_name(v) || v == GGUF_ARRAY)
			return fail(c, -EINVAL, "key '%s': array of %s type %" PRIu64, name,
				    v == GGUF_ARRAY ? "unsupported" : "unknown", v);
		key->elem_type = v;
		r = take(c, 8, "an array's count", &key->count);
		if (r)
			return r;
	}
	return skip_values(c, key);
}

static int tensor_size(struct cursor *c, struct gguf_tensor *t)
{
	const struct gguf_tensor_type *type = gguf_tensor_type(t->type);
	uint64_t bytes;

	if (!type)
		return fail(c, -EINVAL, "tensor '%s': unknown type %u", t->name, t->type);
	t->dtype = type->dtype;
	if (t->ne[0] % type->block)
		return fail(c, -EINVAL,
			    "tensor '%s': rows of %" PRIu64 " elements are no whole number of %s blocks of %u",
			    t->name, t->ne[0], type->name, type->block);
	bytes = t->ne[0] / type->block;
	if (__builtin_mul_overflow(bytes, type->block_bytes, &bytes))
		return fail(c, -EOVERFLOW, "tensor '%s': the product of its extents overflows",
			    t->name);
	for (int i = 1; i < GGUF_MAX_DIMS; i++)
		if (__builtin_mul_overflow(bytes, t->ne[i], &bytes) || bytes > INT64_MAX)
			return fail(c, -EOVERFLOW,
				    "tensor '%s': the product of its extents overflows", t->name);
	t->size = bytes;
	return 0;
}

static int parse_tensor(struct cursor *c)
{
	struct gguf_tensor *t = &c->g->tensors[c->g->n_tensors];
	uint64_t v = 0;
	char *name;
	int r;

	r = take_name(c, "a tensor's name", &name);
	if (r)
		return r;
	t->name = name;
	c->g->n_tensors++;
	r = take(c, 4, "a tensor's number of dimensions", &v);
	if (r)
		return r;
	if (!v || v > GGUF_MAX_DIMS)
		return fail(c, -EINVAL, "tensor '%s': %" PRIu64 " dimensions, 1 to %d are allowed",
			    name, v, GGUF_MAX_DIMS);
	t->n_dims = v;
	for (uint32_t i = 0; i < GGUF_MAX_DIMS; i++) {
		t->ne[i] = 1;
		if (i >= t->n_dims)
			continue;
		r = take(c, 8, "a tensor's extent", &t->ne[i]);
		if (r)
			return r;
		if (!t->ne[i])
			return fail(c, -EINVAL, "tensor '%s': extent %u is 0", name, i);
	}
	r = take(c, 4, "a tensor's type", &v);
	if (r)
		return r;
	t->type = v;
	r = take(c, 8, "a tensor's offset", &t->offset);
	if (r)
		return r;
	return tensor_size(c, t);
}

static int by_key_name(const void *a, const void *b)
{
	return strcmp((*(const struct gguf_key *const *)a)->name,
		      (*(const struct gguf_key *const *)b)->name);
}

static int by_tensor_name(const void *a, const void *b)
{
	return strcmp((*(const struct gguf_tensor *const *)a)->name,
		      (*(const struct gguf_tensor *const *)b)->name);
}

static int by_offset(const void *a, const void *b)
{
	const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a, *y = *(const struct gguf_tensor *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int index_keys(struct cursor *c)
{
	struct gguf *g = c->g;

	for (size_t i = 0; i < g->n_keys; i++)
		g->keys_by_name[i] = &g->keys[i];
	qsort(g->keys_by_name, g->n_keys, sizeof(*g->keys_by_name), by_key_name);
	for (size_t i = 1; i < g->n_keys; i++)
		if (!strcmp(g->keys_by_name[i - 1]->name, g->keys_by_name[i]->name))
			return fail(c, -EINVAL, "key '%s' appears twice", g->keys_by_name[i]->name);
	return 0;
}

static int read_alignment(struct cursor *c)
{
	const struct gguf_key *key = gguf_find_key(c->g, "general.alignment");

	c->g->alignment = GGUF_DEFAULT_ALIGNMENT;
	if (!key)
		return 0;
	if (key->type != GGUF_U32)
		return fail(c, -EINVAL, "key 'general.alignment' is a %s, not a u32",
			    gguf_type_name(key->type));
	c->g->alignment = gguf_load(key->data, 4);
	if (!c->g->alignment || c->g->alignment & (c->g->alignment - 1) ||
	    c->g->alignment > MAX_ALIGNMENT)
		return fail(c, -EINVAL,
			    "key 'general.alignment' is %u, not a power of two up to %u",
			    c->g->alignment, MAX_ALIGNMENT);
	return 0;
}

static int read_arch(struct cursor *c)
{
	const struct gguf_key *key = gguf_find_key(c->g, "general.architecture");
	struct gguf_str s = { "", 0 };
	int r = 0;

	if (key)
		r = gguf_get_str(c->g, key->name, &s, c->err, c->err_size);
	if (r)
		return r;
	if (memchr(s.data, 0, s.size))
		return fail(c, -EINVAL, "key 'general.architecture' contains a NUL byte");
	c->g->arch = strndup(s.data, s.size);
	return c->g->arch ? 0 : fail(c, -ENOMEM, "no memory");
}

/* Offsets count from the end of the tensor list, rounded up to the alignment. */
static int place_tensors(struct cursor *c)
{
	const struct gguf_tensor **sorted;
	struct gguf *g = c->g;
	uint64_t base = (c->at + (uint64_t)g->alignment - 1) & ~((uint64_t)g->alignment - 1);
	int r = 0;

	for (size_t i = 0; i < g->n_tensors; i++) {
		struct gguf_tensor *t = &g->tensors[i];

		if (t->offset % g->alignment)
			return fail(c, -EINVAL,
				    "tensor '%s': offset %" PRIu64 " isn't a multiple of the alignment %u", t->name, t->offset, g->alignment);
		if (base > g->size || t->offset > g->size - base ||
		    t->size > g->size - base - t->offset)
			return fail(c, -EINVAL,
				    "tensor '%s': %" PRIu64 " bytes at data offset %" PRIu64 " reach past the file's end",
				    t->name, t->size, t->offset);
		t->offset += base;
		t->data = g->map + t->offset;
		g->tensors_by_name[i] = t;
	}
	sorted = g->tensors_by_name;
	qsort(sorted, g->n_tensors, sizeof(*sorted), by_offset);
	for (size_t i = 1; i < g->n_tensors && !r; i++)
		if (sorted[i - 1]->offset + sorted[i - 1]->size > sorted[i]->offset)
			r = fail(c, -EINVAL, "tensors '%s' and '%s' overlap", sorted[i - 1]->name,
				 sorted[i]->name);
	if (r)
		return r;
	qsort(sorted, g->n_tensors, sizeof(*sorted), by_tensor_name);
	for (size_t i = 1; i < g->n_tensors; i++)
		if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
			return fail(c, -EINVAL, "tensor '%s' appears twice", sorted[i]->name);
	return 0;
}

static int parse_header(struct cursor *c, uint64_t *ret_tensors, uint64_t *ret_keys)
{
	uint64_t version = 0, swapped;
	int r;

	if (c->g->size < 4 || memcmp(c->g->map, "GGUF", 4))
		return fail(c, -EINVAL, "not a GGUF file: it doesn't start with \"GGUF\"");
	c->at = 4;
	r = take(c, 4, "the version", &version);
	if (r)
		return r;
	swapped = __builtin_bswap32((uint32_t)version);
	if (swapped == 2 || swapped == 3)
		return fail(c, -EINVAL, "a big-endian GGUF file; only little-endian ones are read");
	if (version != 2 && version != 3)
		return fail(c, -EINVAL, "GGUF version %" PRIu64 "; versions 2 and 3 are read",
			    version);
	c->g->version = version;
	r = take(c, 8, "the number of tensors", ret_tensors);
	if (!r)
		r = take(c, 8, "the number of keys", ret_keys);
	if (r)
		return r;
	if (*ret_keys > left(c) / MIN_KEY_BYTES)
		return fail(c, -EINVAL, "%" PRIu64 " keys don't fit into the %zu bytes left",
			    *ret_keys, left(c));
	if (*ret_tensors > left(c) / MIN_TENSOR_BYTES)
		return fail(c, -EINVAL, "%" PRIu64 " tensors don't fit into the %zu bytes left",
			    *ret_tensors, left(c));
	return 0;
}

static int parse(struct cursor *c)
{
	uint64_t n_tensors = 0, n_keys = 0;
	struct gguf *g = c->g;
	int r;

	r = parse_header(c, &n_tensors, &n_keys);
	if (r)
		return r;
	g->keys = calloc(n_keys + 1, sizeof(*g->keys));
	g->keys_by_name = calloc(n_keys + 1, sizeof(*g->keys_by_name));
	g->tensors = calloc(n_tensors + 1, sizeof(*g->tensors));
	g->tensors_by_name = calloc(n_tensors + 1, sizeof(*g->tensors_by_name));
	if (!g->keys || !g->keys_by_name || !g->tensors || !g->tensors_by_name)
		return fail(c, -ENOMEM, "no memory");
	for (uint64_t i = 0; i < n_keys && !r; i++)
		r = parse_key(c);
	if (!r)
		r = index_keys(c);
	if (!r)
		r = read_alignment(c);
	if (!r)
		r = read_arch(c);
	for (uint64_t i = 0; i < n_tensors && !r; i++)
		r = parse_tensor(c);
	return r ? r : place_tensors(c);
}

int gguf_parse(const void *data, size_t size, const char *label, struct gguf **ret_gguf, char *err,
	       size_t err_size)
{
	struct gguf *g = calloc(1, sizeof(*g));
	struct cursor c = { .g = g, .err = err, .err_size = err_size };
	int r;

	if (g)
		g->path = strdup(label);
	if (!g || !g->path) {
		free(g);
		return gguf_fail(&(struct gguf){ .path = (char *)label }, -ENOMEM, err, err_size,
				 "no memory");
	}
	g->map = data;
	g->size = size;
	r = parse(&c);
	if (r) {
		gguf_close(g);
		return r;
	}
	*ret_gguf = g;
	return 0;
}

int gguf_open(const char *path, struct gguf **ret_gguf, char *err, size_t err_size)
{
	struct gguf name = { .path = (char *)path };
	struct stat st;
	void *map;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gguf_fail(&name, -errno, err, err_size, "%s", strerror(errno));
	if (fstat(fd, &st)) {
		r = gguf_fail(&name, -errno, err, err_size, "%s", strerror(errno));
		goto out_close;
	}
	if (!S_ISREG(st.st_mode)) {
		r = gguf_fail(&name, -EINVAL, err, err_size, "not a regular file");
		goto out_close;
	}
	if (st.st_size < 4) {	/* also what mmap would refuse: nothing */
		r = gguf_fail(&name, -EINVAL, err, err_size, "not a GGUF file: it has %lld bytes",
			      (long long)st.st_size);
		goto out_close;
	}
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		r = gguf_fail(&name, -errno, err, err_size, "mapping failed: %s", strerror(errno));
		goto out_close;
	}
	r = gguf_parse(map, st.st_size, path, ret_gguf, err, err_size);
	if (r)
		munmap(map, st.st_size);
	else
		(*ret_gguf)->mapped = true;
out_close:
	close(fd);
	return r;
}

void gguf_close(struct gguf *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_keys; i++)
		free((char *)g->keys[i].name);
	for (size_t i = 0; i < g->n_tensors; i++)
		free((char *)g->tensors[i].name);
	free(g->keys);
	free(g->keys_by_name);
	free(g->tensors);
	free(g->tensors_by_name);
	free(g->arch);
	free(g->path);
	if (g->mapped)
		munmap((void *)g->map, g->size);
	free(g);
}

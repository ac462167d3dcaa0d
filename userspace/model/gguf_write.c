// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gguf_write.h"

struct gguf_writer {
	char *path, *temporary;
	FILE *file;
	FILE *keys, *tensors;		/* the two lists, in memory until the first data */
	char *keys_data, *tensors_data;
	size_t keys_size, tensors_size;
	uint64_t n_keys, n_tensors;
	uint64_t *sizes;		/* of the tensors */
	uint64_t declared;		/* bytes of data declared, padding included */
	uint64_t current, in_current;	/* tensor being written, its bytes so far */
	bool started;
	int error;
	char message[160];
};

static const uint8_t zeros[GGUF_DEFAULT_ALIGNMENT];

static uint64_t padded(uint64_t n)
{
	return (n + GGUF_DEFAULT_ALIGNMENT - 1) & ~(uint64_t)(GGUF_DEFAULT_ALIGNMENT - 1);
}

__attribute__((format(printf, 3, 4)))
static int keep_error(struct gguf_writer *w, int error, const char *format, ...)
{
	va_list args;

	if (w->error)
		return w->error;
	va_start(args, format);
	vsnprintf(w->message, sizeof(w->message), format, args);
	va_end(args);
	w->error = error;
	return error;
}

static void put(FILE *f, uint64_t v, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		putc((int)(v >> (8 * i)) & 0xff, f);
}

static void put_str(FILE *f, const char *data, size_t size)
{
	put(f, size, 8);
	fwrite(data, 1, size, f);
}

static FILE *put_key(struct gguf_writer *w, const char *key, enum gguf_type type)
{
	if (w->started)
		keep_error(w, -EINVAL, "key '%s' after the first data", key);
	put_str(w->keys, key, strlen(key));
	put(w->keys, type, 4);
	w->n_keys++;
	return w->keys;
}

static FILE *put_array(struct gguf_writer *w, const char *key, enum gguf_type type, size_t n)
{
	FILE *f = put_key(w, key, GGUF_ARRAY);

	put(f, type, 4);
	put(f, n, 8);
	return f;
}

static uint32_t f32_bits(float v)
{
	uint32_t bits;

	memcpy(&bits, &v, 4);
	return bits;
}

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value)
{
	put(put_key(w, key, GGUF_U32), value, 4);
}

void gguf_writer_u64(struct gguf_writer *w, const char *key, uint64_t value)
{
	put(put_key(w, key, GGUF_U64), value, 8);
}

void gguf_writer_f32(struct gguf_writer *w, const char *key, float value)
{
	put(put_key(w, key, GGUF_F32), f32_bits(value), 4);
}

void gguf_writer_bool(struct gguf_writer *w, const char *key, bool value)
{
	put(put_key(w, key, GGUF_BOOL), value, 1);
}

void gguf_writer_str(struct gguf_writer *w, const char *key, const char *value)
{
	put_str(put_key(w, key, GGUF_STRING), value, strlen(value));
}

void gguf_writer_strs(struct gguf_writer *w, const char *key, const struct gguf_str *values,
		      size_t n)
{
	FILE *f = put_array(w, key, GGUF_STRING, n);

	for (size_t i = 0; i < n; i++)
		put_str(f, values[i].data, values[i].size);
}

void gguf_writer_f32s(struct gguf_writer *w, const char *key, const float *values, size_t n)
{
	FILE *f = put_array(w, key, GGUF_F32, n);

	for (size_t i = 0; i < n; i++)
		put(f, f32_bits(values[i]), 4);
}

void gguf_writer_i32s(struct gguf_writer *w, const char *key, const int32_t *values, size_t n)
{
	FILE *f = put_array(w, key, GGUF_I32, n);

	for (size_t i = 0; i < n; i++)
		put(f, (uint32_t)values[i], 4);
}

void gguf_writer_key(struct gguf_writer *w, const struct gguf_key *key)
{
	FILE *f = key->type == GGUF_ARRAY ? put_array(w, key->name, key->elem_type,
						      key->count) : put_key(w, key->name, key->type);

	fwrite(key->data, 1, gguf_key_size(key), f);
}

void gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
			const uint64_t *ne)
{
	const struct gguf_tensor_type *tt = gguf_tensor_type(type);
	uint64_t bytes, *sizes;

	if (w->started || !tt || !n_dims || n_dims > GGUF_MAX_DIMS || ne[0] % tt->block) {
		keep_error(w, -EINVAL, "tensor '%s' %s", name,
			   w->started ? "after the first data" : "has a type or shape that can't be written");
		return;
	}
	bytes = ne[0] / tt->block * tt->block_bytes;
	for (uint32_t i = 1; i < n_dims; i++)
		if (__builtin_mul_overflow(bytes, ne[i], &bytes) || bytes > INT64_MAX / 2) {
			keep_error(w, -EOVERFLOW,
				   "tensor '%s': the product of its extents overflows", name);
			return;
		}
	sizes = realloc(w->sizes, (w->n_tensors + 1) * sizeof(*sizes));
	if (!sizes) {
		keep_error(w, -ENOMEM, "no memory");
		return;
	}
	w->sizes = sizes;
	sizes[w->n_tensors++] = bytes;
	put_str(w->tensors, name, strlen(name));
	put(w->tensors, n_dims, 4);
	for (uint32_t i = 0; i < n_dims; i++)
		put(w->tensors, ne[i], 8);
	put(w->tensors, type, 4);
	put(w->tensors, w->declared, 8);
	w->declared += padded(bytes);
}

static int check_file(struct gguf_writer *w)
{
	return ferror(w->file) ? keep_error(w, -EIO, "writing failed: %s", strerror(errno)) : 0;
}

static int start(struct gguf_writer *w)
{
	long at;

	w->started = true;
	if (fflush(w->keys) || fflush(w->tensors) || ferror(w->keys) || ferror(w->tensors))
		return keep_error(w, -ENOMEM, "no memory");
	fwrite("GGUF", 1, 4, w->file);
	put(w->file, 3, 4);
	put(w->file, w->n_tensors, 8);
	put(w->file, w->n_keys, 8);
	fwrite(w->keys_data, 1, w->keys_size, w->file);
	fwrite(w->tensors_data, 1, w->tensors_size, w->file);
	at = ftell(w->file);
	if (at > 0)
		fwrite(zeros, 1, padded(at) - at, w->file);
	return check_file(w);
}

int gguf_writer_data(struct gguf_writer *w, const void *data, size_t size)
{
	if (w->error || (!w->started && start(w)))
		return w->error;
	if (w->current == w->n_tensors || size > w->sizes[w->current] - w->in_current)
		return keep_error(w, -EINVAL, "more data than the tensors declared");
	fwrite(data, 1, size, w->file);
	w->in_current += size;
	if (w->in_current == w->sizes[w->current]) {
		fwrite(zeros, 1, padded(w->in_current) - w->in_current, w->file);
		w->current++;
		w->in_current = 0;
	}
	return check_file(w);
}

int gguf_writer_finish(struct gguf_writer *w, char *err, size_t err_size)
{
	if (!w->error && !w->started)
		start(w);
	if (!w->error && w->current != w->n_tensors)
		keep_error(w, -EINVAL, "data of %" PRIu64 " of %" PRIu64 " tensors was written",
			   w->current, w->n_tensors);
	if (!w->error) {
		int r = fclose(w->file);

		w->file = NULL;
		if (r)
			keep_error(w, -errno, "writing failed: %s", strerror(errno));
	}
	if (!w->error) {
		if (rename(w->temporary, w->path))
			keep_error(w, -errno, "renaming failed: %s", strerror(errno));
		else
			*w->temporary = 0;
	}
	if (w->error && err_size)
		snprintf(err, err_size, "%s: %s", w->path, w->message);
	return w->error;
}

int gguf_writer_create(const char *path, struct gguf_writer **ret_writer, char *err,
		       size_t err_size)
{
	struct gguf_writer *w = calloc(1, sizeof(*w));
	int r = -ENOMEM;

	if (!w)
		goto fail;
	w->path = strdup(path);
	w->keys = open_memstream(&w->keys_data, &w->keys_size);
	w->tensors = open_memstream(&w->tensors_data, &w->tensors_size);
	if (!w->path || !w->keys || !w->tensors)
		goto fail;
	if (asprintf(&w->temporary, "%s.%ld.part", path, (long)getpid()) < 0) {
		w->temporary = NULL;
		goto fail;
	}
	w->file = fopen(w->temporary, "wbe");
	if (!w->file) {
		r = -errno;
		*w->temporary = 0;
		goto fail;
	}
	*ret_writer = w;
	return 0;
fail:
	if (err_size)
		snprintf(err, err_size, "%s: %s", path, strerror(-r));
	gguf_writer_destroy(w);
	return r;
}

void gguf_writer_destroy(struct gguf_writer *w)
{
	if (!w)
		return;
	if (w->file)
		fclose(w->file);
	if (w->temporary && *w->temporary)
		unlink(w->temporary);
	if (w->keys)
		fclose(w->keys);
	if (w->tensors)
		fclose(w->tensors);
	free(w->keys_data);
	free(w->tensors_data);
	free(w->sizes);
	free(w->temporary);
	free(w->path);
	free(w);
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading GGUF files (versions 2 and 3, little-endian) through a read-only mapping. Opening checks
 * the whole of the file's structure, so that everything reached through this header afterwards lies
 * inside the mapping: string lengths, array counts, names (none twice), shapes, types, offsets,
 * alignment and overlap. What is not checked is the meaning of keys and the bytes of tensors.
 *
 * Errors: -errno and in @err one sentence that names the file, the key or tensor, and what is wrong
 * with it. @err may be NULL with @err_size 0. A file that someone truncates while it is mapped
 * raises SIGBUS, as with any mapping.
 */
#ifndef DSEEK_GGUF_H
#define DSEEK_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gguf_type {	/* numbers of the format */
	GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_STRING, GGUF_ARRAY,
	GGUF_U64, GGUF_I64, GGUF_F64,
	GGUF_TYPE_COUNT,
};

#define GGUF_MAX_DIMS		4
#define GGUF_MAX_NAME		65535
#define GGUF_DEFAULT_ALIGNMENT	32

struct gguf_str {		/* not NUL-terminated, may hold any byte */
	const char *data;
	size_t size;
};

struct gguf_key {
	const char *name;	/* NUL-terminated */
	uint32_t type;		/* enum gguf_type */
	uint32_t elem_type;	/* ARRAY: of its elements; else @type */
	uint64_t count;		/* ARRAY: elements; else 1 */
	const void *data;	/* the first value as in the file: little-endian, unaligned */
};

struct gguf_tensor {
	const char *name;	/* NUL-terminated */
	uint32_t type;		/* number of the format, see gguf_tensor_type() */
	int dtype;		/* enum dseek_dtype, or -1: known to the format, not to dseek */
	uint32_t n_dims;
	uint64_t ne[GGUF_MAX_DIMS];	/* ne[0] varies fastest; unused dimensions are 1 */
	uint64_t offset;	/* from the start of the file */
	uint64_t size;		/* bytes */
	const void *data;	/* aligned to the file's alignment (where the mapping is) */
};

struct gguf_tensor_type {
	const char *name;
	uint32_t block, block_bytes;	/* elements, bytes */
	int dtype;			/* enum dseek_dtype or -1 */
};

struct gguf;

int gguf_open(const char *path, struct gguf **ret_gguf, char *err, size_t err_size);
/*
 * The same of @size bytes at @data, which stay the caller's and must outlive it; @label stands for
 * the file's name.
 */
int gguf_parse(const void *data, size_t size, const char *label, struct gguf **ret_gguf, char *err,
	       size_t err_size);
void gguf_close(struct gguf *g);

const char *gguf_path(const struct gguf *g);
uint32_t gguf_version(const struct gguf *g);
uint32_t gguf_alignment(const struct gguf *g);
const char *gguf_arch(const struct gguf *g);		/* general.architecture, "" if the file has none */
const void *gguf_map(const struct gguf *g, size_t *ret_size);	/* the whole file */

/* In the file's order. */
size_t gguf_n_keys(const struct gguf *g);
const struct gguf_key *gguf_key(const struct gguf *g, size_t i);
size_t gguf_n_tensors(const struct gguf *g);
const struct gguf_tensor *gguf_tensor(const struct gguf *g, size_t i);

/*
 * By name; NULL if there is none. A key's name that starts with a dot stands for the
 * architecture's: ".block_count" is "llama.block_count" in a llama file. That holds for the
 * functions below too.
 */
const struct gguf_key *gguf_find_key(const struct gguf *g, const char *name);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g, const char *name);

/*
 * Typed values: -ENOENT if the key is missing, -EINVAL if it is of another kind, -ERANGE if it
 * doesn't fit. Integers of every width are taken for u32 and u64 if the value fits; f32 and f64 for
 * f32.
 */
int gguf_get_u32(const struct gguf *g, const char *name, uint32_t *ret, char *err, size_t err_size);
int gguf_get_u64(const struct gguf *g, const char *name, uint64_t *ret, char *err, size_t err_size);
int gguf_get_f32(const struct gguf *g, const char *name, float *ret, char *err, size_t err_size);
int gguf_get_bool(const struct gguf *g, const char *name, bool *ret, char *err, size_t err_size);
int gguf_get_str(const struct gguf *g, const char *name, struct gguf_str *ret, char *err,
		 size_t err_size);
/* Arrays as copies that the caller frees. */
int gguf_get_strs(const struct gguf *g, const char *name, struct gguf_str **ret, size_t *ret_n,
		  char *err, size_t err_size);
int gguf_get_f32s(const struct gguf *g, const char *name, float **ret, size_t *ret_n, char *err,
		  size_t err_size);
int gguf_get_i32s(const struct gguf *g, const char *name, int32_t **ret, size_t *ret_n, char *err,
		  size_t err_size);

/* Bytes of a key's value (all elements) in the file. */
size_t gguf_key_size(const struct gguf_key *key);
const char *gguf_type_name(uint32_t type);		/* "u32"; NULL if unknown */
uint32_t gguf_type_bytes(uint32_t type);		/* 0 for string, array and unknown */
const struct gguf_tensor_type *gguf_tensor_type(uint32_t type);	/* NULL if unknown */
int gguf_tensor_type_of(int dtype);			/* the format's number of an enum dseek_dtype, or -1 */
bool gguf_str_eq(struct gguf_str s, const char *text);

#endif /* DSEEK_GGUF_H */

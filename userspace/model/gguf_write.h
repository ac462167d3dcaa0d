/* SPDX-License-Identifier: MIT */
/*
 * Writing GGUF files, version 3. Keys and tensors are declared first, in any order; then the
 * tensors' bytes are streamed in the order of declaration, so that no more than one piece of one
 * tensor is in memory. The file appears under its name only when it is complete.
 *
 *	gguf_writer_create, gguf_writer_{u32,str,...}, gguf_writer_tensor, gguf_writer_data..., gguf_writer_finish
 *
 * The first error sticks; gguf_writer_finish() reports it. Whatever happened, the writer is
 * released by gguf_writer_destroy().
 */
#ifndef DSEEK_GGUF_WRITE_H
#define DSEEK_GGUF_WRITE_H

#include "gguf.h"

struct gguf_writer;

int gguf_writer_create(const char *path, struct gguf_writer **ret_writer, char *err,
		       size_t err_size);
void gguf_writer_destroy(struct gguf_writer *w);	/* unlinks what isn't finished */

void gguf_writer_u32(struct gguf_writer *w, const char *key, uint32_t value);
void gguf_writer_u64(struct gguf_writer *w, const char *key, uint64_t value);
void gguf_writer_f32(struct gguf_writer *w, const char *key, float value);
void gguf_writer_bool(struct gguf_writer *w, const char *key, bool value);
void gguf_writer_str(struct gguf_writer *w, const char *key, const char *value);
void gguf_writer_strs(struct gguf_writer *w, const char *key, const struct gguf_str *values,
		      size_t n);
void gguf_writer_f32s(struct gguf_writer *w, const char *key, const float *values, size_t n);
void gguf_writer_i32s(struct gguf_writer *w, const char *key, const int32_t *values, size_t n);
void gguf_writer_key(struct gguf_writer *w,
		     const struct gguf_key *key);	/* a copy from another file */

/* @type is the format's number (gguf_tensor_type_of()). */
void gguf_writer_tensor(struct gguf_writer *w, const char *name, uint32_t type, uint32_t n_dims,
			const uint64_t *ne);

/*
 * The next @size bytes of the tensors' data; a piece may not cross from one tensor into the next.
 * No key or tensor may follow.
 */
int gguf_writer_data(struct gguf_writer *w, const void *data, size_t size);

/* 0, or the first error of all the calls before, with its sentence. */
int gguf_writer_finish(struct gguf_writer *w, char *err, size_t err_size);

#endif /* DSEEK_GGUF_WRITE_H */

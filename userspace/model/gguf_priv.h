/* SPDX-License-Identifier: MIT */
/* What gguf.c (structure) and gguf_value.c (typed values) share. */
#ifndef DSEEK_GGUF_PRIV_H
#define DSEEK_GGUF_PRIV_H

#include "gguf.h"

struct gguf {
	char *path;
	const uint8_t *map;
	size_t size;
	bool mapped;			/* by us: unmapped on close */
	uint32_t version, alignment;
	char *arch;
	size_t n_keys, n_tensors;	/* as far as parsed, so that a half-made one can be closed */
	struct gguf_key *keys;
	struct gguf_tensor *tensors;
	const struct gguf_key **keys_by_name;
	const struct gguf_tensor **tensors_by_name;
};

/* @path with a colon before the sentence; returns @error so that a caller can return it at once. */
int gguf_fail(const struct gguf *g, int error, char *err, size_t err_size, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Little-endian loads from unaligned memory. */
uint64_t gguf_load(const void *p, unsigned int bytes);

#endif /* DSEEK_GGUF_PRIV_H */

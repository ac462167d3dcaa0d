/* SPDX-License-Identifier: MIT */
/* Reading the keys that say what a model's shape is: for arch.c and rope.c. */
#ifndef DSEEK_ARCH_KEYS_H
#define DSEEK_ARCH_KEYS_H

#include <errno.h>
#include <stdio.h>

#include "gguf.h"

/* Keys that may be missing: the value stays. */
static inline int optional_u32(const struct gguf *g, const char *key, uint32_t *value, char *err, size_t err_size)
{
	int rc = gguf_get_u32(g, key, value, err, err_size);

	return rc == -ENOENT ? 0 : rc;
}

static inline int optional_f32(const struct gguf *g, const char *key, float *value, char *err, size_t err_size)
{
	int rc = gguf_get_f32(g, key, value, err, err_size);

	return rc == -ENOENT ? 0 : rc;
}

/* -EINVAL, with the file named. */
static inline int fail(const struct gguf *g, char *err, size_t err_size, const char *what)
{
	snprintf(err, err_size, "%s: %s", gguf_path(g), what);
	return -EINVAL;
}

#endif /* DSEEK_ARCH_KEYS_H */

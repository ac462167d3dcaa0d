/* SPDX-License-Identifier: MIT */
/* GGUF files byte by byte, right or wrong. */
#ifndef DSEEK_TEST_GGUF_BYTES_H
#define DSEEK_TEST_GGUF_BYTES_H

#include <stdint.h>
#include <string.h>

struct bytes {
	_Alignas(64) uint8_t data[4096];
	size_t n;
};

static inline void put(struct bytes *b, uint64_t v, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		b->data[b->n++] = v >> (8 * i);
}

static inline void put_str(struct bytes *b, const char *s)
{
	put(b, strlen(s), 8);
	memcpy(b->data + b->n, s, strlen(s));
	b->n += strlen(s);
}

static inline void put_header(struct bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
	memcpy(b->data, "GGUF", 4);
	b->n = 4;
	put(b, version, 4);
	put(b, n_tensors, 8);
	put(b, n_keys, 8);
}

static inline void put_key_u32(struct bytes *b, const char *name, uint32_t v)
{
	put_str(b, name);
	put(b, 4, 4);
	put(b, v, 4);
}

static inline void put_key_str(struct bytes *b, const char *name, const char *v)
{
	put_str(b, name);
	put(b, 8, 4);
	put_str(b, v);
}

static inline void put_tensor(struct bytes *b, const char *name, uint32_t type, uint64_t ne0, uint64_t ne1, uint64_t offset)
{
	put_str(b, name);
	put(b, 2, 4);
	put(b, ne0, 8);
	put(b, ne1, 8);
	put(b, type, 4);
	put(b, offset, 8);
}

static inline void pad(struct bytes *b, size_t alignment)
{
	while (b->n % alignment)
		b->data[b->n++] = 0;
}

static inline void put_zeros(struct bytes *b, size_t n)
{
	memset(b->data + b->n, 0, n);
	b->n += n;
}

#endif /* DSEEK_TEST_GGUF_BYTES_H */

/* SPDX-License-Identifier: MIT */
/*
 * Valid programs out of any bytes, by the table of ops: every op, element type and layout, extents at the edges of tiles and
 * blocks, strides with gaps or in another order, inputs that share memory, outputs in place, extents and arguments that
 * are parameters. What an op asks beyond the table is in program_gen.c, one function an op.
 */
#ifndef TESTS_FUZZ_PROGRAM_GEN_H
#define TESTS_FUZZ_PROGRAM_GEN_H

#include <stddef.h>
#include <stdint.h>

struct choices {	/* numbers from bytes; 0, the plainest choice, when they are used up */
	const uint8_t *bytes;
	size_t size, at;
};

static inline uint32_t choose(struct choices *c, uint32_t n)	/* below n, n <= 256 */
{
	return c->at < c->size ? c->bytes[c->at++] % n : 0;
}

#define PROGRAM_GEN_MAX_OPS	3
#define PROGRAM_GEN_MAX_BYTES	(8u << 20)	/* of all bindings */

/* A program (free() it), which dseek_builder_finish() has validated; it aborts with the sentence if that refuses. */
void *program_generate(struct choices *c, size_t *ret_size);

#endif /* TESTS_FUZZ_PROGRAM_GEN_H */

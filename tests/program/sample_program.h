/* SPDX-License-Identifier: MIT */
#ifndef SAMPLE_PROGRAM_H
#define SAMPLE_PROGRAM_H

#include <dseek_program.h>

/* Numbers of what sample_program() makes: every op once, parameters where they are allowed. */
enum { P_TOKENS, P_ROWS, P_WINDOW, P_SPIN };
enum { B_WEIGHTS, B_ACT, B_CACHE, B_INPUT, B_OUTPUT };
enum {
	O_NOP, O_SPIN, O_COPY, O_EMBED, O_RMSNORM, O_LINEAR, O_ROPE, O_KV_STORE, O_ATTENTION, O_LINEAR_ADD, O_GLU,
	O_LINEAR_BIAS, O_ROUTE, O_MOE_FFN, O_ADD, O_MUL, O_ROWS, O_ARGMAX, O_HEAD_LINEAR,
	O_LATENT, O_COUNT
};

struct sample_shape {
	uint32_t group, kv_heads, head, slots, ffn, experts, selected, vocab, tokens, rows;
	/* Of the weights in the order of creation: element type and layout, where these can hold the shape; else F32, ROWS. */
	uint8_t dtype[16], layout[16];
};

/* A finished program (free() it). Tokens 1..5, rows 1..2, window 0..64; two heads share each of two key heads of 16. */
void *sample_program(size_t *ret_size);
void *sample_program_of(const struct sample_shape *shape, size_t *ret_size);

#endif /* SAMPLE_PROGRAM_H */

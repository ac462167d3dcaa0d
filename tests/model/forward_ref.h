/* SPDX-License-Identifier: MIT */
/*
 * An oracle of its own for the models: the forward pass in double precision straight from the papers'
 * formulas, one token after the other, sharing nothing with the engine but the reading of GGUF files and of
 * element types.
 */
#ifndef FORWARD_REF_H
#define FORWARD_REF_H

#include <stdint.h>

struct gguf;

struct forward_params {
	uint32_t window;	/* 0: none */
	uint32_t experts_used;	/* 0: what the file says */
};

/* Logits of all @n tokens, n x n_vocab; free() them. Aborts on a file that isn't as it should be: it is a test's. */
double *forward_ref(const struct gguf *g, const int32_t *tokens, uint32_t n, const struct forward_params *params,
		    uint32_t *ret_n_vocab);

#endif /* FORWARD_REF_H */

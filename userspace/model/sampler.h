/* SPDX-License-Identifier: MIT */
/*
 * Choosing the next token from logits. The steps, in this order, each skipped when its parameter
 * says so:
 *
 *	repetition penalty	logits of the last tokens, divided (above 0) or multiplied (Keskar et al. 2019, section 4.1)
 *	temperature		logits / temperature; 0: the largest logit is taken and the rest of the list skipped
 *	top-k			the k largest
 *	top-p			the largest whose probabilities first sum up to p (Holtzman et al. 2020)
 *	min-p			those at least p times as probable as the first
 *	draw			by a random number of xoshiro256** (Blackman and Vigna 2018), seeded through SplitMix64
 *
 * Of equal logits the lower id counts as the larger. The same seed and the same logits give the
 * same tokens on every machine: the exponential is computed here with basic IEEE 754 operations,
 * libm's differs from one to the next.
 */
#ifndef DSEEK_SAMPLER_H
#define DSEEK_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

struct sampler_params {
	float temperature;	/* >= 0; 0: greedy */
	uint32_t top_k;		/* 0: all */
	float top_p;		/* above 0, to 1: all */
	float min_p;		/* 0: all, to 1 */
	float repeat_penalty;	/* above 0; 1: none */
	uint32_t repeat_last;	/* tokens it looks back */
	uint64_t seed;
};

#define SAMPLER_GREEDY	{ .temperature = 0, .top_p = 1, .repeat_penalty = 1 }

struct sampler;

/* -EINVAL and one sentence that names the parameter, or -ENOMEM. */
int sampler_create(const struct sampler_params *params, uint32_t n_vocab,
		   struct sampler **ret_sampler, char *err, size_t err_size);
void sampler_destroy(struct sampler *s);

/* A token that the repetition penalty shall know of: of the prompt, or the one that was drawn. */
void sampler_accept(struct sampler *s, int32_t id);

/*
 * The next of @logits (n_vocab of them), which stay as they are. -EDOM: one is NaN or +infinity, or
 * all are -infinity; a single -infinity excludes a token.
 */
int sampler_next(struct sampler *s, const float *logits, int32_t *ret_id);

#endif /* DSEEK_SAMPLER_H */

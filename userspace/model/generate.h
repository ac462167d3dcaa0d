/* SPDX-License-Identifier: MIT */
/* Prompt in, tokens out. */
#ifndef DSEEK_GENERATE_H
#define DSEEK_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsk_session;
struct sampler_params;
struct tokenizer;

struct dsk_token {
	int32_t id;
	uint32_t index;			/* 0: the first after the prompt */
	const char *text;		/* whole characters only; may be empty; valid during the callback */
	size_t text_size;
	float logit, margin;		/* of the token, and its distance to the best other one (negative: it wasn't the best) */
	uint64_t submit_ns, done_ns;	/* of the job that made its logits */
	uint64_t engine_ns;
	uint32_t preemptions;
};

enum dsk_stop { DSK_STOP_LENGTH, DSK_STOP_END, DSK_STOP_CONTEXT, DSK_STOP_CALLER, DSK_STOP_COUNT };

struct dsk_generate_params {
	const struct sampler_params *sampler;	/* NULL: greedy */
	uint32_t max_tokens;			/* at least 1 */
	bool ignore_end;			/* go on after the model's end tokens */
	/* After each token, the end token included; other than 0 stops. May be NULL. */
	int (*token)(void *arg, const struct dsk_token *token);
	void *arg;
};

struct dsk_generated {
	uint32_t n_prompt, n_tokens;
	enum dsk_stop stop;
	uint64_t start_ns, first_ns, end_ns;	/* first: the first token was there */
};

/*
 * Appends @prompt and what follows to the session's context. The text goes on from token to token: bytes of a cut character
 * wait for the next. -EINVAL, -ENOSPC (the prompt alone does not fit), -EDOM (logits that are no numbers) or a job's error, with
 * the sentence in @err; a full context afterwards is an end (DSK_STOP_CONTEXT), not an error.
 */
int dsk_generate(struct dsk_session *session, const struct tokenizer *tokenizer, const int32_t *prompt, uint32_t n_prompt,
		 const struct dsk_generate_params *params, struct dsk_generated *ret_result, char *err, size_t err_size);

#endif /* DSEEK_GENERATE_H */

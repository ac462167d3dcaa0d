// SPDX-License-Identifier: MIT
#include "generate.h"

#include <dseek.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model.h"
#include "sampler.h"
#include "tokenizer.h"
#include "utf8.h"

struct run {
	struct dsk_session *session;
	const struct tokenizer *tokenizer;
	const struct dsk_generate_params *params;
	struct sampler *sampler;
	struct utf8_stream utf8;
	char *text;
	size_t room;
	char *err;
	size_t err_size;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static float best_other(const float *logits, uint32_t n, int32_t id)
{
	float best = -INFINITY;

	for (uint32_t i = 0; i < n; i++)
		if ((int32_t)i != id && logits[i] > best)
			best = logits[i];
	return best;
}

/* The token's bytes behind those held back; at the @last one what is held back comes out too. */
static int make_text(struct run *r, struct dsk_token *t, bool last)
{
	struct gguf_str piece = { "", 0 };
	int rc = tokenizer_piece(r->tokenizer, t->id, 0, &piece);

	if (rc && rc != -ERANGE)	/* a vocabulary shorter than the logits: no text */
		return rc;
	if (r->room < 3 * (piece.size + 6)) {
		char *text = realloc(r->text, 3 * (piece.size + 6));

		if (!text)
			return -ENOMEM;
		r->text = text;
		r->room = 3 * (piece.size + 6);
	}
	t->text_size = utf8_stream_push(&r->utf8, piece.data, piece.size, r->text);
	if (last)
		t->text_size += utf8_stream_end(&r->utf8, r->text + t->text_size);
	t->text = r->text;
	return 0;
}

static int loop(struct run *r, struct dsk_generated *g)
{
	uint32_t n_vocab = dsk_model_shape(dsk_session_model(r->session))->n_vocab;
	int rc;

	for (uint32_t index = 0; ; index++) {
		const struct dseek_job_result *job = dsk_session_last_job(r->session);
		const float *logits = dsk_session_logits(r->session);
		struct dsk_token t = { .index = index, .submit_ns = job->submit_ns, .done_ns = job->end_ns,
				       .engine_ns = job->engine_ns, .preemptions = job->preemptions };
		bool end, full, last;

		rc = sampler_next(r->sampler, logits, &t.id);
		if (rc) {
			snprintf(r->err, r->err_size, "the logits of token %u are not numbers", index);
			return rc;
		}
		sampler_accept(r->sampler, t.id);
		t.logit = logits[t.id];
		t.margin = t.logit - best_other(logits, n_vocab, t.id);
		if (!index)
			g->first_ns = now_ns();
		g->n_tokens = index + 1;
		end = !r->params->ignore_end && tokenizer_is_end(r->tokenizer, t.id);
		full = dsk_session_n_past(r->session) == dsk_session_n_ctx(r->session);
		last = end || full || index + 1 >= r->params->max_tokens;
		rc = make_text(r, &t, last);
		if (rc) {
			snprintf(r->err, r->err_size, "no memory for a token's text");
			return rc;
		}
		if (r->params->token && r->params->token(r->params->arg, &t)) {
			g->stop = DSK_STOP_CALLER;
			return 0;
		}
		if (last) {
			g->stop = end ? DSK_STOP_END : index + 1 >= r->params->max_tokens ? DSK_STOP_LENGTH : DSK_STOP_CONTEXT;
			return 0;
		}
		rc = dsk_session_eval(r->session, &t.id, 1);
		if (rc) {
			snprintf(r->err, r->err_size, "%s", dsk_session_error(r->session));
			return rc;
		}
	}
}

int dsk_generate(struct dsk_session *session, const struct tokenizer *tokenizer, const int32_t *prompt, uint32_t n_prompt,
		 const struct dsk_generate_params *params, struct dsk_generated *ret_result, char *err, size_t err_size)
{
	static const struct sampler_params greedy = SAMPLER_GREEDY;
	struct dsk_generated g = { .n_prompt = n_prompt, .start_ns = now_ns() };
	struct run r = { .session = session, .tokenizer = tokenizer, .params = params, .err = err, .err_size = err_size };
	int rc;

	if (!params->max_tokens) {
		snprintf(err, err_size, "no tokens are asked for");
		return -EINVAL;
	}
	rc = sampler_create(params->sampler ? params->sampler : &greedy, dsk_model_shape(dsk_session_model(session))->n_vocab,
			    &r.sampler, err, err_size);
	if (rc)
		return rc;
	for (uint32_t i = 0; i < n_prompt; i++)
		sampler_accept(r.sampler, prompt[i]);
	rc = dsk_session_eval(session, prompt, n_prompt);
	if (rc)
		snprintf(err, err_size, "%s", dsk_session_error(session));
	else
		rc = loop(&r, &g);
	g.end_ns = now_ns();
	sampler_destroy(r.sampler);
	free(r.text);
	if (!rc)
		*ret_result = g;
	return rc;
}

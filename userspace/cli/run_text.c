// SPDX-License-Identifier: MIT
/* Text from a model: each stream is a session of its own, reads its tenant's prompt and writes until the text ends, again and again. */
#include "cli.h"
#include "run.h"
#include "../model/channel.h"
#include "../model/chat.h"
#include "../model/model.h"
#include "../model/sampler.h"
#include "../model/tokenizer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT		1024	/* tokens; a text that fills it is complete */
#define MEASURE_STEPS	3

struct text {
	const struct run_work_params *params;
	struct dsk_model *model, *own;		/* own: loaded here */
	struct tokenizer *tokenizer;
	int32_t *prompt;
	size_t n_prompt;
	bool in_channels;			/* only "final" is for who looks on */
	struct channel_reader answer;		/* at its beginning */
};

struct text_stream {
	struct text *text;
	struct dsk_session *session;
	struct sampler *sampler;
	int32_t next;			/* drawn, not yet in the context */
	uint64_t tokens;		/* of this text */
	struct channel_reader reader;
};

/* As the model's chat template has it, or as it stands if the file has no template that we know. */
static int read_prompt(struct text *t, char *err, size_t err_size)
{
	const struct gguf *g = dsk_model_gguf(t->model);
	const struct chat_message message = { "user", t->params->spec->prompt };
	struct chat *chat;
	int r;

	r = tokenizer_create(g, &t->tokenizer, err, err_size);
	if (r)
		return r;
	r = chat_create(g, t->tokenizer, &chat, err, err_size);
	if (!r) {
		t->in_channels = chat_has_channels(chat);
		if (t->in_channels && channel_reader_init(&t->answer, t->tokenizer, err, err_size))
			r = -EINVAL;
		if (!r)
			r = chat_encode(chat, &message, 1, &t->prompt, &t->n_prompt, err, err_size);
		chat_destroy(chat);
	} else if (r == -ENOENT || r == -ENOTSUP) {
		r = tokenizer_encode(t->tokenizer, message.content, strlen(message.content), TOKENIZER_ADD, &t->prompt,
				     &t->n_prompt);
	}
	if (!r && (!t->n_prompt || t->n_prompt >= CONTEXT)) {
		snprintf(err, err_size, "the prompt has %zu tokens; it must be 1 to %d", t->n_prompt, CONTEXT - 1);
		r = -E2BIG;
	}
	return r;
}

static void text_close(void *work)
{
	struct text *t = work;

	free(t->prompt);
	tokenizer_destroy(t->tokenizer);
	dsk_model_close(t->own);
	free(t);
}

static int text_open(const struct run_work_params *params, void **ret_work, char *err, size_t err_size)
{
	struct text *t = calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return -ENOMEM;
	t->params = params;
	t->model = params->model;
	if (!t->model) {
		r = dsk_model_open(params->model_path, &t->own, err, err_size);
		if (!r)
			r = dsk_model_load(t->own, params->dev, NULL, err, err_size);
		t->model = t->own;
	}
	if (!r)
		r = read_prompt(t, err, err_size);
	if (r) {
		text_close(t);
		return r;
	}
	*ret_work = t;
	return 0;
}

static int session_create(struct text *t, const struct dseek_queue_params *queue, struct dsk_session **ret_session, char *err,
			  size_t err_size)
{
	const struct dsk_session_params params = {
		.dev = t->params->dev, .engine = t->params->engine->name, .engines = t->params->engines,
		.sched_class = queue->sched_class, .weight = queue->weight,
		.budget_ns = queue->budget_ns, .period_ns = queue->period_ns,
		.n_ctx = CONTEXT, .chunk = 16,
	};

	return dsk_session_create(t->model, &params, ret_session, err, err_size);
}

/* The least of some decode steps: what others do at the same time only adds. */
static int text_measure(void *work, uint64_t *ret_step_ns, char *err, size_t err_size)
{
	struct text *t = work;
	const struct dseek_queue_params queue = { .sched_class = DSEEK_CLASS_INTERACTIVE, .weight = 1 };
	struct dsk_session *session;
	uint64_t least = UINT64_MAX, ns;
	int i, r;

	r = session_create(t, &queue, &session, err, err_size);
	if (r)
		return r;
	for (i = 0; i < MEASURE_STEPS; i++) {
		r = dsk_session_eval(session, t->prompt, 1);
		if (r) {
			snprintf(err, err_size, "%s", dsk_session_error(session));
			break;
		}
		ns = dsk_session_last_job(session)->engine_ns;
		if (ns < least)
			least = ns;
	}
	dsk_session_destroy(session);
	if (!r)
		*ret_step_ns = least;
	return r;
}

static void text_stream_close(void *stream)
{
	struct text_stream *s = stream;

	sampler_destroy(s->sampler);
	dsk_session_destroy(s->session);
	free(s);
}

static int text_stream_open(void *work, const struct dseek_queue_params *queue, uint32_t index, void **ret_stream, char *err,
			    size_t err_size)
{
	struct text *t = work;
	const struct sampler_params params = { .temperature = 0.7f, .top_k = 40, .top_p = 0.95f, .repeat_penalty = 1.1f,
					       .repeat_last = 64, .seed = 1 + index };
	struct text_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->text = t;
	r = session_create(t, queue, &s->session, err, err_size);
	if (!r)
		r = sampler_create(&params, dsk_model_shape(t->model)->n_vocab, &s->sampler, err, err_size);
	if (r) {
		text_stream_close(s);
		return r;
	}
	*ret_stream = s;
	return 0;
}

static int text_stats(void *stream, struct dseek_queue_stats *ret_stats)
{
	struct text_stream *s = stream;

	return dsk_session_stats(s->session, ret_stats);
}

static int text_end(struct text_stream *s)
{
	dsk_session_rewind(s->session, 0);
	s->tokens = 0;
	return 1;
}

/* Run what isn't in the context yet, the prompt or the last token; draw the next; its text is the step's. */
static int text_step(void *stream, uint64_t due_ns, char *text, size_t text_size, char *err, size_t err_size)
{
	struct text_stream *s = stream;
	struct text *t = s->text;
	int prompt = !dsk_session_n_past(s->session);
	uint64_t now = cli_now_ns();
	struct gguf_str piece;
	const char *channel;
	int32_t id;
	int r;

	if (s->tokens && (s->tokens == t->params->spec->tokens || dsk_session_n_past(s->session) == CONTEXT))
		return text_end(s);
	dsk_session_set_deadline(s->session, !due_ns ? 0 : due_ns > now ? due_ns - now : 1);
	r = dsk_session_eval(s->session, prompt ? t->prompt : &s->next, prompt ? t->n_prompt : 1);
	if (r) {
		snprintf(err, err_size, "%s", dsk_session_error(s->session));
		/* only a decode step is submitted with a deadline */
		return r == -ETIME && prompt ? -EIO : r;
	}
	r = sampler_next(s->sampler, dsk_session_logits(s->session), &id);
	if (r) {
		snprintf(err, err_size, "the model's logits are not numbers");
		return r;
	}
	if (tokenizer_is_end(t->tokenizer, id))
		return text_end(s);
	sampler_accept(s->sampler, id);
	s->next = id;
	s->tokens++;
	if (prompt)
		s->reader = t->answer;
	channel = t->in_channels ? channel_reader_push(&s->reader, id) : CHANNEL_FINAL;
	r = tokenizer_piece(t->tokenizer, id, 0, &piece);
	if (!channel || strcmp(channel, CHANNEL_FINAL))
		piece.size = 0;
	if (r) {
		snprintf(err, err_size, "token %d is not in the vocabulary", id);
		return r;
	}
	if (piece.size >= text_size)
		piece.size = text_size - 1;
	memcpy(text, piece.data, piece.size);
	text[piece.size] = '\0';
	return 0;
}

const struct run_work_ops run_work_text = { text_open, text_close, text_measure, text_stream_open, text_stream_close, text_stats,
					    text_step };

/* SPDX-License-Identifier: MIT */
/*
 * Conversations as the model was trained to read them. A GGUF file carries its template as a
 * program in the Jinja language (tokenizer.chat_template); the families known here are recognised
 * in that text by the literals they print, and rendered the same:
 *
 *	ChatML		SmolLM, Qwen2, Qwen3 and others; a default system message is taken from the template
 *	Llama 3		with the date lines of 3.1 and later
 *	Mistral		[INST], the spaces as the template has them; system messages go before the first user message
 *	DeepSeek	LLM and V2 ("User: "), V2.5, V3 and R1 (<｜User｜>)
 *	harmony		gpt-oss (OpenAI 2025, docs/format.md of github.com/openai/harmony): what others call the system message is the developer's
 *			instructions; the system message has the date and how much to reason; answers are in channels (channel.h)
 *
 * Tools, images and other families' reasoning switches aren't rendered.
 */
#ifndef DSEEK_CHAT_H
#define DSEEK_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chat;
struct gguf;
struct tokenizer;

struct chat_message {
	const char *role;	/* "system", "user" or "assistant"; harmony: "developer" is the same as "system" */
	const char *content;
	const char *channel;	/* harmony, of an assistant's: "analysis", "commentary" or "final"; NULL: final, and in other families */
};

struct chat_settings {		/* of harmony; NULL: as it is */
	const char *reasoning;	/* "low", "medium" (at first) or "high" */
	const char *date;	/* year-month-day; at first today's, UTC */
};

/*
 * The template of @g. -ENOENT: it has none, -ENOTSUP: none of the families above; @err has one
 * sentence that says what to do. @t must outlive it.
 */
int chat_create(const struct gguf *g, const struct tokenizer *t, struct chat **ret_chat, char *err,
		size_t err_size);
void chat_destroy(struct chat *c);
const char *chat_family(const struct chat *c);		/* "ChatML" */
bool chat_has_channels(const struct chat *c);
/* -ENOTSUP: the family has no such settings; -EINVAL: no such value. */
int chat_set(struct chat *c, const struct chat_settings *settings, char *err, size_t err_size);

/*
 * The text of @messages, without the beginning-of-sequence token, ending where the assistant's
 * answer begins. Freed by the caller. -EINVAL: a role or a channel that the family doesn't have, or an order it
 * doesn't allow. In harmony, analysis before the last final answer is left out, as the format wants it.
 */
int chat_render(const struct chat *c, const struct chat_message *messages, size_t n,
		char **ret_text,
		char *err, size_t err_size);

/*
 * The same as tokens, with beginning of sequence where the template or the file asks for it.
 * Control tokens written in a message are text there: who writes a message can't end it. Freed by
 * the caller.
 */
int chat_encode(const struct chat *c, const struct chat_message *messages, size_t n,
		int32_t **ret_ids, size_t *ret_n,
		char *err, size_t err_size);

#endif /* DSEEK_CHAT_H */

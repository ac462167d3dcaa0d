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
 *
 * Tools, images and reasoning switches of these templates aren't rendered.
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
	const char *role;	/* "system", "user" or "assistant" */
	const char *content;
};

/*
 * The template of @g. -ENOENT: it has none, -ENOTSUP: none of the families above; @err has one
 * sentence that says what to do. @t must outlive it.
 */
int chat_create(const struct gguf *g, const struct tokenizer *t, struct chat **ret_chat, char *err,
		size_t err_size);
void chat_destroy(struct chat *c);
const char *chat_family(const struct chat *c);		/* "ChatML" */

/*
 * The text of @messages, without the beginning-of-sequence token, ending where the assistant's
 * answer begins. Freed by the caller. -EINVAL: a role that the family doesn't have, or an order it
 * doesn't allow.
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

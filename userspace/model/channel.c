// SPDX-License-Identifier: MIT
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tokenizer.h"

int channel_reader_init(struct channel_reader *r, const struct tokenizer *t, char *err, size_t err_size)
{
	struct channel_reader reader = { .tokenizer = t };
	const struct { const char *name; int32_t *id; } tokens[] = {
		{ "<|start|>", &reader.start }, { "<|end|>", &reader.end }, { "<|channel|>", &reader.channel }, { "<|message|>", &reader.message },
	};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		*tokens[i].id = tokenizer_find(t, tokens[i].name);
		if (*tokens[i].id >= 0)
			continue;
		snprintf(err, err_size, "the vocabulary has no token %s, which answers in channels are made of", tokens[i].name);
		return -ENOENT;
	}
	*r = reader;
	return 0;
}

/* A channel's name is the header's first word after <|channel|>. */
static void add_to_name(struct channel_reader *r, int32_t id)
{
	struct gguf_str piece;

	if (tokenizer_piece(r->tokenizer, id, 0, &piece))
		return;
	if (tokenizer_type(r->tokenizer, id) == TOKEN_CONTROL) {	/* <|constrain|> */
		r->part = CHANNEL_HEADER;
		return;
	}
	for (size_t i = 0; i < piece.size && r->part == CHANNEL_NAME; i++) {
		if (piece.data[i] == ' ')
			r->part = r->length ? CHANNEL_HEADER : CHANNEL_NAME;
		else if (r->length < sizeof(r->name) - 1)
			r->name[r->length++] = piece.data[i];
	}
	r->name[r->length] = 0;
}

const char *channel_reader_push(struct channel_reader *r, int32_t id)
{
	if (id == r->start || id == r->end) {
		r->part = CHANNEL_HEADER;
		r->length = 0;
		r->name[0] = 0;
	} else if (id == r->channel) {
		r->part = CHANNEL_NAME;
		r->length = 0;
	} else if (id == r->message) {
		r->part = CHANNEL_CONTENT;
	} else if (r->part == CHANNEL_NAME) {
		add_to_name(r, id);
	} else if (r->part == CHANNEL_CONTENT && tokenizer_type(r->tokenizer, id) != TOKEN_CONTROL) {
		return r->name;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/*
 * Answers in channels (harmony, gpt-oss's format: chat.h). Token by token, each is a part of a message in some channel, or of what is around
 * messages:
 *
 *	<|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>...<|return|>
 *
 * "final" is what the user is to see; "analysis" is how the model got there, "commentary" what it says to tools, or about them. A recipient
 * (to=...) may follow the role or the channel; it is none of either.
 */
#ifndef DSEEK_CHANNEL_H
#define DSEEK_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

struct tokenizer;

#define CHANNEL_FINAL	"final"

struct channel_reader {
	const struct tokenizer *tokenizer;
	int32_t start, end, channel, message;	/* the tokens */
	enum { CHANNEL_HEADER, CHANNEL_NAME, CHANNEL_CONTENT } part;
	char name[32];				/* of the channel, "" if the header has none so far; a longer one is cut */
	size_t length;
};

/* The answer begins within an assistant's header, as chat_render() ends. -ENOENT, naming the token in @err: the vocabulary has none of these. */
int channel_reader_init(struct channel_reader *r, const struct tokenizer *t, char *err, size_t err_size);

/* The channel of the message that the text of token @id is a part of, valid until the next; NULL: it is a part of none. */
const char *channel_reader_push(struct channel_reader *r, int32_t id);

#endif /* DSEEK_CHANNEL_H */

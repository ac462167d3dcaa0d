/* SPDX-License-Identifier: MIT */
/*
 * Text to token ids and back, by the vocabulary in a GGUF file: byte-level BPE
 * (tokenizer.ggml.model "gpt2"; the word splitting is named by tokenizer.ggml.pre, see
 * pretokenize.h) and SentencePiece-style BPE with scores and byte fallback ("llama").
 *
 * A tokenizer may be used by any number of threads. Text may hold any bytes. Where the vocabulary
 * lacks a byte (some lack those that no UTF-8 text has, and control characters) it gives the
 * unknown token in SentencePiece, and nothing in byte-level BPE, as the models' own tools do. Text
 * isn't normalised (Qwen's own tool applies NFC first).
 */
#ifndef DSEEK_TOKENIZER_H
#define DSEEK_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gguf.h"

struct tokenizer;

enum token_type {	/* numbers of the format */
	TOKEN_UNDEFINED, TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE,
	TOKEN_TYPE_COUNT,
};

#define TOKENIZER_ADD		(1u << 0)	/* add what the file says: beginning and end of sequence */
#define TOKENIZER_SPECIAL	(1u << 1)	/* control tokens written in the text are tokens; else they're text.
						   User-defined ones always are */

/*
 * 0, or -errno and one sentence that names the file, the key and what is wrong. @g must outlive the
 * tokenizer.
 */
int tokenizer_create(const struct gguf *g, struct tokenizer **ret_tokenizer, char *err,
		     size_t err_size);
void tokenizer_destroy(struct tokenizer *t);

/* *ret_ids is the caller's to free(). -ENOMEM; -E2BIG: 2 GiB or more. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size, unsigned int flags,
		     int32_t **ret_ids, size_t *ret_n);

struct tokenizer_range {	/* bytes of a text */
	size_t start, end;
};

/*
 * The same, but control tokens that begin within @plain (in order, apart) are text whatever the
 * flags say.
 */
int tokenizer_encode_ranges(const struct tokenizer *t, const char *text, size_t size,
			    unsigned int flags,
			    const struct tokenizer_range *plain, size_t n_plain, int32_t **ret_ids, size_t *ret_n);

/*
 * The bytes of one token as they follow other text: a beginning space is there, a character may be
 * cut (utf8.h puts them together). Control tokens are "" unless TOKENIZER_SPECIAL asks for their
 * names. -ERANGE: no such id.
 */
int tokenizer_piece(const struct tokenizer *t, int32_t id, unsigned int flags,
		    struct gguf_str *ret_piece);

/*
 * All of @ids; *ret_text is the caller's to free() and NUL-terminated. The inverse of encoding: the
 * space that SentencePiece puts before a text is taken away again. -ERANGE: an id isn't in the
 * vocabulary.
 */
int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, unsigned int flags,
		     char **ret_text, size_t *ret_size);

uint32_t tokenizer_n_vocab(const struct tokenizer *t);
const char *tokenizer_kind(const struct tokenizer *t);		/* the pre-tokenizer of BPE, or "SentencePiece" */
struct gguf_str tokenizer_name(const struct tokenizer *t,
			       int32_t id);	/* as it stands in the file */
enum token_type tokenizer_type(const struct tokenizer *t, int32_t id);
int32_t tokenizer_find(const struct tokenizer *t,
		       const char *name);	/* of a control or user-defined token; -1: none */
int32_t tokenizer_bos(const struct tokenizer *t);		/* -1: none */
int32_t tokenizer_eos(const struct tokenizer *t);
bool tokenizer_adds_bos(const struct tokenizer *t);
/* The model is done: end of sequence, of turn, of message. */
bool tokenizer_is_end(const struct tokenizer *t, int32_t id);

#endif /* DSEEK_TOKENIZER_H */

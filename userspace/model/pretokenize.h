/* SPDX-License-Identifier: MIT */
/*
 * Cutting text into the words that byte-level BPE works on. Each model family has its own regular
 * expressions, published with the model (tokenizer.json) and named in a GGUF file by
 * tokenizer.ggml.pre. They lean on Unicode properties and lookahead, so PCRE2 runs them as they
 * stand, rather than tables of our own that would have to follow Unicode's versions.
 */
#ifndef DSEEK_PRETOKENIZE_H
#define DSEEK_PRETOKENIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pretokenizer;

struct span {
	uint32_t at, size;	/* bytes */
};

struct spans {			/* all zero at first; free(v) */
	struct span *v;
	size_t n, allocated;
};

/* @name as in the file. -ENOTSUP: unknown, and @err names the known ones. */
int pretokenizer_create(const char *name, struct pretokenizer **ret_pre, char *err,
			size_t err_size);
void pretokenizer_destroy(struct pretokenizer *p);

/* A word that is a token as a whole is taken without merging (Llama 3, gpt-oss). */
bool pretokenizer_whole_words(const struct pretokenizer *p);
/* What files without tokenizer.ggml.add_bos_token mean. */
bool pretokenizer_default_bos(const struct pretokenizer *p);

/*
 * Append the words of @text (< 4 GiB) to @out: every byte is in exactly one, in order. Text that
 * isn't UTF-8 is cut around its wrong bytes, each a word of its own. 0, -ENOMEM, or -EIO when a
 * pattern can't be matched.
 */
int pretokenizer_split(const struct pretokenizer *p, const char *text, uint32_t size,
		       struct spans *out);

#endif /* DSEEK_PRETOKENIZE_H */

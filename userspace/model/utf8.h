/* SPDX-License-Identifier: MIT */
/* UTF-8: lengths, and a stream of tokens' bytes turned into text that can be shown as it comes. */
#ifndef DSEEK_UTF8_H
#define DSEEK_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the character at @text, 0 if the bytes there are no whole character (RFC 3629; no
 * surrogates, no overlong forms).
 */
uint32_t utf8_size(const char *text, size_t size);

/*
 * A character's bytes can come in several tokens: the beginning of one is held back until the rest
 * arrives. Bytes that can't become a character turn into U+FFFD, one for each longest beginning of
 * a character, as the Unicode standard recommends. All zero at first.
 */
struct utf8_stream {
	char held[4];
	uint32_t n_held;
};

/*
 * Writes what can be shown to @out, which has room for 3 * (@size + 3) bytes, and returns its size.
 */
size_t utf8_stream_push(struct utf8_stream *s, const char *data, size_t size, char *out);
/* The end: what was held back becomes U+FFFD. @out has room for 3 bytes. */
size_t utf8_stream_end(struct utf8_stream *s, char *out);

#endif /* DSEEK_UTF8_H */

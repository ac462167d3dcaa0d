// SPDX-License-Identifier: MIT
#include <string.h>

#include "utf8.h"

static const char replacement[] = "\xef\xbf\xbd";	/* U+FFFD */

/*
 * How many of the first bytes of @text form the beginning of a character, whole or not (at least
 * 1), and in *ret_whole how many the whole has, 0 if no character begins so. Ranges of the second
 * byte: Unicode 15, table 3-7.
 */
static uint32_t beginning(const unsigned char *text, size_t size, uint32_t *ret_whole)
{
	uint32_t whole, n = 1;
	unsigned char low = 0x80, high = 0xbf, c = text[0];

	*ret_whole = 0;
	if (c < 0x80)
		whole = 1;
	else if (c < 0xc2 || c > 0xf4)
		return 1;
	else
		whole = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		low = 0xa0;
	else if (c == 0xed)
		high = 0x9f;
	else if (c == 0xf0)
		low = 0x90;
	else if (c == 0xf4)
		high = 0x8f;
	for (; n < whole && n < size; n++) {
		if (text[n] < low || text[n] > high)
			return n;
		low = 0x80;
		high = 0xbf;
	}
	*ret_whole = whole;
	return n;
}

uint32_t utf8_size(const char *text, size_t size)
{
	uint32_t whole;

	return size && beginning((const unsigned char *)text, size, &whole) == whole ? whole : 0;
}

size_t utf8_stream_push(struct utf8_stream *s, const char *data, size_t size, char *out)
{
	char *start = out;

	for (size_t i = 0; i < size; ) {
		uint32_t whole, n;

		s->held[s->n_held++] = data[i++];
		n = beginning((const unsigned char *)s->held, s->n_held, &whole);
		if (whole && n < whole)
			continue;	/* more may come */
		if (whole) {
			memcpy(out, s->held, n);
			out += n;
		} else {
			memcpy(out, replacement, 3);
			out += 3;
			if (n < s->n_held)
				i--;	/* the last byte broke it off and begins anew */
		}
		s->n_held = 0;
	}
	return out - start;
}

size_t utf8_stream_end(struct utf8_stream *s, char *out)
{
	if (!s->n_held)
		return 0;
	s->n_held = 0;
	memcpy(out, replacement, 3);
	return 3;
}

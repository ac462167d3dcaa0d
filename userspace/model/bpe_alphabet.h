/* SPDX-License-Identifier: MIT */
/*
 * Byte-level BPE writes bytes as characters (Radford et al. 2019): 33..126, 161..172 and 174..255
 * stand for themselves, the other 68 are 256 and up, in order.
 */
#ifndef DSEEK_BPE_ALPHABET_H
#define DSEEK_BPE_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

static inline uint32_t bpe_char_of_byte(uint8_t byte)
{
	if (byte <= 32)
		return 256 + byte;
	if (byte < 127)
		return byte;
	if (byte <= 160)
		return 256 + 33 + (byte - 127);
	return byte == 173 ? 256 + 67 : byte;
}

static inline int bpe_byte_of_char(uint32_t c)	/* -1: stands for no byte */
{
	if (c >= 256 && c <= 256 + 32)
		return (int)c - 256;
	if (c >= 256 + 33 && c <= 256 + 66)
		return (int)c - 256 - 33 + 127;
	if (c == 256 + 67)
		return 173;
	if ((c >= 33 && c < 127) || (c > 160 && c < 256 && c != 173))
		return (int)c;
	return -1;
}

/* The character in UTF-8: 1 or 2 bytes. */
static inline size_t bpe_write_byte(uint8_t byte, char *out)
{
	uint32_t c = bpe_char_of_byte(byte);

	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = (char)(0xc0 | c >> 6);
	out[1] = (char)(0x80 | (c & 0x3f));
	return 2;
}

#endif /* DSEEK_BPE_ALPHABET_H */

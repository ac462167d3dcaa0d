/* SPDX-License-Identifier: MIT */
/*
 * Weights as programs have them: rows of blocks as in GGUF files, one after the other or PACKED, that is groups of 16 rows whose 4-byte
 * words lie side by side, then their scales, of 16 bits or MXFP4's of 8 (userspace/lib/dtype_pack.c has the layout, dtype.c the blocks).
 * F8_E4M3's scale is the word behind a row's last.
 */
#ifndef WEIGHT_H
#define WEIGHT_H

#include "dsk_layout.h"
#include "kdev.h"
#include "f8.h"

#define WEIGHT_GROUP	16

struct weight_row {
	K_GLOBAL const char *words, *halves;	/* the first of each */
	int word_step, half_step;		/* bytes to the next in a block */
	int word_block, half_block;		/* to those of the next block */
};

/* A block: elements, words and where they are in it, 16-bit halves and where they are. BF16 is packed by pairs. */
struct weight_block {
	int elements, bytes, words, words_at, halves, halves_at;
};

K_DEV struct weight_block weight_block(int type, int packed)
{
	struct weight_block b = { 1, 4, 1, 0, 0, 0 };			/* F32 */

	if (type == DSK_W_F16 || (type == DSK_W_BF16 && !packed)) {
		b.bytes = 2, b.words = 0, b.halves = 1;
	} else if (type == DSK_W_BF16) {
		b.elements = 2;
	} else if (type == DSK_W_Q8_0) {
		b.elements = 32, b.bytes = 34, b.words = 8, b.words_at = 2, b.halves = 1;
	} else if (type == DSK_W_Q4_0) {
		b.elements = 32, b.bytes = 18, b.words = 4, b.words_at = 2, b.halves = 1;
	} else if (type == DSK_W_Q4_1) {
		b.elements = 32, b.bytes = 20, b.words = 4, b.words_at = 4, b.halves = 2;
	} else if (type == DSK_W_Q4_K) {
		b.elements = 256, b.bytes = 144, b.words = 35, b.words_at = 4, b.halves = 2;
	} else if (type == DSK_W_MXFP4) {	/* in rows at any address */
		b.elements = 32, b.bytes = 17, b.words = 4, b.words_at = 1, b.halves = 1;
	} else if (type == DSK_W_F8_E4M3) {
		b.elements = 4;
	} else if (type == DSK_W_Q6_K) {
		b.elements = 256, b.bytes = 210, b.words = 52, b.halves = 1, b.halves_at = 208;
	}
	return b;
}

/* Matrix @n of several: a head's or an expert's; @stride in units of 2 bytes. */
K_DEV K_GLOBAL const void *weight_matrix(K_GLOBAL const void *matrices, int n, int stride)
{
	return (K_GLOBAL const k_u16 *)matrices + (long)n * stride;
}

K_DEV struct weight_row weight_row(K_GLOBAL const void *matrix, struct dsk_matrix m, int row)
{
	struct weight_block b = weight_block(m.type, m.packed);
	K_GLOBAL const char *at = (K_GLOBAL const char *)matrix;
	struct weight_row r;

	if (m.packed) {
		int lane = row % WEIGHT_GROUP, scale = m.type == DSK_W_MXFP4 ? 1 : 2;

		at += (long)(row / WEIGHT_GROUP) * (((long)m.row_bytes * WEIGHT_GROUP + 63) / 64 * 64);
		r.words = at + lane * 4;
		r.halves = at + (long)(m.k / b.elements) * b.words * WEIGHT_GROUP * 4 + lane * scale;
		r.word_step = WEIGHT_GROUP * 4;
		r.half_step = WEIGHT_GROUP * scale;
		r.word_block = b.words * r.word_step;
		r.half_block = b.halves * r.half_step;
	} else {
		at += (long)row * m.row_bytes;
		r.words = at + b.words_at;
		r.halves = at + b.halves_at;
		r.word_step = 4;
		r.half_step = 2;
		r.word_block = r.half_block = b.bytes;
	}
	return r;
}

K_DEV k_u16 weight_half(struct weight_row r, int block, int i)
{
	return *(K_GLOBAL const k_u16 *)(r.halves + (long)block * r.half_block + i * r.half_step);
}

/* Blocks in rows begin on even addresses. */
K_DEV k_u32 weight_word(struct weight_row r, int block, int i)
{
	K_GLOBAL const k_u16 *p = (K_GLOBAL const k_u16 *)(r.words + (long)block * r.word_block + i * r.word_step);

	return p[0] | (k_u32)p[1] << 16;
}

K_DEV int weight_byte(struct weight_row r, int block, int word, int i)
{
	return (int)(weight_word(r, block, word + i / 4) >> i % 4 * 8 & 0xff);
}

/* Scale @c of a Q4_K block, or its minimum: 6 bits each in 12 bytes. */
K_DEV int q4_k_scale(struct weight_row r, int block, int c, int minimum)
{
	int high = minimum ? weight_byte(r, block, 0, c) : c < 4 ? 0 : weight_byte(r, block, 0, c - 4);
	int low = c < 4 ? weight_byte(r, block, 0, c + (minimum ? 4 : 0)) : weight_byte(r, block, 0, c + 4);

	if (c < 4)
		return low & 63;
	return (minimum ? low >> 4 : low & 15) | high >> 6 << 4;
}

/* E2M1 (OCP Microscaling Formats 1.0, 5.3.1): sign, two bits of exponent, one of mantissa. */
K_DEV float e2m1(int bits)
{
	int exponent = bits >> 1 & 3, mantissa = bits & 1;
	float v = exponent ? (float)((2 + mantissa) << (exponent - 1)) * 0.5f : 0.5f * (float)mantissa;

	return bits & 8 ? -v : v;
}

/* Elements 4q .. 4q + 3 of a row of @k; past its end zeros. */
K_DEV void weight_quad(struct weight_row r, int type, int packed, int k, int q, float *v)
{
	if (type <= DSK_W_BF16) {
		for (int j = 0; j < 4; j++) {
			int i = 4 * q + j;

			v[j] = 0;
			if (i >= k)
				continue;
			if (type == DSK_W_F32)
				v[j] = k_as_float(weight_word(r, i, 0));
			else if (type == DSK_W_F16)
				v[j] = k_f16_to_f32(weight_half(r, i, 0));
			else if (packed)
				v[j] = k_bf16_to_f32((k_u16)(weight_word(r, i / 2, 0) >> i % 2 * 16));
			else
				v[j] = k_bf16_to_f32(weight_half(r, i, 0));
		}
	} else if (type == DSK_W_Q8_0) {
		float d = k_f16_to_f32(weight_half(r, q / 8, 0));
		k_u32 w = weight_word(r, q / 8, q % 8);

		for (int j = 0; j < 4; j++)
			v[j] = d * (float)(signed char)(w >> j * 8 & 0xff);
	} else if (type == DSK_W_MXFP4) {
		K_GLOBAL const unsigned char *word = (K_GLOBAL const unsigned char *)r.words + (long)(q / 8) * r.word_block + q % 4 * r.word_step;
		int e = ((K_GLOBAL const unsigned char *)r.halves)[(long)(q / 8) * r.half_block];
		float d = k_as_float(e ? (k_u32)e << 23 : 0x400000u);	/* 2^(e - 127) */

		for (int j = 0; j < 4; j++)
			v[j] = d * e2m1(word[j] >> q % 8 / 4 * 4 & 15);
	} else if (type == DSK_W_F8_E4M3) {
		float d = k_as_float(weight_word(r, k / 4, 0));
		k_u32 w = weight_word(r, q, 0);

		for (int j = 0; j < 4; j++)
			v[j] = d * k_as_float(f8_to_f32_bits(w >> j * 8 & 0xff));
	} else if (type == DSK_W_Q4_0 || type == DSK_W_Q4_1) {
		float d = k_f16_to_f32(weight_half(r, q / 8, 0)), m = -8 * d;
		k_u32 w = weight_word(r, q / 8, q % 4) >> q % 8 / 4 * 4;

		if (type == DSK_W_Q4_1)
			m = k_f16_to_f32(weight_half(r, q / 8, 1));
		for (int j = 0; j < 4; j++)
			v[j] = d * (float)(w >> j * 8 & 15) + m;
	} else if (type == DSK_W_Q4_K) {
		int b = q / 64, c = q % 64 / 8;
		float d = k_f16_to_f32(weight_half(r, b, 0)) * (float)q4_k_scale(r, b, c, 0);
		float m = k_f16_to_f32(weight_half(r, b, 1)) * (float)q4_k_scale(r, b, c, 1);
		k_u32 w = weight_word(r, b, 3 + c / 2 * 8 + q % 8) >> c % 2 * 4;

		for (int j = 0; j < 4; j++)
			v[j] = d * (float)(w >> j * 8 & 15) - m;
	} else {
		int b = q / 64, n = q % 64 / 32, quarter = q % 32 / 8, w = q % 8;
		float d = k_f16_to_f32(weight_half(r, b, 0)) * (float)(signed char)weight_byte(r, b, 48, n * 8 + quarter * 2 + w / 4);
		k_u32 low = weight_word(r, b, n * 16 + quarter % 2 * 8 + w) >> quarter / 2 * 4;
		k_u32 high = weight_word(r, b, 32 + n * 8 + w) >> quarter * 2;

		for (int j = 0; j < 4; j++)
			v[j] = d * (float)((int)(low >> j * 8 & 15) + (int)(high >> j * 8 & 3) * 16 - 32);
	}
}

/* Row times @x. */
K_DEV float weight_dot(K_GLOBAL const void *matrix, struct dsk_matrix m, int row, K_GLOBAL const float *x)
{
	struct weight_row r = weight_row(matrix, m, row);
	float sum = 0, v[4];

	for (int q = 0; 4 * q < m.k; q++) {
		weight_quad(r, m.type, m.packed, m.k, q, v);
		for (int j = 0; j < 4; j++)
			if (4 * q + j < m.k)
				sum = k_fma(v[j], x[4 * q + j], sum);
	}
	return sum;
}

#endif /* WEIGHT_H */

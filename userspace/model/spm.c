// SPDX-License-Identifier: MIT
/*
 * SentencePiece's BPE (Kudo and Richardson 2018): spaces are written U+2581; of all neighbours
 * whose joint text is a token the pair with the best score is joined, the leftmost of equals first.
 * A character that isn't a token falls back to its bytes.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_priv.h"
#include "tokenizer_priv.h"
#include "utf8.h"

static const char space[] = "\xe2\x96\x81";	/* U+2581 */

struct symbol {
	uint32_t at, size;	/* size 0: merged into another */
	int32_t prev, next;
};

int spm_load(struct tokenizer *t, char *err, size_t err_size)
{
	size_t n;
	int r = gguf_get_f32s(t->g, "tokenizer.ggml.scores", &t->scores, &n, err, err_size);

	if (r)
		return r;
	if (n != t->n_vocab)
		return gguf_fail(t->g, -EINVAL, err, err_size,
				 "key 'tokenizer.ggml.scores' has %zu elements for %u tokens",
				 n, t->n_vocab);
	for (size_t i = 0; i < n; i++)
		if (!isfinite(t->scores[i]))
			return gguf_fail(t->g, -EINVAL, err, err_size,
					 "key 'tokenizer.ggml.scores': element %zu isn't finite",
					 i);
	for (int b = 0; b < 256; b++) {
		char name[8];

		snprintf(name, sizeof(name), "<0x%02X>", b);
		t->byte_ids[b] = -1;
		for (uint32_t i = 0; i < t->n_vocab && t->byte_ids[b] < 0; i++)
			if (t->types[i] == TOKEN_BYTE && gguf_str_eq(t->names[i], name))
				t->byte_ids[b] = (int32_t)i;
	}
	return 0;
}

/*
 * Of two scores the better has the smaller number: the order of IEEE 754 numbers as integers,
 * turned round.
 */
static uint32_t descending(float score)
{
	uint32_t bits;

	score += 0.0f;		/* -0 and 0 are equal scores */
	memcpy(&bits, &score, 4);
	return bits >> 31 ? bits : ~bits & 0x7fffffff;
}

static int push_pair(const struct tokenizer *t, const char *text, const struct symbol *s, int32_t i,
		     struct merge_heap *heap)
{
	int32_t next = s[i].next, id;
	uint32_t size;

	if (next < 0)
		return 0;
	size = s[i].size + s[next].size;
	id = str_map_find(&t->text, text + s[i].at, size);
	if (id < 0)
		return 0;
	return merge_push(heap,
			  (struct merge){ (uint64_t)descending(t->scores[id]) << 32 | (uint32_t)i, s[i].size, s[next].size, i });
}

static int merge_text(const struct tokenizer *t, const char *text, struct symbol *s, uint32_t n)
{
	struct merge_heap heap = { 0 };
	struct merge m;
	int r = 0;

	for (uint32_t i = 0; i < n && !r; i++)
		r = push_pair(t, text, s, i, &heap);
	while (!r && merge_pop(&heap, &m)) {
		struct symbol *left = &s[m.symbol], *right;

		if (left->size != m.left || left->next < 0)
			continue;
		right = &s[left->next];
		if (right->size != m.right)
			continue;
		left->size += right->size;
		right->size = 0;
		left->next = right->next;
		if (left->next >= 0)
			s[left->next].prev = m.symbol;
		if (left->prev >= 0)
			r = push_pair(t, text, s, left->prev, &heap);
		if (!r)
			r = push_pair(t, text, s, m.symbol, &heap);
	}
	free(heap.v);
	return r;
}

static int add_symbol(const struct tokenizer *t, const char *text, uint32_t size, struct ids *out)
{
	int32_t id = str_map_find(&t->text, text, size);
	int r = 0;

	if (id >= 0)
		return ids_add(out, id);
	for (uint32_t i = 0; i < size && !r; i++) {
		id = t->byte_ids[(uint8_t)text[i]];
		if (id < 0) {	/* no byte fallback: one unknown token for the character */
			if (t->unknown >= 0)
				r = ids_add(out, t->unknown);
			break;
		}
		r = ids_add(out, id);
	}
	return r;
}

static int encode_written(const struct tokenizer *t, const char *text, uint32_t size,
			  struct ids *out)
{
	struct symbol *s = malloc(size * sizeof(*s));
	uint32_t n = 0;
	int r;

	if (!s)
		return -ENOMEM;
	for (uint32_t at = 0; at < size; n++) {
		uint32_t bytes = utf8_size(text + at, size - at);

		s[n] = (struct symbol){ at, bytes ? bytes : 1, (int32_t)n - 1, (int32_t)n + 1 };
		at += s[n].size;
	}
	s[n - 1].next = -1;
	r = merge_text(t, text, s, n);
	for (int32_t i = 0; i >= 0 && !r; i = s[i].next)
		r = add_symbol(t, text + s[i].at, s[i].size, out);
	free(s);
	return r;
}

/*
 * @text begins a prompt or follows a special token: both get a space before it if the file says so.
 */
int spm_encode(const struct tokenizer *t, const char *text, uint32_t size, struct ids *out)
{
	size_t n = size + 3, spaces = 0;
	char *written, *p;
	int r;

	for (uint32_t i = 0; i < size; i++)
		spaces += text[i] == ' ';
	n += 2 * spaces;
	if (n > INT32_MAX)
		return -E2BIG;
	written = malloc(n);
	if (!written)
		return -ENOMEM;
	p = written;
	if (t->add_space_prefix)
		p = mempcpy(p, space, 3);
	for (uint32_t i = 0; i < size; i++) {
		if (text[i] == ' ')
			p = mempcpy(p, space, 3);
		else
			*p++ = text[i];
	}
	r = encode_written(t, written, (uint32_t)(p - written), out);
	free(written);
	return r;
}

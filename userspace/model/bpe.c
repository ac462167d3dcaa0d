// SPDX-License-Identifier: MIT
/*
 * Byte-level byte-pair encoding (Sennrich et al. 2016, algorithm 1, on bytes): in each word the
 * pair of neighbours that comes first in the list of merges is joined, the leftmost of equals
 * first, until no pair is in the list.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bpe_alphabet.h"
#include "gguf_priv.h"
#include "tokenizer_priv.h"

struct symbol {
	int32_t id;		/* -1: a byte that the vocabulary lacks */
	int32_t prev, next;	/* -1: none */
};

struct work {			/* of one call, reused from word to word */
	struct symbol *symbols;
	size_t allocated;
	struct merge_heap heap;
	char *written;		/* a word in the file's characters */
	size_t written_size;
};

static uint32_t pair_hash(int32_t left, int32_t right)
{
	uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15ull;	/* Fibonacci hashing */

	return (uint32_t)(h >> 32);
}

static struct bpe_pair *pair_slot(const struct tokenizer *t, int32_t left, int32_t right)
{
	uint32_t i = pair_hash(left, right) & t->pair_mask;

	while (t->pairs[i].left >= 0 && (t->pairs[i].left != left || t->pairs[i].right != right))
		i = (i + 1) & t->pair_mask;
	return &t->pairs[i];
}

/*
 * "left right": the space that divides is the only one, since a space within a token is written
 * otherwise.
 */
static int add_merge(struct tokenizer *t, struct gguf_str merge, uint32_t rank, char *joined,
		     char *err, size_t err_size)
{
	const char *space = merge.size ? memchr(merge.data + 1, ' ', merge.size - 1) : NULL;
	int32_t left, right, merged;
	struct bpe_pair *slot;
	size_t n;

	if (!space || space + 1 == merge.data + merge.size)
		return gguf_fail(t->g, -EINVAL, err, err_size,
				 "key 'tokenizer.ggml.merges': element %u isn't two strings with a space between",
				 rank);
	n = space - merge.data;
	left = str_map_find(&t->text, merge.data, n);
	right = str_map_find(&t->text, space + 1, merge.size - n - 1);
	memcpy(joined, merge.data, n);
	memcpy(joined + n, space + 1, merge.size - n - 1);
	merged = str_map_find(&t->text, joined, merge.size - 1);
	if (left < 0 || right < 0 || merged < 0)
		return gguf_fail(t->g, -EINVAL, err, err_size,
				 "key 'tokenizer.ggml.merges': element %u: %s isn't in the vocabulary",
				 rank,
				 left < 0 ? "its left part" : right < 0 ? "its right part" : "what it makes");
	slot = pair_slot(t, left, right);
	if (slot->left < 0)
		*slot = (struct bpe_pair){ left, right, rank, merged };
	return 0;
}

static int load_merges(struct tokenizer *t, char *err, size_t err_size)
{
	struct gguf_str *merges;
	size_t n, longest = 0, slots = 16;
	char *joined = NULL;
	int r = gguf_get_strs(t->g, "tokenizer.ggml.merges", &merges, &n, err, err_size);

	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		if (merges[i].size > longest)
			longest = merges[i].size;
	while (slots < 2 * n)
		slots *= 2;
	t->pairs = malloc(slots * sizeof(*t->pairs));
	joined = malloc(longest + 1);
	if (!t->pairs || !joined || n > INT32_MAX) {
		r = gguf_fail(t->g, -ENOMEM, err, err_size, "no memory");
		goto out;
	}
	t->pair_mask = (uint32_t)(slots - 1);
	memset(t->pairs, 0xff, slots * sizeof(*t->pairs));
	for (size_t i = 0; i < n && !r; i++)
		r = add_merge(t, merges[i], (uint32_t)i, joined, err, err_size);
out:
	free(joined);
	free(merges);
	return r;
}

int bpe_load(struct tokenizer *t, char *err, size_t err_size)
{
	char written[2], why[512] = "";
	struct gguf_str pre = { "default", 7 };
	int r;

	if (gguf_find_key(t->g, "tokenizer.ggml.pre")) {
		r = gguf_get_str(t->g, "tokenizer.ggml.pre", &pre, err, err_size);
		if (r)
			return r;
	}
	t->pre_name = strndup(pre.data, pre.size);
	if (!t->pre_name)
		return gguf_fail(t->g, -ENOMEM, err, err_size, "no memory");
	r = pretokenizer_create(t->pre_name, &t->pre, why, sizeof(why));
	if (r)
		return gguf_fail(t->g, r, err, err_size, "key 'tokenizer.ggml.pre': %s", why);
	for (int b = 0; b < 256; b++)
		t->byte_ids[b] = str_map_find(&t->text, written, bpe_write_byte(b, written));
	return load_merges(t, err, err_size);
}

static int push_pair(const struct tokenizer *t, struct work *w, int32_t i)
{
	const struct symbol *left = &w->symbols[i];
	const struct bpe_pair *pair;

	if (left->next < 0 || left->id < 0 || w->symbols[left->next].id < 0)
		return 0;
	pair = pair_slot(t, left->id, w->symbols[left->next].id);
	if (pair->left < 0)
		return 0;
	return merge_push(&w->heap,
			  (struct merge){ (uint64_t)pair->rank << 32 | (uint32_t)i, pair->left, pair->right, i });
}

static int merge_word(const struct tokenizer *t, struct work *w, const char *word, uint32_t size)
{
	struct symbol *s;
	struct merge m;
	int r = 0;

	if (size > w->allocated) {
		s = realloc(w->symbols, size * sizeof(*s));
		if (!s)
			return -ENOMEM;
		w->symbols = s;
		w->allocated = size;
	}
	s = w->symbols;
	for (uint32_t i = 0; i < size; i++)
		s[i] = (struct symbol){ t->byte_ids[(uint8_t)word[i]], (int32_t)i - 1, i + 1 < size ? (int32_t)i + 1 : -1 };
	for (uint32_t i = 0; i < size && !r; i++)
		r = push_pair(t, w, i);
	while (!r && merge_pop(&w->heap, &m)) {
		struct symbol *left = &s[m.symbol], *right;

		if (left->id != (int32_t)m.left || left->next < 0)
			continue;
		right = &s[left->next];
		if (right->id != (int32_t)m.right)
			continue;
		left->id = pair_slot(t, left->id, right->id)->merged;
		right->id = -1;		/* its own candidates are stale now */
		left->next = right->next;
		if (left->next >= 0)
			s[left->next].prev = m.symbol;
		if (left->prev >= 0)
			r = push_pair(t, w, left->prev);
		if (!r)
			r = push_pair(t, w, m.symbol);
	}
	return r;
}

static int whole_word(const struct tokenizer *t, struct work *w, const char *word, uint32_t size,
		      int32_t *ret)
{
	size_t n = 0;

	if (w->written_size < 2 * (size_t)size) {
		char *written = realloc(w->written, 2 * (size_t)size);

		if (!written)
			return -ENOMEM;
		w->written = written;
		w->written_size = 2 * (size_t)size;
	}
	for (uint32_t i = 0; i < size; i++)
		n += bpe_write_byte(word[i], w->written + n);
	*ret = n > UINT32_MAX ? -1 : str_map_find(&t->text, w->written, (uint32_t)n);
	return 0;
}

static int encode_word(const struct tokenizer *t, struct work *w, const char *word, uint32_t size,
		       struct ids *out)
{
	int32_t id = -1;
	int r = 0;

	if (pretokenizer_whole_words(t->pre))
		r = whole_word(t, w, word, size, &id);
	if (r)
		return r;
	if (id >= 0)
		return ids_add(out, id);
	r = merge_word(t, w, word, size);
	for (int32_t i = 0; i >= 0 && !r; i = w->symbols[i].next)
		if (w->symbols[i].id >= 0)
			r = ids_add(out, w->symbols[i].id);
	return r;
}

int bpe_encode(const struct tokenizer *t, const char *text, uint32_t size, struct ids *out)
{
	struct spans words = { 0 };
	struct work w = { 0 };
	int r = pretokenizer_split(t->pre, text, size, &words);

	for (size_t i = 0; i < words.n && !r; i++)
		r = encode_word(t, &w, text + words.v[i].at, words.v[i].size, out);
	free(w.symbols);
	free(w.heap.v);
	free(w.written);
	free(words.v);
	return r;
}

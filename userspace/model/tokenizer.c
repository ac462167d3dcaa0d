// SPDX-License-Identifier: MIT
/* Loading a vocabulary, cutting text at special tokens, and the way back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpe_alphabet.h"
#include "gguf_priv.h"
#include "tokenizer_priv.h"
#include "utf8.h"

#define fail(t, error, ...) gguf_fail((t)->g, error, err, err_size, __VA_ARGS__)

static bool is_special(int32_t type)
{
	return type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN;
}

static int load_names(struct tokenizer *t, char *err, size_t err_size)
{
	size_t n, n_types;
	int r = gguf_get_strs(t->g, "tokenizer.ggml.tokens", &t->names, &n, err, err_size);

	if (r)
		return r;
	if (!n || n > INT32_MAX / 4)
		return fail(t, -EINVAL, "key 'tokenizer.ggml.tokens' has %zu elements", n);
	t->n_vocab = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		if (t->names[i].size > GGUF_MAX_NAME)
			return fail(t, -EINVAL,
				    "key 'tokenizer.ggml.tokens': element %zu has %zu bytes",
				    i, t->names[i].size);
	if (gguf_find_key(t->g, "tokenizer.ggml.token_type")) {
		r = gguf_get_i32s(t->g, "tokenizer.ggml.token_type", &t->types, &n_types, err,
				  err_size);
		if (r)
			return r;
		if (n_types != n)
			return fail(t, -EINVAL,
				    "key 'tokenizer.ggml.token_type' has %zu elements for %zu tokens",
				    n_types, n);
	} else {
		t->types = calloc(n, sizeof(*t->types));
		for (size_t i = 0; t->types && i < n; i++)
			t->types[i] = TOKEN_NORMAL;
	}
	t->ends = calloc(n, sizeof(*t->ends));
	if (!t->types || !t->ends || str_map_init(&t->text, n) || str_map_init(&t->special, n))
		return fail(t, -ENOMEM, "no memory");
	for (uint32_t i = 0; i < n; i++) {
		if (t->types[i] < 0 || t->types[i] >= TOKEN_TYPE_COUNT)
			return fail(t, -EINVAL, "key 'tokenizer.ggml.token_type': element %u is %d",
				    i, t->types[i]);
		if (!t->names[i].size)
			continue;
		if (is_special(t->types[i]))
			str_map_add(&t->special, t->names[i].data, t->names[i].size, (int32_t)i);
		if (t->types[i] == TOKEN_NORMAL || t->types[i] == TOKEN_UNDEFINED ||
		    t->types[i] == TOKEN_USER_DEFINED)
			str_map_add(&t->text, t->names[i].data, t->names[i].size, (int32_t)i);
	}
	return 0;
}

static int load_id(struct tokenizer *t, const char *key, int32_t *ret, char *err, size_t err_size)
{
	uint32_t id = UINT32_MAX;
	int r;

	*ret = -1;
	if (!gguf_find_key(t->g, key))
		return 0;
	r = gguf_get_u32(t->g, key, &id, err, err_size);
	if (r)
		return r;
	if (id == UINT32_MAX)	/* some writers' way to say none */
		return 0;
	if (id >= t->n_vocab)
		return fail(t, -EINVAL, "key '%s' is %u, there are %u tokens", key, id, t->n_vocab);
	*ret = (int32_t)id;
	return 0;
}

static int load_bool(struct tokenizer *t, const char *key, bool *value, char *err, size_t err_size)
{
	return gguf_find_key(t->g, key) ? gguf_get_bool(t->g, key, value, err, err_size) : 0;
}

static void mark_end(struct tokenizer *t, const char *name)
{
	int32_t id = str_map_find(&t->special, name, strlen(name));

	if (id >= 0)
		t->ends[id] = true;
}

/* Where answers are in channels (channel.h), <|end|> is a message's end, not the answer's; <|call|> is, for a tool is to speak. */
static void mark_harmony_ends(struct tokenizer *t)
{
	int32_t end = str_map_find(&t->special, "<|end|>", 7);

	if (end < 0 || str_map_find(&t->special, "<|channel|>", 11) < 0 || str_map_find(&t->special, "<|return|>", 10) < 0)
		return;
	t->ends[end] = false;
	mark_end(t, "<|call|>");
}

static int load_ids(struct tokenizer *t, char *err, size_t err_size)
{
	/* Files often name just one; these end a turn wherever they exist. */
	static const char *const ends[] = {
		"<|im_end|>",
		"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>", "<|end|>", "<|return|>", "<end_of_turn>",
		"<EOT>", "<|EOT|>", "<｜end▁of▁sentence｜>",
	};
	static const char *const end_keys[] = { "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id" };
	int32_t id;
	int r = load_id(t, "tokenizer.ggml.bos_token_id", &t->bos, err, err_size);

	if (!r)
		r = load_id(t, "tokenizer.ggml.eos_token_id", &t->eos, err, err_size);
	if (!r)
		r = load_id(t, "tokenizer.ggml.unknown_token_id", &t->unknown, err, err_size);
	for (size_t i = 0; i < sizeof(end_keys) / sizeof(end_keys[0]) && !r; i++) {
		r = load_id(t, end_keys[i], &id, err, err_size);
		if (!r && id >= 0)
			t->ends[id] = true;
	}
	if (!r)
		r = load_bool(t, "tokenizer.ggml.add_bos_token", &t->add_bos, err, err_size);
	if (!r)
		r = load_bool(t, "tokenizer.ggml.add_eos_token", &t->add_eos, err, err_size);
	if (!r)
		r = load_bool(t, "tokenizer.ggml.add_space_prefix", &t->add_space_prefix, err,
			      err_size);
	if (r)
		return r;
	for (uint32_t i = 0; i < t->n_vocab && t->unknown < 0; i++)
		if (t->types[i] == TOKEN_UNKNOWN)
			t->unknown = (int32_t)i;
	if (t->eos >= 0)
		t->ends[t->eos] = true;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		mark_end(t, ends[i]);
	mark_harmony_ends(t);
	return 0;
}

static uint32_t next_char(const char *text, size_t size, uint32_t *ret_size)
{
	const unsigned char *p = (const unsigned char *)text;

	*ret_size = utf8_size(text, size);
	switch (*ret_size) {
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4:		/* none of those that stand for a byte */
		return UINT32_MAX;
	default:
		*ret_size = 1;
		return p[0] < 0x80 ? p[0] : UINT32_MAX;
	}
}

/* What a token stands for, into @out (as large as its name); its size. */
static size_t make_piece(const struct tokenizer *t, uint32_t id, char *out)
{
	struct gguf_str name = t->names[id];
	char *p = out;
	unsigned int byte;
	uint32_t n;

	if (is_special(t->types[id])) {
		memcpy(out, name.data, name.size);
		return name.size;
	}
	if (t->types[id] == TOKEN_BYTE && name.size == 6 &&
	    sscanf((char[7]){ name.data[0], name.data[1], name.data[2], name.data[3],
								      name.data[4], name.data[5] }, "<0x%2X>", &byte) == 1) {
		*out = (char)byte;
		return 1;
	}
	for (size_t i = 0; i < name.size; i += n) {
		uint32_t c = next_char(name.data + i, name.size - i, &n);
		int b = t->spm ? (c == 0x2581 ? ' ' : -1) : bpe_byte_of_char(c);

		if (b >= 0)
			*p++ = (char)b;
		else
			p = mempcpy(p, name.data + i, n);
	}
	return p - out;
}

static int make_pieces(struct tokenizer *t, char *err, size_t err_size)
{
	size_t total = 0;
	char *p;

	for (uint32_t i = 0; i < t->n_vocab; i++)
		total += t->names[i].size;
	t->pieces = calloc(t->n_vocab, sizeof(*t->pieces));
	t->piece_bytes = malloc(total + 1);
	if (!t->pieces || !t->piece_bytes)
		return fail(t, -ENOMEM, "no memory");
	p = t->piece_bytes;
	for (uint32_t i = 0; i < t->n_vocab; i++) {
		t->pieces[i] = (struct gguf_str){ p, make_piece(t, i, p) };
		p += t->pieces[i].size;
	}
	return 0;
}

static int special_order(const void *a, const void *b, void *arg)
{
	const struct tokenizer *t = arg;
	struct gguf_str x = t->names[*(const int32_t *)a], y = t->names[*(const int32_t *)b];

	if (x.data[0] != y.data[0])
		return (unsigned char)x.data[0] - (unsigned char)y.data[0];
	if (x.size != y.size)
		return x.size < y.size ? 1 : -1;
	return *(const int32_t *)a - *(const int32_t *)b;
}

static int index_specials(struct tokenizer *t, char *err, size_t err_size)
{
	uint32_t n = 0, at = 0;

	for (uint32_t i = 0; i < t->n_vocab; i++)
		n += is_special(t->types[i]) && t->names[i].size;
	t->specials = malloc((n + 1) * sizeof(*t->specials));
	if (!t->specials)
		return fail(t, -ENOMEM, "no memory");
	for (uint32_t i = 0; i < t->n_vocab; i++)
		if (is_special(t->types[i]) && t->names[i].size)
			t->specials[at++] = (int32_t)i;
	qsort_r(t->specials, n, sizeof(*t->specials), special_order, t);
	at = 0;
	for (int c = 0; c < 256; c++) {
		t->special_start[c] = at;
		while (at < n && (unsigned char)t->names[t->specials[at]].data[0] == c)
			at++;
	}
	t->special_start[256] = n;
	return 0;
}

static int load(struct tokenizer *t, char *err, size_t err_size)
{
	struct gguf_str model;
	int r = gguf_get_str(t->g, "tokenizer.ggml.model", &model, err, err_size);

	if (r)
		return r;
	t->spm = gguf_str_eq(model, "llama");
	if (!t->spm && !gguf_str_eq(model, "gpt2"))
		return fail(t, -ENOTSUP,
			    "key 'tokenizer.ggml.model' is '%.*s'; 'gpt2' and 'llama' are supported",
			    model.size < 40 ? (int)model.size : 40, model.data);
	r = load_names(t, err, err_size);
	if (!r)
		r = t->spm ? spm_load(t, err, err_size) : bpe_load(t, err, err_size);
	if (r)
		return r;
	t->add_space_prefix = t->spm;
	t->add_bos = t->spm || pretokenizer_default_bos(t->pre);
	r = load_ids(t, err, err_size);
	if (!r)
		r = make_pieces(t, err, err_size);
	return r ? r : index_specials(t, err, err_size);
}

int tokenizer_create(const struct gguf *g, struct tokenizer **ret_tokenizer, char *err,
		     size_t err_size)
{
	struct tokenizer *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return gguf_fail(g, -ENOMEM, err, err_size, "no memory");
	t->g = g;
	r = load(t, err, err_size);
	if (r) {
		tokenizer_destroy(t);
		return r;
	}
	*ret_tokenizer = t;
	return 0;
}

void tokenizer_destroy(struct tokenizer *t)
{
	if (!t)
		return;
	str_map_fini(&t->text);
	str_map_fini(&t->special);
	pretokenizer_destroy(t->pre);
	free(t->pre_name);
	free(t->names);
	free(t->types);
	free(t->scores);
	free(t->pieces);
	free(t->piece_bytes);
	free(t->ends);
	free(t->specials);
	free(t->pairs);
	free(t);
}

/* The special token that begins at @text, the longest if several do; -1: none. */
static int32_t special_at(const struct tokenizer *t, const char *text, size_t size,
			  unsigned int flags)
{
	unsigned char c = *text;

	for (uint32_t i = t->special_start[c]; i < t->special_start[c + 1]; i++) {
		int32_t id = t->specials[i];
		struct gguf_str name = t->names[id];

		if ((flags & TOKENIZER_SPECIAL || t->types[id] == TOKEN_USER_DEFINED) &&
		    name.size <= size && !memcmp(name.data, text, name.size))
			return id;
	}
	return -1;
}

static int encode_text(const struct tokenizer *t, const char *text, size_t size, struct ids *out)
{
	if (!size)
		return 0;
	return t->spm ? spm_encode(t, text, (uint32_t)size, out) : bpe_encode(t, text, (uint32_t)size, out);
}

int tokenizer_encode_ranges(const struct tokenizer *t, const char *text, size_t size,
			    unsigned int flags,
			    const struct tokenizer_range *plain, size_t n_plain, int32_t **ret_ids, size_t *ret_n)
{
	size_t start = 0, at = 0, range = 0;
	struct ids ids = { 0 };
	int r = 0;

	if (size > INT32_MAX)
		return -E2BIG;
	if (flags & TOKENIZER_ADD && t->add_bos && t->bos >= 0)
		r = ids_add(&ids, t->bos);
	while (at < size && !r) {
		bool in_plain;
		int32_t id;

		while (range < n_plain && at >= plain[range].end)
			range++;
		in_plain = range < n_plain && at >= plain[range].start;
		id = special_at(t, text + at, size - at,
				in_plain ? flags & ~TOKENIZER_SPECIAL : flags);
		if (id < 0) {
			at++;
			continue;
		}
		r = encode_text(t, text + start, at - start, &ids);
		if (!r)
			r = ids_add(&ids, id);
		at += t->names[id].size;
		start = at;
	}
	if (!r)
		r = encode_text(t, text + start, size - start, &ids);
	if (!r && flags & TOKENIZER_ADD && t->add_eos && t->eos >= 0)
		r = ids_add(&ids, t->eos);
	if (r) {
		free(ids.v);
		return r;
	}
	*ret_ids = ids.v;
	*ret_n = ids.n;
	return 0;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t size, unsigned int flags,
		     int32_t **ret_ids, size_t *ret_n)
{
	return tokenizer_encode_ranges(t, text, size, flags, NULL, 0, ret_ids, ret_n);
}

int tokenizer_piece(const struct tokenizer *t, int32_t id, unsigned int flags,
		    struct gguf_str *ret_piece)
{
	if (id < 0 || (uint32_t)id >= t->n_vocab)
		return -ERANGE;
	*ret_piece = t->pieces[id];
	if (!(flags & TOKENIZER_SPECIAL) &&
	    (t->types[id] == TOKEN_CONTROL || t->types[id] == TOKEN_UNKNOWN))
		ret_piece->size = 0;
	return 0;
}

int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, unsigned int flags,
		     char **ret_text, size_t *ret_size)
{
	bool first = t->spm && t->add_space_prefix;	/* the next text has a space too many */
	struct gguf_str piece;
	size_t size = 0;
	char *text, *p;

	for (size_t i = 0; i < n; i++) {
		if (tokenizer_piece(t, ids[i], flags, &piece))
			return -ERANGE;
		size += piece.size;
	}
	text = malloc(size + 1);
	if (!text)
		return -ENOMEM;
	p = text;
	for (size_t i = 0; i < n; i++) {
		tokenizer_piece(t, ids[i], flags, &piece);
		if (is_special(t->types[ids[i]])) {
			p = mempcpy(p, piece.data, piece.size);
			first = t->spm && t->add_space_prefix;
			continue;
		}
		if (first && piece.size && *piece.data == ' ') {
			piece.data++;
			piece.size--;
		}
		first = false;
		p = mempcpy(p, piece.data, piece.size);
	}
	*p = 0;
	*ret_text = text;
	*ret_size = p - text;
	return 0;
}

uint32_t tokenizer_n_vocab(const struct tokenizer *t)
{
	return t->n_vocab;
}

const char *tokenizer_kind(const struct tokenizer *t)
{
	return t->spm ? "SentencePiece" : t->pre_name;
}

struct gguf_str tokenizer_name(const struct tokenizer *t, int32_t id)
{
	return t->names[id];
}

enum token_type tokenizer_type(const struct tokenizer *t, int32_t id)
{
	return t->types[id];
}

int32_t tokenizer_find(const struct tokenizer *t, const char *name)
{
	return str_map_find(&t->special, name, strlen(name));
}

int32_t tokenizer_bos(const struct tokenizer *t)
{
	return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t)
{
	return t->eos;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
	return t->add_bos && t->bos >= 0;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t id)
{
	return id >= 0 && (uint32_t)id < t->n_vocab && t->ends[id];
}

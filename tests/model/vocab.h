/* SPDX-License-Identifier: MIT */
/* Small vocabularies as GGUF files. */
#ifndef DSEEK_TEST_VOCAB_H
#define DSEEK_TEST_VOCAB_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/model/gguf_write.h"
#include "../../userspace/model/tokenizer.h"
#include "../check_run.h"

#define VOCAB_MAX 4096

struct vocab {
	const char *model, *pre;
	struct gguf_str tokens[VOCAB_MAX], merges[VOCAB_MAX];
	int32_t types[VOCAB_MAX];
	float scores[VOCAB_MAX];
	size_t n, n_types, n_scores, n_merges;
	void (*more_keys)(struct gguf_writer *w);
	struct gguf *gguf;
};

static inline void vocab_add(struct vocab *v, const char *name, int type, float score)
{
	ck_assert_uint_lt(v->n, VOCAB_MAX);
	v->tokens[v->n] = (struct gguf_str){ strdup(name), strlen(name) };
	v->types[v->n] = type;
	v->scores[v->n] = score;
	v->n_types = v->n_scores = ++v->n;
}

/* The alphabet of byte-level BPE, ids 0 to 255. */
static inline void vocab_add_alphabet(struct vocab *v)
{
	for (uint32_t b = 0, more = 256; b < 256; b++) {
		uint32_t c = (b > 32 && b < 127) || (b > 160 && b != 173) ? b : more++;
		char name[3] = { (char)c };

		if (c >= 0x80) {
			name[0] = (char)(0xc0 | c >> 6);
			name[1] = (char)(0x80 | (c & 0x3f));
		}
		vocab_add(v, name, TOKEN_NORMAL, 0);
	}
}

static inline void vocab_add_bytes(struct vocab *v)	/* SentencePiece's byte fallback */
{
	char name[8];

	for (int b = 0; b < 256; b++) {
		snprintf(name, sizeof(name), "<0x%02X>", b);
		vocab_add(v, name, TOKEN_BYTE, 0);
	}
}

static inline void vocab_add_merge(struct vocab *v, const char *left, const char *right)
{
	char joined[256];

	ck_assert_uint_lt(v->n_merges, VOCAB_MAX);
	v->merges[v->n_merges++] = (struct gguf_str){ joined, snprintf(joined, sizeof(joined), "%s %s", left, right) };
	v->merges[v->n_merges - 1].data = strdup(joined);
	snprintf(joined, sizeof(joined), "%s%s", left, right);
	for (size_t i = 0; i < v->n; i++)	/* two merges may make one token */
		if (gguf_str_eq(v->tokens[i], joined))
			return;
	vocab_add(v, joined, TOKEN_NORMAL, 0);
}

static inline int vocab_load(struct vocab *v, struct tokenizer **ret, char *err, size_t err_size)
{
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	struct gguf_writer *w;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dseek-vocab-%d", dir, getpid());
	ck_assert_msg(!gguf_writer_create(path, &w, err, err_size), "%s", err);
	if (v->model)
		gguf_writer_str(w, "tokenizer.ggml.model", v->model);
	if (v->pre)
		gguf_writer_str(w, "tokenizer.ggml.pre", v->pre);
	gguf_writer_strs(w, "tokenizer.ggml.tokens", v->tokens, v->n);
	if (v->n_types)
		gguf_writer_i32s(w, "tokenizer.ggml.token_type", v->types, v->n_types);
	if (v->n_scores && v->model && !strcmp(v->model, "llama"))
		gguf_writer_f32s(w, "tokenizer.ggml.scores", v->scores, v->n_scores);
	if (v->n_merges)
		gguf_writer_strs(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
	if (v->more_keys)
		v->more_keys(w);
	ck_assert_msg(!gguf_writer_finish(w, err, err_size), "%s", err);
	gguf_writer_destroy(w);
	ck_assert_msg(!gguf_open(path, &v->gguf, err, err_size), "%s", err);
	unlink(path);
	return tokenizer_create(v->gguf, ret, err, err_size);
}

static inline void vocab_fini(struct vocab *v)
{
	gguf_close(v->gguf);
	for (size_t i = 0; i < v->n; i++)
		free((char *)v->tokens[i].data);
	for (size_t i = 0; i < v->n_merges; i++)
		free((char *)v->merges[i].data);
}

#endif /* DSEEK_TEST_VOCAB_H */

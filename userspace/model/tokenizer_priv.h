/* SPDX-License-Identifier: MIT */
/* What tokenizer.c (files, special tokens), bpe.c and spm.c share. */
#ifndef DSEEK_TOKENIZER_PRIV_H
#define DSEEK_TOKENIZER_PRIV_H

#include "pretokenize.h"
#include "str_map.h"
#include "tokenizer.h"

struct ids {
	int32_t *v;
	size_t n, allocated;
};

int ids_add(struct ids *ids, int32_t id);

/*
 * Candidates for merging, least key first: (rank or inverted score) << 32 | position, so that
 * equals go from left to right.
 */
struct merge {
	uint64_t key;
	uint32_t left, right;	/* what stood there when it was found; if that changed, it's stale */
	uint32_t symbol;	/* number of the left symbol */
};

struct merge_heap {
	struct merge *v;
	size_t n, allocated;
};

int merge_push(struct merge_heap *h, struct merge m);
bool merge_pop(struct merge_heap *h, struct merge *ret);

struct bpe_pair {
	int32_t left, right;	/* left -1: free */
	uint32_t rank;
	int32_t merged;
};

struct tokenizer {
	const struct gguf *g;
	bool spm;
	uint32_t n_vocab;
	struct gguf_str *names;		/* in the file */
	int32_t *types;			/* enum token_type */
	float *scores;			/* SentencePiece */
	struct str_map text;		/* names that text may become by merging */
	struct str_map special;		/* control, user-defined and unknown tokens by name */
	struct gguf_str *pieces;	/* bytes that a token stands for */
	char *piece_bytes;
	int32_t byte_ids[256];		/* -1: the vocabulary lacks that byte */
	int32_t bos, eos, unknown;	/* -1: none */
	bool add_bos, add_eos, add_space_prefix;
	bool *ends;

	/* special tokens by first byte, the longest first */
	int32_t *specials;
	uint32_t special_start[257];

	struct pretokenizer *pre;	/* byte-level BPE */
	char *pre_name;
	struct bpe_pair *pairs;
	uint32_t pair_mask;
};

int bpe_load(struct tokenizer *t, char *err, size_t err_size);
int bpe_encode(const struct tokenizer *t, const char *text, uint32_t size, struct ids *out);

int spm_load(struct tokenizer *t, char *err, size_t err_size);
int spm_encode(const struct tokenizer *t, const char *text, uint32_t size, struct ids *out);

#endif /* DSEEK_TOKENIZER_PRIV_H */

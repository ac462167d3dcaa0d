// SPDX-License-Identifier: MIT
/*
 * A vocabulary trained on the shipped text: byte-pair encoding (Sennrich et al. 2016), most
 * frequent pair first, of equals the one that comes first by its ids. A merge may not cross from
 * one word into the next; a space belongs to the word after it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpe_alphabet.h"
#include "gguf_write.h"
#include "sample_text.h"
#include "synth.h"
#include "tokenizer.h"

#define MAX_MERGES	1024	/* beyond that the text has little to teach */
#define MAX_NAME	32
#define MAX_SYMBOLS	(256 + MAX_MERGES)

struct trainer {
	uint16_t *text;			/* symbols */
	bool *starts;			/* a word starts here */
	size_t n;
	uint32_t *counts;		/* of pairs: left * MAX_SYMBOLS + right */
	uint32_t n_symbols;
	uint16_t left[MAX_MERGES], right[MAX_MERGES];
	char names[MAX_SYMBOLS][MAX_NAME];
	uint32_t n_merges;
};

static void start(struct trainer *t, const char *text, bool spm)
{
	for (size_t i = 0; i < t->n; i++) {
		t->text[i] = (unsigned char)text[i];
		t->starts[i] = text[i] == ' ' || text[i] == '\n' || (i && text[i - 1] == '\n');
	}
	t->n_symbols = 256;
	for (int b = 0; b < 256; b++) {
		if (!spm)
			t->names[b][bpe_write_byte((uint8_t)b, t->names[b])] = 0;
		else if (b == ' ')
			strcpy(t->names[b], "\xe2\x96\x81");
		else if (b > ' ' && b < 0x7f)
			t->names[b][0] = (char)b;
	}
}

/* The most frequent pair, at least twice and with a name that isn't too long; false: none. */
static bool best_pair(struct trainer *t, uint32_t *ret_left, uint32_t *ret_right)
{
	uint32_t best = 1;

	memset(t->counts, 0, (size_t)t->n_symbols * MAX_SYMBOLS * sizeof(*t->counts));
	for (size_t i = 0; i + 1 < t->n; i++)
		if (!t->starts[i + 1] && *t->names[t->text[i]] && *t->names[t->text[i + 1]])
			t->counts[t->text[i] * MAX_SYMBOLS + t->text[i + 1]]++;
	for (uint32_t l = 0; l < t->n_symbols; l++)
		for (uint32_t r = 0; r < t->n_symbols; r++)
			if (t->counts[l * MAX_SYMBOLS + r] > best &&
			    strlen(t->names[l]) + strlen(t->names[r]) < MAX_NAME) {
				best = t->counts[l * MAX_SYMBOLS + r];
				*ret_left = l;
				*ret_right = r;
			}
	return best > 1;
}

static void merge(struct trainer *t, uint32_t left, uint32_t right)
{
	uint32_t id = t->n_symbols++;
	size_t out = 0;

	t->left[t->n_merges] = left;
	t->right[t->n_merges++] = right;
	strcpy(stpcpy(t->names[id], t->names[left]),
	       t->names[right]);	/* best_pair() saw to the size */
	for (size_t i = 0; i < t->n; i++, out++) {
		bool joined = i + 1 < t->n && t->text[i] == left && t->text[i + 1] == right && !t->starts[i + 1];

		t->text[out] = joined ? id : t->text[i];
		t->starts[out] = t->starts[i];
		i += joined;
	}
	t->n = out;
}

struct lists {
	struct gguf_str *names, *merges;
	int32_t *types;
	float *scores;
	size_t n, n_merges;
	char *bytes;		/* names and merges that are made here */
	size_t used;
};

static void add(struct lists *l, const char *name, int type, float score)
{
	char *copy = strcpy(l->bytes + l->used, name);

	l->used += strlen(name) + 1;
	l->types[l->n] = type;
	l->scores[l->n] = score;
	l->names[l->n++] = (struct gguf_str){ copy, strlen(name) };
}

static void fill_spm(struct lists *l, const struct trainer *t)
{
	char name[16];

	add(l, "<unk>", TOKEN_UNKNOWN, 0);
	add(l, "<s>", TOKEN_CONTROL, 0);
	add(l, "</s>", TOKEN_CONTROL, 0);
	for (int b = 0; b < 256; b++) {
		snprintf(name, sizeof(name), "<0x%02X>", b);
		add(l, name, TOKEN_BYTE, 0);
	}
	for (uint32_t m = 0; m < t->n_merges; m++)
		add(l, t->names[256 + m], TOKEN_NORMAL, -(float)m);
}

static const char *const chatml_tokens[] = { "<|endoftext|>", "<|im_start|>", "<|im_end|>" };
static const char *const harmony_tokens[] = {
	"<|endoftext|>", "<|startoftext|>", "<|return|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>",
};
static const char chatml_template[] =
	"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
	"{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
static const char harmony_template[] =
	"{{ '<|start|>system<|message|>' }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|channel|>final<|message|>' + m['content'] + '<|end|>' }}"
	"{% endfor %}{{ '<|start|>assistant' }}";

static void fill_bpe(struct lists *l, const struct trainer *t, const char *const *control, size_t n_control)
{
	for (size_t i = 0; i < n_control; i++)
		add(l, control[i], TOKEN_CONTROL, 0);
	for (uint32_t i = 0; i < t->n_symbols; i++)
		add(l, t->names[i], TOKEN_NORMAL, 0);
	for (uint32_t m = 0; m < t->n_merges; m++) {
		char *merge = l->bytes + l->used;
		int n = sprintf(merge, "%s %s", t->names[t->left[m]], t->names[t->right[m]]);

		l->used += n + 1;
		l->merges[l->n_merges++] = (struct gguf_str){ merge, n };
	}
}

static void write_lists(struct gguf_writer *w, struct lists *l, uint32_t n_vocab, bool spm, const char *chat_template)
{
	char name[32];

	while (l->n < n_vocab) {
		snprintf(name, sizeof(name), "<unused%zu>", l->n);
		add(l, name, TOKEN_UNUSED, 0);
	}
	gguf_writer_str(w, "tokenizer.ggml.model", spm ? "llama" : "gpt2");
	gguf_writer_str(w, "tokenizer.ggml.pre", spm ? "default" : "gpt-2");
	gguf_writer_strs(w, "tokenizer.ggml.tokens", l->names, n_vocab);
	gguf_writer_i32s(w, "tokenizer.ggml.token_type", l->types, n_vocab);
	if (spm)
		gguf_writer_f32s(w, "tokenizer.ggml.scores", l->scores, n_vocab);
	else
		gguf_writer_strs(w, "tokenizer.ggml.merges", l->merges, l->n_merges);
	gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 1);
	gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 2);
	gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", spm);
	if (!spm)
		gguf_writer_str(w, "tokenizer.chat_template", chat_template);
}

int synth_vocabulary(struct gguf_writer *w, uint32_t n_vocab, int spm, int harmony)
{
	const char *const *control = harmony ? harmony_tokens : chatml_tokens;
	uint32_t n_control = harmony ? sizeof(harmony_tokens) / sizeof(*harmony_tokens) : sizeof(chatml_tokens) / sizeof(*chatml_tokens);
	struct trainer *t = calloc(1, sizeof(*t));
	struct lists l = { 0 };
	uint32_t left, right, letters = 0;
	const char *text;
	int r = -ENOMEM;
	size_t room;

	if (!t)
		return -ENOMEM;
	text = sample_text(&t->n);
	t->text = malloc(t->n * sizeof(*t->text));
	t->starts = malloc(t->n * sizeof(*t->starts));
	t->counts = malloc((size_t)MAX_SYMBOLS * MAX_SYMBOLS * sizeof(*t->counts));
	room = (size_t)n_vocab + MAX_SYMBOLS + 512;
	l.names = calloc(room, sizeof(*l.names));
	l.merges = calloc(MAX_MERGES, sizeof(*l.merges));
	l.types = calloc(room, sizeof(*l.types));
	l.scores = calloc(room, sizeof(*l.scores));
	l.bytes = malloc((room + MAX_MERGES) * 2 * MAX_NAME);
	if (!t->text || !t->starts || !t->counts || !l.names || !l.merges || !l.types ||
	    !l.scores || !l.bytes)
		goto out;
	start(t, text, spm);
	for (int b = 0; b < 256; b++)
		letters += spm && *t->names[b];
	if (spm && letters > n_vocab - 259)
		letters = n_vocab - 259;
	while (t->n_merges < MAX_MERGES && t->n_merges < n_vocab - 256 - (spm ? 3 : n_control) - letters &&
	       best_pair(t, &left, &right))
		merge(t, left, right);
	if (spm) {
		fill_spm(&l, t);
		for (int b = 0; b < 256 && letters; b++)
			if (*t->names[b]) {
				add(&l, t->names[b], TOKEN_NORMAL, -1e4f - b);
				letters--;
			}
	} else {
		fill_bpe(&l, t, control, n_control);
	}
	write_lists(w, &l, n_vocab, spm, harmony ? harmony_template : chatml_template);
	r = 0;
out:
	free(t->text);
	free(t->starts);
	free(t->counts);
	free(t);
	free(l.names);
	free(l.merges);
	free(l.types);
	free(l.scores);
	free(l.bytes);
	return r;
}

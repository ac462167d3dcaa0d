// SPDX-License-Identifier: MIT
/*
 * Memory that runs out, at every allocation in turn: -ENOMEM, nothing half-made, nothing left. The allocator is replaced in this
 * program; with a sanitizer, which replaces it too, the test is skipped.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/model/chat.h"
#include "../../userspace/model/gguf.h"
#include "../../userspace/model/gguf_write.h"
#include "../../userspace/model/sampler.h"
#include "../../userspace/model/synth.h"
#include "../../userspace/model/tokenizer.h"
#include "../tap.h"

#ifdef __has_feature	/* clang */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
	puts("the sanitizer has an allocator of its own");
	return 77;
}
#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static long until_failure = -1;		/* allocations that still succeed; -1: all */
static long live;

static bool fails(void)
{
	if (until_failure < 0)
		return false;
	if (until_failure) {
		until_failure--;
		return false;
	}
	return true;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	void *p = fails() ? NULL : __libc_malloc(size);

	live += p != NULL;
	if (!p)
		errno = ENOMEM;
	return p;
}

__attribute__((visibility("default"))) void *calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(n, size);

	live += p != NULL;
	if (!p)
		errno = ENOMEM;
	return p;
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	void *p = fails() ? NULL : __libc_realloc(old, size);

	live += p && !old;
	if (!p)
		errno = ENOMEM;
	return p;
}

__attribute__((visibility("default"))) void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

static char path[4096];
static struct gguf *file;
static struct tokenizer *tokenizer;
static const char text[] = "It is a truth, caf\xc3\xa9 12 \xff<s>";

static int open_file(char *err, size_t size)
{
	struct gguf *g;
	int r = gguf_open(path, &g, err, size);

	if (!r)
		gguf_close(g);
	return r;
}

static int make_tokenizer(char *err, size_t size)
{
	struct tokenizer *t;
	int r = tokenizer_create(file, &t, err, size);

	if (!r)
		tokenizer_destroy(t);
	return r;
}

static int encode(char *err, size_t size)
{
	int32_t *ids;
	size_t n, back_size;
	char *back;
	int r = tokenizer_encode(tokenizer, text, sizeof(text) - 1, 0, &ids, &n);

	if (r)
		return r;
	r = tokenizer_decode(tokenizer, ids, n, 0, &back, &back_size);
	free(ids);
	if (r)
		return r;
	if (back_size != sizeof(text) - 1 || memcmp(back, text, back_size))
		abort();
	free(back);
	return 0;
}

static int chat(char *err, size_t size)
{
	const struct chat_message m = { "user", text };
	struct chat *c;
	int32_t *ids;
	size_t n;
	int r = chat_create(file, tokenizer, &c, err, size);

	if (r)
		return r;
	r = chat_encode(c, &m, 1, &ids, &n, err, size);
	if (!r)
		free(ids);
	chat_destroy(c);
	return r;
}

static int sample(char *err, size_t size)
{
	const struct sampler_params p = { .temperature = 1, .top_p = 0.9f, .repeat_penalty = 1.1f, .repeat_last = 8 };
	const float logits[4] = { 1, 2, 3, 4 };
	struct sampler *s;
	int32_t id;
	int r = sampler_create(&p, 4, &s, err, size);

	if (r)
		return r;
	r = sampler_next(s, logits, &id);
	sampler_destroy(s);
	return r;
}

static struct synth_params params;

static int synth(char *err, size_t size)
{
	int r = synth_write(&params, path, err, size);

	if (r && !access(path, F_OK))
		abort();	/* half-made */
	unlink(path);
	return r;
}

static const struct {
	const char *name;
	int (*call)(char *err, size_t size);
	bool says;		/* a sentence */
} cases[] = {
	{ "gguf_open", open_file, true },
	{ "tokenizer_create", make_tokenizer, true },
	{ "tokenizer_encode and decode", encode, false },
	{ "chat", chat, true },
	{ "sampler", sample, true },
	{ "synth_write", synth, true },
};

static void check(const char *kind, const char *name, int (*call)(char *err, size_t size), bool says)
{
	long refused = 0, before, k;
	char err[512];
	int r = -1;

	until_failure = -1;
	call(err, sizeof(err));		/* what libraries allocate once and keep */
	for (k = 0; r; k++) {
		*err = 0;
		before = live;
		until_failure = k;
		r = call(err, sizeof(err));
		until_failure = -1;
		if (live != before || (r && r != -ENOMEM) || (r && says && !strstr(err, "memory"))) {
			tap_ok(0, "%s: %s, allocation %ld failing: %d '%s', %ld blocks left", kind, name, k, r, err, live - before);
			return;
		}
		refused += r != 0;
	}
	tap_ok(refused > 0, "%s: %s, %ld refusals", kind, name, refused);
}

int main(void)
{
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char err[512];

	for (int spm = 0; spm < 2; spm++) {
		const char *kind = spm ? "SentencePiece" : "BPE";

		snprintf(path, sizeof(path), "%s/dseek-nomem-%d", dir, getpid());
		if (synth_preset("tiny-llama", &params, err, sizeof(err)))
			abort();
		params.spm = spm;
		params.n_layer = 1;
		params.n_embd = params.n_ff = 32;
		params.n_vocab = 320;
		if (synth_write(&params, path, err, sizeof(err)) || gguf_open(path, &file, err, sizeof(err)) ||
		    tokenizer_create(file, &tokenizer, err, sizeof(err))) {
			tap_ok(0, "%s", err);
			return tap_end();
		}
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			if (spm && cases[i].call == chat)
				continue;	/* that file has no template */
			check(kind, cases[i].name, cases[i].call, cases[i].says);
		}
		tokenizer_destroy(tokenizer);
		gguf_close(file);
		unlink(path);
	}
	return tap_end();
}
#endif

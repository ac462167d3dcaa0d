// SPDX-License-Identifier: MIT
/*
 * Any bytes as text: the first chooses vocabulary and flags, the rest is the text. With all 256 bytes in the vocabulary what
 * comes back must be what went in, the words must cover the text, and what is streamed must be UTF-8.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../userspace/model/bpe_alphabet.h"
#include "../../userspace/model/pretokenize.h"
#include "../../userspace/model/tokenizer.h"
#include "../../userspace/model/utf8.h"
#include "fuzz.h"

static const char *const kinds[] = { "gpt-2", "smollm", "qwen2", "llama-bpe", "gpt-4o", "deepseek-llm", "deepseek-coder", "deepseek-v3", "default", NULL };

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
	uint8_t *file;
	struct gguf *g;
	struct tokenizer *t;
	struct pretokenizer *pre;
} made[N_KINDS];

static uint8_t *to;
static size_t at;

static void put(uint64_t v, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		to[at++] = v >> (8 * i);
}

static void put_bytes(const char *s, size_t n)
{
	put(n, 8);
	memcpy(to + at, s, n);
	at += n;
}

static void put_str(const char *s)
{
	put_bytes(s, strlen(s));
}

static const char *const merged[][2] = {
	{ "t", "h" }, { "th", "e" }, { "a", "a" }, { "aa", "aa" }, { "1", "2" }, { "'", "s" }, { "\n", "\n" }, { " ", " " }, { " ", "the" },
	{ "\xc3", "\xa9" }, { "\xe6", "\x97" }, { "\xe6\x97", "\xa5" }, { ".", "." }, { "..", "." },
};

#define N_MERGED (sizeof(merged) / sizeof(merged[0]))

static size_t written(const char *s, char *out)
{
	size_t n = 0;

	for (; *s; s++)
		n += bpe_write_byte((uint8_t)*s, out + n);
	return n;
}

static void make_bpe(const char *pre)
{
	char name[32], pair[64];
	size_t n;

	put(5, 8);
	put_str("tokenizer.ggml.model"); put(GGUF_STRING, 4); put_str("gpt2");
	put_str("tokenizer.ggml.pre"); put(GGUF_STRING, 4); put_str(pre);
	put_str("tokenizer.ggml.tokens"); put(GGUF_ARRAY, 4); put(GGUF_STRING, 4); put(256 + N_MERGED + 2, 8);
	for (int b = 0; b < 256; b++)
		put_bytes(name, bpe_write_byte(b, name));
	for (size_t i = 0; i < N_MERGED; i++) {
		n = written(merged[i][0], name);
		put_bytes(name, n + written(merged[i][1], name + n));
	}
	put_str("<|im_start|>");
	put_str("<tool>");
	put_str("tokenizer.ggml.token_type"); put(GGUF_ARRAY, 4); put(GGUF_I32, 4); put(256 + N_MERGED + 2, 8);
	for (size_t i = 0; i < 256 + N_MERGED + 2; i++)
		put(i < 256 + N_MERGED ? 1 : i == 256 + N_MERGED ? 3 : 4, 4);
	put_str("tokenizer.ggml.merges"); put(GGUF_ARRAY, 4); put(GGUF_STRING, 4); put(N_MERGED, 8);
	for (size_t i = 0; i < N_MERGED; i++) {
		n = written(merged[i][0], pair);
		pair[n++] = ' ';
		put_bytes(pair, n + written(merged[i][1], pair + n));
	}
}

static void make_spm(void)
{
	static const char *const pieces[] = { "\xe2\x96\x81", "a", "aa", "aaaa", "t", "h", "th", "\xe2\x96\x81th", "\xc3\xa9", "\xe6\x97\xa5" };
	size_t n = 3 + 256 + 10;
	char name[8];

	put(5, 8);
	put_str("tokenizer.ggml.model"); put(GGUF_STRING, 4); put_str("llama");
	put_str("tokenizer.ggml.tokens"); put(GGUF_ARRAY, 4); put(GGUF_STRING, 4); put(n, 8);
	put_str("<unk>");
	put_str("<s>");
	put_str("</s>");
	for (int b = 0; b < 256; b++) {
		snprintf(name, sizeof(name), "<0x%02X>", b);
		put_str(name);
	}
	for (int i = 0; i < 10; i++)
		put_str(pieces[i]);
	put_str("tokenizer.ggml.token_type"); put(GGUF_ARRAY, 4); put(GGUF_I32, 4); put(n, 8);
	for (size_t i = 0; i < n; i++)
		put(i < 3 ? (i ? 3 : 2) : i < 259 ? 6 : 1, 4);
	put_str("tokenizer.ggml.scores"); put(GGUF_ARRAY, 4); put(GGUF_F32, 4); put(n, 8);
	for (size_t i = 0; i < n; i++)
		put(0xbf800000 + ((i * 7 % 11) << 20), 4);
	put_str("tokenizer.ggml.add_space_prefix"); put(GGUF_BOOL, 4); put(0, 1);
}

static void make(size_t kind)
{
	char err[256];

	to = made[kind].file = malloc(64 << 10);
	at = 0;
	put(0x46554747, 4);
	put(3, 4);
	put(0, 8);
	if (kinds[kind])
		make_bpe(kinds[kind]);
	else
		make_spm();
	if (gguf_parse(to, at, "vocabulary", &made[kind].g, err, sizeof(err)) ||
	    tokenizer_create(made[kind].g, &made[kind].t, err, sizeof(err)) ||
	    (kinds[kind] && pretokenizer_create(kinds[kind], &made[kind].pre, err, sizeof(err)))) {
		fprintf(stderr, "%s\n", err);
		abort();
	}
}

static void check_words(const struct pretokenizer *pre, const char *text, size_t size)
{
	struct spans words = { 0 };
	size_t covered = 0;

	if (pretokenizer_split(pre, text, size, &words))
		abort();
	for (size_t i = 0; i < words.n; i++) {
		if (words.v[i].at != covered || !words.v[i].size)
			abort();
		covered += words.v[i].size;
	}
	if (covered != size)
		abort();
	free(words.v);
}

static void check_stream(const struct tokenizer *t, const int32_t *ids, size_t n)
{
	struct utf8_stream stream = { .n_held = 0 };
	char out[3 * (64 + 3)];

	for (size_t i = 0; i <= n; i++) {
		struct gguf_str piece;
		size_t size, used = 0;

		if (i == n) {
			size = utf8_stream_end(&stream, out);
		} else {
			if (tokenizer_piece(t, ids[i], TOKENIZER_SPECIAL, &piece) || piece.size > 64)
				abort();
			size = utf8_stream_push(&stream, piece.data, piece.size, out);
		}
		while (used < size) {
			uint32_t c = utf8_size(out + used, size - used);

			if (!c)
				abort();
			used += c;
		}
	}
}

static bool run(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	size_t kind, n, back_size;
	int32_t *ids;
	char *back;

	if (!size)
		return false;
	kind = (data[0] >> 2) % N_KINDS;
	if (!made[kind].t)
		make(kind);
	size--;
	if (made[kind].pre)
		check_words(made[kind].pre, text, size);
	if (tokenizer_encode(made[kind].t, text, size, data[0] & TOKENIZER_SPECIAL, &ids, &n) ||
	    tokenizer_decode(made[kind].t, ids, n, TOKENIZER_SPECIAL, &back, &back_size))
		abort();
	/* U+2581 itself comes back as a space: that's how SentencePiece is */
	if (kinds[kind] || !memmem(text, size, "\xe2\x96\x81", 3))
		if (back_size != size || memcmp(back, text, size))
			abort();
	check_stream(made[kind].t, ids, n);
	free(ids);
	free(back);
	return true;
}

static size_t seed(unsigned int n, uint8_t *out, size_t room)
{
	static const char *const texts[] = {
		"the theory's 1212 aaaa aaaaaa...\n\n\n  the  <|im_start|> <tool>", "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e 123 \xd9\xa1\xd9\xa2 \xf0\x9f\x99\x82\xe2\x80\x8d",
		"don't WE'LL I'\xc5\xbf \t\r\n x=1;y=2;//\xe2\x80\xa6\xe3\x80\x80\xc2\xa0\xe2\x96\x81 </s>",
	};
	size_t size = strlen(texts[n % 3]);

	if (n >= 3 * N_KINDS || size >= room)
		return 0;
	out[0] = (uint8_t)(n / 3 << 2 | TOKENIZER_SPECIAL);
	memcpy(out + 1, texts[n % 3], size);
	return size + 1;
}

const struct fuzzer fuzzer = { .run = run, .seed = seed, .runs = 100000 };

// SPDX-License-Identifier: MIT
/* Any bytes as a GGUF file; what is taken is read from end to end, and used as a vocabulary and chat template. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <dseek_program.h>

#include "../../userspace/model/chat.h"
#include "../../userspace/model/gguf.h"
#include "../../userspace/model/synth.h"
#include "../../userspace/model/tokenizer.h"
#include "fuzz.h"

static volatile uint64_t sink;

static void touch(const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		sink += p[i];
}

static void read_key(const struct gguf *g, const struct gguf_key *key)
{
	struct gguf_str s, *strs;
	int32_t *i32s;
	float f, *f32s;
	uint64_t u64;
	uint32_t u32;
	char err[64];
	size_t n;
	bool b;

	touch(key->data, gguf_key_size(key));
	if (gguf_find_key(g, key->name) != key && key->name[0] != '.')
		abort();
	if (!gguf_get_str(g, key->name, &s, err, sizeof(err)))
		touch(s.data, s.size);
	sink += gguf_get_u32(g, key->name, &u32, err, sizeof(err)) + gguf_get_u64(g, key->name, &u64, NULL, 0);
	sink += gguf_get_f32(g, key->name, &f, err, sizeof(err)) + gguf_get_bool(g, key->name, &b, NULL, 0);
	if (!gguf_get_strs(g, key->name, &strs, &n, err, sizeof(err))) {
		for (size_t i = 0; i < n; i++)
			touch(strs[i].data, strs[i].size);
		free(strs);
	}
	if (!gguf_get_f32s(g, key->name, &f32s, &n, NULL, 0))
		free(f32s);
	if (!gguf_get_i32s(g, key->name, &i32s, &n, err, sizeof(err)))
		free(i32s);
}

static void use_vocabulary(const struct gguf *g)
{
	static const char text[] = "Hello, world!\n <s>12 caf\xc3\xa9\xff <|im_start|>";
	const struct chat_message message = { "user", text };
	struct tokenizer *t;
	struct chat *c;
	char err[256], *back;
	int32_t *ids;
	size_t n;

	if (tokenizer_create(g, &t, err, sizeof(err)))
		return;
	for (unsigned int flags = 0; flags < 4; flags++) {
		if (tokenizer_encode(t, text, sizeof(text) - 1, flags, &ids, &n))
			abort();
		if (tokenizer_decode(t, ids, n, flags, &back, &n))
			abort();
		free(ids);
		free(back);
	}
	if (!chat_create(g, t, &c, err, sizeof(err))) {
		if (!chat_encode(c, &message, 1, &ids, &n, err, sizeof(err)))
			free(ids);
		chat_destroy(c);
	}
	tokenizer_destroy(t);
}

static bool run(const uint8_t *data, size_t size)
{
	struct gguf *g;
	char err[128];

	if (gguf_parse(data, size, "input", &g, err, sizeof(err))) {
		if (strncmp(err, "input: ", 7) || strlen(err) < 12)
			abort();	/* a refusal without a sentence */
		return false;
	}
	for (size_t i = 0; i < gguf_n_keys(g); i++)
		read_key(g, gguf_key(g, i));
	for (size_t i = 0; i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor(g, i);

		if (gguf_find_tensor(g, t->name) != t)
			abort();
		touch(t->data, t->size);
	}
	use_vocabulary(g);
	gguf_close(g);
	return true;
}

/* ---- seeds */

static size_t at, room_left;
static uint8_t *to;

static void put(uint64_t v, unsigned int size)
{
	for (unsigned int i = 0; i < size && at < room_left; i++)
		to[at++] = v >> (8 * i);
}

static void put_str(const char *s)
{
	put(strlen(s), 8);
	for (; *s; s++)
		put((uint8_t)*s, 1);
}

static void put_key(const char *name, uint32_t type)
{
	put_str(name);
	put(type, 4);
}

static void put_strs(const char *name, const char *const *v, size_t n)
{
	put_key(name, GGUF_ARRAY);
	put(GGUF_STRING, 4);
	put(n, 8);
	for (size_t i = 0; i < n; i++)
		put_str(v[i]);
}

static void put_tensor(const char *name, uint32_t type, uint32_t dims, uint64_t ne0, uint64_t ne1, uint64_t offset)
{
	put_str(name);
	put(dims, 4);
	put(ne0, 8);
	if (dims > 1)
		put(ne1, 8);
	put(type, 4);
	put(offset, 8);
}

static const char *const bpe_tokens[] = { "H", "e", "l", "o", ",", "\xc4\xa0", "w", "r", "d", "!", "He", "ll", "Hell", "<|im_start|>", "\xc4\xa0w" };
static const char *const merges[] = { "H e", "l l", "He ll", "\xc4\xa0 w" };
static const char *const spm_tokens[] = { "<unk>", "<s>", "</s>", "<0x0A>", "<0xFF>", "\xe2\x96\x81", "H", "e", "He", "l", "ll" };

static void vocabulary(bool spm)
{
	const char *const *tokens = spm ? spm_tokens : bpe_tokens;
	size_t n = spm ? sizeof(spm_tokens) / sizeof(*spm_tokens) : sizeof(bpe_tokens) / sizeof(*bpe_tokens);

	put_key("tokenizer.ggml.model", GGUF_STRING);
	put_str(spm ? "llama" : "gpt2");
	put_strs("tokenizer.ggml.tokens", tokens, n);
	put_key("tokenizer.ggml.token_type", GGUF_ARRAY);
	put(GGUF_I32, 4);
	put(n, 8);
	for (size_t i = 0; i < n; i++)
		put(tokens[i][0] == '<' ? (tokens[i][1] == '0' ? 6 : 3) : 1, 4);
	if (spm) {
		put_key("tokenizer.ggml.scores", GGUF_ARRAY);
		put(GGUF_F32, 4);
		put(n, 8);
		for (size_t i = 0; i < n; i++)
			put(0xc0000000 + (i << 20), 4);
	} else {
		put_strs("tokenizer.ggml.merges", merges, sizeof(merges) / sizeof(*merges));
	}
	put_key("tokenizer.ggml.bos_token_id", GGUF_U32);
	put(1, 4);
}

static void header(uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
	put(0x46554747, 4);
	put(version, 4);
	put(n_tensors, 8);
	put(n_keys, 8);
}

static void model(unsigned int n)
{
	header(2 + n % 2, 3, 3);
	put_key("general.architecture", GGUF_STRING);
	put_str("llama");
	put_key("general.alignment", GGUF_U32);
	put(32 << n % 2, 4);
	put_key(n % 2 ? "llama.eps" : "llama.wide", n % 2 ? GGUF_F32 : GGUF_I64);
	put(5, n % 2 ? 4 : 8);
	put_tensor("norm", 0, 1, 8, 1, 0);
	put_tensor("a", 8, 2, 32, 2, 64);
	put_tensor("b", n % 2 ? 12 : 1, 2, n % 2 ? 256 : 8, 1, 192);
	while (at % 64)
		put(0, 1);
	for (int i = 0; i < 192 + 144; i++)
		put(i, 1);
}

/* A whole model of one layer, as dseek model synth writes it. */
static void synthetic(bool spm)
{
	struct synth_params p;
	char path[] = "/tmp/fuzz-gguf-XXXXXX", err[128];
	int fd = mkstemp(path);
	FILE *f;

	if (fd < 0 || synth_preset(spm ? "tiny-mixtral" : "tiny-llama", &p, err, sizeof(err)))
		abort();
	p.n_embd = p.head_dim = p.n_ff = 32;
	p.n_layer = p.n_head = p.n_head_kv = 1;
	p.n_vocab = SYNTH_MIN_VOCAB;
	p.dtype = DSEEK_Q4_0;
	p.spm = spm;
	if (synth_write(&p, path, err, sizeof(err))) {
		fprintf(stderr, "%s\n", err);
		abort();
	}
	close(fd);	/* the file has another by now */
	f = fopen(path, "rb");
	at = f ? fread(to, 1, room_left, f) : 0;
	if (!at || at == room_left)
		abort();
	fclose(f);
	unlink(path);
}

static size_t seed(unsigned int n, uint8_t *out, size_t room)
{
	to = out;
	room_left = room;
	at = 0;
	switch (n) {
	case 0:
	case 1:
		model(n);
		break;
	case 2:
	case 3:
		header(3, 0, 5 + (n == 2));
		vocabulary(n == 3);
		if (n == 2) {
			put_key("tokenizer.ggml.pre", GGUF_STRING);
			put_str("smollm");
		}
		break;
	case 4:
		header(3, 0, 6);
		vocabulary(true);
		put_key("tokenizer.chat_template", GGUF_STRING);
		put_str("{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>'}}");
		break;
	case 5:		/* a value of each type, and arrays */
		header(3, 0, 16);
		for (uint32_t type = 0; type < GGUF_TYPE_COUNT; type++) {
			char name[3] = { 'k', (char)('a' + type) };
			uint32_t bytes = gguf_type_bytes(type);

			put_key(name, type);
			if (type == GGUF_STRING) {
				put_str("text");
			} else if (type == GGUF_ARRAY) {
				put(GGUF_U16, 4);
				put(3, 8);
				put(0x000100020003, 6);
			} else {
				put(1, bytes);
			}
		}
		for (uint32_t type = GGUF_F32; type <= GGUF_STRING; type++) {
			char name[3] = { 'l', (char)('a' + type) };

			put_key(name, GGUF_ARRAY);
			put(type, 4);
			put(2, 8);
			for (int i = 0; i < 2; i++)
				put(type == GGUF_STRING ? 0 : 1, type == GGUF_STRING ? 8 : gguf_type_bytes(type));
		}
		break;
	case 6:
	case 7:
		synthetic(n == 7);
		break;
	default:
		return 0;
	}
	return at;
}

const struct fuzzer fuzzer = { .run = run, .seed = seed, .runs = 50000 };

// SPDX-License-Identifier: MIT
/* The tokenizer against slow readable versions of its algorithms; special tokens; long texts; streams. */
#include <errno.h>
#include <math.h>
#include <time.h>

#include "../random.h"
#include "../../userspace/model/utf8.h"
#include "vocab.h"

static struct vocab v;
static struct tokenizer *t;
static char err[256];

static void load(void)
{
	ck_assert_msg(!vocab_load(&v, &t, err, sizeof(err)), "%s", err);
}

static void unload(void)
{
	tokenizer_destroy(t);
	vocab_fini(&v);
}

static int merge_rank(const char *left, const char *right)
{
	char merge[160];

	snprintf(merge, sizeof(merge), "%.63s %.63s", left, right);
	for (size_t i = 0; i < v.n_merges; i++)
		if (gguf_str_eq(v.merges[i], merge))
			return (int)i;
	return INT_MAX;
}

/* Parts @at and the next of @n become one. */
static void join(char parts[][64], size_t at, size_t n)
{
	char joined[128];

	snprintf(joined, sizeof(joined), "%.63s%.63s", parts[at], parts[at + 1]);
	ck_assert_uint_lt(strlen(joined), 64);
	memcpy(parts[at], joined, 64);
	memmove(parts[at + 1], parts[at + 2], (n - at - 2) * 64);
}

/* The definition, word for word: while there is a pair in the list, join the first of it. */
static size_t slow_bpe(const char *word, char parts[][64])
{
	size_t n = 0;

	for (; *word; word++)
		snprintf(parts[n++], 64, "%c", *word);
	for (;;) {
		int best = INT_MAX;
		size_t at = 0;

		for (size_t i = 0; i + 1 < n; i++)
			if (merge_rank(parts[i], parts[i + 1]) < best) {
				best = merge_rank(parts[i], parts[i + 1]);
				at = i;
			}
		if (best == INT_MAX)
			return n;
		join(parts, at, n--);
	}
}

START_TEST(bpe_is_the_definition)
{
	static char parts[64][64];
	struct random r;
	char word[64];

	random_seed(&r, 100 + _i);
	v.model = "gpt2";
	v.pre = "gpt-2";
	vocab_add_alphabet(&v);
	for (int i = 0; i < 40; i++) {	/* merges of random tokens of the letters a to c and of each other */
		struct gguf_str l, m;
		char left[64], right[64];

		do {
			size_t a = random_next(&r) % (v.n - 256 + 3), b = random_next(&r) % (v.n - 256 + 3);

			l = v.tokens[a < 3 ? 'a' + a : 256 + a - 3];
			m = v.tokens[b < 3 ? 'a' + b : 256 + b - 3];
		} while (l.size + m.size > 12);
		snprintf(left, sizeof(left), "%.*s", (int)l.size, l.data);
		snprintf(right, sizeof(right), "%.*s", (int)m.size, m.data);
		if (merge_rank(left, right) == INT_MAX)
			vocab_add_merge(&v, left, right);
	}
	load();
	for (int i = 0; i < 500; i++) {
		size_t size = 1 + random_next(&r) % 40, n, expected;
		int32_t *ids;

		for (size_t j = 0; j < size; j++)
			word[j] = (char)('a' + random_next(&r) % 3);
		word[size] = 0;
		expected = slow_bpe(word, parts);
		ck_assert_int_eq(tokenizer_encode(t, word, size, 0, &ids, &n), 0);
		ck_assert_msg(n == expected, "'%s': %zu tokens, not %zu", word, n, expected);
		for (size_t j = 0; j < n; j++)
			ck_assert_msg(gguf_str_eq(tokenizer_name(t, ids[j]), parts[j]), "'%s': token %zu", word, j);
		free(ids);
	}
	unload();
}
END_TEST

static float piece_score(const char *text)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.types[i] == TOKEN_NORMAL && gguf_str_eq(v.tokens[i], text))
			return v.scores[i];
	return -INFINITY;
}

START_TEST(spm_is_the_definition)
{
	static char parts[64][64];
	char word[64], joined[128];
	struct random r;

	random_seed(&r, 200 + _i);
	v.model = "llama";
	vocab_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
	vocab_add(&v, "a", TOKEN_NORMAL, -50);
	vocab_add(&v, "b", TOKEN_NORMAL, -50);
	vocab_add(&v, "c", TOKEN_NORMAL, -50);
	for (int i = 0; i < 30; i++) {
		size_t size = 2 + random_next(&r) % 4;

		for (size_t j = 0; j < size; j++)
			word[j] = (char)('a' + random_next(&r) % 3);
		word[size] = 0;
		if (piece_score(word) == -INFINITY)
			vocab_add(&v, word, TOKEN_NORMAL, (float)(int)(random_next(&r) % 9) - 4);	/* equal scores, too */
	}
	load();
	for (int i = 0; i < 500; i++) {
		size_t size = 1 + random_next(&r) % 40, n, count = 0;
		int32_t *ids;

		for (size_t j = 0; j < size; j++) {
			word[j] = (char)('a' + random_next(&r) % 3);
			snprintf(parts[count++], 64, "%c", word[j]);
		}
		for (;;) {
			float best = -INFINITY;
			size_t at = 0;

			for (size_t j = 0; j + 1 < count; j++) {
				snprintf(joined, sizeof(joined), "%.63s%.63s", parts[j], parts[j + 1]);
				if (piece_score(joined) > best) {
					best = piece_score(joined);
					at = j;
				}
			}
			if (best == -INFINITY)
				break;
			join(parts, at, count--);
		}
		/* the space before the text isn't in the vocabulary: <unk> */
		ck_assert_int_eq(tokenizer_encode(t, word, size, 0, &ids, &n), 0);
		ck_assert_msg(n == count + 1 && ids[0] == 0, "'%.*s': %zu tokens, not %zu", (int)size, word, n, count + 1);
		for (size_t j = 0; j < count; j++)
			ck_assert_msg(gguf_str_eq(tokenizer_name(t, ids[j + 1]), parts[j]), "'%.*s': token %zu", (int)size, word, j);
		free(ids);
	}
	unload();
}
END_TEST

static void unknown_3(struct gguf_writer *w)
{
	gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", 3);
}

static double seconds_for(const char *text, size_t size, size_t *ret_n)
{
	struct timespec a, b;
	int32_t *ids;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	ck_assert_int_eq(tokenizer_encode(t, text, size, TOKENIZER_SPECIAL, &ids, ret_n), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	free(ids);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
}

/* One word of 1 MiB: with the square of it this would take hours. */
START_TEST(long_words)
{
	static const char *const units[] = { "a", " ", "\n", "1", ".", "ab", "<", "\xe6\x97\xa5" };
	size_t size = 1 << 20, n;
	char *text = malloc(size + 4);

	v = (struct vocab){ .model = _i % 2 ? "llama" : "gpt2", .pre = (const char *[]){ "gpt-2", "qwen2", "deepseek-llm", "deepseek-v3" }[_i / 2] };
	vocab_add_alphabet(&v);
	vocab_add_merge(&v, "a", "a");
	vocab_add_merge(&v, "aa", "aa");
	vocab_add_merge(&v, "aaaa", "aaaa");
	vocab_add_merge(&v, "a", "b");
	vocab_add(&v, "<|im_start|>", TOKEN_CONTROL, 0);
	vocab_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
	load();
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		size_t unit = strlen(units[u]);

		for (size_t i = 0; i < size; i += unit)
			memcpy(text + i, units[u], unit);
		ck_assert_double_lt(seconds_for(text, size, &n), 20);
		ck_assert_uint_ge(n, u == 0 ? size / 8 : 1);
	}
	free(text);
	unload();
}
END_TEST

static void all_keys(struct gguf_writer *w)
{
	gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 256);
	gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 257);
	gguf_writer_u32(w, "tokenizer.ggml.eot_token_id", 258);
	gguf_writer_u32(w, "tokenizer.ggml.unknown_token_id", UINT32_MAX);	/* none, in some files */
	gguf_writer_bool(w, "tokenizer.ggml.add_bos_token", true);
	gguf_writer_bool(w, "tokenizer.ggml.add_eos_token", true);
}

static void check_ids(const char *text, unsigned int flags, const int32_t *expected, size_t n_expected)
{
	int32_t *ids;
	size_t n;

	ck_assert_int_eq(tokenizer_encode(t, text, strlen(text), flags, &ids, &n), 0);
	ck_assert_msg(n == n_expected, "'%s': %zu tokens, not %zu", text, n, n_expected);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(ids[i] == expected[i], "'%s': token %zu is %d, not %d", text, i, ids[i], expected[i]);
	free(ids);
}

#define check(text, flags, ...) check_ids(text, flags, (int32_t[]){ __VA_ARGS__ }, sizeof((int32_t[]){ __VA_ARGS__ }) / 4)

START_TEST(special_tokens)
{
	static const int32_t all[] = { 256, 'a', 261, 257 };
	struct gguf_str piece;
	size_t size;
	char *text;

	v.model = "gpt2";
	v.pre = "gpt-2";
	v.more_keys = all_keys;
	vocab_add_alphabet(&v);
	vocab_add(&v, "<s>", TOKEN_CONTROL, 0);		/* 256 */
	vocab_add(&v, "</s>", TOKEN_CONTROL, 0);
	vocab_add(&v, "<turn>", TOKEN_CONTROL, 0);
	vocab_add(&v, "<turn>x", TOKEN_CONTROL, 0);	/* 259: the longer of two */
	vocab_add(&v, "", TOKEN_CONTROL, 0);		/* without a name: never matched */
	vocab_add(&v, "<tool>", TOKEN_USER_DEFINED, 0);	/* 261 */
	vocab_add(&v, "<|im_end|>", TOKEN_CONTROL, 0);
	vocab_add_merge(&v, "x", "y");
	load();
	check("a<s>b", TOKENIZER_SPECIAL, 'a', 256, 'b');
	check("a<s>", 0, 'a', '<', 's', '>');
	check("<turn>xx<turn>", TOKENIZER_SPECIAL, 259, 'x', 258);
	check("<tool>", 0, 261);
	check("<<s>", TOKENIZER_SPECIAL, '<', 256);
	check("<s", TOKENIZER_SPECIAL, '<', 's');
	check("a", TOKENIZER_ADD, 256, 'a', 257);
	check("", TOKENIZER_ADD, 256, 257);
	check_ids("", 0, NULL, 0);
	ck_assert_int_eq(tokenizer_bos(t), 256);
	ck_assert_int_eq(tokenizer_eos(t), 257);
	ck_assert(tokenizer_adds_bos(t));
	ck_assert(tokenizer_is_end(t, 257) && tokenizer_is_end(t, 258) && tokenizer_is_end(t, 262));
	ck_assert(!tokenizer_is_end(t, 256) && !tokenizer_is_end(t, 'a'));
	ck_assert_int_eq(tokenizer_find(t, "<tool>"), 261);
	ck_assert_int_eq(tokenizer_find(t, "a"), -1);
	ck_assert_uint_eq(tokenizer_n_vocab(t), 264);
	ck_assert_str_eq(tokenizer_kind(t), "gpt-2");
	ck_assert_int_eq(tokenizer_type(t, 261), TOKEN_USER_DEFINED);

	ck_assert_int_eq(tokenizer_decode(t, all, 4, 0, &text, &size), 0);
	ck_assert_str_eq(text, "a<tool>");
	free(text);
	ck_assert_int_eq(tokenizer_decode(t, all, 4, TOKENIZER_SPECIAL, &text, &size), 0);
	ck_assert_str_eq(text, "<s>a<tool></s>");
	ck_assert_uint_eq(size, 14);
	free(text);
	ck_assert_int_eq(tokenizer_piece(t, 256, 0, &piece), 0);
	ck_assert_uint_eq(piece.size, 0);
	ck_assert_int_eq(tokenizer_piece(t, 32, 0, &piece), 0);
	ck_assert(gguf_str_eq(piece, " "));
	unload();
}
END_TEST

/* Only the marked part of the text can't hold control tokens. */
START_TEST(plain_ranges)
{
	const struct tokenizer_range plain[2] = { { 1, 4 }, { 7, 10 } };
	static const int32_t expected[] = { 'x', '<', 's', '>', 256, '<', 's', '>', 256 };
	int32_t *ids;
	size_t n;

	v.model = "gpt2";
	v.pre = "gpt-2";
	vocab_add_alphabet(&v);
	vocab_add(&v, "<s>", TOKEN_CONTROL, 0);
	vocab_add_merge(&v, "a", "b");
	load();
	ck_assert_int_eq(tokenizer_encode_ranges(t, "x<s><s><s><s>", 13, TOKENIZER_SPECIAL, plain, 2, &ids, &n), 0);
	ck_assert_uint_eq(n, 9);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(ids[i], expected[i]);
	free(ids);
	unload();
}
END_TEST

START_TEST(spm_spaces_and_bytes)
{
	static const int32_t two[] = { 1, 260, 1, 260 };
	size_t size;
	char *text;

	v.model = "llama";
	vocab_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
	vocab_add(&v, "<s>", TOKEN_CONTROL, 0);
	vocab_add_bytes(&v);						/* 2 to 257 */
	vocab_add(&v, "\xe2\x96\x81", TOKEN_NORMAL, -3);		/* 258 */
	vocab_add(&v, "a", TOKEN_NORMAL, -2);
	vocab_add(&v, "\xe2\x96\x81" "a", TOKEN_NORMAL, -1);		/* 260 */
	vocab_add(&v, "dead", TOKEN_UNUSED, 0);
	load();
	check("a", 0, 260);
	check(" a", 0, 258, 260);
	check("aa", 0, 260, 259);
	check("\n", 0, 258, 2 + '\n');
	check("\xc3\xa9\xff", 0, 258, 2 + 0xc3, 2 + 0xa9, 2 + 0xff);
	check("a<s>a", TOKENIZER_SPECIAL, 260, 1, 260);
	check("<0x41>", 0, 258, 2 + '<', 2 + '0', 2 + 'x', 2 + '4', 2 + '1', 2 + '>');	/* a byte token's name is no text */
	check("dead", 0, 258, 2 + 'd', 2 + 'e', 259, 2 + 'd');
	ck_assert_int_eq(tokenizer_decode(t, two, 4, TOKENIZER_SPECIAL, &text, &size), 0);
	ck_assert_str_eq(text, "<s>a<s>a");
	free(text);
	unload();
}
END_TEST

/* One for each character: what the file names, or else its token of that type. */
START_TEST(unknown_characters)
{
	v.model = "llama";
	v.more_keys = _i ? unknown_3 : NULL;
	vocab_add(&v, "<unk>", TOKEN_UNKNOWN, 0);
	vocab_add(&v, "\xe2\x96\x81", TOKEN_NORMAL, 0);
	vocab_add(&v, "a", TOKEN_NORMAL, 0);
	vocab_add(&v, "?", TOKEN_NORMAL, 0);
	load();
	check("a\xe6\x97\xa5z", 0, 1, 2, _i ? 3 : 0, _i ? 3 : 0);
	unload();
}
END_TEST

/* Byte-level BPE drops bytes that the vocabulary lacks, and joins nothing over the gap. */
START_TEST(missing_byte)
{
	v.model = "gpt2";
	v.pre = "gpt-2";
	vocab_add(&v, "a", TOKEN_NORMAL, 0);
	vocab_add(&v, "b", TOKEN_NORMAL, 0);
	vocab_add_merge(&v, "a", "b");
	load();
	check("ab", 0, 2);
	check("axb", 0, 0, 1);
	check_ids("x", 0, NULL, 0);
	unload();
}
END_TEST

static const struct {
	const char *in, *out;		/* in: | divides the pieces */
} streams[] = {
	{ "a|b", "ab" },
	{ "\xc3|\xa9", "\xc3\xa9" },
	{ "\xf0|\x9f|\x99|\x82!", "\xf0\x9f\x99\x82!" },
	{ "\xe2\x96|x", "\xef\xbf\xbdx" },			/* broken off */
	{ "\xe2\x96", "\xef\xbf\xbd" },				/* at the end */
	{ "\xff|a", "\xef\xbf\xbd" "a" },
	{ "\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },		/* overlong */
	{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },	/* a surrogate */
	{ "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },	/* beyond U+10FFFF */
	{ "\xf0\x9f|\xc3|\xa9", "\xef\xbf\xbd\xc3\xa9" },
	{ "\xe1\x80\xe2|\xf0\x91\x92|\xf1\xbf\x41", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "A" },	/* Unicode 15, table 3-11 */
};

START_TEST(stream)
{
	struct utf8_stream s = { .n_held = 0 };
	char out[256], *p = out, piece[64];
	const char *in = streams[_i].in;

	while (*in) {
		size_t n = strcspn(in, "|");

		memcpy(piece, in, n);
		p += utf8_stream_push(&s, piece, n, p);
		in += n + (in[n] == '|');
	}
	p += utf8_stream_end(&s, p);
	*p = 0;
	ck_assert_str_eq(out, streams[_i].out);
	ck_assert_uint_eq(utf8_stream_end(&s, p), 0);
}
END_TEST

START_TEST(held_back)
{
	struct utf8_stream s = { .n_held = 0 };
	char out[64];

	ck_assert_uint_eq(utf8_stream_push(&s, "a\xf0\x9f", 3, out), 1);
	ck_assert_uint_eq(utf8_stream_push(&s, "\x99", 1, out), 0);
	ck_assert_uint_eq(utf8_stream_push(&s, "\x82", 1, out), 4);
	ck_assert_uint_eq(utf8_stream_end(&s, out), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tokenizer");
	TCase *tc = tcase_create("tokenizer");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, bpe_is_the_definition, 0, 4);
	tcase_add_loop_test(tc, spm_is_the_definition, 0, 4);
	tcase_add_loop_test(tc, long_words, 0, 8);
	tcase_add_test(tc, special_tokens);
	tcase_add_test(tc, plain_ranges);
	tcase_add_test(tc, spm_spaces_and_bytes);
	tcase_add_loop_test(tc, unknown_characters, 0, 2);
	tcase_add_test(tc, missing_byte);
	tcase_add_loop_test(tc, stream, 0, sizeof(streams) / sizeof(streams[0]));
	tcase_add_test(tc, held_back);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}

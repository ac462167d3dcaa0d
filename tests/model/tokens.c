// SPDX-License-Identifier: MIT
/* Words and tokens of real tokenizers (data/README.md), and the way back. */
#include "../../userspace/model/pretokenize.h"
#include "vocab.h"

static const char *const names[] = {
	"gpt-2", "smollm", "qwen2", "llama-bpe", "gpt-4o", "deepseek-llm", "deepseek-coder", "deepseek-v3", "spm",
};

static struct vocab vocab;
static struct tokenizer *tokenizer;
static struct pretokenizer *pre;
static unsigned int n_words, n_tokens;

static size_t unescape(char *s)
{
	char *out = s, *start = s;

	for (; *s; s++) {
		if (*s != '\\') {
			*out++ = *s;
			continue;
		}
		s++;
		*out++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s == 't' ? '\t' : *s;
	}
	*out = 0;
	return out - start;
}

static void check_words(const char *text, size_t size, char *expected)
{
	struct spans words = { 0 };
	size_t at = 0, i = 0;

	ck_assert_int_eq(pretokenizer_split(pre, text, size, &words), 0);
	for (char *p = strtok(expected, " "); p; p = strtok(NULL, " "), i++) {
		ck_assert_msg(i < words.n && words.v[i].at == at && words.v[i].size == strtoul(p, NULL, 10),
			      "'%s': word %zu is not %s bytes at %zu", text, i, p, at);
		at += words.v[i].size;
	}
	ck_assert_msg(i == words.n && at == size, "'%s': %zu words, not %zu", text, words.n, i);
	free(words.v);
	n_words++;
}

static void check_tokens(const char *text, size_t size, char *expected)
{
	size_t n, i = 0, back_size;
	int32_t *ids;
	char *back;

	ck_assert_int_eq(tokenizer_encode(tokenizer, text, size, TOKENIZER_SPECIAL, &ids, &n), 0);
	for (char *p = strtok(expected, " "); p; p = strtok(NULL, " "), i++)
		ck_assert_msg(i < n && gguf_str_eq(tokenizer_name(tokenizer, ids[i]), p), "'%s': token %zu is '%.*s', not '%s'", text, i,
			      i < n ? (int)tokenizer_name(tokenizer, ids[i]).size : 0, i < n ? tokenizer_name(tokenizer, ids[i]).data : "", p);
	ck_assert_msg(i == n, "'%s': %zu tokens, not %zu", text, n, i);
	ck_assert_int_eq(tokenizer_decode(tokenizer, ids, n, TOKENIZER_SPECIAL, &back, &back_size), 0);
	ck_assert_msg(back_size == size && !memcmp(back, text, size), "'%s' comes back as '%s'", text, back);
	free(back);
	free(ids);
	n_tokens++;
}

static void load(void)
{
	char err[256];

	if (tokenizer)
		return;
	ck_assert_msg(!vocab_load(&vocab, &tokenizer, err, sizeof(err)), "%s", err);
	if (vocab.pre)
		ck_assert_msg(!pretokenizer_create(vocab.pre, &pre, err, sizeof(err)), "%s", err);
}

static void take_line(char *line, char *text, size_t *text_size)
{
	char *rest = strchr(line, ' ') ? strchr(line, ' ') + 1 : line + strlen(line), *second = strchr(rest, ' ');

	if (!strncmp(line, "pre ", 4)) {
		vocab.pre = strcmp(rest, "-") ? strdup(rest) : NULL;
		vocab.model = vocab.pre ? "gpt2" : "llama";
		if (vocab.pre)
			vocab_add_alphabet(&vocab);
		else
			vocab_add_bytes(&vocab);
	} else if (!strncmp(line, "merge ", 6)) {
		*second = 0;
		vocab_add_merge(&vocab, rest, second + 1);
	} else if (!strncmp(line, "token ", 6)) {
		vocab_add(&vocab, rest, TOKEN_NORMAL, -1e6f);
	} else if (!strncmp(line, "score ", 6)) {
		vocab_add(&vocab, second + 1, TOKEN_NORMAL, strtof(rest, NULL));
	} else if (!strncmp(line, "special ", 8)) {
		vocab_add(&vocab, rest, TOKEN_CONTROL, 0);
	} else if (!strncmp(line, "text", 4)) {
		load();
		strcpy(text, rest);
		*text_size = unescape(text);
	} else if (!strncmp(line, "words", 5)) {
		check_words(text, *text_size, rest);
	} else if (!strncmp(line, "tokens", 6)) {
		check_tokens(text, *text_size, rest);
	} else {
		ck_assert_msg(!strncmp(line, "source ", 7), "line '%s'", line);
	}
}

START_TEST(real_tokenizer)
{
	const char *source = getenv("DSEEK_SOURCE") ? getenv("DSEEK_SOURCE") : ".";
	char path[PATH_MAX], line[8192], text[8192];
	size_t text_size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/model/data/tokens-%s.txt", source, names[_i]);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s is missing", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		take_line(line, text, &text_size);
	}
	fclose(f);
	ck_assert_uint_ge(n_tokens, 20);
	ck_assert_uint_ge(n_words, pre ? 20 : 0);
	tokenizer_destroy(tokenizer);
	pretokenizer_destroy(pre);
	free((char *)vocab.pre);
	vocab_fini(&vocab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tokens");
	TCase *tc = tcase_create("real");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, real_tokenizer, 0, sizeof(names) / sizeof(names[0]));
	suite_add_tcase(suite, tc);
	return check_run(suite);
}

// SPDX-License-Identifier: MIT
/* One wrong vocabulary for each check of the tokenizer: errno and sentence. */
#include <errno.h>
#include <math.h>

#include "vocab.h"

static void spm(struct vocab *v)
{
	v->model = "llama";
	vocab_add(v, "<unk>", TOKEN_UNKNOWN, 0);
	vocab_add(v, "a", TOKEN_NORMAL, -1);
}

static void bpe(struct vocab *v)
{
	v->model = "gpt2";
	v->pre = "gpt-2";
	vocab_add_alphabet(v);
	vocab_add_merge(v, "a", "b");
}

static void put_merge(struct vocab *v, const char *merge)
{
	v->merges[v->n_merges++] = (struct gguf_str){ strdup(merge), strlen(merge) };
}

static void bos_600(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.bos_token_id", 600); }
static void eos_257(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.eos_token_id", 257); }
static void unknown_text(struct gguf_writer *w) { gguf_writer_str(w, "tokenizer.ggml.unknown_token_id", "x"); }
static void eot_257(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.eot_token_id", 257); }
static void bos_bool(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.add_bos_token", 1); }
static void eos_bool(struct gguf_writer *w) { gguf_writer_str(w, "tokenizer.ggml.add_eos_token", "no"); }
static void space_bool(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.add_space_prefix", 0); }
static void pre_number(struct gguf_writer *w) { gguf_writer_u32(w, "tokenizer.ggml.pre", 3); }

static void no_model(struct vocab *v) { bpe(v); v->model = NULL; }
static void other_model(struct vocab *v) { bpe(v); v->model = "bert"; }
static void long_model(struct vocab *v) { bpe(v); v->model = "a-model-name-of-more-than-forty-characters-in-all"; }
static void empty(struct vocab *v) { v->model = "gpt2"; }
static void few_types(struct vocab *v) { bpe(v); v->n_types--; }
static void bad_type(struct vocab *v) { bpe(v); v->types[7] = 7; }
static void negative_type(struct vocab *v) { bpe(v); v->types[8] = -1; }
static void few_scores(struct vocab *v) { spm(v); v->n_scores--; }
static void no_scores(struct vocab *v) { spm(v); v->n_scores = 0; }
static void nan_score(struct vocab *v) { spm(v); v->scores[1] = NAN; }
static void no_merges(struct vocab *v) { bpe(v); v->n_merges = 0; }
static void merge_one(struct vocab *v) { bpe(v); put_merge(v, "ab"); }
static void merge_end(struct vocab *v) { bpe(v); put_merge(v, "ab "); }
static void merge_empty(struct vocab *v) { bpe(v); put_merge(v, ""); }
static void merge_left(struct vocab *v) { bpe(v); put_merge(v, "xy a"); }
static void merge_right(struct vocab *v) { bpe(v); put_merge(v, "a xy"); }
static void merge_result(struct vocab *v) { bpe(v); put_merge(v, "a c"); }
static void unknown_pre(struct vocab *v) { bpe(v); v->pre = "gpt-9"; }
static void empty_pre(struct vocab *v) { bpe(v); v->pre = ""; }
static void two_pres(struct vocab *v) { bpe(v); v->pre = "gpt-2 phi-2"; }
static void pre_type(struct vocab *v) { bpe(v); v->pre = NULL; v->more_keys = pre_number; }
static void bos_range(struct vocab *v) { bpe(v); v->more_keys = bos_600; }
static void eos_range(struct vocab *v) { bpe(v); v->more_keys = eos_257; }
static void eot_range(struct vocab *v) { bpe(v); v->more_keys = eot_257; }
static void unknown_type(struct vocab *v) { bpe(v); v->more_keys = unknown_text; }
static void add_bos_type(struct vocab *v) { bpe(v); v->more_keys = bos_bool; }
static void add_eos_type(struct vocab *v) { bpe(v); v->more_keys = eos_bool; }
static void add_space_type(struct vocab *v) { bpe(v); v->more_keys = space_bool; }

static void long_token(struct vocab *v)
{
	bpe(v);
	free((char *)v->tokens[3].data);
	v->tokens[3].data = calloc(1, 70000);
	v->tokens[3].size = 70000;
}

static const struct {
	void (*make)(struct vocab *v);
	int error;
	const char *message;
} cases[] = {
	{ no_model, -ENOENT, "key 'tokenizer.ggml.model' is missing" },
	{ other_model, -ENOTSUP, "key 'tokenizer.ggml.model' is 'bert'; 'gpt2' and 'llama' are supported" },
	{ long_model, -ENOTSUP, "key 'tokenizer.ggml.model' is 'a-model-name-of-more-than-forty-characte'; 'gpt2' and 'llama' are supported" },
	{ empty, -EINVAL, "key 'tokenizer.ggml.tokens' has 0 elements" },
	{ long_token, -EINVAL, "key 'tokenizer.ggml.tokens': element 3 has 70000 bytes" },
	{ few_types, -EINVAL, "key 'tokenizer.ggml.token_type' has 256 elements for 257 tokens" },
	{ bad_type, -EINVAL, "key 'tokenizer.ggml.token_type': element 7 is 7" },
	{ negative_type, -EINVAL, "key 'tokenizer.ggml.token_type': element 8 is -1" },
	{ few_scores, -EINVAL, "key 'tokenizer.ggml.scores' has 1 elements for 2 tokens" },
	{ no_scores, -ENOENT, "key 'tokenizer.ggml.scores' is missing" },
	{ nan_score, -EINVAL, "key 'tokenizer.ggml.scores': element 1 isn't finite" },
	{ no_merges, -ENOENT, "key 'tokenizer.ggml.merges' is missing" },
	{ merge_one, -EINVAL, "key 'tokenizer.ggml.merges': element 1 isn't two strings with a space between" },
	{ merge_end, -EINVAL, "key 'tokenizer.ggml.merges': element 1 isn't two strings with a space between" },
	{ merge_empty, -EINVAL, "key 'tokenizer.ggml.merges': element 1 isn't two strings with a space between" },
	{ merge_left, -EINVAL, "key 'tokenizer.ggml.merges': element 1: its left part isn't in the vocabulary" },
	{ merge_right, -EINVAL, "key 'tokenizer.ggml.merges': element 1: its right part isn't in the vocabulary" },
	{ merge_result, -EINVAL, "key 'tokenizer.ggml.merges': element 1: what it makes isn't in the vocabulary" },
	{ unknown_pre, -ENOTSUP, "key 'tokenizer.ggml.pre': unknown pre-tokenizer 'gpt-9'; known are gpt-2 phi-2" },
	{ empty_pre, -ENOTSUP, "key 'tokenizer.ggml.pre': unknown pre-tokenizer ''; known are gpt-2" },
	{ two_pres, -ENOTSUP, "key 'tokenizer.ggml.pre': unknown pre-tokenizer 'gpt-2 phi-2'; known are gpt-2" },
	{ pre_type, -EINVAL, "key 'tokenizer.ggml.pre' is of type u32, a string is wanted" },
	{ bos_range, -EINVAL, "key 'tokenizer.ggml.bos_token_id' is 600, there are 257 tokens" },
	{ eos_range, -EINVAL, "key 'tokenizer.ggml.eos_token_id' is 257, there are 257 tokens" },
	{ eot_range, -EINVAL, "key 'tokenizer.ggml.eot_token_id' is 257, there are 257 tokens" },
	{ unknown_type, -EINVAL, "key 'tokenizer.ggml.unknown_token_id' is of type string, an integer is wanted" },
	{ add_bos_type, -EINVAL, "key 'tokenizer.ggml.add_bos_token' is of type u32, a bool is wanted" },
	{ add_eos_type, -EINVAL, "key 'tokenizer.ggml.add_eos_token' is of type string, a bool is wanted" },
	{ add_space_type, -EINVAL, "key 'tokenizer.ggml.add_space_prefix' is of type u32, a bool is wanted" },
};

START_TEST(bad_vocabulary)
{
	static struct vocab v;
	struct tokenizer *t = (void *)&v;
	char err[512] = "";

	cases[_i].make(&v);
	ck_assert_int_eq(vocab_load(&v, &t, err, sizeof(err)), cases[_i].error);
	ck_assert_msg(strstr(err, "dseek-vocab-") && strstr(err, cases[_i].message), "'%s', not '%s'", err, cases[_i].message);
	ck_assert_ptr_eq(t, (void *)&v);
	vocab_fini(&v);
}
END_TEST

START_TEST(bad_ids)
{
	static struct vocab v;
	static const int32_t ids[2][2] = { { 1, 257 }, { -1, 1 } };
	struct gguf_str piece = { "untouched", 9 };
	char err[256], *text = err;
	struct tokenizer *t;
	size_t n = 77;
	int32_t *out = NULL;

	bpe(&v);
	ck_assert_int_eq(vocab_load(&v, &t, err, sizeof(err)), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(tokenizer_decode(t, ids[i], 2, 0, &text, &n), -ERANGE);
	ck_assert(text == err && n == 77);
	ck_assert_int_eq(tokenizer_piece(t, 257, 0, &piece), -ERANGE);
	ck_assert_int_eq(tokenizer_piece(t, -1, 0, &piece), -ERANGE);
	ck_assert_str_eq(piece.data, "untouched");
	ck_assert(!tokenizer_is_end(t, 257) && !tokenizer_is_end(t, -1));
	ck_assert_int_eq(tokenizer_encode(t, NULL, 1ull << 31, 0, &out, &n), -E2BIG);
	ck_assert(!out && n == 77);
	tokenizer_destroy(t);
	vocab_fini(&v);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tokenizer_bad");
	TCase *tc = tcase_create("load");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_vocabulary, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, bad_ids);
	suite_add_tcase(suite, tc);
	return check_run(suite);
}

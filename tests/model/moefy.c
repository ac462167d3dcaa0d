// SPDX-License-Identifier: MIT
/* A dense model and the same split into experts: with all of them selected the logits are equal. */
#include "../../userspace/model/gguf.h"
#include "../../userspace/model/model.h"
#include "../../userspace/model/moefy.h"
#include "../../userspace/model/moefy_fit.h"
#include "../check_run.h"
#include "tiny_model.h"

#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_TOKENS 96

static char dense_path[256], moe_path[256], err[512];
static struct dseek_device *dev;

static void paths(void)
{
	const char *dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";

	snprintf(dense_path, sizeof(dense_path), "%s/dense-%d.gguf", dir, getpid());
	snprintf(moe_path, sizeof(moe_path), "%s/moe-%d.gguf", dir, getpid());
}

static const int32_t *text(uint32_t n_vocab)
{
	static int32_t tokens[N_TOKENS] = { 1 };

	for (int i = 1; i < N_TOKENS; i++)
		tokens[i] = ((uint32_t)tokens[i - 1] * 89 + i * 31 + 7) % n_vocab;
	return tokens;
}

static struct dsk_model *load(const char *path)
{
	struct dsk_model *m;

	if (!dev)
		ck_assert_msg(!dseek_open("embed:moefy,threads=2", NULL, &dev), "%s", dseek_strerror_detail());
	ck_assert_msg(!dsk_model_open(path, &m, err, sizeof(err)), "%s", err);
	ck_assert_msg(!dsk_model_load(m, dev, NULL, err, sizeof(err)), "%s", err);
	return m;
}

/* Logits of the last of 24 tokens; free() them. */
static float *last_logits(struct dsk_model *m, uint32_t experts)
{
	struct dsk_session_params params = {
		.sched_class = DSEEK_CLASS_BATCH, .precise = true, .n_ctx = 64, .n_expert_used = experts,
	};
	uint32_t n_vocab = dsk_model_shape(m)->n_vocab;
	float *out = malloc(n_vocab * sizeof(*out));
	struct dsk_session *s;

	ck_assert_msg(!dsk_session_create(m, &params, &s, err, sizeof(err)), "%s", err);
	ck_assert_msg(!dsk_session_eval(s, text(n_vocab), 24), "%s", dsk_session_error(s));
	memcpy(out, dsk_session_logits(s), n_vocab * sizeof(*out));
	dsk_session_destroy(s);
	return out;
}

/* Largest difference relative to the largest logit. */
static double distance(const float *a, const float *b, uint32_t n)
{
	double worst = 0, largest = 0;

	for (uint32_t i = 0; i < n; i++) {
		worst = fmax(worst, fabs((double)a[i] - b[i]));
		largest = fmax(largest, fabs(a[i]));
	}
	return worst / largest;
}

static void split_and_compare(const char *path, struct dsk_moefy_params params)
{
	struct dsk_model *dense = load(path), *moe;
	uint32_t n = dsk_model_shape(dense)->n_vocab;
	float *want = last_logits(dense, 0), *all, *some;

	params.tokens = text(n);
	params.n_tokens = N_TOKENS;
	ck_assert_msg(!dsk_moefy(dense, moe_path, &params, err, sizeof(err)), "%s", err);
	moe = load(moe_path);
	ck_assert_uint_eq(dsk_model_shape(moe)->n_expert, params.experts);
	ck_assert_uint_eq(dsk_model_shape(moe)->n_expert_used, params.used);
	ck_assert_uint_eq(dsk_model_shape(moe)->expert_gate, DSEEK_GATE_UNIT);
	ck_assert_uint_eq(dsk_model_shape(moe)->n_ff_expert * params.experts, dsk_model_shape(dense)->n_ff);
	all = last_logits(moe, params.experts);
	some = last_logits(moe, 1);
	ck_assert_msg(distance(want, all, n) <= 1e-4, "all experts: relative difference %g", distance(want, all, n));
	ck_assert_msg(distance(want, some, n) > 1e-3, "one expert of %u changes nothing", params.experts);
	free(want);
	free(all);
	free(some);
	dsk_model_close(dense);
	dsk_model_close(moe);
	unlink(moe_path);
}

#define TINY	.arch = "llama", .layers = 2, .embd = 64, .heads = 4, .kv_heads = 2

static const struct {
	struct tiny_model t;
	uint32_t experts, used, split;
	int down;	/* element type it must have in the file */
} splits[] = {
	{ { "f32", TINY, .ff = 96 }, 8, 4, DSK_SPLIT_CLUSTERED, DSEEK_F32 },
	{ { "f32", TINY, .ff = 96 }, 3, 1, DSK_SPLIT_CONTIGUOUS, DSEEK_F32 },
	{ { "f16", TINY, .ff = 96, .dtype = DSEEK_F16 }, 8, 4, DSK_SPLIT_CLUSTERED, DSEEK_F16 },
	{ { "q8_0", TINY, .ff = 256, .dtype = DSEEK_Q8_0 }, 8, 8, DSK_SPLIT_CONTIGUOUS, DSEEK_Q8_0 },
	{ { "q4_1", TINY, .ff = 256, .dtype = DSEEK_Q4_1 }, 4, 2, DSK_SPLIT_CONTIGUOUS, DSEEK_Q4_1 },
	{ { "q4_1", TINY, .ff = 256, .dtype = DSEEK_Q4_1 }, 8, 2, DSK_SPLIT_CLUSTERED, DSEEK_F32 },
	{ { "q4_0, parts of blocks", TINY, .ff = 96, .dtype = DSEEK_Q4_0 }, 6, 2, DSK_SPLIT_CONTIGUOUS, DSEEK_F32 },
};

START_TEST(test_equal)
{
	struct dsk_moefy_params params = { .experts = splits[_i].experts, .used = splits[_i].used, .split = splits[_i].split };
	struct dsk_model *dense;
	struct gguf *g;

	paths();
	ck_assert_int_eq(tiny_model_write(dense_path, &splits[_i].t), 0);
	split_and_compare(dense_path, params);
	/* The element types of the file, by one more run of it. */
	dense = load(dense_path);
	params.tokens = text(TINY_VOCAB);
	params.n_tokens = N_TOKENS;
	ck_assert_int_eq(dsk_moefy(dense, moe_path, &params, err, sizeof(err)), 0);
	dsk_model_close(dense);
	ck_assert_msg(!gguf_open(moe_path, &g, err, sizeof(err)), "%s", err);
	ck_assert_int_eq(gguf_find_tensor(g, "blk.1.ffn_down_exps.weight")->dtype, splits[_i].down);
	ck_assert_int_eq(gguf_find_tensor(g, "blk.1.ffn_up_exps.weight")->dtype, splits[_i].t.dtype);
	ck_assert_ptr_nonnull(gguf_find_key(g, "dseek.moefy"));
	ck_assert_ptr_null(gguf_find_tensor(g, "blk.1.ffn_up.weight"));
	gguf_close(g);
	dseek_close(dev);
	unlink(dense_path);
	unlink(moe_path);
}
END_TEST

static const char *smollm2(void)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	static char path[512];

	if (cache && *cache)
		snprintf(path, sizeof(path), "%s/dseek/SmolLM2-135M-Instruct.Q4_1.gguf", cache);
	else
		snprintf(path, sizeof(path), "%s/.cache/dseek/SmolLM2-135M-Instruct.Q4_1.gguf", home ? home : "");
	return path;
}

START_TEST(test_smollm2)
{
	paths();
	split_and_compare(smollm2(), (struct dsk_moefy_params){ .experts = 8, .used = 4 });
	dseek_close(dev);
}
END_TEST

static const struct {
	struct tiny_model t;
	struct dsk_moefy_params params;
	int rc;
	const char *want;
} refused[] = {
	{ { "", TINY, .ff = 96, .experts = 4, .used = 2, .expert_ff = 96 }, { .experts = 8, .used = 2 }, -EINVAL,
	  "the model has experts already" },
	{ { "", .arch = "qwen3", .layers = 1, .embd = 64, .heads = 4, .kv_heads = 2, .ff = 96, .qk_norm = true },
	  { .experts = 8, .used = 2 }, -ENOTSUP, "files of the architecture \"qwen3\" can't state experts" },
	{ { "", TINY, .ff = 96 }, { .experts = 7, .used = 2 }, -EINVAL,
	  "96 neurons can't be divided among 7 experts (2..64)" },
	{ { "", TINY, .ff = 96 }, { .experts = 1, .used = 1 }, -EINVAL,
	  "96 neurons can't be divided among 1 experts (2..64)" },
	{ { "", TINY, .ff = 96 }, { .experts = 96, .used = 1 }, -EINVAL,
	  "96 neurons can't be divided among 96 experts (2..64)" },
	{ { "", TINY, .ff = 96 }, { .experts = 8, .used = 9 }, -EINVAL, "the number of experts used is not in 1..experts" },
	{ { "", TINY, .ff = 96 }, { .experts = 8, .used = 0 }, -EINVAL, "the number of experts used is not in 1..experts" },
	{ { "", TINY, .ff = 96 }, { .experts = 8, .used = 2, .n_tokens = 63 }, -EINVAL,
	  "the calibration text has less than 64 tokens" },
	{ { "", TINY, .ff = 96 }, { .experts = 8, .used = 2, .split = DSK_SPLIT_COUNT }, -EINVAL, "unknown split" },
};

START_TEST(test_refused)
{
	struct dsk_moefy_params params = refused[_i].params;
	struct dsk_model *m;

	paths();
	ck_assert_int_eq(tiny_model_write(dense_path, &refused[_i].t), 0);
	m = load(dense_path);
	params.tokens = text(TINY_VOCAB);
	params.n_tokens = params.n_tokens ? params.n_tokens : N_TOKENS;
	ck_assert_int_eq(dsk_moefy(m, moe_path, &params, err, sizeof(err)), refused[_i].rc);
	ck_assert_str_eq(err, refused[_i].want);
	ck_assert_int_ne(access(moe_path, F_OK), 0);
	dsk_model_close(m);
	dseek_close(dev);
	unlink(dense_path);
}
END_TEST

START_TEST(test_unwritable)
{
	struct dsk_moefy_params params = { .experts = 8, .used = 2, .n_tokens = N_TOKENS };
	struct dsk_model *m;

	paths();
	ck_assert_int_eq(tiny_model_write(dense_path, &splits[0].t), 0);
	m = load(dense_path);
	params.tokens = text(TINY_VOCAB);
	ck_assert_int_eq(dsk_moefy(m, "/nowhere/at/all.gguf", &params, err, sizeof(err)), -ENOENT);
	ck_assert_msg(strstr(err, "/nowhere/at/all.gguf"), "%s", err);
	dsk_model_close(m);
	dseek_close(dev);
	unlink(dense_path);
}
END_TEST

/* Clusters that are there are found, each of the same size. */
START_TEST(test_cluster)
{
	enum { N = 60, DIMS = 20, K = 4 };
	float v[N * DIMS];
	uint32_t cluster[N], size[K] = {};

	for (int i = 0; i < N; i++)
		for (int d = 0; d < DIMS; d++)
			v[i * DIMS + d] = (d % K == i % K ? 1.0f : 0.1f) + 0.05f * ((i * 7 + d * 3) % 5);
	ck_assert_int_eq(moefy_cluster(v, N, DIMS, K, cluster), 0);
	for (int i = 0; i < N; i++) {
		size[cluster[i]]++;
		ck_assert_uint_eq(cluster[i], cluster[i % K]);
	}
	for (int c = 0; c < K; c++)
		ck_assert_uint_eq(size[c], N / K);
}
END_TEST

/* Without noise the regression gives back what made the samples. */
START_TEST(test_ridge)
{
	enum { N = 50, DIMS = 6, K = 2 };
	static const float w[K][DIMS] = { { 1, -2, 3, 0, 0.5f, -1 }, { 0, 0, 2, -1, 4, 1 } }, b[K] = { 5, -3 };
	float x[N * DIMS], y[N * K], got_w[K * DIMS], got_b[K];

	for (int i = 0; i < N; i++)
		for (int c = 0; c < K; c++) {
			y[i * K + c] = b[c];
			for (int d = 0; d < DIMS; d++) {
				x[i * DIMS + d] = sinf(i * (d + 1) * 1.37f + d) + d;
				y[i * K + c] += w[c][d] * x[i * DIMS + d];
			}
		}
	ck_assert_int_eq(moefy_ridge(x, y, N, DIMS, K, 0, got_w, got_b), 0);
	for (int c = 0; c < K; c++) {
		ck_assert_float_eq_tol(got_b[c], b[c], 1e-2);
		for (int d = 0; d < DIMS; d++)
			ck_assert_float_eq_tol(got_w[c * DIMS + d], w[c][d], 1e-2);
	}
	x[7] = NAN;
	ck_assert_int_eq(moefy_ridge(x, y, N, DIMS, K, 0.1, got_w, got_b), -EDOM);
}
END_TEST

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *suite = suite_create("moefy");
	TCase *t = tcase_create("moefy");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_equal, 0, COUNT(splits));
	tcase_add_loop_test(t, test_refused, 0, COUNT(refused));
	tcase_add_test(t, test_unwritable);
	tcase_add_test(t, test_cluster);
	tcase_add_test(t, test_ridge);
	if (!access(smollm2(), R_OK))
		tcase_add_test(t, test_smollm2);
	else
		printf("ok 99 SmolLM2 # SKIP it is not at %s (tools/fetch-model)\n", smollm2());
	suite_add_tcase(suite, t);
	return check_run(suite);
}

// SPDX-License-Identifier: MIT
/* The model engine against an oracle of its own (forward_ref.c), on small models written here. */
#include "../../userspace/model/generate.h"
#include "../../userspace/model/gguf.h"
#include "../../userspace/model/model.h"
#include "../../userspace/model/sampler.h"
#include "../../userspace/model/tokenizer.h"
#include "forward_ref.h"
#include "../check_run.h"
#include "tiny_model.h"

#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHAPE(n_layer, n_kv)	.layers = n_layer, .embd = 64, .heads = 4, .kv_heads = n_kv, .ff = 96
#define LLAMA			.arch = "llama", SHAPE(2, 2)
#define LATENT			.arch = "deepseek2", SHAPE(3, 1), .head = 48, .rope_dims = 16, .head_v = 32, .kv_rank = 64, .dense = 1, \
				.experts = 16, .used = 4, .expert_ff = 32, .shared = 2
#define GPT_OSS			.arch = "gpt-oss", .gpt_oss = true, SHAPE(3, 2), .bias = true, .head = 32, .experts = 8, .used = 3, .expert_ff = 64
#define N_TOKENS 37

static const struct tiny_model variants[] = {
	{ "dense", LLAMA },
	{ "dense, tied, own head size", LLAMA, .head = 24, .tied = true, .seed = 1 },
	{ "part of the head rotated, linear scaling", LLAMA, .rope_dims = 8, .rope_linear = 4, .seed = 2 },
	{ "frequency factors", LLAMA, .rope_freqs = true, .seed = 3 },
	{ "f16", LLAMA, .dtype = DSEEK_F16, .seed = 4 },
	{ "bf16", LLAMA, .dtype = DSEEK_BF16, .seed = 5 },
	{ "q8_0", LLAMA, .dtype = DSEEK_Q8_0, .seed = 6 },
	{ "q4_0", LLAMA, .dtype = DSEEK_Q4_0, .seed = 7 },
	{ "q4_1, tied", LLAMA, .dtype = DSEEK_Q4_1, .tied = true, .seed = 8 },
	{ "mixtral", LLAMA, .experts = 8, .used = 2, .seed = 9 },
	{ "mixtral q8_0", LLAMA, .experts = 8, .used = 2, .dtype = DSEEK_Q8_0, .seed = 10 },
	{ "unit gates", LLAMA, .experts = 8, .used = 3, .gating = 64, .seed = 11 },
	{ "sigmoid gates with a selection bias", LLAMA, .experts = 8, .used = 3, .gating = 2, .router_bias = true, .seed = 12 },
	{ "qwen2", .arch = "qwen2", SHAPE(2, 2), .bias = true, .seed = 13 },
	{ "qwen3", .arch = "qwen3", SHAPE(2, 2), .qk_norm = true, .head = 32, .seed = 14 },
	{ "qwen3moe", .arch = "qwen3moe", SHAPE(2, 2), .qk_norm = true, .experts = 16, .used = 4, .expert_ff = 32, .seed = 15 },
	/* deepseek2: as V2-Lite, its old form, as V2, as V3 */
	{ "latent attention, shared experts", LATENT, .seed = 30 },
	{ "latent attention, old form", LATENT, .old = true, .seed = 31 },
	{ "latent attention, low-rank queries, groups", LATENT, .q_rank = 48, .groups = 4, .groups_used = 2, .expert_scale = 16, .seed = 32 },
	{ "latent attention, sigmoid gates, bias, groups, normalised, yarn", LATENT, .q_rank = 48, .gating = 2, .router_bias = true,
	  .groups = 4, .groups_used = 2, .expert_norm = true, .expert_scale = 2.5f, .yarn = 40, .yarn_trained = 16, .yarn_log_mul = 0.1f, .seed = 33 },
	{ "latent attention, yarn without its multiplier", LATENT, .yarn = 4, .yarn_trained = 16, .yarn_attn = 0.9f, .seed = 34 },
	{ "latent attention, q8_0", LATENT, .dtype = DSEEK_Q8_0, .seed = 35 },
	{ "latent attention, old form, q8_0", LATENT, .dtype = DSEEK_Q8_0, .old = true, .seed = 36 },
	{ "latent attention, mxfp4", LATENT, .dtype = DSEEK_MXFP4, .seed = 40 },
	{ "latent attention, old form, mxfp4", LATENT, .dtype = DSEEK_MXFP4, .old = true, .seed = 41 },
	{ "latent attention, old form, bf16", LATENT, .dtype = DSEEK_BF16, .old = true, .seed = 37 },
	{ "latent attention, dense", .arch = "deepseek2", SHAPE(2, 1), .head = 48, .rope_dims = 16, .head_v = 24, .kv_rank = 32, .seed = 38 },
	{ "yarn", LLAMA, .yarn = 8, .yarn_trained = 16, .seed = 17 },
	{ "yarn, no original context, frequency factors", LLAMA, .yarn = 4, .rope_freqs = true, .yarn_attn = 0.75f, .seed = 18 },
	{ "yarn with a log multiplier", .arch = "qwen3", SHAPE(2, 2), .qk_norm = true, .yarn = 40, .yarn_trained = 16, .yarn_log_mul = 0.5f,
	  .rope_dims = 8, .seed = 19 },
	{ "gpt-oss", GPT_OSS, .window = 8, .yarn = 32, .yarn_trained = 16, .seed = 20 },
	{ "gpt-oss bf16, biases too, window longer than the text", GPT_OSS, .dtype = DSEEK_BF16, .window = 100, .seed = 21 },
	{ "gpt-oss q8_0, a window of 1", GPT_OSS, .dtype = DSEEK_Q8_0, .window = 1, .seed = 22 },
	{ "gpt-oss mxfp4", GPT_OSS, .dtype = DSEEK_MXFP4, .window = 8, .yarn = 32, .yarn_trained = 16, .seed = 23 },
	{ "rows that fill no group", .arch = "llama", .layers = 1, .embd = 36, .heads = 3, .kv_heads = 1, .ff = 50, .seed = 16 },
};

static const struct tiny_model gpt_oss = { "gpt-oss", GPT_OSS, .window = 8, .yarn = 32, .yarn_trained = 16, .seed = 20 };

static char path[256], err[512];
static struct dseek_device *dev;
static struct dsk_model *model;
static struct dsk_session *session;

static const struct tiny_model *variant(const char *label)
{
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (!strcmp(variants[i].label, label))
			return &variants[i];
	ck_abort_msg("no variant %s", label);
}

/* llama: the experts' width is the feed-forward length. */
static int write_model(const struct tiny_model *t)
{
	struct tiny_model copy = *t;

	if (copy.experts && !copy.expert_ff)
		copy.expert_ff = copy.ff;
	snprintf(path, sizeof(path), "%s/tiny-%d.gguf", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	return tiny_model_write(path, &copy);
}

static void open_model(const struct tiny_model *t)
{
	ck_assert_int_eq(write_model(t), 0);
	ck_assert_msg(!dsk_model_open(path, &model, err, sizeof(err)), "%s", err);
	ck_assert_msg(!dseek_open("embed:engine,threads=2", NULL, &dev), "%s", dseek_strerror_detail());
	ck_assert_msg(!dsk_model_load(model, dev, NULL, err, sizeof(err)), "%s", err);
}

static void open_session(struct dsk_session_params params)
{
	params.sched_class = DSEEK_CLASS_BATCH;
	dsk_session_destroy(session);
	session = NULL;
	ck_assert_msg(!dsk_session_create(model, &params, &session, err, sizeof(err)), "%s", err);
}

static void close_all(void)
{
	dsk_session_destroy(session);
	dsk_model_close(model);
	dseek_close(dev);
	unlink(path);
	session = NULL;
	model = NULL;
	dev = NULL;
}

static const int32_t *sequence(void)
{
	static int32_t tokens[N_TOKENS] = { 1 };

	for (int i = 1; i < N_TOKENS; i++)
		tokens[i] = (tokens[i - 1] * 89 + i * 31 + 7) % TINY_VOCAB;
	return tokens;
}

struct compare {
	const double *want;
	uint32_t first, n_vocab;
	double worst, kl;
	int agree, rows;
};

static int compare_row(void *arg, uint32_t token, const float *logits)
{
	struct compare *c = arg;
	const double *want = c->want + (uint64_t)(c->first + token) * c->n_vocab;
	double sum_w = 0, sum_l = 0, max_w = want[0], max_l = logits[0], kl = 0;
	uint32_t best_w = 0, best_l = 0;

	for (uint32_t i = 0; i < c->n_vocab; i++) {
		c->worst = fmax(c->worst, fabs(want[i] - logits[i]));
		if (isnan(logits[i]))
			c->worst = INFINITY;
		if (want[i] > max_w)
			max_w = want[best_w = i];
		if (logits[i] > max_l)
			max_l = logits[best_l = i];
	}
	for (uint32_t i = 0; i < c->n_vocab; i++) {
		sum_w += exp(want[i] - max_w);
		sum_l += exp(logits[i] - max_l);
	}
	for (uint32_t i = 0; i < c->n_vocab; i++)
		kl += exp(want[i] - max_w) / sum_w *
		      ((want[i] - max_w - log(sum_w)) - (logits[i] - max_l - log(sum_l)));
	c->kl += kl;
	c->agree += want[best_w] - want[best_l] < 0.3;	/* the same, or a near-tie: so few tokens allow no rate */
	c->rows++;
	return 0;
}

/* Prefill in chunks that do not divide the length, then token by token. */
static struct compare against_oracle(const double *want, uint32_t n_vocab)
{
	struct compare c = { .want = want, .n_vocab = n_vocab };
	const int32_t *tokens = sequence();

	ck_assert_msg(!dsk_session_eval_all(session, tokens, 30, compare_row, &c), "%s", dsk_session_error(session));
	for (uint32_t i = 30; i < N_TOKENS; i++) {
		c.first = i;
		ck_assert_msg(!dsk_session_eval(session, &tokens[i], 1), "%s", dsk_session_error(session));
		compare_row(&c, 0, dsk_session_logits(session));
	}
	return c;
}

START_TEST(test_precise)
{
	const struct tiny_model *t = &variants[_i];
	struct forward_params params = {};
	struct compare c;
	uint32_t n_vocab;
	double *want;

	open_model(t);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .precise = true, .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS });
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst <= 1e-4, "%s: largest difference %g", t->label, c.worst);
	ck_assert_int_eq(c.rows, N_TOKENS);
	free(want);
	close_all();
}
END_TEST

START_TEST(test_fast)
{
	const struct tiny_model *t = &variants[_i];
	struct forward_params params = {};
	struct compare c;
	uint32_t n_vocab;
	double *want;

	open_model(t);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS });
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.kl / c.rows <= 1e-2, "%s: KL %g", t->label, c.kl / c.rows);
	ck_assert_msg(c.agree == c.rows, "%s: %d of %d agree", t->label, c.agree, c.rows);
	free(want);
	close_all();
}
END_TEST

/* Rings of a run's size, which 37 tokens fill more than twice, or everything kept: the same, and right (test_precise has rings as well). */
START_TEST(test_kv)
{
	static const struct {
		bool all, precise;
		uint32_t type;
		double most;
	} caches[] = {
		{ true, true, DSEEK_F32, 1e-4 }, { false, true, DSEEK_F32, 1e-4 }, { false, true, DSEEK_F16, 1e-2 },
		{ false, true, DSEEK_BF16, 1e-1 }, { false, true, DSEEK_Q8_0, 1e-1 },
	};
	struct forward_params params = {};
	struct compare c;
	uint32_t n_vocab;
	double *want;

	open_model(&gpt_oss);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .precise = caches[_i].precise, .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS,
						  .kv_all = caches[_i].all, .kv_type_set = true, .kv_type = caches[_i].type });
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst <= caches[_i].most, "%s: largest difference %g", dseek_dtype_name(caches[_i].type), c.worst);
	free(want);
	close_all();
}
END_TEST

/* Latent rows of each type, whose first part are the values; dsk_kv_bytes() knows that there is one row a token. */
START_TEST(test_kv_latent)
{
	static const struct {
		uint32_t type;
		double most;
	} caches[] = { { DSEEK_F32, 1e-4 }, { DSEEK_F16, 1e-2 }, { DSEEK_BF16, 1e-1 }, { DSEEK_Q8_0, 2.5e-1 } };
	struct tiny_model t = { "latent rows of whole blocks", LATENT, .seed = 39 };
	struct dsk_kv kv = { .n_ctx = N_TOKENS, .run = 7, .type = caches[_i].type };
	struct forward_params params = {};
	struct compare c;
	uint32_t n_vocab;
	double *want;

	t.head = 64;
	t.rope_dims = 32;
	open_model(&t);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .precise = true, .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS,
						  .kv_type_set = true, .kv_type = kv.type });
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst <= caches[_i].most, "%s: largest difference %g", dseek_dtype_name(kv.type), c.worst);
	ck_assert_uint_eq(dsk_kv_bytes(dsk_model_shape(model), &kv), 3 * N_TOKENS * dseek_row_bytes(kv.type, 64 + 32));
	free(want);
	close_all();
}
END_TEST

START_TEST(test_kv_latent_blocks)
{
	struct tiny_model t = { "latent rows of no whole blocks", LATENT };

	open_model(&t);
	ck_assert_int_eq(dsk_session_create(model, &(struct dsk_session_params){ .kv_type_set = true, .kv_type = DSEEK_Q8_0 }, &session,
					    err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "a KV cache of Q8_0 for heads of 80 and 64 elements, which are not whole blocks of 32");
	close_all();
}
END_TEST

static int stop_at(void *arg, uint32_t token, const float *logits)
{
	return token == *(uint32_t *)arg ? -ECANCELED : 0;
}

/* Back to where a ring of 14 slots still has the 7 tokens that the next one sees beside itself, and no further. */
START_TEST(test_ring_rewind)
{
	const int32_t *tokens = sequence();
	uint32_t last = 16, n_vocab, third = 2;
	float *want;

	open_model(&gpt_oss);
	open_session((struct dsk_session_params){ .precise = true, .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS });
	n_vocab = dsk_model_shape(model)->n_vocab;
	want = malloc(n_vocab * sizeof(*want));
	ck_assert_int_eq(dsk_session_eval(session, tokens, N_TOKENS), 0);
	memcpy(want, dsk_session_logits(session), n_vocab * sizeof(*want));
	ck_assert_int_eq(dsk_session_rewind(session, 29), -ENODATA);
	ck_assert_str_eq(dsk_session_error(session), "the layers with a window of 8 no longer have the tokens before the 29 first: "
			 "8 tokens were written since, to rings of 14");
	ck_assert_uint_eq(dsk_session_n_past(session), N_TOKENS);
	ck_assert_int_eq(dsk_session_rewind(session, 30), 0);
	ck_assert_int_eq(dsk_session_eval(session, tokens + 30, 7), 0);
	for (uint32_t i = 0; i < n_vocab; i++)	/* other jobs than before: not the same bits */
		ck_assert_float_le(fabsf(want[i] - dsk_session_logits(session)[i]), 1e-4f);
	/* what was written counts, not where the context ends */
	ck_assert_int_eq(dsk_session_rewind(session, 31), 0);
	ck_assert_int_eq(dsk_session_rewind(session, 29), -ENODATA);

	/* a run that ends early: near enough to go back, and too far */
	ck_assert_int_eq(dsk_session_rewind(session, 0), 0);
	ck_assert_int_eq(dsk_session_eval(session, tokens, 20), 0);
	ck_assert_int_eq(dsk_session_eval_all(session, tokens + 20, 3, stop_at, &third), -ECANCELED);
	ck_assert_uint_eq(dsk_session_n_past(session), 20);
	ck_assert_int_eq(dsk_session_eval_all(session, tokens + 20, 17, stop_at, &last), -ECANCELED);
	ck_assert_uint_eq(dsk_session_n_past(session), 0);
	ck_assert_int_eq(dsk_session_eval(session, tokens, N_TOKENS), 0);
	ck_assert_msg(!memcmp(want, dsk_session_logits(session), n_vocab * sizeof(*want)), "other logits in a context that was emptied");
	free(want);
	close_all();
}
END_TEST

#define LONG_CTX	16384

static void long_run(bool all, float *logits, uint32_t n_vocab, uint64_t *ret_bytes)
{
	int32_t *tokens = malloc(LONG_CTX * sizeof(*tokens));

	for (uint32_t i = 0; i < LONG_CTX; i++)
		tokens[i] = (i * 89 + i / 7 * 31 + i / 300) % TINY_VOCAB;
	open_session((struct dsk_session_params){ .n_ctx = LONG_CTX, .kv_all = all });
	for (uint32_t at = 0; at + 256 < LONG_CTX; at += 256, logits += n_vocab) {
		ck_assert_msg(!dsk_session_eval(session, tokens + at, 256), "%s", dsk_session_error(session));
		memcpy(logits, dsk_session_logits(session), n_vocab * sizeof(*logits));
	}
	for (uint32_t at = LONG_CTX - 256; at < LONG_CTX - 224; at++, logits += n_vocab) {
		ck_assert_msg(!dsk_session_eval(session, tokens + at, 1), "%s", dsk_session_error(session));
		memcpy(logits, dsk_session_logits(session), n_vocab * sizeof(*logits));
	}
	*ret_bytes = dsk_session_kv_bytes(session);
	free(tokens);
}

/* 63 prefill jobs and 32 tokens one by one: rings give the bits that full caches do, with the memory that dsk_kv_bytes() says. */
START_TEST(test_ring_16k)
{
	struct tiny_model t = gpt_oss;
	struct dsk_kv kv = { .n_ctx = LONG_CTX, .run = 256, .type = DSEEK_F16, .ring_type = DSEEK_F16 };
	uint64_t ring_bytes, all_bytes;
	float *ring, *all;
	size_t n;

	t.layers = 2;
	t.heads = 2;
	t.kv_heads = 1;
	t.head = 16;
	t.window = 128;
	open_model(&t);
	n = 95ul * dsk_model_shape(model)->n_vocab;
	ring = malloc(n * sizeof(*ring));
	all = malloc(n * sizeof(*all));
	long_run(false, ring, dsk_model_shape(model)->n_vocab, &ring_bytes);
	long_run(true, all, dsk_model_shape(model)->n_vocab, &all_bytes);
	ck_assert_msg(!memcmp(ring, all, n * sizeof(*all)), "rings give other logits");
	ck_assert_uint_eq(ring_bytes, (dsk_kv_bytes(dsk_model_shape(model), &kv) + 4095) / 4096 * 4096);
	kv.all = true;
	ck_assert_uint_eq(all_bytes, (dsk_kv_bytes(dsk_model_shape(model), &kv) + 4095) / 4096 * 4096);
	free(ring);
	free(all);
	close_all();
}
END_TEST

/* gpt-oss-20b's shape at 16K: rings alone save nearly the half that its alternation allows; with Q8_0 in the other half 72 %. */
START_TEST(test_kv_bytes)
{
	struct dsk_shape s = { .n_layer = 24, .n_head_kv = 8, .head_k = 64, .head_v = 64, .window = 128, .window_period = 2 };
	struct dsk_kv kv = { .n_ctx = 16384, .run = 256, .type = DSEEK_F16, .ring_type = DSEEK_F16, .all = true };
	uint64_t full = dsk_kv_bytes(&s, &kv);

	ck_assert_uint_eq(full, 24ull * 16384 * 8 * 64 * 2 * 2);
	kv.all = false;
	ck_assert_uint_eq(dsk_kv_slots(&s, &kv, 0), 383);
	ck_assert_uint_eq(dsk_kv_slots(&s, &kv, 1), 16384);
	ck_assert_uint_eq(dsk_kv_bytes(&s, &kv), 12ull * (16384 + 383) * 8 * 64 * 2 * 2);
	ck_assert(1 - (double)dsk_kv_bytes(&s, &kv) / full > 0.488);
	kv.type = DSEEK_Q8_0;
	ck_assert(1 - (double)dsk_kv_bytes(&s, &kv) / full > 0.72);
	kv.n_ctx = 383;		/* not shorter than all: no ring */
	ck_assert_uint_eq(dsk_kv_slots(&s, &kv, 0), 383);
	s.window_period = 0;	/* the job's window may be any: no ring */
	kv.n_ctx = 16384;
	ck_assert_uint_eq(dsk_kv_slots(&s, &kv, 0), 16384);
}
END_TEST

START_TEST(test_window)
{
	static const uint32_t windows[] = { 0, 1, 2, 8, 36, 37, 1000 };
	struct forward_params params = { .window = windows[_i] };
	struct compare c;
	uint32_t n_vocab;
	double *want;

	open_model(&variants[0]);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .precise = true, .chunk = 7, .logit_rows = 7, .n_ctx = N_TOKENS });
	dsk_session_set_window(session, windows[_i]);	/* of the calls: the programs were made without it */
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst <= 1e-4, "window %u: largest difference %g", windows[_i], c.worst);
	/* And the window matters: without it the result is another. */
	dsk_session_rewind(session, 0);
	dsk_session_set_window(session, windows[_i] == 8 ? 0 : 8);
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst > 1e-2, "the window changed nothing");
	free(want);
	close_all();
}
END_TEST

START_TEST(test_experts_used)
{
	struct forward_params params = { .experts_used = 5 };
	struct compare c;
	uint32_t n_vocab;
	double *want;

	open_model(&variants[9]);
	want = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	open_session((struct dsk_session_params){ .precise = true, .n_expert_used = 5, .logit_rows = 16, .n_ctx = N_TOKENS });
	c = against_oracle(want, n_vocab);
	ck_assert_msg(c.worst <= 1e-4, "largest difference %g", c.worst);
	free(want);
	close_all();
}
END_TEST

/* Figures kept in the tree: if oracle and engine were to change together, this would tell. */
static const struct {
	const char *label;
	double want[5];
} kept_figures[] = {
	{ "mixtral", { -1.163897, 2.002495, -3.572789, -0.214139, 1.994333 } },
	{ "latent attention, sigmoid gates, bias, groups, normalised, yarn", { -3.125394, 1.773721, -2.032169, 1.757535, 1.996972 } },
};

START_TEST(test_kept_figures)
{
	static const uint32_t at[] = { 0, 1, 99, 200, 299 };
	const double *want = kept_figures[_i].want;
	struct forward_params params = {};
	const float *logits;
	uint32_t n_vocab;
	double *ref;

	open_model(variant(kept_figures[_i].label));
	open_session((struct dsk_session_params){ .precise = true });
	ref = forward_ref(dsk_model_gguf(model), sequence(), N_TOKENS, &params, &n_vocab);
	ck_assert_int_eq(dsk_session_eval(session, sequence(), N_TOKENS), 0);
	logits = dsk_session_logits(session);
	for (int i = 0; i < 5; i++) {
		ck_assert_double_eq_tol(ref[(uint64_t)(N_TOKENS - 1) * n_vocab + at[i]], want[i], 1e-5);
		ck_assert_double_eq_tol(logits[at[i]], want[i], 1e-4);
	}
	free(ref);
	close_all();
}
END_TEST

START_TEST(test_shared_weights)
{
	struct dseek_open_params other = { .tenant = "other" };
	struct dseek_device *dev2;
	struct dsk_session *session2;
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH };
	uint64_t before, after;
	struct dseek_tenant_info info;
	size_t bytes = TINY_VOCAB * sizeof(float);

	open_model(&variants[9]);
	open_session(params);
	ck_assert_int_eq(dseek_open("embed:engine,threads=2", &other, &dev2), 0);
	ck_assert_int_eq(dseek_tenant_info(dev2, &info), 0);
	before = info.pinned_bytes;
	params.dev = dev2;
	ck_assert_msg(!dsk_session_create(model, &params, &session2, err, sizeof(err)), "%s", err);
	ck_assert_int_eq(dseek_tenant_info(dev2, &info), 0);
	after = info.pinned_bytes;
	ck_assert_int_gt(after, before);
	ck_assert_int_eq(dsk_session_eval(session, sequence(), N_TOKENS), 0);
	ck_assert_int_eq(dsk_session_eval(session2, sequence(), N_TOKENS), 0);
	ck_assert_int_eq(memcmp(dsk_session_logits(session), dsk_session_logits(session2), bytes), 0);
	dsk_session_destroy(session2);
	dseek_close(dev2);
	close_all();
}
END_TEST

START_TEST(test_rewind)
{
	float *first = malloc(TINY_VOCAB * sizeof(float));
	const int32_t *tokens = sequence();

	open_model(&variants[0]);
	open_session((struct dsk_session_params){ .precise = true, .chunk = 16 });
	ck_assert_int_eq(dsk_session_eval(session, tokens, 20), 0);
	memcpy(first, dsk_session_logits(session), TINY_VOCAB * sizeof(float));
	ck_assert_int_eq(dsk_session_best(session) >= 0, 1);
	ck_assert(first[dsk_session_best(session)] >= first[5]);
	ck_assert_int_eq(dsk_session_eval(session, tokens + 20, 10), 0);
	ck_assert_int_eq(dsk_session_n_past(session), 30);
	ck_assert_int_eq(dsk_session_rewind(session, 12), 0);
	ck_assert_int_eq(dsk_session_eval(session, tokens + 12, 8), 0);
	for (int i = 0; i < TINY_VOCAB; i++)
		ck_assert_float_eq_tol(first[i], dsk_session_logits(session)[i], 1e-4);
	ck_assert_int_eq(dsk_session_rewind(session, 21), -EINVAL);
	ck_assert_str_eq(dsk_session_error(session), "the context holds 20 tokens, not 21");
	free(first);
	close_all();
}
END_TEST

START_TEST(test_refused_runs)
{
	int32_t bad[] = { 1, TINY_VOCAB }, negative[] = { -1 };

	open_model(&variants[0]);
	open_session((struct dsk_session_params){ .n_ctx = 40 });
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 30), 0);
	ck_assert_int_eq(dsk_session_eval(session, bad, 2), -ERANGE);
	ck_assert_str_eq(dsk_session_error(session), "token 1 is 300, the vocabulary has 300");
	ck_assert_int_eq(dsk_session_eval(session, negative, 1), -ERANGE);
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 11), -ENOSPC);
	ck_assert_str_eq(dsk_session_error(session),
			 "the context of 40 tokens is full: it holds 30, and 11 more were given");
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 0), -EINVAL);
	ck_assert_str_eq(dsk_session_error(session), "no tokens");
	ck_assert_int_eq(dsk_session_n_past(session), 30);
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 10), 0);
	close_all();
}
END_TEST

static const struct {
	struct dsk_session_params params;
	int rc;
	const char *want;
} bad_sessions[] = {
	{ { .n_ctx = (1 << 24) + 1 }, -EINVAL, "a context of 16777217 tokens is above the limit of 2^24" },
	{ { .kv_type_set = true, .kv_type = DSEEK_Q4_0 }, -EINVAL, "a KV cache of Q4_0; it may be F32, F16, BF16 or Q8_0" },
	{ { .kv_type_set = true, .kv_type = 99 }, -EINVAL, "a KV cache of an unknown type; it may be F32, F16, BF16 or Q8_0" },
	{ { .kv_type_set = true, .kv_type = DSEEK_Q8_0 }, -EINVAL,
	  "a KV cache of Q8_0 for heads of 16 and 16 elements, which are not whole blocks of 32" },
	{ { .chunk = 4097 }, -EINVAL, "a chunk of 4097 tokens is above the limit of 4096" },
	{ { .chunk = 8, .logit_rows = 9 }, -EINVAL, "9 rows of logits from a chunk of 8 tokens" },
	{ { .n_expert_used = 9 }, -EINVAL, "9 experts selected, the model has 8" },
	{ { .window_set = true, .window = 1u << 31 }, -EINVAL, "a window of 2147483648 tokens is above the limit of 2^31-1" },
	{ { .engine = "npu7" }, -ENOENT, "no engine: " },
	{ { .sched_class = DSEEK_CLASS_COUNT }, -EINVAL, "no queue on engine cpu0: " },
};

START_TEST(test_refused_sessions)
{
	int rc;

	open_model(&variants[9]);
	rc = dsk_session_create(model, &bad_sessions[_i].params, &session, err, sizeof(err));
	ck_assert_int_eq(rc, bad_sessions[_i].rc);
	ck_assert_msg(!strncmp(err, bad_sessions[_i].want, strlen(bad_sessions[_i].want)), "%s", err);
	ck_assert_ptr_null(session);
	close_all();
}
END_TEST

START_TEST(test_too_many_for_groups)
{
	struct tiny_model t = { "groups", LATENT, .groups = 4, .groups_used = 1 };

	open_model(&t);
	ck_assert_int_eq(dsk_session_create(model, &(struct dsk_session_params){ .n_expert_used = 5 }, &session, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "5 experts selected, the 1 groups that are looked at have 4");
	open_session((struct dsk_session_params){ .n_expert_used = 4 });
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 5), 0);
	close_all();
}
END_TEST

/* Weights of 4 bits stay so, whatever their scales: half precision does not have this one. */
START_TEST(test_mxfp4)
{
	struct tiny_model t = gpt_oss;
	const struct gguf_tensor *w;
	const uint8_t scale = 100;
	uint64_t before;
	int fd;

	t.dtype = DSEEK_F16;
	open_model(&t);
	before = dsk_model_bytes(model);
	close_all();
	t.dtype = DSEEK_MXFP4;
	open_model(&t);
	ck_assert_uint_lt(dsk_model_bytes(model), before / 2);
	w = gguf_find_tensor(dsk_model_gguf(model), "blk.1.ffn_up_exps.weight");
	ck_assert_int_eq(w->dtype, DSEEK_MXFP4);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, &scale, 1, w->offset + 17 * 3), 1);
	close(fd);
	dsk_model_close(model);
	ck_assert_int_eq(dsk_model_open(path, &model, err, sizeof(err)), 0);
	ck_assert_int_eq(dsk_model_load(model, dev, NULL, err, sizeof(err)), 0);
	open_session((struct dsk_session_params){});
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 5), 0);
	ck_assert(isfinite(dsk_session_logits(session)[0]));
	close_all();
}
END_TEST

START_TEST(test_not_loaded)
{
	struct dsk_session_params params = {};

	ck_assert_int_eq(write_model(&variants[0]), 0);
	ck_assert_int_eq(dsk_model_open(path, &model, err, sizeof(err)), 0);
	ck_assert_int_eq(dsk_session_create(model, &params, &session, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "the model is not loaded");
	ck_assert_int_eq(dseek_open("embed:engine,threads=2", NULL, &dev), 0);
	params.dev = dev;
	ck_assert_int_eq(dsk_session_create(model, &params, &session, err, sizeof(err)), -EINVAL);
	ck_assert_msg(strstr(err, "it is not loaded"), "%s", err);
	ck_assert_int_eq(dsk_model_load(model, dev, NULL, err, sizeof(err)), 0);
	ck_assert_int_eq(dsk_model_load(model, dev, NULL, err, sizeof(err)), -EALREADY);
	ck_assert_msg(strstr(err, "it is loaded already"), "%s", err);
	close_all();
}
END_TEST

static const struct {
	struct tiny_model t;
	int rc;
	const char *want;
} bad_models[] = {
	{ { "", .arch = "mamba", SHAPE(2, 2) }, -ENOTSUP,
	  "the architecture \"mamba\" is not known here; known are llama, qwen2, qwen3, qwen3moe, deepseek2, gpt-oss" },
	{ { "", LLAMA, .omit = "blk.1.attn_k.weight" }, -EINVAL, ": tensor blk.1.attn_k.weight is missing" },
	{ { "", LLAMA, .omit = "output_norm.weight" }, -EINVAL, ": tensor output_norm.weight is missing" },
	{ { "", LLAMA, .omit = "token_embd.weight" }, -EINVAL, ": tensor token_embd.weight is missing or isn't a matrix" },
	{ { "", LLAMA, .misshape = "blk.0.ffn_up.weight" }, -EINVAL,
	  ": tensor blk.0.ffn_up.weight: extent 1 is 97, the keys say 96" },
	{ { "", LLAMA, .misshape = "blk.0.ffn_norm.weight" }, -EINVAL,
	  ": tensor blk.0.ffn_norm.weight: extent 1 is 2, the keys say 1" },
	{ { "", GPT_OSS, .window = 8, .omit = "blk.1.attn_sinks.weight" }, -EINVAL, ": tensor blk.1.attn_sinks.weight is missing" },
	{ { "", GPT_OSS, .window = 8, .omit = "blk.0.ffn_down_exps.bias" }, -EINVAL, ": tensor blk.0.ffn_down_exps.bias is missing" },
	{ { "", GPT_OSS, .window = 8, .omit = "blk.2.post_attention_norm.weight" }, -EINVAL, ": tensor blk.2.post_attention_norm.weight is missing" },
	{ { "", GPT_OSS, .window = 8, .misshape = "blk.0.ffn_up_exps.bias" }, -EINVAL, ": tensor blk.0.ffn_up_exps.bias: extent 1 is 9, the keys say 8" },
	{ { "", GPT_OSS }, -EINVAL,
	  ": expert_count or attention.sliding_window is missing or 0, which gpt-oss has" },
	{ { "", GPT_OSS, .window = 8, .omit_key = "expert_count" }, -EINVAL,
	  ": expert_count or attention.sliding_window is missing or 0, which gpt-oss has" },
	{ { "", LLAMA, .omit_key = "block_count" }, -ENOENT, "block_count" },
	{ { "", LLAMA, .omit_key = "attention.head_count" }, -ENOENT, "head_count" },
	{ { "", .arch = "llama", SHAPE(2, 3) }, -EINVAL, ": head_count is not a multiple of head_count_kv" },
	{ { "", .arch = "llama", SHAPE(2, 0) }, -EINVAL, ": head_count is not a multiple of head_count_kv" },
	{ { "", LLAMA, .rope_dims = 7 }, -EINVAL, ": rope.dimension_count is not even or larger than a head" },
	{ { "", LLAMA, .rope_dims = 32 }, -EINVAL, ": rope.dimension_count is not even or larger than a head" },
	{ { "", LLAMA, .rope_scaling = "longrope" }, -ENOTSUP, ": rope scaling \"longrope\" is not supported; linear and yarn are" },
	{ { "", LLAMA, .rope_scaling = "yarn" }, -EINVAL, ": rope.freq_base and rope.scaling.factor must be above 0" },
	{ { "", LLAMA, .yarn = 0.5f }, -EINVAL, ": rope.scaling for yarn: a factor below 1, or another key that makes no sense" },
	{ { "", LLAMA, .yarn = 4, .yarn_attn = -1 }, -EINVAL, ": rope.scaling for yarn: a factor below 1, or another key" },
	{ { "", LLAMA, .yarn = 4, .yarn_ext = 0.5f }, -ENOTSUP, ": rope.scaling.yarn_ext_factor is 0.5; only 1 is supported" },
	{ { "", LLAMA, .rope_scaling = "linear" }, -EINVAL,
	  ": rope.freq_base and rope.scaling.factor must be above 0" },
	{ { "", LLAMA, .experts = 4, .used = 5 }, -EINVAL, ": expert_used_count is not in 1..expert_count" },
	{ { "", LLAMA, .experts = 4, .used = 2, .gating = 9 }, -EINVAL, ": expert_gating_func 9 is not known" },
	{ { "", .arch = "qwen2", SHAPE(2, 2), .experts = 4, .used = 2 }, -EINVAL,
	  ": expert_count is set, but this architecture has no experts" },
	{ { "", .arch = "llama", SHAPE(0, 2) }, -EINVAL, ": block_count, embedding_length or head_count is 0" },
	{ { "", LATENT, .omit_key = "attention.kv_lora_rank" }, -ENOENT, "kv_lora_rank" },
	{ { "", LATENT, .omit_key = "attention.value_length_mla" }, -ENOENT, "value_length_mla" },
	{ { "", LATENT, .old = true, .omit_key = "attention.key_length" }, -ENOENT, "key_length" },
	{ { "", LATENT, .omit_key = "rope.dimension_count" }, -ENOENT, "dimension_count" },
	{ { "", LATENT, .set_key = "attention.kv_lora_rank" }, -EINVAL,
	  ": attention.kv_lora_rank, q_lora_rank or rope.dimension_count is 0 or out of all proportion" },
	{ { "", LATENT, .set_key = "attention.kv_lora_rank", .set_value = 4097 }, -EINVAL, "q_lora_rank or rope.dimension_count is 0 or out of all" },
	{ { "", LATENT, .q_rank = 48, .set_key = "attention.q_lora_rank", .set_value = 65537 }, -EINVAL, "is 0 or out of all proportion" },
	{ { "", LATENT, .set_key = "rope.dimension_count", .set_value = 4098 }, -EINVAL, "is 0 or out of all proportion" },
	{ { "", LATENT, .set_key = "attention.key_length", .set_value = 64 }, -EINVAL,
	  ": attention.key_length is not kv_lora_rank and rope.dimension_count together" },
	{ { "", LATENT, .old = true, .set_key = "rope.dimension_count", .set_value = 48 }, -EINVAL,
	  ": rope.dimension_count leaves nothing of a head's key that is not rotated" },
	{ { "", LATENT, .old = true, .set_key = "rope.dimension_count", .set_value = 20 }, -EINVAL,
	  ": attention.kv_lora_rank and what of a head is not rotated must be multiples of 16" },
	{ { "", LATENT, .old = true, .set_key = "attention.kv_lora_rank", .set_value = 40 }, -EINVAL, "must be multiples of 16" },
	{ { "", LATENT, .set_key = "leading_dense_block_count", .set_value = 4 }, -EINVAL, ": leading_dense_block_count is above block_count" },
	{ { "", LATENT, .set_key = "expert_shared_count", .set_value = 1u << 20 }, -EINVAL, ": expert_shared_count is out of all proportion" },
	{ { "", LATENT, .set_key = "expert_shared_count", .set_value = 1u << 28 }, -EINVAL, ": expert_shared_count is out of all proportion" },
	{ { "", LATENT, .groups = 3, .groups_used = 1 }, -EINVAL, ": expert_group_count does not divide expert_count, or" },
	{ { "", LATENT, .groups = 4 }, -EINVAL, ", or expert_group_used_count is not in 1..expert_group_count" },
	{ { "", LATENT, .groups = 4, .groups_used = 5 }, -EINVAL, ", or expert_group_used_count is not in 1..expert_group_count" },
	{ { "", LATENT, .groups = 8, .groups_used = 1 }, -EINVAL, ": expert_used_count is above what expert_group_used_count groups have" },
	{ { "", LATENT, .set_key = "leading_dense_block_count", .set_value = 2 }, -EINVAL, ": tensor blk.1.ffn_gate.weight is missing" },
	{ { "", LATENT, .omit = "blk.1.ffn_gate_inp.weight" }, -EINVAL, ": tensor blk.1.ffn_gate_inp.weight is missing" },
	{ { "", LATENT, .omit = "blk.2.ffn_down_shexp.weight" }, -EINVAL, ": tensor blk.2.ffn_down_shexp.weight is missing" },
	{ { "", LATENT, .omit = "blk.0.attn_q.weight" }, -EINVAL, ": tensor blk.0.attn_q.weight is missing" },
	{ { "", LATENT, .q_rank = 48, .omit = "blk.0.attn_q_a_norm.weight" }, -EINVAL, ": tensor blk.0.attn_q_a_norm.weight is missing" },
	{ { "", LATENT, .omit = "blk.2.attn_kv_a_mqa.weight" }, -EINVAL, ": tensor blk.2.attn_kv_a_mqa.weight is missing" },
	{ { "", LATENT, .omit = "blk.1.attn_v_b.weight" }, -EINVAL, ": tensor blk.1.attn_v_b.weight is missing" },
	{ { "", LATENT, .old = true, .omit = "blk.1.attn_kv_b.weight" }, -EINVAL, ": tensor blk.1.attn_k_b.weight is missing" },
	{ { "", LATENT, .old = true, .misshape = "blk.1.attn_kv_b.weight" }, -EINVAL,
	  ": tensor blk.1.attn_kv_b.weight: extent 1 is 257, the keys say 256" },
	{ { "", LATENT, .misshape = "blk.1.attn_k_b.weight" }, -EINVAL, ": tensor blk.1.attn_k_b.weight: extent 1 is 65, the keys say 64" },
	{ { "", LLAMA, .experts = 4, .used = 2, .set_key = "expert_shared_count", .set_value = 1 }, -EINVAL,
	  ": shared experts are not supported for this architecture" },
	{ { "", LATENT, .set_key = "expert_shared_feed_forward_length", .set_value = 8 }, -EINVAL,
	  ": shared experts of a width of their own are not supported" },
	{ { "", LLAMA, .head = 5000 }, -EINVAL, ": block_count, a width or a head count is out of all proportion" },
};

START_TEST(test_refused_models)
{
	ck_assert_int_eq(write_model(&bad_models[_i].t), 0);
	ck_assert_int_eq(dsk_model_open(path, &model, err, sizeof(err)), bad_models[_i].rc);
	ck_assert_msg(strstr(err, bad_models[_i].want), "%s", err);
	ck_assert_ptr_null(model);
	unlink(path);
}
END_TEST

struct seen {
	int32_t ids[64];
	uint32_t n, stop_at;
	size_t text;
};

static int on_token(void *arg, const struct dsk_token *t)
{
	struct seen *s = arg;

	ck_assert_uint_eq(t->index, s->n);
	ck_assert_uint_le(t->submit_ns, t->done_ns);
	ck_assert(t->engine_ns > 0);
	s->ids[s->n++] = t->id;
	s->text += t->text_size;
	return s->stop_at && s->n == s->stop_at;
}

static struct dsk_generated generate(struct seen *s, struct dsk_generate_params params)
{
	struct tokenizer *tokenizer;
	struct dsk_generated g;

	memset(s->ids, 0, sizeof(s->ids));
	s->n = 0;
	params.token = on_token;
	params.arg = s;
	ck_assert_int_eq(dsk_session_rewind(session, 0), 0);
	ck_assert_msg(!tokenizer_create(dsk_model_gguf(model), &tokenizer, err, sizeof(err)), "%s", err);
	ck_assert_msg(!dsk_generate(session, tokenizer, sequence(), 5, &params, &g, err, sizeof(err)), "%s", err);
	tokenizer_destroy(tokenizer);
	ck_assert_uint_eq(g.n_tokens, s->n);
	ck_assert_uint_eq(g.n_prompt, 5);
	ck_assert(g.start_ns < g.first_ns && g.first_ns <= g.end_ns);
	return g;
}

START_TEST(test_generate)
{
	struct sampler_params warm = { .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 7 };
	struct seen a = {}, b = {};
	struct dsk_generated g;
	int32_t next;

	open_model(&variants[0]);
	open_session((struct dsk_session_params){ .precise = true, .n_ctx = 48 });
	g = generate(&a, (struct dsk_generate_params){ .max_tokens = 20, .ignore_end = true });
	ck_assert_int_eq(g.stop, DSK_STOP_LENGTH);
	ck_assert_uint_eq(a.n, 20);
	/* Greedy is the largest logit at each step. */
	dsk_session_rewind(session, 0);
	ck_assert_int_eq(dsk_session_eval(session, sequence(), 5), 0);
	for (int i = 0; i < 20; i++) {
		next = dsk_session_best(session);
		ck_assert_int_eq(next, a.ids[i]);
		ck_assert_int_eq(dsk_session_eval(session, &next, 1), 0);
	}
	/* A seed is a text; another seed another. */
	generate(&a, (struct dsk_generate_params){ .max_tokens = 20, .ignore_end = true, .sampler = &warm });
	generate(&b, (struct dsk_generate_params){ .max_tokens = 20, .ignore_end = true, .sampler = &warm });
	ck_assert_int_eq(memcmp(a.ids, b.ids, sizeof(a.ids)), 0);
	warm.seed = 8;
	generate(&b, (struct dsk_generate_params){ .max_tokens = 20, .ignore_end = true, .sampler = &warm });
	ck_assert_int_ne(memcmp(a.ids, b.ids, sizeof(a.ids)), 0);
	/* The ends. */
	a.stop_at = 3;
	g = generate(&a, (struct dsk_generate_params){ .max_tokens = 20, .ignore_end = true });
	ck_assert_int_eq(g.stop, DSK_STOP_CALLER);
	ck_assert_uint_eq(a.n, 3);
	a.stop_at = 0;
	g = generate(&a, (struct dsk_generate_params){ .max_tokens = 1000, .ignore_end = true });
	ck_assert_int_eq(g.stop, DSK_STOP_CONTEXT);
	ck_assert_uint_eq(a.n, 48 - 5 + 1);	/* the last needs no place */
	for (uint32_t seed = 0; seed < 200; seed++) {
		warm.seed = seed;
		warm.temperature = 5;
		g = generate(&a, (struct dsk_generate_params){ .max_tokens = 40, .sampler = &warm });
		if (g.stop == DSK_STOP_END)
			break;
	}
	ck_assert_int_eq(g.stop, DSK_STOP_END);
	ck_assert_int_eq(a.ids[a.n - 1], 2);
	close_all();
}
END_TEST

START_TEST(test_refused_generation)
{
	struct sampler_params bad = { .temperature = -1, .top_p = 1, .repeat_penalty = 1 };
	struct dsk_generate_params params = { .max_tokens = 0 };
	struct tokenizer *tokenizer;
	struct dsk_generated g;

	open_model(&variants[0]);
	open_session((struct dsk_session_params){ .n_ctx = 8 });
	ck_assert_int_eq(tokenizer_create(dsk_model_gguf(model), &tokenizer, err, sizeof(err)), 0);
	ck_assert_int_eq(dsk_generate(session, tokenizer, sequence(), 5, &params, &g, err, sizeof(err)), -EINVAL);
	ck_assert_str_eq(err, "no tokens are asked for");
	params.max_tokens = 4;
	params.sampler = &bad;
	ck_assert_int_eq(dsk_generate(session, tokenizer, sequence(), 5, &params, &g, err, sizeof(err)), -EINVAL);
	params.sampler = NULL;
	ck_assert_int_eq(dsk_generate(session, tokenizer, sequence(), 9, &params, &g, err, sizeof(err)), -ENOSPC);
	ck_assert_str_eq(err, "the context of 8 tokens is full: it holds 0, and 9 more were given");
	tokenizer_destroy(tokenizer);
	close_all();
}
END_TEST

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *t = tcase_create("engine");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, test_precise, 0, COUNT(variants));
	tcase_add_loop_test(t, test_fast, 0, COUNT(variants));
	tcase_add_loop_test(t, test_window, 0, 7);
	tcase_add_loop_test(t, test_kv, 0, 5);
	tcase_add_loop_test(t, test_kv_latent, 0, 4);
	tcase_add_test(t, test_kv_latent_blocks);
	tcase_add_test(t, test_ring_rewind);
	tcase_add_test(t, test_kv_bytes);
	tcase_add_test(t, test_experts_used);
	tcase_add_loop_test(t, test_kept_figures, 0, COUNT(kept_figures));
	tcase_add_test(t, test_shared_weights);
	tcase_add_test(t, test_rewind);
	tcase_add_test(t, test_refused_runs);
	tcase_add_loop_test(t, test_refused_sessions, 0, COUNT(bad_sessions));
	tcase_add_test(t, test_too_many_for_groups);
	tcase_add_test(t, test_not_loaded);
	tcase_add_test(t, test_mxfp4);
	tcase_add_loop_test(t, test_refused_models, 0, COUNT(bad_models));
	tcase_add_test(t, test_generate);
	tcase_add_test(t, test_refused_generation);
	suite_add_tcase(suite, t);
	t = tcase_create("long");
	tcase_set_timeout(t, 280);
	tcase_add_test(t, test_ring_16k);
	suite_add_tcase(suite, t);
	return check_run(suite);
}

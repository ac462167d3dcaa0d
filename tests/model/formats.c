// SPDX-License-Identifier: MIT
/*
 * DSEEK_PRECISION_MODE through sessions of small models: what each mode changes, that it is what was asked for or a refusal, and what auto picks
 * by what it measured.
 */
#include "../../userspace/model/gguf.h"
#include "../../userspace/model/model.h"
#include "../../userspace/model/precision.h"

#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tap.h"
#include "divergence.h"
#include "tiny_model.h"

#define N_TOKENS	20
#define LLAMA		.arch = "llama", .layers = 2, .embd = 64, .heads = 4, .kv_heads = 2, .ff = 96

static const struct tiny_model f32 = { "f32", LLAMA }, q8 = { "q8_0", LLAMA, .dtype = DSEEK_Q8_0, .seed = 6 },
	experts = { "mixtral q8_0", LLAMA, .experts = 8, .used = 2, .expert_ff = 96, .dtype = DSEEK_Q8_0, .seed = 10 },
	latent = { "deepseek2 f32", .arch = "deepseek2", .layers = 12, .embd = 64, .heads = 4, .kv_heads = 1, .ff = 96, .head = 272, .rope_dims = 16,
		   .head_v = 256, .kv_rank = 64, .dense = 1, .experts = 16, .used = 4, .expert_ff = 32, .shared = 2, .seed = 12 };

/* Every sort of product that fp8 weights are in: dense, experts, latent attention. */
static const struct tiny_model bf16 = { "bf16", LLAMA, .dtype = DSEEK_BF16, .seed = 15 },
	bf16_experts = { "mixtral bf16", LLAMA, .experts = 8, .used = 2, .expert_ff = 96, .dtype = DSEEK_BF16, .seed = 16 },
	bf16_latent = { "deepseek2 bf16", .arch = "deepseek2", .layers = 2, .embd = 64, .heads = 4, .kv_heads = 1, .ff = 96, .head = 48,
			.rope_dims = 16, .head_v = 32, .kv_rank = 64, .dense = 1, .experts = 8, .used = 2, .expert_ff = 32, .shared = 1, .seed = 17,
			.dtype = DSEEK_BF16 };

static struct dseek_device *dev;
static struct dsk_model *model;
static char err[512], words[200], path[256];

static int open_as(const struct tiny_model *t, const struct dsk_load_params *load)
{
	snprintf(path, sizeof(path), "%s/formats-%d.gguf", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	return tap_ok(!tiny_model_write(path, t) && !dsk_model_open(path, &model, err, sizeof(err)) &&
		      !dseek_open("embed:formats,engine=cpu,threads=2,engine=null", NULL, &dev) && !dsk_model_load(model, dev, load, err, sizeof(err)),
		      "%s: a model on a cpu and a null engine", t->label);
}

static int open_model(const struct tiny_model *t)
{
	return open_as(t, NULL);
}

static void close_model(void)
{
	dsk_model_close(model);
	dseek_close(dev);
	unlink(path);
}

/* @tokens to give it; what it says of itself, or why there is none, into words. */
static int create(struct dsk_session_params p, int32_t tokens[N_TOKENS], struct dsk_session **ret_session)
{
	int rc;

	for (int i = 0; i < N_TOKENS; i++)
		tokens[i] = (i * 89 + 1) % TINY_VOCAB;
	p.sched_class = DSEEK_CLASS_BATCH;
	p.n_ctx = 2 * N_TOKENS;
	*err = 0;
	rc = dsk_session_create(model, &p, ret_session, err, sizeof(err));
	snprintf(words, sizeof(words), "%.190s", rc ? err : dsk_session_precision(*ret_session));
	return rc;
}

/* Logits of the last token into @logits. */
static int run(struct dsk_session_params p, float logits[TINY_VOCAB])
{
	struct dsk_session *s;
	int32_t tokens[N_TOKENS];
	int rc = create(p, tokens, &s);

	if (rc)
		return rc;
	if (logits)
		rc = dsk_session_eval(s, tokens, N_TOKENS);
	if (logits && !rc)
		memcpy(logits, dsk_session_logits(s), TINY_VOCAB * sizeof(*logits));
	dsk_session_destroy(s);
	return rc;
}

static double apart(const float *a, const float *b)
{
	double most = 0;

	for (int i = 0; i < TINY_VOCAB; i++)
		most = fmax(most, fabs((double)a[i] - b[i]));
	return most;
}

#define SAME(a, b)	(!memcmp(a, b, sizeof(a)))
static void refused(int rc, struct dsk_session_params p, const char *text)
{
	int got = run(p, NULL);

	if (!tap_ok(got == rc && strstr(err, text), "refused: %s", text))
		printf("# got: %d, %s\n", got, err);
}

static void quantised(void)
{
	float usual[TINY_VOCAB], precise[TINY_VOCAB], got[TINY_VOCAB], other[TINY_VOCAB];
	int rc;

	rc = run((struct dsk_session_params){ 0 }, usual) || run((struct dsk_session_params){ .precise = true }, precise);
	tap_ok(!rc && apart(usual, precise) > 1e-5 && !*words, "nothing asked for: as ever, and no word of it");
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_FP32 }, got);
	tap_got(!rc && SAME(got, precise) && !strcmp(words, "fp32: activations fp32, KV cache fp32"), "fp32: the bits of precise", words);
	rc = run((struct dsk_session_params){ .precise = true, .precision = DSK_PRECISION_FP32 }, got);
	tap_ok(!rc && SAME(got, precise), "fp32 and precise go together");
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_INT8 }, got);
	tap_got(!rc && SAME(got, usual) && !strcmp(words, "int8: activations int8, KV cache fp16"), "int8: what a cpu engine does unasked", words);
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_FP16 }, got);
	tap_got(!rc && apart(got, precise) > 0 && apart(got, precise) < 0.1 * apart(usual, precise) + 1e-3 &&
		!strcmp(words, "fp16: activations fp32, KV cache fp16"), "fp16: of the cache only", words);
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_BF16 }, other);
	tap_got(!rc && apart(other, precise) > apart(got, precise) && apart(other, precise) < 0.1 &&
		!strcmp(words, "bf16: activations fp32, KV cache bf16"), "bf16: of the cache only, farther off than fp16", words);
	refused(-ENOTSUP, (struct dsk_session_params){ .precision = DSK_PRECISION_FP8 }, "on engine cpu0: the weights are as the file has them");
	refused(-ENOTSUP, ((struct dsk_session_params){ .engine = "null0", .precision = DSK_PRECISION_FP8 }), "engine null0: only cpu and GPU engines multiply");
	refused(-EINVAL, (struct dsk_session_params){ .precision = DSK_PRECISION_COUNT }, "precision 7 is none");
	refused(-EINVAL, ((struct dsk_session_params){ .precise = true, .precision = DSK_PRECISION_INT8 }), "precise is fp32");
	refused(-ENOTSUP, ((struct dsk_session_params){ .engine = "null0", .precision = DSK_PRECISION_INT8 }), "engine null0: only cpu engines");
	refused(-ENOENT, ((struct dsk_session_params){ .engine = "none9", .precision = DSK_PRECISION_INT8 }), "no engine");

	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 0.5 }, got);
	tap_got(!rc && SAME(got, usual) && strstr(words, "auto: activations int8, KV cache fp16; off by at most 0.0"), "auto, much tolerated: int8", words);
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 1e-3 }, other);
	tap_got(!rc && !SAME(other, precise) && strstr(words, "activations fp32, KV cache fp16; off by at most 0 and 0.0004"), "auto, 1e-3: fp16 holds the cache", words);
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 1e-6 }, other);
	tap_got(!rc && SAME(other, precise) && strstr(words, "activations fp32, KV cache fp32"), "auto, 1e-6: the bits of fp32", words);
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO }, other);
	tap_got(!rc && (SAME(other, usual) || strstr(words, "activations fp32")), "auto, by itself", words);
}

static void environment(void)
{
	float precise[TINY_VOCAB], got[TINY_VOCAB];
	int rc = run((struct dsk_session_params){ .precise = true }, precise);

	setenv("DSEEK_PRECISION_MODE", "fp32", 1);
	rc |= run((struct dsk_session_params){ 0 }, got);
	tap_ok(!rc && SAME(got, precise), "DSEEK_PRECISION_MODE=fp32");
	setenv("DSEEK_PRECISION_MODE", "fp64", 1);
	refused(-EINVAL, (struct dsk_session_params){ 0 }, "\"fp64\", which is none of auto, fp32, bf16, fp16, fp8, int8");
	rc = run((struct dsk_session_params){ .precision = DSK_PRECISION_FP32 }, got);
	tap_ok(!rc && SAME(got, precise), "what a program asks for goes before it");
	setenv("DSEEK_PRECISION_MODE", "int8", 1);
	refused(-EINVAL, (struct dsk_session_params){ .precise = true }, "DSEEK_PRECISION_MODE is int8");
	setenv("DSEEK_PRECISION_MODE", "auto", 1);
	rc = run((struct dsk_session_params){ 0 }, got);
	tap_got(!rc && !strncmp(words, "auto: ", 6), "DSEEK_PRECISION_MODE=auto", words);
	unsetenv("DSEEK_PRECISION_MODE");
}

/* Logits of each of some tokens. */
static int run_all(struct dsk_session_params p, int (*row)(void *arg, uint32_t token, const float *logits), void *arg)
{
	struct dsk_session *s;
	int32_t tokens[N_TOKENS];
	int rc;

	p.logit_rows = N_TOKENS;
	rc = create(p, tokens, &s);
	if (rc)
		return rc;
	rc = dsk_session_eval_all(s, tokens, N_TOKENS, row, arg);
	dsk_session_destroy(s);
	return rc;
}

static int keep(void *arg, uint32_t token, const float *logits)
{
	memcpy((float *)arg + (size_t)token * TINY_VOCAB, logits, TINY_VOCAB * sizeof(*logits));
	return 0;
}

/* Rows of the model's matrices: how far fp8 is from each, of its norm, at most; and the bound of that. */
static double rounding(double *ret_bound)
{
	const struct gguf *g = dsk_model_gguf(model);
	struct dsk_spread spread;
	double worst = 0;

	dsk_spread_init(&spread);
	for (size_t i = 0; i < gguf_n_tensors(g); i++) {
		const struct gguf_tensor *t = gguf_tensor(g, i);

		for (uint64_t r = 0; t->dtype == DSEEK_BF16 && r < t->ne[1] * t->ne[2]; r++) {
			float x[256], y[256];
			uint8_t row[256 + 4];
			double off = 0, norm = 0;

			if (t->ne[0] > 256 || dseek_row_to_f32(DSEEK_BF16, (const uint8_t *)t->data + r * t->ne[0] * 2, t->ne[0], x) ||
			    dseek_row_from_f32(DSEEK_F8_E4M3, x, t->ne[0], row) || dseek_row_to_f32(DSEEK_F8_E4M3, row, t->ne[0], y) ||
			    dsk_spread_add(&spread, x, (uint32_t)t->ne[0]))
				return INFINITY;
			for (uint64_t e = 0; e < t->ne[0]; e++) {
				off += ((double)x[e] - y[e]) * ((double)x[e] - y[e]);
				norm += (double)x[e] * x[e];
			}
			worst = fmax(worst, norm > 0 ? sqrt(off / norm) : 0);
		}
	}
	*ret_bound = dsk_spread_bound(&spread, DSK_PRECISION_FP8);
	return worst;
}

/*
 * Twice the worst of the models below. A row's rounding is at most 2^-4 of its norm, for any weights; a product's error is a random part of
 * that, and what it does to logits is the model's.
 */
#define FP8_MEAN_MOST	0.03
#define FP8_TOKEN_MOST	0.28

static void fp8(const struct tiny_model *t)
{
	static float want[N_TOKENS * TINY_VOCAB], precise[N_TOKENS * TINY_VOCAB];
	struct divergence off = { .want = want, .n_vocab = TINY_VOCAB }, engine = { .want = precise, .n_vocab = TINY_VOCAB };
	struct dsk_load_params load = { .numa_node = -1, .precision = DSK_PRECISION_FP8 };
	int rc = !open_model(t) || run_all((struct dsk_session_params){ .precision = DSK_PRECISION_FP32 }, keep, want);
	double bound = 0, worst = rc ? INFINITY : rounding(&bound);

	tap_ok(worst <= bound && bound < 0.0626 && worst > 0.01, "%s: no row of a matrix is off by more than %.3g of its norm, the bound is %.4g", t->label, worst, bound);
	close_model();
	rc |= !open_as(t, &load) || run_all((struct dsk_session_params){ .precision = DSK_PRECISION_FP32 }, keep, precise);
	tap_got(!rc && !strcmp(words, "fp32: weights fp8, activations fp32, KV cache fp32"), "fp8 weights, all else fp32", words);
	rc |= run_all((struct dsk_session_params){ .precision = DSK_PRECISION_FP8 }, divergence_row, &off);
	tap_got(!rc && !strcmp(words, "fp8: weights fp8, activations as the engine does best, KV cache fp16"), "fp8", words);
	tap_ok(!rc && divergence_mean(&off) > 1e-7 && divergence_mean(&off) <= FP8_MEAN_MOST && off.kl_most <= FP8_TOKEN_MOST,
	       "%s, fp8 against fp32: divergence %.2g (at most %g), of a token %.2g (at most %g), the same best token %.0f %%, a logit by %.2g", t->label,
	       divergence_mean(&off), FP8_MEAN_MOST, off.kl_most, FP8_TOKEN_MOST, 100.0 * off.agree / N_TOKENS, off.worst);
	rc |= run_all((struct dsk_session_params){ .precision = DSK_PRECISION_FP8 }, divergence_row, &engine);
	tap_ok(!rc && divergence_mean(&engine) < 0.1 * divergence_mean(&off), "%s: bf16 activations and the cache are %.2g of it", t->label,
	       divergence_mean(&engine));
	rc = run_all((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 0.5 }, keep, precise);
	tap_got(!rc && strstr(words, "auto: weights fp8, activations fp32, KV cache fp16; off by at most 0 and 0.0004"), "auto on fp8 weights", words);
	refused(-ENOTSUP, ((struct dsk_session_params){ .engine = "null0", .precision = DSK_PRECISION_FP8 }), "engine null0: only cpu and GPU engines multiply");
	refused(-ENOTSUP, ((struct dsk_session_params){ .precision = DSK_PRECISION_INT8 }), "weights are not quantised");
	close_model();
}

/* What is loaded: the bytes of the weights' buffer tell it. */
static void loading(void)
{
	struct dsk_load_params load = { .numa_node = -1 };
	uint64_t of_file;
	float got[TINY_VOCAB], asked[TINY_VOCAB];
	int rc = open_model(&bf16);

	of_file = rc ? dsk_model_bytes(model) : 0;
	close_model();
	load.precision = DSK_PRECISION_FP8;
	rc = open_as(&bf16, &load) && !run((struct dsk_session_params){ .precision = DSK_PRECISION_FP8 }, asked);
	tap_ok(rc && dsk_model_bytes(model) < of_file * 0.75, "fp8: %llu bytes of %llu; embeddings and logits stay", (unsigned long long)dsk_model_bytes(model),
	       (unsigned long long)of_file);
	close_model();
	load = (struct dsk_load_params){ .numa_node = -1, .precision = DSK_PRECISION_AUTO, .tolerance = 0.0624 };
	rc = open_as(&bf16, &load);
	tap_ok(rc && dsk_model_bytes(model) == of_file, "auto, less tolerated than fp8 keeps: the weights stay");
	close_model();
	load.tolerance = 0.07;
	rc = open_as(&bf16, &load) && !run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 0.07 }, got);
	tap_got(rc && strstr(words, "auto: weights fp8, activations fp32, KV cache fp16; off by at most 0 and 0.0004") &&
		strstr(words, "of a row's norm, fp8 weights by 0.063"), "auto, 0.07: fp8, by what was measured", words);
	close_model();
	setenv("DSEEK_PRECISION_MODE", "fp8", 1);
	rc = open_model(&bf16) && !run((struct dsk_session_params){ 0 }, got);
	tap_got(rc && SAME(got, asked) && !strncmp(words, "fp8: ", 5), "DSEEK_PRECISION_MODE=fp8 loads and runs so", words);
	refused(-EINVAL, (struct dsk_session_params){ .precise = true }, "DSEEK_PRECISION_MODE is fp8");
	close_model();
	unsetenv("DSEEK_PRECISION_MODE");
}

static void not_loaded(const struct tiny_model *t, struct dsk_load_params load, int rc, const char *text)
{
	struct dsk_load_params usual = { .numa_node = -1 };
	int got;

	snprintf(path, sizeof(path), "%s/formats-%d.gguf", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	got = tiny_model_write(path, t) || dsk_model_open(path, &model, err, sizeof(err)) || dseek_open("embed:formats,engine=cpu,threads=2", NULL, &dev);
	*err = 0;
	got = got ? 1 : dsk_model_load(model, dev, &load, err, sizeof(err));
	tap_got(got == rc && strstr(err, text), "not loaded, with a reason", err);
	usual.precision = DSK_PRECISION_FP32;
	tap_ok(!dsk_model_load(model, dev, &usual, err, sizeof(err)), "and then without it is");
	close_model();
}

int main(void)
{
	float got[TINY_VOCAB];

	fp8(&bf16);
	fp8(&bf16_experts);
	fp8(&bf16_latent);
	loading();
	not_loaded(&q8, (struct dsk_load_params){ .numa_node = -1, .precision = DSK_PRECISION_FP8 }, -ENOTSUP,
		   "has no layer with products whose weights are F32, F16 or BF16");
	not_loaded(&q8, (struct dsk_load_params){ .numa_node = -1, .precision = DSK_PRECISION_COUNT }, -EINVAL, "precision 7 is none");
	setenv("DSEEK_PRECISION_MODE", "fp9", 1);
	not_loaded(&q8, (struct dsk_load_params){ .numa_node = -1 }, -EINVAL, "\"fp9\", which is none of auto");
	unsetenv("DSEEK_PRECISION_MODE");

	if (open_model(&q8)) {
		quantised();
		environment();
	}
	close_model();
	if (open_model(&f32)) {
		refused(-ENOTSUP, (struct dsk_session_params){ .precision = DSK_PRECISION_INT8 }, "weights are not quantised");
		tap_got(!run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 0.5 }, got) &&
			strstr(words, "activations fp32, KV cache fp16"), "auto where int8 can't be", words);
	}
	close_model();
	if (open_model(&experts))
		tap_got(!run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO, .tolerance = 0.5 }, got) &&
			strstr(words, "activations fp32, KV cache fp16"), "auto with experts, whose activations aren't measured", words);
	close_model();
	if (open_model(&latent))	/* rows of the latent space, in less memory than the heads' would take */
		tap_got(!run((struct dsk_session_params){ .precision = DSK_PRECISION_AUTO }, got) &&
			strstr(words, "activations fp32, KV cache fp16; off by at most 0 and 0.0004"), "auto with latent attention", words);
	close_model();
	return tap_end();
}

// SPDX-License-Identifier: MIT
/*
 * DSEEK_PRECISION_MODE through sessions of small models: what each mode changes, that it is what was asked for or a refusal, and what auto picks
 * by what it measured.
 */
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
#include "tiny_model.h"

#define N_TOKENS	20
#define LLAMA		.arch = "llama", .layers = 2, .embd = 64, .heads = 4, .kv_heads = 2, .ff = 96

static const struct tiny_model f32 = { "f32", LLAMA }, q8 = { "q8_0", LLAMA, .dtype = DSEEK_Q8_0, .seed = 6 },
	experts = { "mixtral q8_0", LLAMA, .experts = 8, .used = 2, .expert_ff = 96, .dtype = DSEEK_Q8_0, .seed = 10 },
	latent = { "deepseek2 f32", .arch = "deepseek2", .layers = 12, .embd = 64, .heads = 4, .kv_heads = 1, .ff = 96, .head = 272, .rope_dims = 16,
		   .head_v = 256, .kv_rank = 64, .dense = 1, .experts = 16, .used = 4, .expert_ff = 32, .shared = 2, .seed = 12 };

static struct dseek_device *dev;
static struct dsk_model *model;
static char err[512], words[200], path[256];

static int open_model(const struct tiny_model *t)
{
	snprintf(path, sizeof(path), "%s/formats-%d.gguf", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", getpid());
	return tap_ok(!tiny_model_write(path, t) && !dsk_model_open(path, &model, err, sizeof(err)) &&
		      !dseek_open("embed:formats,engine=cpu,threads=2,engine=null", NULL, &dev) && !dsk_model_load(model, dev, NULL, err, sizeof(err)),
		      "%s: a model on a cpu and a null engine", t->label);
}

static void close_model(void)
{
	dsk_model_close(model);
	dseek_close(dev);
	unlink(path);
}

/* Logits of the last token into @logits; what the session says of itself into words. */
static int run(struct dsk_session_params p, float logits[TINY_VOCAB])
{
	struct dsk_session *s;
	int32_t tokens[N_TOKENS];
	int rc;

	for (int i = 0; i < N_TOKENS; i++)
		tokens[i] = (i * 89 + 1) % TINY_VOCAB;
	p.sched_class = DSEEK_CLASS_BATCH;
	p.n_ctx = 2 * N_TOKENS;
	*err = *words = 0;
	rc = dsk_session_create(model, &p, &s, err, sizeof(err));
	if (rc) {
		snprintf(words, sizeof(words), "%.190s", err);
		return rc;
	}
	snprintf(words, sizeof(words), "%s", dsk_session_precision(s));
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
	refused(-ENOTSUP, (struct dsk_session_params){ .precision = DSK_PRECISION_FP8 }, "no engine has kernels or a KV cache of 8-bit floats");
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

int main(void)
{
	float got[TINY_VOCAB];

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

// SPDX-License-Identifier: MIT
/*
 * What the fast form, with its activations in 8 bits, loses against the precise one, which is compared with other engines
 * elsewhere. All experts are selected: with fewer, a rounding that turns a near-tie of the router into another
 * expert costs up to 2 nats in that token, a thousand times what all other roundings do, and would hide them.
 */
#include "../../userspace/model/model.h"
#include "../../userspace/model/synth.h"

#include <dseek.h>
#include <dseek_program.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../random.h"
#include "../tap.h"
#include "divergence.h"

#define TOKENS		300
/* Twice the worst of the models below, 4.6e-4 and 2.7e-3. Twice the rounding would be four times the divergence. */
#define MEAN_MOST	9.2e-4
#define TOKEN_MOST	5.4e-3

static const struct {
	const char *preset;
	int dtype;
	int times;		/* the bounds, 0: 1. Latent attention rounds queries and results once more */
} models[] = {
	{ "tiny-llama", DSEEK_Q8_0 }, { "tiny-llama", DSEEK_Q4_0 }, { "tiny-llama", DSEEK_Q4_1 },
	{ "tiny-mixtral", DSEEK_Q8_0 }, { "tiny-mixtral", DSEEK_Q4_0 }, { "tiny-mixtral", DSEEK_Q4_1 },
	{ "tiny-qwen3moe", DSEEK_Q8_0 }, { "tiny-dsv2lite", DSEEK_Q8_0, 2 }, { "tiny-dsv2lite", DSEEK_Q4_0, 2 },
};

static int keep_row(void *arg, uint32_t token, const float *logits)
{
	struct divergence *c = arg;

	memcpy((float *)c->want + (uint64_t)token * c->n_vocab, logits, c->n_vocab * sizeof(*logits));
	return 0;
}

static int eval(struct dsk_model *model, uint32_t experts, bool precise, const int32_t *tokens,
		int (*row)(void *arg, uint32_t token, const float *logits), void *arg)
{
	const struct dsk_session_params params = {
		.sched_class = DSEEK_CLASS_BATCH, .n_ctx = TOKENS, .logit_rows = 64, .n_expert_used = experts, .precise = precise,
	};
	struct dsk_session *session;
	char err[512];
	int rc = dsk_session_create(model, &params, &session, err, sizeof(err));

	if (rc) {
		printf("# %s\n", err);
		return rc;
	}
	rc = dsk_session_eval_all(session, tokens, TOKENS, row, arg);
	if (rc)
		printf("# %s\n", dsk_session_error(session));
	dsk_session_destroy(session);
	return rc;
}

static void compare(struct dseek_device *dev, const char *path, const char *preset, int dtype, int times)
{
	struct dsk_model *model = NULL;
	struct synth_params synth;
	struct divergence c = {};
	int32_t tokens[TOKENS];
	uint64_t seed = 1;
	uint32_t i;
	char err[512] = "";
	int rc;

	rc = synth_preset(preset, &synth, err, sizeof(err));
	synth.dtype = dtype;
	if (rc || synth_write(&synth, path, err, sizeof(err)) || dsk_model_open(path, &model, err, sizeof(err)) ||
	    dsk_model_load(model, dev, NULL, err, sizeof(err))) {
		tap_ok(0, "%s %s: %s", preset, dseek_dtype_name(dtype), err);
		goto out;
	}
	c.n_vocab = dsk_model_shape(model)->n_vocab;
	c.want = malloc((uint64_t)TOKENS * c.n_vocab * sizeof(*c.want));
	for (i = 0; i < TOKENS; i++)
		tokens[i] = random_below(&seed, c.n_vocab);
	rc = !c.want || eval(model, synth.n_expert, true, tokens, keep_row, &c) ||
	     eval(model, synth.n_expert, false, tokens, divergence_row, &c);
	tap_ok(!rc && c.rows == TOKENS && divergence_mean(&c) <= MEAN_MOST * times && c.kl_most <= TOKEN_MOST * times,
	       "%s %s: divergence %.2g (at most %g), of a token %.2g (at most %g), the same best token %.1f %%", preset,
	       dseek_dtype_name(dtype), divergence_mean(&c), MEAN_MOST * times, c.kl_most, TOKEN_MOST * times, 100.0 * c.agree / TOKENS);
	tap_ok(c.kl > 0, "%s %s: the fast form isn't the precise one", preset, dseek_dtype_name(dtype));
out:
	dsk_model_close(model);
	free((void *)c.want);
	unlink(path);
}

int main(void)
{
	const char *dir = getenv("TMPDIR");
	struct dseek_device *dev;
	char path[1024];
	size_t i;

	if (dseek_open("embed:fast", NULL, &dev)) {
		printf("Bail out! %s\n", dseek_strerror_detail());
		return 1;
	}
	snprintf(path, sizeof(path), "%s/fast-%d.gguf", dir && *dir ? dir : "/tmp", getpid());
	for (i = 0; i < sizeof(models) / sizeof(*models); i++)
		compare(dev, path, models[i].preset, models[i].dtype, models[i].times ? models[i].times : 1);
	dseek_close(dev);
	return tap_end();
}

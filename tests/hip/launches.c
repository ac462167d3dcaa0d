// SPDX-License-Identifier: MIT
/*
 * What a layer costs the hip backend in launches, counted by the stand-in: the difference of models of two layers and of one, at one token and
 * at several; and that they are those with matrix instructions. tests/kernels/fusion.c has what kernels could do.
 */
#include <dseek.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../userspace/model/model.h"
#include "../../userspace/model/synth.h"
#include "../tap.h"
#include "device.h"

static struct dseek_device *dev;
static char err[600];

/* Of one job of @tokens tokens; 0: it failed. */
static unsigned int launches(const char *preset, uint32_t layers, uint32_t tokens)
{
	struct dsk_session_params params = { .sched_class = DSEEK_CLASS_BATCH, .n_ctx = 16, .chunk = 8 };
	const int32_t some[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	const char *dir = getenv("TMPDIR");
	struct dsk_session *session = NULL;
	struct dsk_model *model = NULL;
	struct synth_params synth;
	unsigned int n = 0;
	char path[1024];

	snprintf(path, sizeof(path), "%s/launches-%d.gguf", dir && *dir ? dir : "/tmp", getpid());
	if (!synth_preset(preset, &synth, err, sizeof(err))) {
		synth.n_layer = layers;
		if (!synth_write(&synth, path, err, sizeof(err)) && !dsk_model_open(path, &model, err, sizeof(err)) &&
		    !dsk_model_load(model, dev, NULL, err, sizeof(err)) && !dsk_session_create(model, &params, &session, err, sizeof(err))) {
			hip_device_reset();
			if (!dsk_session_eval(session, some, tokens))
				n = hip_device_calls("hipModuleLaunchKernel");
			else
				snprintf(err, sizeof(err), "%s", dsk_session_error(session));
		}
	}
	dsk_session_destroy(session);
	dsk_model_close(model);
	unlink(path);
	return n;
}

/* Was a kernel launched whose name begins so? */
static bool launched(const char *begin)
{
	const struct standin_launch *l;
	unsigned int i;

	for (i = 0; (l = hip_device_launch(i)) && strncmp(l->kernel, begin, strlen(begin)); i++)
		;
	return l != NULL;
}

/* @ffn: how the name of its feed-forward kernel begins. */
static void layer(const char *preset, uint32_t tokens, unsigned int want, const char *ffn, const char *what)
{
	unsigned int one = launches(preset, 1, tokens), two = launches(preset, 2, tokens);

	if (!one || !two)
		tap_ok(0, "%s, %u tokens: %s", preset, tokens, err);
	else
		tap_ok(launched("dsk_linear_few") && launched("dsk_slot_attend_") && launched(ffn), "%s, %u tokens: products and attention by matrix instructions, %s",
		       preset, tokens, ffn);
	if (one && two)
		tap_ok(two - one == want, "%s, %u tokens: %u launches a layer (%s), %u besides", preset, tokens, two - one, what, 2 * one - two);
}

int main(void)
{
	char spec[1400];

	if (hip_device_why_not()) {
		tap_skip("launches of the hip backend", hip_device_why_not());
		return tap_end();
	}
	snprintf(spec, sizeof(spec), "embed:hip-launches,engine=hip,depth=4,%s", hip_device_options("scrub=0"));
	if (!tap_ok(!dseek_open(spec, NULL, &dev), "an instance with a GPU")) {
		printf("# %s\n", dseek_strerror_detail());
		return tap_end();
	}
	for (uint32_t tokens = 1; tokens <= 8; tokens += 7) {
		layer("tiny-llama", tokens, 13, "dsk_linear_glu_few",
		      "norm, q, k, v, 2 rope, 2 store, attention, o with sum, norm, gate with up and GLU, down with sum");
		if (tokens == 1)
			layer("tiny-mixtral", tokens, 16, "dsk_moe_down",
			      "to o the same, norm, router, route, gate with up and GLU, down with weighted sum, sum");
		else
			layer("tiny-mixtral", tokens, 19, "dsk_moe_down_few",
			      "to o the same, norm, router, route, order, tiles, gate with up and GLU, down, weighted sum, sum");
	}
	dseek_close(dev);
	return tap_end();
}

// SPDX-License-Identifier: MIT
/*
 * Against outputs of another engine (llama.cpp), where they are to be had:
 *	$DSEEK_MODELS, or ../shared/models beside the source tree: tiny Mixtral and gpt-oss models, their logits and greedy tokens
 *	the cache folder: SmolLM2, whose greedy tokens are in data/smollm2-greedy.json
 */
#include "../../userspace/model/model.h"
#include "../tap.h"

#include <cjson/cJSON.h>
#include <dseek.h>
#include <dseek_program.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "divergence.h"

/* Logits of the fast form are off by 0.1 to 0.2 (SmolLM2, root mean square of the margins' error). */
#define FAST_TIE	0.15

static char *read_file(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	long size = -1;

	if (f && !fseek(f, 0, SEEK_END) && (size = ftell(f)) >= 0 && !fseek(f, 0, SEEK_SET) && (data = malloc(size + 1))) {
		if (fread(data, 1, size, f) != (size_t)size)
			size = 0;
		data[size] = 0;
		*ret_size = size;
	}
	if (f)
		fclose(f);
	return data;
}

static int32_t *ints(const cJSON *array, uint32_t *ret_n)
{
	uint32_t n = cJSON_GetArraySize(array), i = 0;
	int32_t *out = malloc((n + 1) * sizeof(*out));
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
		out[i++] = item->valueint;
	*ret_n = n;
	return out;
}

static struct dseek_device *dev;
static struct dsk_model *model;
static struct dsk_session *session;
static char err[512];

static int open_all(const char *path, struct dsk_session_params params)
{
	params.sched_class = DSEEK_CLASS_BATCH;
	if (dsk_model_open(path, &model, err, sizeof(err)) || dsk_model_load(model, dev, NULL, err, sizeof(err)) ||
	    dsk_session_create(model, &params, &session, err, sizeof(err))) {
		tap_ok(0, "%s: %s", path, err);
		return 0;
	}
	return 1;
}

static void close_all(void)
{
	dsk_session_destroy(session);
	dsk_model_close(model);
	session = NULL;
	model = NULL;
}

/* How many of @ids come out greedily after @prompt, up to the first step whose margin is below @tie. */
static uint32_t greedy(const int32_t *prompt, uint32_t n_prompt, const int32_t *ids, const double *margin, uint32_t n,
		       double tie, uint32_t *ret_want)
{
	uint32_t good = 0;

	dsk_session_rewind(session, 0);
	if (dsk_session_eval(session, prompt, n_prompt))
		return 0;
	for (*ret_want = 0; *ret_want < n && margin[*ret_want] >= tie; ++*ret_want)
		;
	while (good < *ret_want && dsk_session_best(session) == ids[good]) {
		if (good + 1 < *ret_want && dsk_session_eval(session, &ids[good], 1))
			break;
		good++;
	}
	return good;
}

/* The same with what should have come before, to the end: how many steps with a margin of at least @tie go wrong. */
static uint32_t forced(const int32_t *prompt, uint32_t n_prompt, const int32_t *ids, const double *margin, uint32_t n,
		       double tie, double *ret_parted, uint32_t *ret_steps)
{
	uint32_t bad = 0;

	dsk_session_rewind(session, 0);
	*ret_parted = *ret_steps = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i ? dsk_session_eval(session, &ids[i - 1], 1) : dsk_session_eval(session, prompt, n_prompt))
			return n;
		if (dsk_session_best(session) != ids[i])
			*ret_parted = fmax(*ret_parted, margin[i]);
		*ret_steps += margin[i] >= tie;
		bad += margin[i] >= tie && dsk_session_best(session) != ids[i];
	}
	return bad;
}

static double *margins(const cJSON *array)
{
	double *out = malloc((cJSON_GetArraySize(array) + 1) * sizeof(*out));
	const cJSON *item;
	int i = 0;

	cJSON_ArrayForEach(item, array)
		out[i++] = item->valuedouble;
	return out;
}

/*
 * @kv: the type of its KV cache where no window bounds it; beside the form's own, the only thing that is looked at.
 * Precise: logits differ by at most @most. Fast: the divergence of each sequence is at most @most; most of it is that of the
 * one or two tokens in a hundred for which rounding turns a near-tie of the router into another expert (see fast.c).
 */
static void mixtral(const char *dir, const char *file, const char *ref, bool precise, uint32_t kv, double most)
{
	char path[1024];
	size_t size, ref_size;
	char *text, *logits;
	cJSON *json, *s;
	struct divergence all = {};
	double worst_sequence = 0;
	uint32_t good_sequences = 0, sequences = 0;

	snprintf(path, sizeof(path), "%s/ref/%s.json", dir, ref);
	text = read_file(path, &size);
	snprintf(path, sizeof(path), "%s/ref/%s.f32", dir, ref);
	logits = read_file(path, &ref_size);
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	json = text ? cJSON_Parse(text) : NULL;
	if (!json || !logits || access(path, R_OK)) {
		snprintf(path, sizeof(path), "it or its reference is not in %s", dir);
		tap_skip(file, path);
		goto out;
	}
	if (!open_all(path, (struct dsk_session_params){ .precise = precise, .n_ctx = 512, .logit_rows = 64, .chunk = 64, .kv_type_set = true,
							       .kv_type = kv }))
		goto out;
	all.n_vocab = dsk_model_shape(model)->n_vocab;
	cJSON_ArrayForEach(s, cJSON_GetObjectItem(json, "sequences")) {
		uint32_t n, n_greedy, want;
		struct divergence one = { .n_vocab = all.n_vocab };
		int32_t *tokens = ints(cJSON_GetObjectItem(s, "tokens"), &n);
		int32_t *ids = ints(cJSON_GetObjectItem(s, "greedy"), &n_greedy);
		double *m = margins(cJSON_GetObjectItem(s, "greedy_margin"));

		one.want = (float *)logits + cJSON_GetObjectItem(s, "offset_floats")->valueint;
		dsk_session_rewind(session, 0);
		if (dsk_session_eval_all(session, tokens, n, divergence_row, &one))
			tap_ok(0, "%s: %s", file, dsk_session_error(session));
		all.rows += one.rows;
		all.agree += one.agree;
		all.kl += one.kl;
		all.worst = fmax(all.worst, one.worst);
		worst_sequence = fmax(worst_sequence, divergence_mean(&one));
		sequences++;
		good_sequences += !precise || greedy(tokens, n, ids, m, n_greedy, 1e-4, &want) == want;
		free(tokens);
		free(ids);
		free(m);
	}
	if (kv != DSEEK_F32 && kv != DSEEK_F16)		/* the largest difference is that of a token that went to another expert */
		tap_ok(all.rows && worst_sequence <= most && all.agree >= 0.99 * all.rows, "%s, KV cache of %s: KL %.2g, of a sequence at most "
		       "%.2g (at most %g), top-1 %.2f %% (at least 99) of %u tokens, largest difference %.2g", file, dseek_dtype_name(kv),
		       divergence_mean(&all), worst_sequence, most, 100.0 * all.agree / all.rows, all.rows, all.worst);
	else if (precise)
		tap_ok(all.rows && all.worst <= most, "%s precise: largest difference %.2g of %u tokens (at most %g)", file,
		       all.worst, all.rows, most);
	else
		tap_ok(all.rows && worst_sequence <= most, "%s fast: KL %.2g, of a sequence at most %.2g (at most %g)", file,
		       divergence_mean(&all), worst_sequence, most);
	if (kv != DSEEK_F32 && kv != DSEEK_F16)
		goto out;
	tap_ok(all.rows && all.agree >= (precise ? 1 : 0.96) * all.rows, "%s %s: top-1 %.2f %% (at least %d)", file,
	       precise ? "precise" : "fast", 100.0 * all.agree / all.rows, precise ? 100 : 96);
	if (precise)
		tap_ok(good_sequences == sequences, "%s precise: %u of %u greedy sequences equal", file, good_sequences, sequences);
out:
	close_all();
	cJSON_Delete(json);
	free(text);
	free(logits);
}

static void smollm2(bool precise)
{
	const char *source = getenv("DSEEK_SOURCE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[1024], data[1100];
	cJSON *json, *g;
	size_t size;
	char *text;

	if (cache && *cache)
		snprintf(path, sizeof(path), "%s/dseek/SmolLM2-135M-Instruct.Q4_1.gguf", cache);
	else
		snprintf(path, sizeof(path), "%s/.cache/dseek/SmolLM2-135M-Instruct.Q4_1.gguf", home ? home : "");
	if (access(path, R_OK)) {
		snprintf(data, sizeof(data), "it is not at %s (tools/fetch-model)", path);
		tap_skip("SmolLM2", data);
		return;
	}
	snprintf(data, sizeof(data), "%s/tests/model/data/smollm2-greedy.json", source ? source : ".");
	text = read_file(data, &size);
	json = text ? cJSON_Parse(text) : NULL;
	if (!json) {
		tap_ok(0, "%s can't be read", data);
	} else if (open_all(path, (struct dsk_session_params){ .precise = precise, .n_ctx = 512 })) {
		cJSON_ArrayForEach(g, cJSON_GetObjectItem(json, "greedy")) {
			uint32_t n_prompt, n, want = 0, good;
			double parted;
			int32_t *prompt = ints(cJSON_GetObjectItem(g, "prompt_ids"), &n_prompt);
			int32_t *ids = ints(cJSON_GetObjectItem(g, "ids"), &n);
			double *m = margins(cJSON_GetObjectItem(g, "margin"));

			if (precise) {
				good = greedy(prompt, n_prompt, ids, m, n, 0.02, &want);
				tap_ok(want && good == want, "SmolLM2 precise: %u of %u greedy tokens equal (of %u, up to the first near-tie)",
				       good, want, n);
			} else {
				good = forced(prompt, n_prompt, ids, m, n, FAST_TIE, &parted, &want);
				tap_ok(want && !good, "SmolLM2 fast: other tokens at %u of %u steps with a margin of %g or more (of %u; the "
				       "largest margin with another token: %.2g)", good, want, FAST_TIE, n, parted);
			}
			free(prompt);
			free(ids);
			free(m);
		}
	}
	close_all();
	cJSON_Delete(json);
	free(text);
}

int main(void)
{
	const char *dir = getenv("DSEEK_MODELS"), *source = getenv("DSEEK_SOURCE");
	char beside[1024];

	if (dseek_open("embed:reference", NULL, &dev)) {
		printf("Bail out! %s\n", dseek_strerror_detail());
		return 1;
	}
	snprintf(beside, sizeof(beside), "%s/../shared/models", source ? source : ".");
	if (!dir || !*dir)
		dir = beside;
	mixtral(dir, "tiny-mixtral-f32.gguf", "tiny-mixtral-f32", true, DSEEK_F32, 1e-4);
	mixtral(dir, "tiny-mixtral-q8_0.gguf", "tiny-mixtral-q8_0-as-f32", true, DSEEK_F32, 1e-4);
	mixtral(dir, "tiny-mixtral-q4_0.gguf", "tiny-mixtral-q4_0-as-f32", true, DSEEK_F32, 1e-4);
	mixtral(dir, "tiny-gptoss-f32.gguf", "tiny-gptoss-f32", true, DSEEK_F32, 1e-4);
	mixtral(dir, "tiny-gptoss-f32.gguf", "tiny-gptoss-f32", true, DSEEK_Q8_0, 1e-3);
	mixtral(dir, "tiny-gptoss-f32.gguf", "tiny-gptoss-f32", false, DSEEK_F16, 1e-6);
	mixtral(dir, "tiny-mixtral-f32.gguf", "tiny-mixtral-f32", false, DSEEK_F16, 1e-6);
	mixtral(dir, "tiny-mixtral-q8_0.gguf", "tiny-mixtral-q8_0-as-f32", false, DSEEK_F16, 1e-2);
	mixtral(dir, "tiny-mixtral-q4_0.gguf", "tiny-mixtral-q4_0-as-f32", false, DSEEK_F16, 1e-2);
	/* 300 tokens of the reference are off by 2e-5 from sums in double precision (forward_ref.c) */
	mixtral(dir, "tiny-dsv2lite-f32.gguf", "tiny-dsv2lite-f32", true, DSEEK_F32, 1e-4);
	mixtral(dir, "tiny-dsv2lite-f32.gguf", "tiny-dsv2lite-f32", false, DSEEK_F16, 1e-6);
	smollm2(true);
	smollm2(false);
	dseek_close(dev);
	return tap_end();
}

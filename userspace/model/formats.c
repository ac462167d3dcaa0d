// SPDX-License-Identifier: MIT
/* What a session's numbers are: as asked for, where its engine and weights can, or as a sample of text through the model shows is enough. */
#include "model_priv.h"
#include "precision.h"
#include "sample_text.h"
#include "tokenizer.h"

#include <dseek.h>
#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE	64	/* tokens that are measured */

static bool is_float(uint32_t dtype)
{
	return dtype == DSEEK_F32 || dtype == DSEEK_F16 || dtype == DSEEK_BF16 || dtype == DSEEK_F8_E4M3;
}

/* Are any activations rounded to int8 for a product? They are where weights are quantised. */
static bool any_quantised(const struct dsk_model *m)
{
	for (uint32_t l = 0; l < m->shape.n_layer; l++)
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++)
			if (dsk_weight(m, l, w)->src && !is_float(dsk_weight(m, l, w)->dtype))
				return true;
	return false;
}

/* Why activations can't be int8, or NULL. */
static const char *why_no_int8(const struct dsk_model *m, const struct dseek_engine_info *engine)
{
	if (engine->type != DSEEK_ENGINE_CPU)
		return "only cpu engines round activations to int8";
	return any_quantised(m) ? NULL : "the model's weights are not quantised, and products with such take float activations";
}

/* Why weights can't be fp8, or NULL. */
static const char *why_no_fp8(const struct dsk_model *m, const struct dseek_engine_info *engine)
{
	if (engine->type != DSEEK_ENGINE_CPU && engine->type != DSEEK_ENGINE_GPU)
		return "only cpu and GPU engines multiply 8-bit floats";
	return m->fp8 ? NULL : "the weights are as the file has them: they become fp8 as they are loaded, in this mode";
}

/* The sample's tokens: text where the file has a tokenizer for it, else ids from all over the vocabulary. */
static uint32_t sample(const struct dsk_model *m, int32_t ids[SAMPLE], uint32_t most)
{
	struct tokenizer *t = NULL;
	int32_t *of_text = NULL;
	size_t size, n = 0;
	const char *text = sample_text(&size);
	char err[256];

	if (!tokenizer_create(m->gguf, &t, err, sizeof(err)) && tokenizer_encode(t, text, 2048, TOKENIZER_ADD, &of_text, &n))
		n = 0;
	n = n > most ? most : n;
	for (size_t i = 0; i < n; i++)
		ids[i] = of_text[i];
	for (; n < most && !of_text; n++)
		ids[n] = (int32_t)((uint64_t)n * m->shape.n_vocab / most);
	free(of_text);
	tokenizer_destroy(t);
	return (uint32_t)n;
}

static int add_rows(struct dsk_spread *spread, const float *rows, uint32_t width, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < n; i++)
		rc = dsk_spread_add(spread, rows + (size_t)i * width, width);
	return rc;
}

/* Keys and values of @n tokens, a row a head and token, as graph.c laid them out: whole, without rings; values of latent attention are in the keys. */
static int add_cache(struct dsk_spread *spread, const struct dsk_session *s, const struct dsk_shape *shape, uint32_t n)
{
	const uint8_t *at = dsk_session_binding(s, DSK_B_CACHE);
	const uint32_t n_ctx = dsk_session_n_ctx(s);
	uint32_t widths[2];
	int rc = 0;

	dsk_kv_widths(shape, &widths[0], &widths[1]);
	for (uint32_t l = 0; !rc && l < shape->n_layer; l++)
		for (int kv = 0; !rc && kv < (shape->kv_rank ? 1 : 2); kv++) {
			uint64_t of_head = (uint64_t)widths[kv] * n_ctx * sizeof(float);

			for (uint32_t h = 0; !rc && h < shape->n_head_kv; h++)
				rc = add_rows(spread, (const float *)(const void *)(at + h * of_head), widths[kv], n);
			at += (of_head * shape->n_head_kv + 63) & ~(uint64_t)63;
		}
	return rc;
}

/*
 * What a float32 session makes of the sample. @activations: what goes into and through dense FFNs, the products that a model has most of; none
 * of a model with experts, whose can't be tapped.
 */
static int measure(struct dsk_model *m, const struct dsk_session_params *p, struct dsk_spread *activations, struct dsk_spread *cache,
		   char *err, size_t err_size)
{
	struct dsk_session_params fp32 = { .dev = p->dev, .engine = p->engine, .n_ctx = p->n_ctx < SAMPLE ? p->n_ctx : SAMPLE, .chunk = SAMPLE,
					   .sched_class = DSEEK_CLASS_BATCH, .precision = DSK_PRECISION_FP32, .tap = !m->shape.n_expert,
					   .kv_all = true };
	struct dsk_session *s;
	int32_t ids[SAMPLE];
	uint32_t n = sample(m, ids, fp32.n_ctx);
	int rc = dsk_session_create(m, &fp32, &s, err, err_size);

	if (rc)
		return rc;
	rc = dsk_session_eval(s, ids, n);
	if (rc)
		snprintf(err, err_size, "%s", dsk_session_error(s));
	for (uint32_t l = 0; !rc && fp32.tap && l < m->shape.n_layer && dsk_session_tap(s, l, DSK_TAP_INPUT); l++) {
		rc = add_rows(activations, dsk_session_tap(s, l, DSK_TAP_INPUT), m->shape.n_embd, n);
		if (!rc)
			rc = add_rows(activations, dsk_session_tap(s, l, DSK_TAP_HIDDEN), m->shape.n_ff, n);
	}
	if (!rc)
		rc = add_cache(cache, s, &m->shape, n);
	if (rc == -EDOM)
		snprintf(err, err_size, "DSEEK_PRECISION_MODE=auto: the model makes infinities or NaNs of a sample of text");
	dsk_session_destroy(s);
	return rc;
}

static int automatic(struct dsk_model *m, const struct dsk_session_params *p, const struct dseek_engine_info *engine, struct dsk_formats *f,
		     char *err, size_t err_size)
{
	const double tolerance = p->tolerance > 0 ? p->tolerance : DSK_PRECISION_TOLERANCE;
	const unsigned int int8 = why_no_int8(m, engine) || m->shape.n_expert ? 0 : 1u << DSK_PRECISION_INT8;
	struct dsk_spread activations, cache;
	int rc;

	dsk_spread_init(&activations);
	dsk_spread_init(&cache);
	rc = measure(m, p, &activations, &cache, err, err_size);
	if (rc)
		return rc;
	f->activations = dsk_precision_choose(&activations, activations.rows ? int8 : 0, tolerance);
	f->cache = dsk_precision_choose(&cache, 1u << DSK_PRECISION_FP16 | 1u << DSK_PRECISION_BF16, tolerance);
	f->activations_bound = dsk_spread_bound(&activations, f->activations);
	f->cache_bound = dsk_spread_bound(&cache, f->cache);
	return 0;
}

int dsk_formats_find(struct dsk_model *m, const struct dsk_session_params *p, struct dsk_formats *ret_formats, char *err, size_t err_size)
{
	struct dsk_formats f = { .mode = p->precision, .activations = DSK_PRECISION_FP32, .cache = DSK_PRECISION_FP32 };
	struct dseek_engine_info engine;
	const char *why;
	int rc = 0;

	if (f.mode == DSK_PRECISION_UNSET)
		rc = dsk_precision_parse(secure_getenv("DSEEK_PRECISION_MODE"), &f.mode, err, err_size);
	if (!rc && p->precise && f.mode != DSK_PRECISION_UNSET && f.mode != DSK_PRECISION_FP32) {
		snprintf(err, err_size, "precise is fp32, and DSEEK_PRECISION_MODE is %s: one of them has to go", dsk_precision_name(f.mode));
		rc = -EINVAL;
	}
	if (!rc && (f.mode == DSK_PRECISION_AUTO || f.mode == DSK_PRECISION_INT8 || f.mode == DSK_PRECISION_FP8)) {
		rc = dseek_engine_find(p->dev, p->engine, &engine);
		if (rc)
			snprintf(err, err_size, "no engine: %s", dseek_strerror_detail());
	}
	if (rc)
		return rc;
	switch (f.mode) {
	case DSK_PRECISION_AUTO:
		rc = automatic(m, p, &engine, &f, err, err_size);
		break;
	case DSK_PRECISION_BF16:
	case DSK_PRECISION_FP16:
		f.cache = f.mode;
		break;
	case DSK_PRECISION_INT8:
	case DSK_PRECISION_FP8:		/* of weights: activations are as the engine does best */
		why = f.mode == DSK_PRECISION_INT8 ? why_no_int8(m, &engine) : why_no_fp8(m, &engine);
		if (why) {
			snprintf(err, err_size, "DSEEK_PRECISION_MODE=%s on engine %s: %s", dsk_precision_name(f.mode), engine.name, why);
			rc = -ENOTSUP;
		}
		f.activations = f.mode == DSK_PRECISION_INT8 ? DSK_PRECISION_INT8 : DSK_PRECISION_UNSET;
		f.cache = DSK_PRECISION_FP16;
		break;
	case DSK_PRECISION_UNSET:
		if (!p->precise) {
			f.activations = DSK_PRECISION_UNSET;	/* the engine's own way */
			f.cache = DSK_PRECISION_FP16;
		}
		break;
	default:
		break;
	}
	if (!rc)
		*ret_formats = f;
	return rc;
}

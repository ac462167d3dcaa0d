// SPDX-License-Identifier: MIT
/*
 * Weights as 8-bit floats with a scale a row (DSEEK_F8_E4M3): which they are, and whether. Those of the products of layers are, where the
 * file has 16 bits or more for an element; embeddings, the logits' matrix, routers, norms and what attention multiplies with by heads stay as in
 * the file: the choice of DeepSeek-V3 (2024, section 3.3.1) for what is sensitive to few bits.
 */
#include "model_priv.h"

#include <dseek_program.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf.h"

/* May weight @w, which is at @p, be one? */
static bool takes(enum dsk_weight w, const struct dsk_place *p)
{
	bool product = w >= DSK_FIRST_OF_LAYER && strlen(dsk_rules[w].shape) > 1 && !dsk_rules[w].vectors;

	if (!p->src || !product || w == DSK_ROUTER || w == DSK_K_B || w == DSK_V_B || w == DSK_K_TURNED)
		return false;
	return (p->src->dtype == DSEEK_F32 || p->src->dtype == DSEEK_F16 || p->src->dtype == DSEEK_BF16) &&
		dseek_tensor_bytes(DSEEK_F8_E4M3, DSEEK_LAYOUT_PACKED, p->ne[0], p->ne[1]);
}

static int measure(const struct dsk_place *p, struct dsk_spread *spread)
{
	uint64_t bytes = dseek_row_bytes(p->src->dtype, p->ne[0]), rows = p->src->ne[1] * p->src->ne[2];
	float *row = malloc(p->ne[0] * sizeof(*row));
	int rc = row ? 0 : -ENOMEM;

	for (uint64_t r = 0; !rc && r < rows; r++) {
		rc = dseek_row_to_f32(p->src->dtype, (const uint8_t *)p->src->data + r * bytes, p->ne[0], row);
		if (!rc)
			rc = dsk_spread_add(spread, row, p->ne[0]);
	}
	free(row);
	return rc;
}

static int measure_all(struct dsk_model *m, struct dsk_spread *spread, char *err, size_t err_size)
{
	dsk_spread_init(spread);
	for (uint32_t l = 0; l < m->shape.n_layer; l++)
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++) {
			const struct dsk_place *p = dsk_weight(m, l, w);
			int rc = takes(w, p) ? measure(p, spread) : 0;

			if (rc) {
				snprintf(err, err_size, rc == -EDOM ? "DSEEK_PRECISION_MODE=auto: %s has infinities or NaNs in blk.%u.%s" :
					 "%s: no memory for a row of blk.%u.%s", gguf_path(m->gguf), l, dsk_weight_name(m->arch, w));
				return rc;
			}
		}
	return 0;
}

/* Those that may be become fp8, or again what the file has. */
static void become(struct dsk_model *m, bool fp8)
{
	for (uint32_t l = 0; l < m->shape.n_layer; l++)
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++) {
			struct dsk_place *p = (struct dsk_place *)dsk_weight(m, l, w);

			if (!takes(w, p))
				continue;
			p->dtype = fp8 ? (uint32_t)DSEEK_F8_E4M3 : (uint32_t)p->src->dtype;
			dsk_place_form(p, true);	/* smaller than what it was opened as, or that */
		}
	dsk_weights_lay_out(m);
	m->fp8 = fp8;
}

static uint32_t count(const struct dsk_model *m)
{
	uint32_t n = 0;

	for (uint32_t l = 0; l < m->shape.n_layer; l++)
		for (enum dsk_weight w = DSK_FIRST_OF_LAYER; w < DSK_WEIGHT_COUNT; w++)
			n += takes(w, dsk_weight(m, l, w));
	return n;
}

int dsk_weights_choose(struct dsk_model *m, const struct dsk_load_params *params, char *err, size_t err_size)
{
	const double tolerance = params->tolerance > 0 ? params->tolerance : DSK_PRECISION_TOLERANCE;
	enum dsk_precision mode = params->precision;
	struct dsk_spread spread;
	bool fp8;
	int rc = 0;

	if (params->precision >= DSK_PRECISION_COUNT) {
		snprintf(err, err_size, "precision %u is none of enum dsk_precision", params->precision);
		return -EINVAL;
	}
	if (mode == DSK_PRECISION_UNSET)
		rc = dsk_precision_parse(secure_getenv("DSEEK_PRECISION_MODE"), &mode, err, err_size);
	fp8 = mode == DSK_PRECISION_FP8;
	if (!rc && fp8 && !count(m)) {
		snprintf(err, err_size, "DSEEK_PRECISION_MODE=fp8: %s has no layer with products whose weights are F32, F16 or BF16",
			 gguf_path(m->gguf));
		rc = -ENOTSUP;
	}
	/* What is above any bound of fp8's needn't be measured, which reads the whole file. */
	if (!rc && mode == DSK_PRECISION_AUTO && tolerance >= DSK_PRECISION_FP8_ROUNDOFF && count(m)) {
		rc = measure_all(m, &spread, err, err_size);
		fp8 = !rc && dsk_precision_choose(&spread, 1u << DSK_PRECISION_FP8, tolerance) == DSK_PRECISION_FP8;
		m->fp8_bound = fp8 ? dsk_spread_bound(&spread, DSK_PRECISION_FP8) : 0;
	}
	if (!rc && (fp8 || m->fp8))
		become(m, fp8);
	return rc;
}

int dsk_weights_copy_fp8(const struct dsk_place *p, const uint8_t *src, uint32_t rows, uint8_t *dst)
{
	uint64_t src_bytes = dseek_row_bytes(p->src->dtype, p->ne[0]);
	uint8_t *row = malloc(dseek_row_bytes(DSEEK_F8_E4M3, p->ne[0]));
	float *x = malloc(p->ne[0] * sizeof(*x));
	int rc = row && x ? 0 : -ENOMEM;

	if (!rc && rows % DSEEK_PACK_ROWS)	/* padding of the last group */
		memset(dst, 0, dseek_tensor_bytes(DSEEK_F8_E4M3, DSEEK_LAYOUT_PACKED, p->ne[0], rows));
	for (uint32_t r = 0; !rc && r < rows; r++) {
		rc = dseek_row_to_f32(p->src->dtype, src + r * src_bytes, p->ne[0], x);
		if (!rc)
			rc = dseek_row_from_f32(DSEEK_F8_E4M3, x, p->ne[0], row);
		if (!rc)
			rc = dseek_tensor_pack_row(DSEEK_F8_E4M3, p->ne[0], r, row, dst);
	}
	free(row);
	free(x);
	return rc;
}
